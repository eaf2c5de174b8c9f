"""Which room a stay of the past is given: pure, over sets of nights, so that no room ever has two guests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from central.rooms.rules import nights


@dataclass(frozen=True, slots=True)
class KnownRoom:
    """One room of the house; lists of them are in the house's order."""

    number: str
    room_type: str


def mask(days: Iterable[date], first: date) -> int:
    """Return nights, none before `first`, as bits of one whole number: two sets of nights meet when their bits do."""
    bits = 0
    for day in days:
        bits |= 1 << (day - first).days
    return bits


@dataclass(slots=True)
class House:
    """The rooms and the nights on which each is taken; grows as stays are placed."""

    rooms: Sequence[KnownRoom]
    first: date  # no night before this one is asked for
    taken: dict[str, int] = field(default_factory=dict)  # room -> bits of its nights
    _by_type: dict[str, list[KnownRoom]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code in {room.room_type for room in self.rooms}:
            own = [room for room in self.rooms if room.room_type == code]
            self._by_type[code] = own + [room for room in self.rooms if room.room_type != code]

    def place(self, room_type: str, arrival: date, departure: date) -> str | None:
        """Take a room for the half-open nights and return its number: of the type if one is free for all, else of another (an upgrade).

        None when every room is taken on one of them. Placed in order of arrival, stays fit whenever no night has more of them than
        there are rooms: at each arrival only the guests of that night are in the way.
        """
        bits = mask(nights(arrival, departure), self.first)
        for room in self._by_type.get(room_type) or self.rooms:
            if not self.taken.get(room.number, 0) & bits:
                self.taken[room.number] = self.taken.get(room.number, 0) | bits
                return room.number
        return None
