"""The line between box and central: a TCP relay that can be up, down, a black hole or slow.

Down refuses and cuts; a black hole keeps connections open and answers nothing.
"""

import asyncio
import contextlib
from typing import Literal

Mode = Literal["up", "down", "blackhole", "slow"]
MODES: tuple[Mode, ...] = ("up", "down", "blackhole", "slow")
SLOW_DELAY_S = 0.2  # each way: the 400 ms round trip of a bad satellite line
SLOW_BYTES_S = 8_000  # 64 kbit/s
CHUNK = 16 * 1024


class Relay:
    """Carries bytes from `port` to (host, port) of the far end, as well as its mode lets it."""

    def __init__(self, far_host: str, far_port: int) -> None:
        self._far = (far_host, far_port)
        self._server: asyncio.Server | None = None
        self._mode: Mode = "up"
        self._open: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()

    @property
    def mode(self) -> Mode:
        return self._mode

    async def listen(self, host: str, port: int) -> int:
        """Take connections; return the port (useful with port 0)."""
        self._server = await asyncio.start_server(self._carry, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def set(self, mode: Mode) -> None:
        """Change the line. `down` cuts what is open; a black hole keeps it open and silent, and stays silent until the mode changes."""
        self._mode = mode
        if mode == "down":
            for writer in list(self._open):
                writer.transport.abort()
        self._changed.set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Stop and cut everything."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        self._open.add(near_writer)
        try:
            while self._mode == "blackhole":
                await self._changed.wait()
            if self._mode == "down":
                return
            far_reader, far_writer = await asyncio.open_connection(*self._far)
            self._open.add(far_writer)
            try:
                await self._both(near_reader, near_writer, far_reader, far_writer)
            finally:
                self._open.discard(far_writer)
                far_writer.transport.abort()
        except OSError:
            pass  # the far end is away: the near end sees a cut connection, as it would on a real line
        finally:
            self._open.discard(near_writer)
            near_writer.transport.abort()

    async def _both(
        self,
        near_reader: asyncio.StreamReader,
        near_writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        ways = [asyncio.create_task(self._one(near_reader, far_writer)), asyncio.create_task(self._one(far_reader, near_writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        with contextlib.suppress(OSError):
            await near_writer.drain()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while self._mode == "blackhole":
                    await self._changed.wait()
                if self._mode == "slow":
                    await asyncio.sleep(SLOW_DELAY_S + len(data) / SLOW_BYTES_S)
                writer.write(data)
                await writer.drain()
