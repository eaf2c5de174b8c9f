"""Business time that follows the simulator's clock server (its protocol is in host.clock), with the standard library only.

Only a property that is marked simulated may use it; the program that builds it sees to that.
"""

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from host.clock import Quality
from host.exits import Unreachable

START_LIMIT_S = 10.0  # a demo starts its programs side by side; a clock that is not there by then is not coming
ANSWER_LIMIT_S = 5.0
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
LONGEST_NAP_S = 60.0
SET_BACK = timedelta(seconds=5)  # less than this backwards is jitter of the line and is not shown; more is another clock

OnStep = Callable[[], Awaitable[None]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What the server said and when it arrived."""

    now: datetime
    rate: float
    revision: int
    at: float  # monotonic seconds

    def time(self, monotonic: float) -> datetime:
        return self.now + timedelta(seconds=(monotonic - self.at) * self.rate)


class SimulatedClock:
    """A Clock that another process moves. Build it, register `on_step`, then `start`; `stop` ends it.

    When the server is lost, time goes on at the last rate until it is back.
    """

    quality: Quality = "synced"

    def __init__(self, url: str, follower: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._server = _Server(url)
        self._follower = follower
        self._monotonic = monotonic
        self._anchor: _Anchor | None = None
        self._shown = datetime.min.replace(tzinfo=UTC)
        self._moved = asyncio.Event()
        self._callbacks: list[OnStep] = []
        self._tasks: list[asyncio.Task[None]] = []

    def on_step(self, callback: OnStep) -> None:
        """Have `callback` called after each change of time. A step of the server returns when all callbacks of all followers have."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Follow the server until `stop`; returns with the first time it told. Raises Unreachable after START_LIMIT_S without one."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="simulated-clock:follow"),
            asyncio.create_task(self._work_off(), name="simulated-clock:steps"),
        ]
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while self._anchor is None:
                    await self._moved.wait()
        except TimeoutError:
            await self.stop()
            raise Unreachable(
                f"the clock server at {self._server.url} does not answer", "Start the simulator, or take clock.simulated out"
            ) from None

    async def stop(self) -> None:
        """End following; may be repeated."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def now(self) -> datetime:
        if self._anchor is None:
            raise RuntimeError("a simulated clock knows the time after start() only")
        told = self._anchor.time(self._monotonic())
        if told > self._shown or self._shown - told > SET_BACK:
            self._shown = told
        return self._shown

    def monotonic(self) -> float:
        return self._monotonic()

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:
            rate = self._anchor.rate if self._anchor else 0.0
            nap = min(left / rate, LONGEST_NAP_S) if rate else LONGEST_NAP_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap):
                    await self._moved.wait()

    async def _follow(self) -> None:
        """Take each change as it comes; connect again, later and later, when the line breaks."""
        retry = FIRST_RETRY_S
        while True:
            try:
                async with contextlib.aclosing(self._server.changes(self._follower)) as changes:
                    async for told in changes:
                        self._take(told)
                        retry = FIRST_RETRY_S
            except (OSError, EOFError, ValueError, KeyError, TimeoutError) as error:
                log.debug("the clock server is lost: %s", error)
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing
            retry = min(retry * 2, LAST_RETRY_S)

    def _take(self, told: dict[str, Any]) -> None:
        now = datetime.fromisoformat(told["now"])
        self._anchor = _Anchor(now, float(told["rate"]), int(told["revision"]), self._monotonic())
        self._moved.set()
        self._moved = asyncio.Event()

    async def _work_off(self) -> None:
        """After each change: let sleepers see it, do what the program registered, then tell the server. Changes meanwhile count as one."""
        done: _Anchor | None = None
        while True:
            while self._anchor is done:
                await self._moved.wait()
            anchor = self._anchor
            await asyncio.sleep(0)
            for callback in self._callbacks:
                try:
                    await callback()
                except Exception:
                    log.exception("work that fell due at %s failed", self._anchor)
            done = anchor
            if anchor is not None:
                await self._report(anchor.revision)

    async def _report(self, revision: int) -> None:
        """Tell the server; when it cannot be told, the next connection begins with a change and so with another report."""
        try:
            await self._server.post("/clock/caught_up", {"follower": self._follower, "revision": revision})
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            log.debug("the clock server did not take our report: %s", error)


class _Server:
    """The few words of HTTP/1.1 that the clock server is asked, over asyncio's own streams."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise Unreachable(f"{url} is no address of a clock server", "Write it as http://127.0.0.1:8803")
        self.url = url.rstrip("/")
        self._host, self._port, self._base = parts.hostname, parts.port or 80, parts.path.rstrip("/")

    async def changes(self, follower: str) -> AsyncGenerator[dict[str, Any], None]:
        """Each object that the stream carries, as it arrives; ends, or raises, when the stream does."""
        async with self._answer("GET", f"/clock/changes?follower={quote(follower)}") as pieces:
            rest = b""
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.startswith(b"data:"):
                        yield json.loads(line[5:])

    async def post(self, path: str, body: dict[str, Any]) -> None:
        """Send one object; raises OSError or ValueError when it was not taken."""
        async with asyncio.timeout(ANSWER_LIMIT_S), self._answer("POST", path, json.dumps(body).encode()) as pieces:
            async for _ in pieces:
                pass

    @contextlib.asynccontextmanager
    async def _answer(self, method: str, path: str, body: bytes = b"") -> AsyncIterator[AsyncIterator[bytes]]:
        """Ask, check that the answer is a 2xx, and give its body in pieces."""
        async with asyncio.timeout(ANSWER_LIMIT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            head = f"{method} {self._base}{path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nConnection: close\r\n"
            head += (
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                if method == "POST"
                else "Accept: text/event-stream\r\n"
            )
            writer.write(head.encode() + b"\r\n" + body)
            async with asyncio.timeout(ANSWER_LIMIT_S):
                status, headers = await _head(reader)
            if not 200 <= status < 300:
                raise ValueError(f"{method} {path} answered {status}")
            yield _pieces(reader, headers)
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The status and headers of an answer; names of headers in small letters."""
    first = (await reader.readline()).split()
    if len(first) < 2 or not first[0].startswith(b"HTTP/"):
        raise ValueError("this is no HTTP server")
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip().lower()
    return int(first[1]), headers


async def _pieces(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[bytes]:
    """The body as it comes: chunked, of a told length, or until the other end closes."""
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readline()
    elif "content-length" in headers:
        yield await reader.readexactly(int(headers["content-length"]))
    else:
        while piece := await reader.read(65536):
            yield piece
