"""The programs that the demo starts: it is our own child that answers, or the start has failed."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.broker import free_port
from demo.processes import Child, StartFailed, listens, taken

HOST = "127.0.0.1"
SERVES = "import socket,sys,time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"


@asynccontextmanager
async def child(folder: Path, program: str, port: int) -> AsyncIterator[Child]:
    """A program that is not started yet; it is ended whatever happens."""
    made = Child("broker", [sys.executable, "-c", program, str(port)], folder / "log")
    try:
        yield made
    finally:
        await made.kill9()


async def test_a_child_that_listens_is_up_and_starting_it_again_changes_nothing(tmp_path: Path) -> None:
    port = free_port()
    async with child(tmp_path, SERVES, port) as ours:
        await ours.start_at(HOST, port)
        before = ours.pid
        assert before is not None
        assert listens(before, port)
        await ours.start_at(HOST, port)
        assert ours.pid == before
        await ours.kill9()
        assert not taken(port)
        await ours.start_at(HOST, port)


async def test_a_port_that_somebody_holds_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        async with child(tmp_path, SERVES, port) as ours:
            with pytest.raises(StartFailed, match=f"port {port} is taken by another program"):
                await ours.start_at(HOST, port)
            assert ours.pid is None


async def test_somebody_else_on_the_port_is_not_taken_for_our_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes.taken", lambda port, host: False)  # it came a moment after we had looked
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        async with child(tmp_path, SERVES, port) as ours:
            with pytest.raises(StartFailed, match="ended at once"):
                await ours.start_at(HOST, port)
