"""What is left to sell: one counter row for each room type and night, which the schema itself keeps from overselling."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from central.problems import Conflict, NotFound
from central.rooms.rules import nights, runs
from central.store.tables import inventory_night, maintenance, room, room_type
from central.store.turn import Turn

HORIZON = 400  # nights ahead that are made when a property is loaded; later ones when somebody asks for them

_n = inventory_night.c
_OF_TYPE = (_n.property_id == bindparam("p"), _n.room_type == bindparam("t"))
SPAN = (*_OF_TYPE, _n.night >= bindparam("first"), _n.night < bindparam("end"))
_TAKEN = _n.sold + _n.optioned + _n.held + _n.burned
_LIMIT = _n.physical - _n.out_of_order + _n.allowance
TAKE = update(inventory_night).where(*SPAN, _TAKEN + bindparam("count") <= _LIMIT).values(sold=_n.sold + bindparam("count"))
_GIVE_BACK = update(inventory_night).where(*SPAN).values(sold=_n.sold - bindparam("count"))
_KNOWN = select(_n.night).where(*SPAN)
_PHYSICAL = select(func.count()).select_from(room).where(room.c.property_id == bindparam("p"), room.c.room_type == bindparam("t"))
_BROKEN = (
    select(maintenance.c.first_night, maintenance.c.end_night)
    .join(room, (room.c.property_id == maintenance.c.property_id) & (room.c.room == maintenance.c.room))
    .where(
        maintenance.c.property_id == bindparam("p"),
        room.c.room_type == bindparam("t"),
        maintenance.c.kind == "out_of_order",
        maintenance.c.end_night > bindparam("first"),
        maintenance.c.first_night < bindparam("end"),
    )
)
_TYPES = select(room_type).where(room_type.c.property_id == bindparam("p")).order_by(room_type.c.sort)
_GRID = (
    select(_n.room_type, _n.night, (_LIMIT - _TAKEN).label("left"))
    .where(_n.property_id == bindparam("p"), _n.night >= bindparam("first"), _n.night < bindparam("end"))
    .order_by(_n.room_type, _n.night)
)
_SHIFT = update(inventory_night).where(*SPAN).values(out_of_order=_n.out_of_order + bindparam("count"))
_RESIZE = update(inventory_night).where(*_OF_TYPE, _n.physical != bindparam("physical")).values(physical=bindparam("physical"))


@dataclass(frozen=True, slots=True)
class TypeLeft:
    """How many rooms of a type can still be sold for a whole stay, and on each of its nights."""

    room_type: str
    names: dict[str, str]
    capacity: int
    left: int
    by_night: tuple[int, ...]


def take(turn: Turn, room_type_code: str, days: tuple[date, ...], count: int = 1) -> None:
    """Sell `count` rooms of a type for each of the nights `days` (sorted), or none at all: raise Conflict when a night is full.

    The update itself carries the guard, so two buyers of the last room never both succeed, whatever they had read. The caller's use
    case is undone by the Conflict, and with it the nights that were free.
    """
    for first, end in runs(days):
        span = {"p": turn.property_id, "t": room_type_code, "first": first, "end": end}
        if turn.conn.execute(TAKE, {**span, "count": count}).rowcount != (end - first).days:
            raise Conflict(
                "no_room_left", f"No room of type {room_type_code} is left for all nights.", "Choose other dates or another type."
            )


def give_back(turn: Turn, room_type_code: str, days: tuple[date, ...], count: int = 1) -> None:
    """Return sold nights to sale."""
    for first, end in runs(days):
        turn.conn.execute(_GIVE_BACK, {"p": turn.property_id, "t": room_type_code, "first": first, "end": end, "count": count})


def ensure_open(turn: Turn, business_date: date, departure: date) -> None:
    """Make the nights up to `departure` when they lie beyond the horizon; costs nothing when they do not."""
    if departure > business_date + timedelta(days=HORIZON):
        open_nights(turn, business_date, departure)


def open_nights(turn: Turn, first: date, end: date) -> None:
    """Make the missing counter rows of every type for [first, end), with the rooms and repairs of now; may be repeated."""
    for known in turn.conn.execute(_TYPES, {"p": turn.property_id}).all():
        span = {"p": turn.property_id, "t": known.room_type, "first": first, "end": end}
        there = set(turn.conn.execute(_KNOWN, span).scalars())
        missing = [night for night in nights(first, end) if night not in there]
        if not missing:
            continue
        physical = turn.conn.execute(_PHYSICAL, {"p": turn.property_id, "t": known.room_type}).scalar_one()
        broken = turn.conn.execute(_BROKEN, span).all()
        key = {"property_id": turn.property_id, "room_type": known.room_type, "physical": physical}
        rows = [{**key, "night": day, "out_of_order": sum(start <= day < end for start, end in broken)} for day in missing]
        turn.conn.execute(insert(inventory_night), rows)


def resize(turn: Turn, room_type_code: str, physical: int) -> None:
    """Set how many rooms of a type there are; the schema refuses fewer than are sold."""
    turn.conn.execute(_RESIZE, {"p": turn.property_id, "t": room_type_code, "physical": physical})


def shift_out_of_order(turn: Turn, room_type_code: str, first: date, end: date, count: int) -> None:
    """Take `count` rooms of a type out of sale, or (negative) put them back; the schema refuses what is sold already."""
    turn.conn.execute(_SHIFT, {"p": turn.property_id, "t": room_type_code, "first": first, "end": end, "count": count})


def availability(conn: Connection, property_id: str, arrival: date, departure: date) -> list[TypeLeft]:
    """Return what is left of each type for the nights [arrival, departure), in the house's order. Raises NotFound for no such property.

    Nights beyond the horizon count as empty: they are made when they are sold.
    """
    types = conn.execute(_TYPES, {"p": property_id}).all()
    if not types:
        raise NotFound("property", property_id)
    wanted = nights(arrival, departure)
    left: dict[tuple[str, date], int] = {}
    for row in conn.execute(_GRID, {"p": property_id, "first": arrival, "end": departure}).all():
        left[row.room_type, row.night] = int(row.left)
    return [_type_left(conn, property_id, row, wanted, left) for row in types]


def _type_left(conn: Connection, property_id: str, row: Row[Any], wanted: tuple[date, ...], left: dict[tuple[str, date], int]) -> TypeLeft:
    empty: int | None = None
    by_night = []
    for day in wanted:
        known = left.get((row.room_type, day))
        if known is None:
            empty = conn.execute(_PHYSICAL, {"p": property_id, "t": row.room_type}).scalar_one() if empty is None else empty
            known = empty
        by_night.append(known)
    return TypeLeft(row.room_type, row.names, row.capacity, max(0, min(by_night, default=0)), tuple(by_night))
