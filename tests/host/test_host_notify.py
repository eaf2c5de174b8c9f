"""Words to systemd: sent where it asked for them, and nowhere without it."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield line


def test_ready_and_stopping_are_told(systemd: socket.socket) -> None:
    Notifier().ready("24 devices")
    Notifier().stopping()
    assert systemd.recv(100) == b"READY=1\nSTATUS=24 devices"
    assert systemd.recv(100) == b"STOPPING=1"


async def test_the_watchdog_hears_from_a_program_that_is_well(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    beating = asyncio.create_task(Notifier().keep_alive(lambda: True))
    for _ in range(3):
        assert await asyncio.to_thread(systemd.recv, 100) == b"WATCHDOG=1"
    beating.cancel()


async def test_the_watchdog_hears_nothing_from_a_program_that_is_not(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    asked = asyncio.Event()

    def unwell() -> bool:
        asked.set()
        return False

    beating = asyncio.create_task(Notifier().keep_alive(unwell))
    await asked.wait()
    beating.cancel()
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


async def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    notifier = Notifier()
    notifier.ready()
    await notifier.keep_alive(lambda: True)
    assert notifier.watchdog_s == 0


def test_a_service_manager_that_has_gone_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()
