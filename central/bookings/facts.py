"""What facts of the box do to stays, keys, rooms and devices: the property is right about what has happened there.

A fact that cannot be true on our books raises a Problem: intake acknowledges it and makes a task of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Table, bindparam, insert, select, update

from central.bookings import books, consumption, keys, making_way, rules, stays, walk_ins
from central.bookings.books import Reservation
from central.folio import ledger
from central.problems import Conflict, Problem
from central.rooms import assignment, inventory
from central.rooms.care import move_axes, set_care
from central.rooms.house import business_date_at, read_house
from central.rooms.rules import nights
from central.store import audit
from central.store.tables import access_key, device, door_event, door_right, room_door, room_signal
from central.store.turn import Turn
from central.store.wakeups import announce
from central.sync import feed
from central.upkeep import tasks
from wire.entities import KeyBody, KeyKind, KeyStatus
from wire.facts import (
    CareSet,
    DeviceHealth,
    DoorEvent,
    Fact,
    KeyIssued,
    KeyLost,
    PaymentTaken,
    RightChanged,
    RoomOccupancy,
    RoomService,
    StayCheckedIn,
    StayCheckedOut,
    StayDatesChanged,
    StayMoved,
    TaskRaised,
    WalkInTaken,
)
from wire.messages import FactRow
from wire.rooms import RoomEvent
from wire.stays import Status

F = TypeVar("F", bound=Fact)
_STAY_OF_KEY = select(access_key.c.reservation_id).where(access_key.c.property_id == bindparam("p"), access_key.c.key_id == bindparam("k"))
_ROOMS_OF_DOOR = select(room_door.c.room).where(room_door.c.property_id == bindparam("p"), room_door.c.door == bindparam("door"))


def _write(turn: Turn, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Change the row, or make it: under the property's lock nobody comes between."""
    mine = {"property_id": turn.property_id, **key}
    where = [table.c[name] == value for name, value in mine.items()]
    if not turn.conn.execute(update(table).where(*where).values(**values)).rowcount:
        turn.conn.execute(insert(table), {**mine, **values})


def right_changed(turn: Turn, row: FactRow, fact: RightChanged) -> None:
    """Note how far a key has come at a door, by the lock's own answer."""
    values = {"state": str(fact.state), "lock": fact.lock, "code": fact.code, "at": fact.at, "exposure_until": fact.exposure_until}
    _write(turn, door_right, {"key_id": fact.key_id, "door": fact.door}, values)
    stay_id = fact.stay_id or turn.conn.execute(_STAY_OF_KEY, {"p": turn.property_id, "k": fact.key_id}).scalar()
    if stay_id is not None:
        announce(turn.conn, turn.property_id, "stay", stay_id)


def door_events(turn: Turn, neighbours: Sequence[tuple[FactRow, Fact]]) -> None:
    """Keep door events, many at once; each is in the log once by its fact's id."""
    rows = [_door_event(turn, fact) for _, fact in neighbours if isinstance(fact, DoorEvent)]
    turn.conn.execute(insert(door_event), rows)
    for door in sorted({row["door"] for row in rows}):
        for number in turn.conn.execute(_ROOMS_OF_DOOR, {"p": turn.property_id, "door": door}).scalars().all():
            announce(turn.conn, turn.property_id, "room", number)
    for stay_id in sorted({row["reservation_id"] for row in rows if row["reservation_id"]}):
        announce(turn.conn, turn.property_id, "stay", stay_id)


def _door_event(turn: Turn, fact: DoorEvent) -> dict[str, Any]:
    return {
        "property_id": turn.property_id, "device": fact.device, "log_id": fact.log_id, "seq": fact.seq, "door": fact.door,
        "type": fact.type, "at": fact.at, "tq": fact.tq, "data": fact.data, "key_id": fact.key_id, "reservation_id": fact.stay_id,
    }  # fmt: skip


def device_health(turn: Turn, row: FactRow, fact: DeviceHealth) -> None:
    """Note how a device is."""
    values: dict[str, Any] = {"health": fact.health, "flags": list(fact.flags), "battery_percent": fact.battery_percent, "at": fact.at}
    if fact.room is not None:
        values["room"] = fact.room
    if (device_class := getattr(fact, "device_class", None)) is not None:
        values["device_class"] = device_class
    _write(turn, device, {"device": fact.device}, values)
    announce(turn.conn, turn.property_id, "device", fact.device)
    if fact.room is not None:
        announce(turn.conn, turn.property_id, "room", fact.room)


def room_occupancy(turn: Turn, row: FactRow, fact: RoomOccupancy) -> None:
    """Note what the sensors believe; it moves neither axis."""
    assignment.read_room(turn.conn, turn.property_id, fact.room)
    _write(turn, room_signal, {"room": fact.room}, {"occupancy": fact.occupancy, "occupancy_at": fact.at})
    announce(turn.conn, turn.property_id, "room", fact.room)


def room_service(turn: Turn, row: FactRow, fact: RoomService) -> None:
    """Note do-not-disturb or make-up-room."""
    assignment.read_room(turn.conn, turn.property_id, fact.room)
    _write(turn, room_signal, {"room": fact.room}, {"service": fact.service, "service_at": fact.at})
    announce(turn.conn, turn.property_id, "room", fact.room)


def care_set(turn: Turn, row: FactRow, fact: CareSet) -> None:
    """Take over how clean the room is."""
    set_care(turn, fact.room, fact.care)


def task_raised(turn: Turn, row: FactRow, fact: TaskRaised) -> None:
    """Give a task of the box to the people here."""
    tasks.add(turn, fact.kind, fact.args, room=fact.room, reservation_id=fact.stay_id, task_id=fact.task_id, raised_at=fact.at)


def key_issued(turn: Turn, row: FactRow, fact: KeyIssued) -> None:
    """Take over a key that was made at the box; a known one stays as it is."""
    if turn.conn.execute(select(access_key.c.key_id).where(*_key(turn, fact.key_id))).first():
        return
    if fact.stay_id is not None:
        books.read(turn.conn, turn.property_id, fact.stay_id)
    told = {
        "property_id": turn.property_id, "key_id": fact.key_id, "reservation_id": fact.stay_id, "staff_id": fact.staff_id,
        "kind": fact.kind, "copy_no": fact.copy_no, "until": fact.until, "status": str(KeyStatus.WANTED), "made_at": row.at,
    }  # fmt: skip
    turn.conn.execute(insert(access_key), told)
    body = KeyBody(KeyKind(fact.kind), fact.until, stay_id=fact.stay_id, staff_id=fact.staff_id, copy_no=fact.copy_no)
    feed.put(turn, "key", fact.key_id, body)
    if fact.stay_id is not None:
        announce(turn.conn, turn.property_id, "stay", fact.stay_id)


def _key(turn: Turn, key_id: str) -> tuple[Any, ...]:
    return access_key.c.property_id == turn.property_id, access_key.c.key_id == key_id


def key_lost(turn: Turn, row: FactRow, fact: KeyLost) -> None:
    """Note that a key was reported lost at the box."""
    keys.lose_key(turn, fact.key_id)


def stay_checked_in(turn: Turn, row: FactRow, fact: StayCheckedIn) -> None:
    """Take over a check-in at the box, also of a stay that was cancelled here meanwhile: the guest stands in the room.

    Who was to have the room and has not come yet makes way. Raises Conflict when our books cannot hold it (somebody else lives in the
    room, the type is sold out): a person must decide.
    """
    stay = books.read(turn.conn, turn.property_id, fact.stay_id)
    if stay.status in {Status.IN_HOUSE, Status.CHECKED_OUT}:
        return
    house = read_house(turn.conn, turn.property_id)
    if stay.status in {Status.CANCELLED, Status.NO_SHOW}:
        inventory.take(turn, stay.stock_type, nights(stay.arrival, stay.departure))
        stay = books.change(turn, stay, room=None)
    number = next(iter(fact.rooms), stay.room)
    if number is None:
        raise Conflict("no_room_assigned", "The box checked somebody in without a room.", "Ask the desk which room it is.")
    if number != stay.room:
        first = min(stay.arrival, house.business_date)
        assignment.leave_nights(turn, stay.reservation_id, first)  # what the guest leaves is there for who makes way
        making_way.for_guest(turn, replace(stay, room=number), nights(stay.arrival, stay.departure))
        stay = stays.put_into(turn, stay, number, first)
    move_axes(turn, number, RoomEvent.CHECKED_IN)
    stay = books.change(turn, stay, status=Status.IN_HOUSE, in_house_since=fact.at)
    books.publish(turn, stay)
    audit.record(turn, "checked_in", f"stay/{stay.reservation_id}", room=number)


def stay_checked_out(turn: Turn, row: FactRow, fact: StayCheckedOut) -> None:
    """Take over a check-out at the box: it is always possible there, an open balance stays as a task.

    It counts from the day on which the guest left, however long the line was down: nobody pays for nights after that.
    """
    stay = books.read(turn.conn, turn.property_id, fact.stay_id)
    if stay.status is not Status.IN_HOUSE:
        return
    house = read_house(turn.conn, turn.property_id)
    house = replace(house, business_date=min(house.business_date, business_date_at(fact.at, house.zone)))
    stays.post_nights(turn, stay, rules.charged(stay.arrival, stay.departure, house.business_date))
    owed = ledger.balance(turn.conn, turn.property_id, stay.reservation_id)
    stay = stays.leave(turn, house, stay, fact.at)
    books.publish(turn, stay, balance_minor=owed)
    if owed:
        tasks.add(turn, "open_balance", {"amount_minor": owed}, room=stay.room, reservation_id=stay.reservation_id)
    audit.record(turn, "checked_out", f"stay/{stay.reservation_id}", room=stay.room, balance_minor=owed)


def stay_moved(turn: Turn, row: FactRow, fact: StayMoved) -> None:
    """Take over a move at the box; who was to have the room makes way. Raises Conflict when somebody else lives in it."""
    stay = books.read(turn.conn, turn.property_id, fact.stay_id)
    if stay.room == fact.to_room or stay.status is not Status.IN_HOUSE:
        return
    before = stay.room
    house = read_house(turn.conn, turn.property_id)
    first = stays.tonight(house, stay)
    assignment.leave_nights(turn, stay.reservation_id, first)
    making_way.for_guest(turn, replace(stay, room=fact.to_room), nights(first, stay.departure))
    stay = stays.put_into(turn, stay, fact.to_room, first, moved_at=fact.at)
    if before is not None:
        move_axes(turn, before, RoomEvent.MOVED_OUT)
    move_axes(turn, fact.to_room, RoomEvent.MOVED_IN)
    books.publish(turn, stay)
    audit.record(turn, "moved", f"stay/{stay.reservation_id}", room=fact.to_room, before=before)


def payment_taken(turn: Turn, row: FactRow, fact: PaymentTaken) -> None:
    """Post a payment that the box took; the same payment counts once."""
    stay: Reservation = books.read(turn.conn, turn.property_id, fact.stay_id)
    if fact.currency != read_house(turn.conn, turn.property_id).currency:
        raise Conflict("wrong_currency", f"The payment is in {fact.currency}.", "Post it by hand.")
    stays.pay(turn, stay.reservation_id, fact.payment_id, fact.method, fact.amount_minor, fact.reference)


def refused(turn: Turn, row: FactRow, fact: Fact, problem: Problem) -> None:
    """Make a task of a fact that our books cannot hold."""
    args = {"fact": row.kind, "entity": row.entity, "code": problem.code}
    tasks.add(turn, "fact_refused", args, room=getattr(fact, "room", None), reservation_id=getattr(fact, "stay_id", None))


def alarm(turn: Turn, kind: str, args: Mapping[str, Any]) -> None:
    """Make a task of a row that was kept unread."""
    tasks.add(turn, kind, args)


def close_task(turn: Turn, task_id: str) -> None:
    """Close a task; when it stood for a fact about a stay that our books could not hold, our version counts from here on."""
    closed = tasks.close(turn, task_id)
    if closed.kind.startswith("fact_") and closed.reservation_id is not None:
        feed.settle(turn, "stay", closed.reservation_id)


HANDLERS: dict[type[Any], Any] = {
    RightChanged: right_changed,
    DeviceHealth: device_health,
    RoomOccupancy: room_occupancy,
    RoomService: room_service,
    CareSet: care_set,
    TaskRaised: task_raised,
    KeyIssued: key_issued,
    KeyLost: key_lost,
    StayCheckedIn: stay_checked_in,
    StayCheckedOut: stay_checked_out,
    StayMoved: stay_moved,
    StayDatesChanged: walk_ins.stay_dates_changed,
    WalkInTaken: walk_ins.walk_in_taken,
    PaymentTaken: payment_taken,
    **consumption.HANDLERS,
}
BULK: dict[type[Any], Any] = {DoorEvent: door_events}
