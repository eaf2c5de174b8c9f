"""What every simulated device stands in: the hotel's clock, timers on business time, seeds and the trace."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from firmware_sim.nvram import Nvram
from host.clock import Clock

TRACE = 20_000  # entries kept; a day of the demo hotel is under 3,000


@dataclass(slots=True)
class Timer:
    """A thing to do at a moment of business time; `cancel` it or let it run once."""

    at: float
    do: Callable[[], None] | None

    def cancel(self) -> None:
        """Never run. May be repeated."""
        self.do = None


class Timers:
    """All timers of a hotel. `changed` is called when an earlier one than all others was set."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self.changed: Callable[[], None] = lambda: None

    def at(self, epoch: float, do: Callable[[], None]) -> Timer:
        """Run `do` once business time has reached `epoch`."""
        timer = Timer(epoch, do)
        heapq.heappush(self._heap, (epoch, next(self._order), timer))
        if self._heap[0][2] is timer:
            self.changed()
        return timer

    def next_at(self) -> float | None:
        """When the next one is due, or None."""
        while self._heap and self._heap[0][2].do is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def work_off(self, now: float) -> int:
        """Run all that is due at `now`, in order of time, also what those set in turn; return how many ran."""
        ran = 0
        while (due := self.next_at()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            do, timer.do = timer.do, None
            if do is not None:
                do()
                ran += 1
        return ran


class Trace:
    """What happened in the simulator, in order: hands, knobs, commands, events. Never a key, token, PIN or card image."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._entries: deque[dict[str, Any]] = deque(maxlen=TRACE)
        self._number = itertools.count(1)

    def add(self, device: str, what: str, **details: Any) -> None:
        """Append one entry at the present business time."""
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._entries.append({"n": next(self._number), "at": at, "device": device, "what": what, **details})

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """Entries with a number above `after`, oldest first."""
        return [entry for entry in self._entries if entry["n"] > after]


@dataclass
class World:
    """One hotel's surroundings, shared by all its devices."""

    clock: Clock
    seed: int = 1
    timers: Timers = field(default_factory=Timers)
    physical: Nvram = field(default_factory=lambda: Nvram(None))  # doors, bottles, people: what a dead simulator must not undo
    trace: Trace = field(init=False)

    def __post_init__(self) -> None:
        self.trace = Trace(self.clock.now)

    def now(self) -> float:
        """Business time as epoch seconds."""
        return self.clock.now().timestamp()

    def random(self, name: str) -> random.Random:
        """A source of chance that depends on the seed and `name` only."""
        return random.Random(f"{self.seed}/{name}")


def rfc3339(epoch: float) -> str:
    """Whole seconds with Z, as devices write times in JSON."""
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
