"""Repairs: rooms out of order (they leave sale) and out of service (they are given to nobody), night by night."""

from datetime import date

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from central.problems import Conflict, Invalid, NotFound
from central.rooms.assignment import obstacles, read_room
from central.rooms.care import publish_room
from central.rooms.house import read_house
from central.rooms.inventory import ensure_open, shift_out_of_order
from central.store import audit
from central.store.tables import maintenance
from central.store.turn import Turn
from central.store.wakeups import announce
from wire import ids

_ONE = select(maintenance).where(maintenance.c.property_id == bindparam("p"), maintenance.c.maintenance_id == bindparam("id"))
_END = delete(maintenance).where(maintenance.c.property_id == bindparam("p"), maintenance.c.maintenance_id == bindparam("id"))
KINDS = ("out_of_order", "out_of_service")


def plan(turn: Turn, number: str, kind: str, first: date, end: date, reason: str) -> str:
    """Block a room for the nights [first, end) and return the interval's id.

    Raises Conflict when somebody has the room on one of them, it is blocked already, or (out of order) its type is sold out.
    """
    if kind not in KINDS or first >= end:
        raise Invalid("bad_maintenance", "A repair has a kind and at least one night.", f"Kinds are {' and '.join(KINDS)}.")
    row = read_room(turn.conn, turn.property_id, number)
    taken, broken = obstacles(turn.conn, turn.property_id, number, first, end, "")
    if taken or broken:
        raise Conflict("room_taken", f"Room {number} is not free on all of these nights.", "Move the stay first.")
    if kind == "out_of_order":
        ensure_open(turn, read_house(turn.conn, turn.property_id).business_date, end)
        try:
            shift_out_of_order(turn, row.room_type, first, end, 1)
        except IntegrityError as error:
            raise Conflict("no_room_left", f"Type {row.room_type} is sold out on one of these nights.", "Choose other nights.") from error
    interval = ids.new_id()
    told = {"property_id": turn.property_id, "maintenance_id": interval, "room": number, "kind": kind}
    turn.conn.execute(insert(maintenance), {**told, "first_night": first, "end_night": end, "reason": reason})
    _tell(turn, number, "repair_planned", kind=kind, first=first.isoformat(), end=end.isoformat())
    return interval


def finish(turn: Turn, maintenance_id: str) -> None:
    """Give a room back before, or after, its interval has ended; raise NotFound."""
    row = turn.conn.execute(_ONE, {"p": turn.property_id, "id": maintenance_id}).one_or_none()
    if row is None:
        raise NotFound("maintenance", maintenance_id)
    turn.conn.execute(_END, {"p": turn.property_id, "id": maintenance_id})
    if row.kind == "out_of_order":
        room_type = read_room(turn.conn, turn.property_id, row.room).room_type
        shift_out_of_order(turn, room_type, row.first_night, row.end_night, -1)
    _tell(turn, row.room, "repair_ended", kind=row.kind)


def _tell(turn: Turn, number: str, action: str, **detail: str) -> None:
    audit.record(turn, action, f"room/{number}", **detail)
    publish_room(turn, number)
    announce(turn.conn, turn.property_id, "room", number)
