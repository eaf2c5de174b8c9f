"""Builders for tests of minibars: what guests and attendants do to a bar, and what the bar tells of it, with the shortest arguments."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.rules.minibar import Back, Bar, Effect, Mark, Take, faulted, identity, marked, removed, returned, settled

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOG = 77
GRACE = timedelta(seconds=60)
LATER = NOON + timedelta(days=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Told:
    """One event as the bar tells it, `seconds` after noon."""

    seq: int
    kind: str
    seconds: float
    slot: int = 0
    no: int = 0
    after: float = 0


@dataclass
class Script:
    """Writes down what happens to a bar, in order, with the bar's own numbers."""

    told: list[Told] = field(default_factory=list)
    removals: int = 0
    out: dict[int, tuple[int, float]] = field(default_factory=dict)

    def take(self, slot: int, seconds: float) -> "Script":
        self.removals += 1
        self.out[slot] = (self.removals, seconds)
        return self._tell("removed", seconds, slot, self.removals)

    def put(self, slot: int, seconds: float) -> "Script":
        no, taken = self.out.pop(slot)
        return self._tell("returned", seconds, slot, no, seconds - taken)

    def do(self, kind: str, seconds: float, slot: int = 0) -> "Script":
        """begin, end, open, shut or fault."""
        return self._tell(kind, seconds, slot)

    def _tell(self, kind: str, seconds: float, slot: int = 0, no: int = 0, after: float = 0) -> "Script":
        self.told.append(Told(len(self.told) + 1, kind, seconds, slot, no, after))
        return self


def heard(bar: Bar, told: Told, grace: timedelta = GRACE) -> tuple[Bar, tuple[Effect, ...]]:
    """Let the rules take in one event."""
    match told.kind:
        case "removed":
            return removed(bar, Take(LOG, told.slot, told.no, at(told.seconds), told.seq))
        case "returned":
            back = Back(told.seq, timedelta(seconds=told.after))
            return returned(bar, identity(LOG, told.slot, told.no), back, at(told.seconds), grace)
        case "fault":
            return faulted(bar, told.slot, (LOG, told.seq))
        case "begin" | "end" | "open" | "shut":
            return marked(bar, Mark(LOG, told.seq, told.kind, at(told.seconds), "A7" if told.kind == "begin" else "")), ()
    raise ValueError(told.kind)


def played(told: Iterable[Told], *, ends: datetime = LATER, grace: timedelta = GRACE, bar: Bar | None = None) -> tuple[Bar, list[Effect]]:
    """Take in every event as it comes, then let the time pass until `ends`."""
    bar = bar or Bar()
    effects: list[Effect] = []
    for one in told:
        bar, more = heard(bar, one, grace)
        effects += more
    bar, more = settled(bar, ends, grace)
    return bar, [*effects, *more]


def of(kind: type[Effect], effects: Sequence[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]
