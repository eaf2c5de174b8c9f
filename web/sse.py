"""Server-Sent Events: one feed per thing that is watched, a bounded queue per viewer, resync when a viewer cannot follow.

    id: 7f3a-42            the highest event up to which this viewer has everything
    event: patch           data: what the publisher gave, one line of JSON
    event: resync          the viewer missed something: take the page anew
    event: beat            every 15 s; a browser that hears nothing for 40 s connects again

A key (a room, a part of a page) is sent at most ten times a second to one viewer; between, only its newest state is kept.
"""

import asyncio
import json
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

QUEUE = 512  # keys that may wait for one viewer; a board of 300 rooms changes as a whole and still fits
RING = 1024  # events that a returning viewer can be given again
BEAT_S = 15.0
KEY_GAP_S = 0.1  # ten a second per key
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one key; `number` rises by one per feed."""

    number: int
    key: str
    data: str


class Viewer:
    """What waits for one open page. Only `Feed` puts in, only `frames` takes out, both on the event loop."""

    def __init__(self, run: str, seen: int, limit: int, gap_s: float, beat_s: float) -> None:
        self._run, self._seen, self._limit, self._gap_s, self._beat_s = run, seen, limit, gap_s, beat_s
        self._waiting: OrderedDict[str, Event] = OrderedDict()
        self._sent_at: dict[str, float] = {}
        self._resync = False
        self._closed = False
        self._wake = asyncio.Event()

    def put(self, event: Event) -> None:
        """Queue an event; the newest of a key replaces the older one. On overflow all is dropped for one resync."""
        self._seen = event.number
        if not self._resync:
            self._waiting.pop(event.key, None)
            self._waiting[event.key] = event
            if len(self._waiting) > self._limit:
                self.resync()
        self._wake.set()

    def resync(self) -> None:
        """Tell this viewer to take the page anew instead of what is queued."""
        self._waiting.clear()
        self._resync = True
        self._wake.set()

    def close(self) -> None:
        """End the stream; the browser connects again by itself."""
        self._closed = True
        self._wake.set()

    async def frames(self) -> AsyncIterator[str]:
        """Yield what to write to the browser until closed; a beat when nothing else is to be said for BEAT_S."""
        yield "retry: 1000\n\n"
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._beat_s
        while not self._closed:
            self._wake.clear()
            ready, next_at = self._take(loop.time())
            if ready:
                beat_at = loop.time() + self._beat_s
                yield ready
                continue
            if loop.time() >= beat_at:
                beat_at = loop.time() + self._beat_s
                yield "event: beat\ndata: {}\n\n"
                continue
            try:
                async with asyncio.timeout_at(min(beat_at, next_at)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self, now: float) -> tuple[str, float]:
        """Return the frames that may go now, and when the next waiting key may."""
        if self._resync:
            self._resync = False
            self._sent_at.clear()
            return f"id: {self._run}-{self._seen}\nevent: resync\ndata: {{}}\n\n", now
        due = [event for key, event in self._waiting.items() if now - self._sent_at.get(key, -1e9) >= self._gap_s]
        for event in due:
            del self._waiting[event.key]
            self._sent_at[event.key] = now
        # An older key may still wait its turn, and the line may break between two frames: the last frame alone says
        # how far this viewer has everything.
        upto = min((event.number for event in self._waiting.values()), default=self._seen + 1) - 1
        frames = [f"event: patch\ndata: {event.data}\n\n" for event in due]
        text = "".join((*frames[:-1], f"id: {self._run}-{upto}\n", frames[-1])) if frames else ""
        next_at = min((self._sent_at[key] + self._gap_s for key in self._waiting), default=now + self._beat_s)
        return text, next_at


class Feed:
    """One thing that is watched, such as the board of one hotel in one language. Lives on the event loop that serves."""

    def __init__(self, *, queue: int = QUEUE, ring: int = RING, gap_s: float = KEY_GAP_S, beat_s: float = BEAT_S) -> None:
        self._run = secrets.token_hex(4)  # numbers of another process mean nothing here
        self._number = 0
        self._ring: deque[Event] = deque(maxlen=ring)
        self._viewers: set[Viewer] = set()
        self._queue, self._gap_s, self._beat_s = queue, gap_s, beat_s

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return bool(self._viewers)

    @property
    def position(self) -> str:
        """The id of the newest event: a page drawn now asks for what comes after it."""
        return f"{self._run}-{self._number}"

    def publish(self, key: str, data: Any) -> None:
        """Give every viewer the newest state of `key`; `data` is anything that JSON can say."""
        self._number += 1
        event = Event(self._number, key, json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        self._ring.append(event)
        for viewer in self._viewers:
            viewer.put(event)

    def resync(self) -> None:
        """Tell every viewer to take the page anew: something changed that no patch describes."""
        self._ring.clear()
        self._number += 1
        for viewer in self._viewers:
            viewer.resync()

    def join(self, after: str | None) -> Viewer:
        """Return a viewer that has seen everything up to `after` (an id of this feed); what it missed is queued, or a resync is."""
        viewer = Viewer(self._run, self._number, self._queue, self._gap_s, self._beat_s)
        self._viewers.add(viewer)
        run, _, number = (after or "").rpartition("-")
        seen = int(number) if run == self._run and number.isdecimal() else -1
        if seen < self._number - len(self._ring) or seen > self._number:
            viewer.resync()
        else:
            for event in self._ring:
                if event.number > seen:
                    viewer.put(event)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; nothing of it stays in memory."""
        self._viewers.discard(viewer)

    def close(self) -> None:
        """End every stream, for shutdown."""
        for viewer in self._viewers:
            viewer.close()

    def response(self, request: Request) -> StreamingResponse:
        """Answer a browser's EventSource: after Last-Event-ID if it sends one, else after ?after=."""
        viewer = self.join(request.headers.get("last-event-id") or request.query_params.get("after"))

        async def stream() -> AsyncIterator[str]:
            try:
                async for frame in viewer.frames():
                    yield frame
            finally:
                self.leave(viewer)

        return StreamingResponse(stream(), media_type="text/event-stream", headers=HEADERS)
