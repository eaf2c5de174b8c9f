"""The line between box and central does what its switch says, at TCP."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from demo.relay import Relay


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> bytes:
    writer.write(word)
    await writer.drain()
    return await reader.read(1024)


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether talking ends without an answer: a reset, a broken pipe or an end of file, as the kernel pleases."""
    try:
        return await ask(reader, writer, b"x") == b""
    except OSError:
        return True


async def test_a_line_that_is_up_carries_both_ways(echo: int) -> None:
    relay = Relay("127.0.0.1", echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.listen("127.0.0.1", 0))
    assert await ask(reader, writer, b"hello") == b"hello"
    writer.close()
    await relay.close()


async def test_a_line_that_goes_down_cuts_who_is_talking_and_refuses_who_comes(echo: int) -> None:
    relay = Relay("127.0.0.1", echo)
    port = await relay.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ask(reader, writer, b"hello") == b"hello"
    relay.set("down")
    assert await cut(reader, writer)
    assert await cut(*await asyncio.open_connection("127.0.0.1", port))
    await relay.close()


async def test_a_black_hole_keeps_silent_and_gives_all_back_when_it_ends(echo: int) -> None:
    relay = Relay("127.0.0.1", echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.listen("127.0.0.1", 0))
    assert await ask(reader, writer, b"one") == b"one"
    relay.set("blackhole")
    asked = asyncio.create_task(ask(reader, writer, b"two"))
    done, _ = await asyncio.wait([asked], timeout=0.1)
    assert not done
    relay.set("up")
    assert await asked == b"two"
    writer.close()
    await relay.close()
