"""Telling systemd that a program is ready, alive or stopping, without a library (sd_notify(3)). Without systemd every call does nothing."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable


class Notifier:
    """The socket that systemd gave to this process, if it did."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6 if mine else 0.0

    def ready(self, status: str = "") -> None:
        """The program serves from now on."""
        self._send("READY=1", status)

    def stopping(self) -> None:
        """The program has begun to end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The program is well at this moment."""
        self._send("WATCHDOG=1")

    async def keep_alive(self, well: Callable[[], bool]) -> None:
        """Say that the program is alive, twice in each period that systemd waits, while `well()`; until cancelled."""
        while self.watchdog_s:
            if well():
                self.alive()
            await asyncio.sleep(self.watchdog_s / 2)

    def _send(self, word: str, status: str = "") -> None:
        if not self._address:
            return
        text = f"{word}\nSTATUS={status}" if status else word
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A service manager that has gone away is no reason for a hotel to stop.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.connect(address)
            line.sendall(text.encode())
