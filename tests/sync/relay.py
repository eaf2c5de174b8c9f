"""A TCP relay on loopback that a test can cut, make silent, or make lose answers: the line between box and central."""

import asyncio
from types import TracebackType


class Relay:
    """Passes bytes between whoever connects and one address.

    `up` False refuses and cuts; `silent` True keeps connections but passes nothing on; `lose` = how many of the next answers are cut
    off after the request has got through.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()
        self.up, self.silent, self.lose = True, False, 0
        self.passed = 0  # connections

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        self.cut()
        await asyncio.sleep(0.01)

    @property
    def url(self) -> str:
        """Where the box finds central."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection that is open now."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up:
            writer.transport.abort()
            return
        self.passed += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        both = {writer, there_writer}
        self._open |= both
        try:
            await asyncio.gather(self._pump(reader, there_writer, answers=False), self._pump(there_reader, writer, answers=True))
        except OSError:
            pass
        finally:
            self._open -= both
            for one in both:
                one.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        while chunk := await source.read(65536):
            if answers and self.lose:
                self.lose -= 1
                raise ConnectionResetError
            if not self.silent:
                sink.write(chunk)
                await sink.drain()
        raise ConnectionResetError
