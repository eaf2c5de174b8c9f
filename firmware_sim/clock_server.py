"""The one clock of a simulated hotel, its followers, and the runner of the devices' timers. The protocol is in host/clock.py."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from firmware_sim.world import Timers
from host.clock import Quality

FASTEST = 3600.0
LONGEST_STEP_S = 400 * 86400.0
STEP_LIMIT_S = 60.0  # real time that followers have to work off a step
LONGEST_NAP_S = 60.0


class Missing(Exception):
    """A step was made, but these followers have not caught up in time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(eq=False)
class Follower:
    """A program that follows the clock over one connection."""

    name: str
    revision: int = -1
    changes: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)


class ServedClock:
    """Business time that others follow. Also a host Clock for the simulator itself."""

    quality: Quality = "synced"

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        """`start` None begins at the machine's time."""
        self._anchor = start or datetime.now(UTC)
        self._at = time.monotonic()
        self.rate = rate
        self.revision = 0
        self._followers: set[Follower] = set()
        self._moved = asyncio.Event()
        self._reported = asyncio.Event()

    def now(self) -> datetime:
        return self._anchor + timedelta(seconds=(time.monotonic() - self._at) * self.rate)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:
            await self.nap(left / self.rate if self.rate else LONGEST_NAP_S)

    async def nap(self, seconds: float) -> None:
        """Sleep so long in real time, at most a minute, and less when time is moved."""
        try:
            await asyncio.wait_for(self._moved.wait(), min(seconds, LONGEST_NAP_S))
        except TimeoutError:
            return

    def wake(self) -> None:
        """Wake every sleeper to look again."""
        self._moved.set()
        self._moved = asyncio.Event()

    def kept(self) -> dict[str, Any]:
        """What to keep so that another clock can go on from here: this time, the machine's time, the rate."""
        return {"now": self.now().timestamp(), "machine": time.time(), "rate": self.rate}

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on where an earlier clock ended, with the time that has passed since; never back before our own start."""
        self.rate = float(kept["rate"])
        passed = max(time.time() - float(kept["machine"]), 0.0) * self.rate
        self.place(max(datetime.fromtimestamp(float(kept["now"]) + passed, UTC), self.now()))

    def told(self) -> dict[str, Any]:
        """What followers are told."""
        now = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"now": now, "rate": self.rate, "revision": self.revision}

    def set_rate(self, rate: float) -> None:
        """Let time run at this rate from now on."""
        self.place(self.now())
        self.rate = rate
        self._publish()

    def place(self, at: datetime) -> None:
        """Make it `at`, and tell nobody yet."""
        self._anchor, self._at = at, time.monotonic()

    async def step(self, seconds: float, timers: Timers) -> None:
        """Move time forward, the devices' timers each at their own moment, and wait for the followers. Raises Missing."""
        target = self.now() + timedelta(seconds=seconds)
        while (due := timers.next_at()) is not None and due <= target.timestamp():
            self.place(max(datetime.fromtimestamp(due, UTC), self._anchor))
            timers.work_off(due)
        self.place(max(target, self.now()))
        self._publish()
        revision, waiting = self.revision, set(self._followers)
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                while late := {one for one in waiting & self._followers if one.revision < revision}:
                    await self._reported.wait()
        except TimeoutError:
            raise Missing(tuple(sorted({one.name for one in late}))) from None

    def caught_up(self, name: str, revision: int) -> bool:
        """A follower has worked off all that fell due at `revision`; False when nobody of that name follows."""
        named = [one for one in self._followers if one.name == name]
        for one in named:
            one.revision = max(one.revision, revision)
        self._report()
        return bool(named)

    @asynccontextmanager
    async def followed(self, name: str) -> AsyncIterator[Follower]:
        """Count as a follower for the length of a block; the present time is the first change."""
        follower = Follower(name)
        follower.changes.put_nowait(self.told())
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            self._report()

    def followers(self) -> list[str]:
        """Names of those that follow now."""
        return sorted(one.name for one in self._followers)

    def _publish(self) -> None:
        self.revision += 1
        for follower in self._followers:
            follower.changes.put_nowait(self.told())
        self.wake()

    def _report(self) -> None:
        self._reported.set()
        self._reported = asyncio.Event()


async def run_timers(clock: ServedClock, timers: Timers) -> None:
    """Run the devices' timers as business time reaches them, until cancelled."""
    timers.changed = clock.wake
    while True:
        now = clock.now().timestamp()
        timers.work_off(now)
        due = timers.next_at()
        wait = LONGEST_NAP_S if due is None or not clock.rate else max((due - clock.now().timestamp()) / clock.rate, 0.0)
        await clock.nap(wait)
