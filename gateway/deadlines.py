"""Runs what falls due by business time, once what devices had said by then has come in; nothing else lives here.

Business time may be stepped and a device's report still be on its line, so that between "due" and "done" there is a short real wait.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from gateway.store import StoreError
from host.clock import Clock

DELIVERY_S = 2.5  # a Modbus unit is asked once a second, a hole in a log is waited for a second more
AGAIN_S = 5.0
BUG_WAIT_S = 30.0
WAKING_S = 60.0  # after a start devices get so long to say what has happened meanwhile

_log = logging.getLogger(__name__)


class Deadlines:
    """`earliest` says when something falls due next (None = nothing); `work` does all that was due at the time it is given.

    Both are called in the loop. `work` must move `earliest` on; when the store refuses it is tried again.
    """

    def __init__(
        self,
        clock: Clock,
        earliest: Callable[[], datetime | None],
        work: Callable[[datetime], Awaitable[None]],
        delivery_s: float = DELIVERY_S,
    ) -> None:
        self._clock, self._earliest, self._work, self._delivery_s = clock, earliest, work, delivery_s
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._started = clock.monotonic()

    @property
    def waking(self) -> bool:
        """Whether the program has just started: who has not spoken yet may still have something to tell."""
        return self._clock.monotonic() - self._started < WAKING_S

    def look(self) -> None:
        """What falls due may have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            due, now = self._earliest(), self._clock.now()
            if due is not None and due <= now:
                await asyncio.sleep(self._delivery_s)
                await self._done(now)
                continue
            if not self._wake.is_set():
                self._idle.set()
                await self._wait(due)

    async def caught_up(self) -> None:
        """Return when all that is due by now has been done."""
        self._idle.clear()
        self._wake.set()
        await self._idle.wait()

    async def _done(self, now: datetime) -> None:
        try:
            await self._work(now)
        except StoreError as why:
            _log.error("what falls due: %s", why)
            await asyncio.sleep(AGAIN_S)
        except Exception:  # noqa: BLE001 - one broken rule must not stop the hotel
            _log.exception("what falls due could not be worked off; it is tried again")
            await asyncio.sleep(BUG_WAIT_S)

    async def _wait(self, due: datetime | None) -> None:
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._wake.wait())]
        if self.waking:
            waits.append(asyncio.ensure_future(asyncio.sleep(WAKING_S)))
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(due)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
