"""Answers on a Modbus line that cannot be used: each is dropped and counted once, for the unit that was asked, and the line goes on."""

import asyncio
import contextlib
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.buses.failures import LinkDown
from gateway.buses.modbus import LineSettings, ModbusLine
from gateway.buses.modbus_answers import Answers
from tests.hardware_sim.rig import Counted

N = 4  # bad answers of each kind
GOOD = 200  # the neighbour's unit
LATE_S = 0.25
Answer = Callable[[bytes], bytes]


def adu(request: bytes, *, transaction: int | None = None, unit: int | None = None, pdu: bytes = b"\x04\x02\x00\x07") -> bytes:
    """An answer to `request`, by default the right one to a read of one register."""
    number = int.from_bytes(request[:2], "big") if transaction is None else transaction
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, request[6] if unit is None else unit) + pdu


BAD: dict[str, tuple[str, Answer]] = {
    "random bytes": ("malformed", lambda request: random.Random(request).randbytes(40)),
    "a short frame": ("malformed", lambda request: adu(request)[:5]),
    "half a frame": ("malformed", lambda request: adu(request)[:-1]),
    "an empty frame": ("malformed", lambda request: request[:2] + bytes(4)),
    "too many bytes told": ("malformed", lambda request: adu(request, pdu=b"\x04\x7f\x00\x07")),
    "a huge length": ("malformed", lambda request: request[:4] + b"\xff\xff" + adu(request)[6:] * 30),
    "another transaction": ("wrong_transaction", lambda request: adu(request, transaction=60_000)),
    "another unit": ("wrong_unit", lambda request: adu(request, unit=(request[6] + 1) % 100)),
    "another function": ("wrong_function", lambda request: adu(request, pdu=b"\x03\x02\x00\x07")),
    "a function nobody knows": ("wrong_function", lambda request: adu(request, pdu=b"\x66\x02\x00\x07")),
}


@asynccontextmanager
async def line_to(answer: Answer, limit_s: float = LATE_S) -> AsyncIterator[tuple[ModbusLine, Counted]]:
    """A line whose units answer as `answer` says; unit GOOD answers as it should."""

    callers: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readexactly(12)
                writer.write(adu(request) if request[6] == GOOD else answer(request))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    drops = Counted()
    line = ModbusLine("east", LineSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1], limit_s=limit_s), drops)
    line.belongs(GOOD, "neighbour")
    for unit in range(1, 100):
        line.belongs(unit, f"unit-{unit}")
    try:
        yield line, drops
    finally:
        await line.close()
        server.close()
        await asyncio.gather(*(task for task in callers if task is not None))
        await server.wait_closed()


@pytest.mark.parametrize("kind", BAD)
async def test_each_bad_answer_is_counted_once_for_the_unit_that_was_asked(kind: str) -> None:
    reason, answer = BAD[kind]
    async with line_to(answer) as (line, drops):
        for unit in range(1, N + 1):  # each unit once: one that answers badly is left alone for a while
            with pytest.raises(LinkDown, match="did not answer with anything that can be used"):
                await line.read_input(unit, 0, 1)
            assert await line.read_input(GOOD, 0, 1) == (7,)
    assert Counter(drops.reasons) == {("modbus", f"unit-{unit}", reason): 1 for unit in range(1, N + 1)}


async def test_a_flood_after_the_answer_is_counted_frame_by_frame() -> None:
    async with line_to(lambda request: adu(request) * (1 + 1000)) as (line, drops):
        assert await line.read_input(1, 0, 1) == (7,)
        assert await line.read_input(GOOD, 0, 1) == (7,)
        while len(drops.reasons) < 1000:
            await line.read_input(GOOD, 0, 1)
    assert Counter(drops.reasons) == {("modbus", "unit-1", "late"): 1000}


async def test_rubbish_does_not_keep_the_neighbours_waiting_for_its_time_out() -> None:
    async with line_to(lambda _: b"no Modbus at all", limit_s=10) as (line, _), asyncio.timeout(5):
        with pytest.raises(LinkDown):
            await line.read_input(1, 0, 1)
        assert await line.read_input(GOOD, 0, 1) == (7,)


async def test_an_answer_after_the_time_is_late_and_spoils_nobodys_next_answer() -> None:
    held: list[bytes] = []

    def answer(request: bytes) -> bytes:
        held.append(adu(request))
        return b"" if request[6] == 1 else held[0] + held[-1]

    async with line_to(answer) as (line, drops):
        with pytest.raises(LinkDown, match="did not answer in"):
            await line.read_input(1, 0, 1)
        assert await line.read_input(2, 0, 1) == (7,)
    assert drops.reasons == [("modbus", "unit-1", "late")]


def test_an_answer_in_any_pieces_between_any_others_is_found() -> None:
    luck = random.Random(7)
    for _ in range(300):
        counted: list[tuple[int, str]] = []
        answers = Answers(lambda unit, reason: counted.append((unit, reason)), lambda: None)  # noqa: B023 - used at once
        request = struct.pack(">HHHBBHH", 9, 0, 6, 5, 4, 0, 1)
        answers.trace(True, request)
        said = adu(request, unit=6) + adu(request) + adu(request, transaction=77)
        found, shown = [], b""
        while said:
            cut = luck.randint(1, len(said))
            shown, said = shown + said[:cut], said[cut:]
            answer = answers.trace(False, shown)
            shown = shown[len(answer) :]  # as the library does: what it has used is not shown again
            found += [answer] if answer else []
        assert found == [adu(request)]
        assert counted == [(5, "wrong_unit"), (5, "wrong_transaction")]
