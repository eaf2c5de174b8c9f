"""Pure decisions about rooms: which one a stay gets, which nights are sold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

LOOSE = 10_000  # nights; a gap without an end


@dataclass(frozen=True, slots=True)
class Candidate:
    """A room that is free for the whole stay. `before` = its last night taken before the arrival, `after` = its first one from the
    departure on; None when there is none. `sort` is the house's order of rooms."""

    room: str
    sort: int
    before: date | None
    after: date | None


def nights(arrival: date, departure: date) -> tuple[date, ...]:
    """Return the half-open nights [arrival, departure), in order."""
    return tuple(arrival + timedelta(days=n) for n in range((departure - arrival).days))


def choose(candidates: Iterable[Candidate], arrival: date, departure: date) -> str | None:
    """Return the room that fits tightest between its neighbours, so that long gaps stay whole; ties by the house's order, then number.

    None only when there is no candidate.
    """

    def looseness(room: Candidate) -> tuple[int, int, str]:
        left = (arrival - room.before).days - 1 if room.before else LOOSE
        right = (room.after - departure).days if room.after else LOOSE
        return left + right, room.sort, room.room

    best = min(candidates, key=looseness, default=None)
    return best.room if best else None


def runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Join sorted days to half-open intervals, so that a change of dates costs one statement for each run."""
    first: date | None = None
    end: date | None = None
    for day in days:
        if day != end:
            if first is not None and end is not None:
                yield first, end
            first = day
        end = day + timedelta(days=1)
    if first is not None and end is not None:
        yield first, end
