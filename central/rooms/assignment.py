"""Rooms given to stays: room nights, one holder each, and the room that is chosen by itself."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, insert, select
from sqlalchemy.exc import IntegrityError

from central.problems import Conflict, NotFound
from central.rooms.rules import Candidate, choose
from central.store.tables import maintenance, room, room_door, room_night
from central.store.turn import Turn

CHOICE = 24  # rooms that are weighed against one another; looking at three hundred costs more than it finds
AnyRow = Row[*tuple[Any, ...]]

_same_room = (room_night.c.property_id == room.c.property_id) & (room_night.c.room == room.c.room)
_taken = exists().where(_same_room, room_night.c.night >= bindparam("first"), room_night.c.night < bindparam("end"))
_repaired = exists().where(
    maintenance.c.property_id == room.c.property_id,
    maintenance.c.room == room.c.room,
    maintenance.c.first_night < bindparam("end"),
    maintenance.c.end_night > bindparam("first"),
)
_before = select(func.max(room_night.c.night)).where(_same_room, room_night.c.night < bindparam("first")).scalar_subquery()
_after = select(func.min(room_night.c.night)).where(_same_room, room_night.c.night >= bindparam("end")).scalar_subquery()
_FREE = (
    select(
        room.c.room, room.c.room_type, room.c.front, room.c.care, room.c.floor, room.c.sort, _before.label("before"), _after.label("after")
    )
    .where(room.c.property_id == bindparam("p"), ~_taken, ~_repaired)
    .order_by(room.c.sort, room.c.room)
)
_FREE_OF_TYPE = _FREE.where(room.c.room_type == bindparam("t"))
# to choose from: those whose last guest leaves latest, where the gap before the stay is smallest
_NEAREST = _FREE_OF_TYPE.order_by(None).order_by(_before.desc().nulls_last(), room.c.sort, room.c.room).limit(CHOICE)
_TAKE = insert(room_night)
_LEAVE = delete(room_night).where(
    room_night.c.property_id == bindparam("p"), room_night.c.reservation_id == bindparam("r"), room_night.c.night >= bindparam("first")
)
_LEAVE_EXACTLY = delete(room_night).where(
    room_night.c.property_id == bindparam("p"),
    room_night.c.reservation_id == bindparam("r"),
    room_night.c.night.in_(bindparam("days", expanding=True)),
)
_ROOM = select(room).where(room.c.property_id == bindparam("p"), room.c.room == bindparam("room"))
_DOORS = (
    select(room_door.c.door)
    .where(room_door.c.property_id == bindparam("p"), room_door.c.room == bindparam("room"))
    .order_by(room_door.c.door)
)
_HOLDERS = (
    select(room_night.c.night, room_night.c.reservation_id, room_night.c.hold_id)
    .where(
        room_night.c.property_id == bindparam("p"),
        room_night.c.room == bindparam("room"),
        room_night.c.night >= bindparam("first"),
        room_night.c.night < bindparam("end"),
    )
    .order_by(room_night.c.night)
)
_UNDER_REPAIR = select(maintenance.c.kind).where(
    maintenance.c.property_id == bindparam("p"),
    maintenance.c.room == bindparam("room"),
    maintenance.c.first_night < bindparam("end"),
    maintenance.c.end_night > bindparam("first"),
)


def read_room(conn: Connection, property_id: str, number: str) -> AnyRow:
    """Return the room's row; raise NotFound."""
    row = conn.execute(_ROOM, {"p": property_id, "room": number}).one_or_none()
    if row is None:
        raise NotFound("room", number)
    return row


def doors_of(conn: Connection, property_id: str, number: str | None) -> tuple[int, ...]:
    """Return the doors that a key of this room opens, sorted; none for no room."""
    if number is None:
        return ()
    return tuple(conn.execute(_DOORS, {"p": property_id, "room": number}).scalars())


def free_rooms(conn: Connection, property_id: str, first: date, end: date, room_type_code: str | None = None) -> list[AnyRow]:
    """Return the rooms that nobody holds and nobody repairs on any of the nights [first, end), in the house's order.

    Columns: room, room_type, front, care, floor, sort, before, after.
    """
    told = {"p": property_id, "first": first, "end": end}
    if room_type_code is None:
        return list(conn.execute(_FREE, told).all())
    return list(conn.execute(_FREE_OF_TYPE, {**told, "t": room_type_code}).all())


def choose_room(turn: Turn, room_type_code: str, first: date, end: date) -> str | None:
    """Return a room of the type that is free for the whole stay, None only when there is none. The same books give the same room."""
    told = {"p": turn.property_id, "first": first, "end": end, "t": room_type_code}
    return best(turn.conn.execute(_NEAREST, told).all(), first, end)


def best(free: Iterable[AnyRow], first: date, end: date) -> str | None:
    """Return which of the free rooms (rows of `free_rooms`) a stay gets."""
    return choose((Candidate(row.room, row.sort, row.before, row.after) for row in free), first, end)


def take_nights(turn: Turn, number: str, reservation_id: str, days: Iterable[date]) -> None:
    """Give the room to a reservation for the nights `days`; raise Conflict when somebody holds one of them."""
    rows = [{"property_id": turn.property_id, "room": number, "night": day, "reservation_id": reservation_id} for day in days]
    if not rows:
        return
    try:
        turn.conn.execute(_TAKE, rows)
    except IntegrityError as error:
        raise Conflict("room_taken", f"Room {number} is taken on one of these nights.", "Choose another room.") from error


def leave_nights(turn: Turn, reservation_id: str, first: date) -> None:
    """Take back all room nights of a reservation from `first` on."""
    turn.conn.execute(_LEAVE, {"p": turn.property_id, "r": reservation_id, "first": first})


def leave_exactly(turn: Turn, reservation_id: str, days: Iterable[date]) -> None:
    """Take back these room nights of a reservation."""
    turn.conn.execute(_LEAVE_EXACTLY, {"p": turn.property_id, "r": reservation_id, "days": list(days)})


def holders(conn: Connection, property_id: str, number: str, days: Iterable[date]) -> list[AnyRow]:
    """Return who has the room on these nights: rows (night, reservation_id, hold_id), one of the two ids is set."""
    wanted = sorted(days)
    if not wanted:
        return []
    told = {"p": property_id, "room": number, "first": wanted[0], "end": wanted[-1] + timedelta(days=1)}
    return [row for row in conn.execute(_HOLDERS, told) if row.night in wanted]


def obstacles(conn: Connection, property_id: str, number: str, first: date, end: date, reservation_id: str) -> tuple[bool, bool]:
    """Return (taken by another, out of order) for a room on the nights [first, end), seen from one reservation."""
    told = {"p": property_id, "room": number, "first": first, "end": end}
    holders = conn.execute(_HOLDERS, told).all()
    kinds = set(conn.execute(_UNDER_REPAIR, told).scalars())
    return any(row.reservation_id != reservation_id for row in holders), "out_of_order" in kinds
