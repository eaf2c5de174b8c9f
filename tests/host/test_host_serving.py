"""Serving pages inside a program: a free port, a clean end, plain words when it cannot be."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from host.exits import HostError
from host.serving import serve, served


def hotel() -> FastAPI:
    app = FastAPI()

    @app.get("/rooms")
    async def rooms() -> list[int]:
        return [201, 202]

    return app


async def test_port_0_is_any_free_port_and_the_url_says_which() -> None:
    async with served(hotel(), "127.0.0.1", 0) as serving, httpx.AsyncClient() as client:
        assert serving.port
        assert serving.url == f"http://127.0.0.1:{serving.port}"
        assert (await client.get(f"{serving.url}/rooms")).json() == [201, 202]


async def test_after_the_end_nobody_answers_and_the_port_is_free() -> None:
    async with served(hotel(), "127.0.0.1", 0) as serving:
        pass
    async with served(hotel(), "127.0.0.1", serving.port) as again:
        assert again.port == serving.port
    await again.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", serving.port)


async def test_a_port_that_is_taken_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(HostError, match=r"Choose another listen\.port"):
        await serve(hotel(), "127.0.0.1", other.getsockname()[1])


@pytest.mark.filterwarnings("ignore:.*lifespan.*")
async def test_an_application_that_cannot_start_is_an_error() -> None:
    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no store")
        yield

    with pytest.raises(HostError, match="could not be started"):
        await serve(FastAPI(lifespan=broken), "127.0.0.1", 0)


async def test_an_open_stream_does_not_hold_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    app = FastAPI()

    async def never_ending() -> AsyncIterator[bytes]:
        yield b"data: first\n\n"
        await asyncio.Event().wait()

    @app.get("/live")
    async def live() -> StreamingResponse:
        return StreamingResponse(never_ending(), media_type="text/event-stream")

    monkeypatch.setattr("host.serving.GRACE_S", 0)
    serving = await serve(app, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"data: first")
    await asyncio.wait_for(serving.stop(), 30)
    writer.close()
