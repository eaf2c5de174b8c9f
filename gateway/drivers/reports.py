"""What a polling driver reports, and when: each condition and state on connect and on change, a condition also as heartbeat."""

import asyncio
from dataclasses import replace

from gateway.device import Condition, Emit, Health, State

HEARTBEAT_S = 30.0
CLOCK_STEP_S = 60  # a clock offset is worth a report of its own when it has moved by that much; 120 s raise an alarm


class Reports:
    """The last condition and state of one device. Attributes in `changing` change by themselves and are no news."""

    def __init__(self, device: str, *, changing: frozenset[str] = frozenset()) -> None:
        self._device = device
        self._changing = changing
        self._emit: Emit | None = None
        self._condition: Condition | None = None
        self._told_at = 0.0
        self._state: dict[str, object] | None = None

    def begin(self, emit: Emit) -> None:
        """A new run: everything is told again, except that a lost device is still lost."""
        self._emit, self._state = emit, None
        if self._condition is not None and self._condition.health != "offline":
            self._condition = None

    def end(self) -> None:
        """The run is over; nothing more is told."""
        self._emit = None

    def condition(self, now: Condition) -> None:
        """Tell a condition that differs from the last one, or is due as heartbeat."""
        before, time = self._condition, asyncio.get_running_loop().time()
        if before is not None and _same(before, now) and time - self._told_at < HEARTBEAT_S:
            return
        self._condition, self._told_at = now, time
        self._tell(now)

    def health(self, health: Health) -> None:
        """Tell that only the health has changed."""
        before = self._condition or Condition(self._device, "online", 0, 0)
        if self._condition is None or before.health != health:
            self._condition = replace(before, health=health)
            self._tell(self._condition)

    def state(self, now: State) -> None:
        """Tell a state that differs from the last one."""
        news = {key: value for key, value in now.attributes.items() if key not in self._changing}
        if news != self._state:
            self._state = news
            self._tell(now)

    def _tell(self, report: Condition | State) -> None:
        if self._emit is not None:
            self._emit(report).add_done_callback(seen)


def seen(taken: "asyncio.Future[None]") -> None:
    """Look at a future that nobody waits for; what was not stored is told again later."""
    if not taken.cancelled():
        taken.exception()


def _same(before: Condition, now: Condition) -> bool:
    """Whether two conditions are the same but for small steps of the clock."""
    moved = abs((now.clock_offset_s or 0) - (before.clock_offset_s or 0))
    known = (before.clock_offset_s is None) == (now.clock_offset_s is None)
    return known and moved < CLOCK_STEP_S and replace(before, clock_offset_s=None) == replace(now, clock_offset_s=None)
