"""Wake-ups: "look again" for pages and long polls of this process, given out after COMMIT. Never a record of anything.

A subscriber that is too slow is told to look at everything again (`RESYNC`) instead of being waited for.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

QUEUE_LIMIT = 256
_PENDING = "latchkey.wakeups"


@dataclass(frozen=True, slots=True)
class Wakeup:
    """Something of a property has changed: `topic` such as feed, room, order, job, task; `entity` its id, or empty."""

    property_id: str
    topic: str
    entity: str = ""


RESYNC = "resync"  # the topic of a wake-up that stands for all that did not fit


def announce(conn: Connection, property_id: str, topic: str, entity: str = "") -> None:
    """Remember a wake-up until this use case's transaction has committed; an undone use case wakes nobody."""
    conn.info.setdefault(_PENDING, {})[Wakeup(property_id, topic, entity)] = None


def collected(conn: Connection) -> tuple[Wakeup, ...]:
    """Return and forget what was announced on `conn`, oldest first, each once."""
    return tuple(conn.info.pop(_PENDING, {}))


class Subscription:
    """One listener's queue; used from the event loop that made it."""

    def __init__(self, property_id: str, loop: asyncio.AbstractEventLoop) -> None:
        self.property_id, self.loop = property_id, loop
        self._waiting: dict[Wakeup, None] = {}
        self._some = asyncio.Event()

    def put(self, wakeup: Wakeup) -> None:
        """Queue a wake-up; equal ones that still wait are one."""
        if len(self._waiting) >= QUEUE_LIMIT:
            self._waiting.clear()
            wakeup = Wakeup(self.property_id, RESYNC)
        self._waiting[wakeup] = None
        self._some.set()

    async def get(self) -> tuple[Wakeup, ...]:
        """Return all that is waiting, oldest first; wait until there is something."""
        await self._some.wait()
        self._some.clear()
        waiting, self._waiting = tuple(self._waiting), {}
        return waiting

    async def __aiter__(self) -> AsyncIterator[Wakeup]:
        while True:
            for wakeup in await self.get():
                yield wakeup


class Hub:
    """Gives wake-ups to the listeners of this process; `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Subscription]] = {}

    @contextmanager
    def subscribe(self, property_id: str) -> Iterator[Subscription]:
        """Listen to one property for as long as the context lasts. Subscribe first, then read: nothing falls in between."""
        mine = Subscription(property_id, asyncio.get_running_loop())
        with self._lock:
            self._listeners.setdefault(property_id, set()).add(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._listeners[property_id].discard(mine)

    def publish(self, wakeups: tuple[Wakeup, ...]) -> None:
        """Hand `wakeups` to whoever listens to their property; returns at once."""
        with self._lock:
            told = [(listener, wakeup) for wakeup in wakeups for listener in self._listeners.get(wakeup.property_id, ())]
        for listener, wakeup in told:
            if not listener.loop.is_closed():
                listener.loop.call_soon_threadsafe(listener.put, wakeup)
