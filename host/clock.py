"""Clocks: business time that may be simulated, and the monotonic time that never is.

Business time decides what a hotel means by "now": until, grace, quiet, holds, the business date.
Time-outs of wires and processes use `monotonic()`, which always is the machine's own.

A simulated clock follows the simulator's clock server:

    GET  /clock                                  -> {"now": RFC 3339 with ms and Z, "rate": float, "revision": int}
    GET  /clock/changes?follower=NAME            -> text/event-stream; `data:` lines of the same object, first one at once
    POST /clock/rate      {"rate": 0.0 … 3600.0} -> the same object; 0 stands still and is moved by steps only
    POST /clock/step      {"seconds": n}         -> answers when every follower connected has caught up, else 504 naming the missing
    POST /clock/caught_up {"follower": NAME, "revision": int}

Between two changes a follower computes now = anchor + (monotonic since it was received) * rate.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

Quality = Literal["synced", "holdover", "untrusted"]


class Clock(Protocol):
    """What a program may ask about time. Injected; only a composition root builds one."""

    def now(self) -> datetime:
        """Business time, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds of real time from an arbitrary start; never steps."""

    @property
    def quality(self) -> Quality:
        """Whether `now()` may grant or end a right."""

    async def sleep_until(self, at: datetime) -> None:
        """Return when business time has reached `at`; at once if it has. Wakes early enough when time is stepped."""


class SystemClock:
    """The machine's own time."""

    quality: Quality = "synced"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 60.0))  # a minute at most, so that a corrected system clock is noticed


class ManualClock:
    """Business time that stands still until a test moves it."""

    def __init__(self, at: datetime, quality: Quality = "synced") -> None:
        self._now = at
        self.quality: Quality = quality
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()

    def move(self, by: timedelta) -> None:
        """Step business time and wake every sleeper to look again."""
        self._now += by
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep_until(self, at: datetime) -> None:
        while self._now < at:
            await self._moved.wait()
