"""Holds: whole rooms given to the box, night by night, so that it can take a guest while the line is down and nobody sells the room twice.

    renew ──► held (room night with the hold as its holder, counted in inventory, told to the box)
                ├─ spend: the box sold it; the night becomes the reservation's
                └─ take_back: the box is asked (tombstone) ──► returned (HoldReturned): free again

A hold never ends by the clock: only the box, or a person after a swap, can give it back. All under the property's turn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, insert, select, update

from central.problems import Conflict
from central.store.tables import hold, inventory_night, maintenance, room, room_night
from central.store.turn import Turn
from central.sync import feed
from central.sync.tables import box
from wire.entities import HoldBody
from wire.ids import new_id

PER_NIGHT = 2  # rooms of each type
NIGHTS = 9  # tonight and the next eight
KEEP_FREE = 3  # where fewer remain, every room is for whoever asks first

_n = inventory_night.c
_TAKEN = _n.sold + _n.optioned + _n.held + _n.burned
_LEFT = (
    select(_n.room_type, _n.night, (_n.physical - _n.out_of_order + _n.allowance - _TAKEN).label("left"))
    .where(_n.property_id == bindparam("p"), _n.night >= bindparam("first"), _n.night < bindparam("end"))
    .order_by(_n.room_type, _n.night)
)
_HOLDS = select(hold.c.hold_id, hold.c.room, hold.c.room_type, hold.c.night).where(
    hold.c.property_id == bindparam("p"), hold.c.night >= bindparam("first"), hold.c.night < bindparam("end")
)
_PAST = select(hold.c.hold_id).where(hold.c.property_id == bindparam("p"), hold.c.night < bindparam("first")).order_by(hold.c.hold_id)
_ROOMS = (
    select(room.c.room, room.c.room_type).where(room.c.property_id == bindparam("p")).order_by(room.c.room_type, room.c.sort, room.c.room)
)
_TAKEN_NIGHTS = select(room_night.c.room, room_night.c.night).where(
    room_night.c.property_id == bindparam("p"), room_night.c.night >= bindparam("first"), room_night.c.night < bindparam("end")
)
_REPAIRS = select(maintenance.c.room, maintenance.c.first_night, maintenance.c.end_night).where(
    maintenance.c.property_id == bindparam("p"), maintenance.c.end_night > bindparam("first"), maintenance.c.first_night < bindparam("end")
)
_COUNT = (
    update(inventory_night)
    .where(_n.property_id == bindparam("p"), _n.room_type == bindparam("t"), _n.night == bindparam("day"))
    .values(held=_n.held + bindparam("held_more"), sold=_n.sold + bindparam("sold_more"))
)
_BY_ID = (
    select(hold.c.hold_id, hold.c.room, hold.c.room_type, hold.c.night)
    .where(
        hold.c.property_id == bindparam("p"),
        hold.c.hold_id.in_(bindparam("ids", expanding=True)),
        exists().where(and_(room_night.c.property_id == hold.c.property_id, room_night.c.hold_id == hold.c.hold_id)),
    )
    .order_by(hold.c.night, hold.c.room)
)
_SELL = (
    update(room_night)
    .where(room_night.c.property_id == bindparam("p"), room_night.c.hold_id == bindparam("h"))
    .values(hold_id=None, reservation_id=bindparam("r"))
)
_FREE = delete(room_night).where(room_night.c.property_id == bindparam("p"), room_night.c.hold_id == bindparam("h"))
_HAS_BOX = select(box.c.box_id).where(box.c.property_id == bindparam("p"), box.c.ended_at.is_(None)).limit(1)
_END = delete(hold).where(hold.c.property_id == bindparam("p"), hold.c.hold_id == bindparam("h"))


@dataclass(frozen=True, slots=True)
class Held:
    """One room night that the box may sell."""

    hold_id: str
    room: str
    room_type: str
    night: date


def choose(
    rooms: Sequence[str], days: Sequence[date], taken: Iterable[tuple[str, date]], held: Iterable[tuple[str, date]], wanted: dict[date, int]
) -> list[tuple[str, date]]:
    """Return which rooms of one type to hold on which nights, in order of the nights; pure, and the same for the same books.

    `wanted` = how many more on each night. The room that is held on a night beside it comes first, then the one that is free for the
    longest from that night on, then the house's order: a guest who walks in for three nights should not have to move.
    """
    busy, mine = set(taken), set(held)
    chosen: list[tuple[str, date]] = []
    for index, day in enumerate(days):
        free = [number for number in rooms if (number, day) not in busy]
        ranked = sorted(free, key=lambda number: (-_beside(number, day, mine), -_run(number, days[index:], busy), rooms.index(number)))
        for number in ranked[: wanted.get(day, 0)]:
            chosen.append((number, day))
            busy.add((number, day))
            mine.add((number, day))
    return chosen


def _beside(number: str, day: date, mine: set[tuple[str, date]]) -> int:
    return ((number, day - timedelta(days=1)) in mine) + ((number, day + timedelta(days=1)) in mine)


def _run(number: str, days: Sequence[date], busy: set[tuple[str, date]]) -> int:
    return next((index for index, day in enumerate(days) if (number, day) in busy), len(days))


def renew(turn: Turn, tonight: date) -> list[Held]:
    """Fill up the box's holds for `tonight` and the nights after, and return the new ones. May be repeated: then it gives nothing.

    Nights that have passed are taken out of the box's sight; what it sold of them without a line can still be spent.
    """
    days = _days(tonight, tonight + timedelta(days=NIGHTS))
    span = {"p": turn.property_id, "first": days[0], "end": days[-1] + timedelta(days=1)}
    for hold_id in turn.conn.execute(_PAST, span).scalars().all():
        feed.remove(turn, "hold", hold_id)
    known = [Held(*row) for row in turn.conn.execute(_HOLDS, span)]
    taken = {(str(number), night) for number, night in turn.conn.execute(_TAKEN_NIGHTS, span)}
    for number, first, end in turn.conn.execute(_REPAIRS, span):
        taken |= {(number, day) for day in days if first <= day < end}
    rooms: dict[str, list[str]] = {}
    for number, room_type in turn.conn.execute(_ROOMS, span):
        rooms.setdefault(room_type, []).append(number)
    left: dict[str, dict[date, int]] = {}
    for room_type, night, free in turn.conn.execute(_LEFT, span):
        left.setdefault(room_type, {})[night] = int(free)
    given: list[Held] = []
    for room_type, by_night in left.items():
        mine = [one for one in known if one.room_type == room_type]
        wanted = {night: _wanted(free, sum(one.night == night for one in mine)) for night, free in by_night.items()}
        held = [(one.room, one.night) for one in mine]
        for number, night in choose(rooms.get(room_type, []), days, taken, held, wanted):
            given.append(_give(turn, Held(new_id(), number, room_type, night)))
    return given


def renew_for_box(turn: Turn, tonight: date) -> list[Held]:
    """Renew the holds of a property that has a box; one without keeps every room for sale."""
    return renew(turn, tonight) if turn.conn.execute(_HAS_BOX, {"p": turn.property_id}).first() else []


def _wanted(free: int, have: int) -> int:
    return max(0, min(PER_NIGHT - have, free)) if free + have >= KEEP_FREE else 0


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=index) for index in range((end - first).days)]


def _give(turn: Turn, one: Held) -> Held:
    _count(turn, one, held=1)
    key = {"property_id": turn.property_id, "room": one.room, "night": one.night, "hold_id": one.hold_id}
    turn.conn.execute(insert(hold), {**key, "room_type": one.room_type})
    turn.conn.execute(insert(room_night), key)
    feed.put(turn, "hold", one.hold_id, HoldBody(one.room, one.room_type, one.night))
    return one


def _count(turn: Turn, one: Held, *, held: int = 0, sold: int = 0) -> None:
    turn.conn.execute(_COUNT, {"p": turn.property_id, "t": one.room_type, "day": one.night, "held_more": held, "sold_more": sold})


def spend(turn: Turn, hold_ids: Sequence[str], reservation_id: str) -> list[Held]:
    """Turn holds that the box has sold into nights of a reservation, counted as sold, and return them in order of the nights.

    Raises Conflict `hold_spent` when one of them is not the box's any more: nothing is changed then, a person must decide.
    """
    found = [Held(*row) for row in turn.conn.execute(_BY_ID, {"p": turn.property_id, "ids": list(hold_ids)})] if hold_ids else []
    if missing := sorted(set(hold_ids) - {one.hold_id for one in found}):
        raise Conflict("hold_spent", f"{len(missing)} of the box's holds are not its own any more.", "Find a room for the guest.")
    for one in found:
        _count(turn, one, held=-1, sold=1)
        turn.conn.execute(_SELL, {"p": turn.property_id, "h": one.hold_id, "r": reservation_id})
        _end(turn, one.hold_id)
    return found


def take_back(turn: Turn, hold_id: str) -> None:
    """Ask the box for a hold: it disappears there at once, and is free here when the box has answered HoldReturned."""
    feed.remove(turn, "hold", hold_id)


def returned(turn: Turn, hold_id: str) -> bool:
    """Free a hold that the box has given back; False, and no change, when it is not held any more. May be repeated."""
    rows: list[Any] = list(turn.conn.execute(_BY_ID, {"p": turn.property_id, "ids": [hold_id]}))
    for row in rows:
        _count(turn, Held(*row), held=-1)
        turn.conn.execute(_FREE, {"p": turn.property_id, "h": hold_id})
        _end(turn, hold_id)
    return bool(rows)


def _end(turn: Turn, hold_id: str) -> None:
    turn.conn.execute(_END, {"p": turn.property_id, "h": hold_id})
    feed.remove(turn, "hold", hold_id)
