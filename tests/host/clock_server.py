"""A small clock server for tests, as host.clock describes it: time stands still and is moved by steps."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Body, FastAPI, Response
from fastapi.responses import StreamingResponse

from host.serving import Serving, serve

OPENING = datetime(2026, 11, 21, 14, tzinfo=UTC)


class ClockServer:
    """Time of OPENING at rate 0; `step` returns when each follower that is connected has caught up."""

    def __init__(self) -> None:
        self.now, self.rate, self.revision = OPENING, 0.0, 1
        self.caught_up: dict[str, int] = {}
        self.connected: list[str] = []
        self._changed = asyncio.Event()
        self._serving: Serving | None = None
        self.app = FastAPI()
        self.app.get("/clock/changes")(self._changes)
        self.app.post("/clock/caught_up")(self._caught_up)

    async def open(self, port: int = 0) -> str:
        """Serve, and return the URL."""
        self._serving = await serve(self.app, "127.0.0.1", port)
        return self._serving.url

    async def close(self) -> None:
        """Break every stream and answer no more."""
        if self._serving:
            self.rate = -1.0  # ends the streams
            self._wake()
            await self._serving.stop()

    async def step(self, seconds: float) -> None:
        """Move time and wait for every follower."""
        self.now += timedelta(seconds=seconds)
        self.change()
        while any(self.caught_up.get(name, 0) < self.revision for name in self.connected):
            await self._changed.wait()

    def change(self, rate: float | None = None) -> None:
        """Tell every follower the time, and a new rate."""
        self.rate = self.rate if rate is None else rate
        self.revision += 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _changes(self, follower: str) -> Response:
        return StreamingResponse(self._stream(follower), media_type="text/event-stream")

    async def _stream(self, follower: str) -> AsyncIterator[str]:
        self.connected.append(follower)
        try:
            told = 0
            while self.rate >= 0:
                if told != self.revision:
                    told = self.revision
                    stamp = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                    yield f'data: {{"now": "{stamp}", "rate": {self.rate}, "revision": {told}}}\n\n'
                else:
                    await self._changed.wait()
        finally:
            self.connected.remove(follower)

    async def _caught_up(self, told: dict[str, Any] = Body()) -> None:
        self.caught_up[told["follower"]] = max(told["revision"], self.caught_up.get(told["follower"], 0))
        self._wake()
