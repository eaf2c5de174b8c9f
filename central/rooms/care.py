"""A room's two axes at work: who lives in it, how clean it is, and what the box is told of it."""

from sqlalchemy import bindparam, select, update

from central.problems import NotAllowed
from central.rooms.assignment import doors_of, read_room
from central.rooms.house import read_house
from central.store import audit
from central.store.tables import maintenance, room
from central.store.turn import Turn
from central.store.wakeups import announce
from central.sync import feed
from wire import rooms
from wire.entities import Care, Maintenance, RoomBody
from wire.rooms import Front, RoomEvent

_SET = (
    update(room)
    .where(room.c.property_id == bindparam("p"), room.c.room == bindparam("key"))
    .values(front=bindparam("front"), care=bindparam("care"))
)
_PLANNED = (
    select(maintenance)
    .where(maintenance.c.property_id == bindparam("p"), maintenance.c.room == bindparam("room"), maintenance.c.end_night > bindparam("day"))
    .order_by(maintenance.c.first_night, maintenance.c.maintenance_id)
)


def move_axes(turn: Turn, number: str, event: RoomEvent) -> None:
    """Let somebody arrive in a room or leave it, or a cleaner be done; put the room into the feed when its care changes.

    Raises NotAllowed when neither axis has an entry, such as a second check-in to an occupied room.
    """
    row = read_room(turn.conn, turn.property_id, number)
    front, care = Front(row.front), Care(row.care)
    moved_front = rooms.FRONT[front].get(event)
    moved_care = rooms.CARE[care].get(event)
    if moved_front is None and (moved_care is None or event in PEOPLE):
        raise NotAllowed(str(event), [f"room_{front if event in PEOPLE else care}"])
    _set(turn, number, moved_front or front, moved_care or care)
    if moved_care not in {None, care}:
        publish_room(turn, number)


PEOPLE = frozenset(event for table in rooms.FRONT.values() for event in table)  # these must move the front axis


def set_care(turn: Turn, number: str, care: Care) -> None:
    """Write down how clean a room is, by somebody who has seen it; nothing happens when it is so already."""
    row = read_room(turn.conn, turn.property_id, number)
    if row.care == care:
        return
    _set(turn, number, Front(row.front), care)
    audit.record(turn, "care", f"room/{number}", care=care, before=row.care)
    publish_room(turn, number)


def _set(turn: Turn, number: str, front: Front, care: Care) -> None:
    turn.conn.execute(_SET, {"p": turn.property_id, "key": number, "front": str(front), "care": str(care)})
    announce(turn.conn, turn.property_id, "room", number)


def publish_room(turn: Turn, number: str) -> None:
    """Put the room as it is now into the feed; repairs that have ended are left out."""
    row = read_room(turn.conn, turn.property_id, number)
    house = read_house(turn.conn, turn.property_id)
    planned = turn.conn.execute(_PLANNED, {"p": turn.property_id, "room": number, "day": house.business_date}).all()
    body = RoomBody(
        room_type=row.room_type,
        floor=row.floor,
        doors=doors_of(turn.conn, turn.property_id, number),
        care=Care(row.care),
        maintenance=tuple(Maintenance(m.kind, house.arrive(m.first_night), house.depart(m.end_night)) for m in planned),
    )
    feed.put(turn, "room", number, body)
