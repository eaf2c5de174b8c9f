"""The hotel as the desk acts on it: everything that the mirror says, own changes on top, at one moment; questions about rooms and nights.

Nights are half-open and named by the day on which they begin; before four in the morning it is still the evening before.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from gateway.desk.problems import NotFound, NotReady
from gateway.sync import journal
from wire.entities import Body, HoldBody, KeyBody, KeyStatus, PriceListBody, PropertyBody, RoomBody, StayBody, StayStatus
from wire.rooms import READY
from wire.stays import RoomState

DAY_ENDS = timedelta(hours=4)  # the same as central's: who arrives at one o'clock arrives on the old business date
HERE = frozenset({StayStatus.DUE_IN, StayStatus.IN_HOUSE})
B = TypeVar("B", bound=Body)


@dataclass(frozen=True)
class House:
    """One consistent look. `slug` is the property's id; every mapping is by entity id."""

    slug: str
    told: PropertyBody
    rooms: dict[str, RoomBody]
    stays: dict[str, StayBody]
    keys: dict[str, KeyBody]
    holds: dict[str, HoldBody]
    prices: tuple[PriceListBody, ...]
    now: datetime

    # ------------------------------------------------------------ days

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.told.time_zone)

    @cached_property
    def business_date(self) -> date:
        """The day of the hotel. Central's word, unless the calendar has gone on since it was last heard."""
        return max(self.told.business_date, self.day_of(self.now))

    def day_of(self, at: datetime) -> date:
        """The business date to which an instant belongs."""
        return (at.astimezone(self.zone).replace(tzinfo=None) - DAY_ENDS).date()

    def local(self, at: datetime) -> datetime:
        """An instant as the hotel's clocks show it."""
        return at.astimezone(self.zone)

    def depart_at(self, day: date) -> datetime:
        """When a stay that departs on `day` must have left, UTC."""
        return self.instant(day, self.told.check_out)

    def instant(self, day: date, at: str) -> datetime:
        """When the hotel's clocks show HH:MM on a day, UTC."""
        return datetime.combine(day, time.fromisoformat(at), self.zone).astimezone(UTC)

    def arrival(self, stay: StayBody) -> date:
        """The first night."""
        return self.day_of(stay.arrive)

    def departure(self, stay: StayBody) -> date:
        """The day after the last night."""
        return self.day_of(stay.depart)

    # ------------------------------------------------------------ what is there

    def stay(self, stay_id: str) -> StayBody:
        """Return one stay; raise NotFound."""
        if stay_id not in self.stays:
            raise NotFound("stay", stay_id)
        return self.stays[stay_id]

    def room(self, number: str) -> RoomBody:
        """Return one room; raise NotFound."""
        if number not in self.rooms:
            raise NotFound("room", number)
        return self.rooms[number]

    def doors(self, stay: StayBody) -> tuple[int, ...]:
        """Return the doors of a stay: its own set, or those of its rooms."""
        known = [self.rooms[number] for number in stay.rooms if number in self.rooms]
        return stay.doors or tuple(dict.fromkeys(door for room in known for door in room.doors))

    def keys_of(self, stay_id: str, *, wanted: bool = False) -> dict[str, KeyBody]:
        """Return the keys of a stay by id, first copy first; `wanted` = only those that should open."""
        mine = [(key_id, key) for key_id, key in self.keys.items() if key.stay_id == stay_id]
        return {
            key_id: key
            for key_id, key in sorted(mine, key=lambda item: (item[1].copy_no, item[0]))
            if not wanted or key.status is KeyStatus.WANTED
        }

    # ------------------------------------------------------------ rooms and nights

    @cached_property
    def _by_room(self) -> dict[str, list[tuple[str, StayBody]]]:
        """The stays that are here or expected, by room: a board asks for each room."""
        found: dict[str, list[tuple[str, StayBody]]] = {}
        for stay_id, stay in self.stays.items():
            if stay.status in HERE:
                for number in stay.rooms:
                    found.setdefault(number, []).append((stay_id, stay))
        return found

    def of_room(self, number: str, but: str = "") -> list[tuple[str, StayBody]]:
        """Return the stays that live in a room or are to come there."""
        return [(stay_id, stay) for stay_id, stay in self._by_room.get(number, ()) if stay_id != but]

    def living_in(self, number: str, but: str = "") -> str | None:
        """Return who is in house in a room."""
        return next((stay_id for stay_id, stay in self.of_room(number, but) if stay.status is StayStatus.IN_HOUSE), None)

    def promised(self, number: str, first: date, end: date, but: str = "") -> bool:
        """Whether another stay, come or not, has the room on one of the nights [first, end)."""
        return any(self.arrival(stay) < end and self.departure(stay) > first for _, stay in self.of_room(number, but))

    def held(self, number: str, first: date, end: date) -> dict[date, str]:
        """Return the box's holds on a room by night."""
        return {hold.night: hold_id for hold_id, hold in self.holds.items() if hold.room == number and first <= hold.night < end}

    def broken(self, number: str, first: date, end: date) -> bool:
        """Whether the room is out of order on one of the nights."""
        start, stop = self.instant(first, "12:00"), self.depart_at(end)
        return any(plan.kind == "out_of_order" and plan.start < stop and plan.end > start for plan in self.room(number).maintenance)

    def state(self, number: str, first: date, end: date, but: str) -> RoomState:
        """Return a room as the law of stays wants to know it, seen from the stay `but`."""
        return RoomState(
            care=self.room(number).care,
            occupied=self.living_in(number, but) is not None,
            out_of_order=self.broken(number, first, end),
            taken=self.promised(number, first, end, but),
        )

    def free(self, room_type: str | None, first: date, end: date, but: str = "") -> list[str]:
        """Return the rooms that nobody has or repairs on the nights [first, end): those that are ready first, held ones last."""
        found = []
        for number, room in self.rooms.items():
            state = self.state(number, first, end, but) if room_type in {None, room.room_type} else None
            if state is not None and not (state.occupied or state.out_of_order or state.taken):
                found.append((bool(self.held(number, first, end)), room.care not in READY, number))
        return [number for _, _, number in sorted(found)]


def nights(first: date, end: date) -> tuple[date, ...]:
    """Return the nights [first, end)."""
    return tuple(first + timedelta(days=index) for index in range((end - first).days))


def read_house(db: sqlite3.Connection, now: datetime) -> House:
    """Read the whole hotel in the caller's transaction; raise NotReady when central has told nothing yet."""
    properties = _of(PropertyBody, journal.bodies(db, "property"))
    if not properties:
        raise NotReady("never_met_central", "This box has not met central yet.", "Bring up the line once; then it works without.")
    slug, told = next(iter(properties.items()))
    return House(
        slug=slug,
        told=told,
        rooms=_of(RoomBody, journal.bodies(db, "room")),
        stays=_of(StayBody, journal.bodies(db, "stay")),
        keys=_of(KeyBody, journal.bodies(db, "key")),
        holds=_of(HoldBody, journal.bodies(db, "hold")),
        prices=tuple(_of(PriceListBody, journal.bodies(db, "price_list")).values()),
        now=now,
    )


def _of(kind: type[B], found: dict[str, Any]) -> dict[str, B]:
    return {name: body for name, body in found.items() if isinstance(body, kind)}
