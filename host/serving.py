"""Serving an ASGI application inside a program's own event loop: no signal handlers, no access log, no process of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from typing import Any

import uvicorn

from host.exits import HostError

GRACE_S = 2  # open streams, such as a live board, are cut after that


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the program and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serves = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's answer to a failed lifespan; it would end the whole program
            raise HostError("the pages could not be started", "The log line before this one says why") from error
        finally:
            self.serves.set()


class Serving:
    """One application that is being served. `stop` ends it; until then `ended` is pending, and raises what ended it by itself."""

    def __init__(self, server: _Server, listener: socket.socket) -> None:
        self._server = server
        self.host, self.port = listener.getsockname()[:2]
        self.ended = asyncio.create_task(server.serve([listener]), name=f"serving:{self.port}")

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    async def started(self) -> None:
        """Return when requests are answered; raises HostError when the application cannot start."""
        ready = asyncio.create_task(self._server.serves.wait())
        await asyncio.wait({ready, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._server.started:
            await self.ended
            raise HostError("the pages ended before they had started")

    async def stop(self) -> None:
        """Take no more requests, let those that run end within GRACE_S, and return; may be repeated."""
        self._server.should_exit = True
        await asyncio.gather(self.ended, return_exceptions=True)


async def serve(app: Any, host: str, port: int) -> Serving:
    """Serve `app` on host and port, 0 for any free one; return when it answers.

    Raises HostError when the address is taken or not ours, or when the application's start-up fails.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=256)
        # Accepted connections inherit it; asyncio leaves it off for such a socket, and each answer then waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise HostError(f"cannot listen on {host}:{port}: {error.strerror}", "Choose another listen.port, or end what holds it") from error
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="auto", ws="none", server_header=False, timeout_graceful_shutdown=GRACE_S
    )
    serving = Serving(_Server(config), listener)
    try:
        await serving.started()
    except BaseException:
        listener.close()
        raise
    return serving


@contextlib.asynccontextmanager
async def served(app: Any, host: str, port: int) -> AsyncIterator[Serving]:
    """Serve for the length of a block."""
    serving = await serve(app, host, port)
    try:
        yield serving
    finally:
        await serving.stop()
