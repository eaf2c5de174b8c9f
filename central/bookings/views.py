"""What the API shows of orders and stays: plain values, one query for each kind of row, whatever their number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, tuple_

from central.bookings import books, keys, stays
from central.bookings.books import ActionView, Reservation
from central.folio import ledger
from central.folio.ledger import Posting
from central.guests import profiles
from central.rooms import assignment
from central.rooms.house import read_house
from central.store.tables import door_event, door_right, orders, reservation
from central.store.vault import Vault
from central.sync import jobs
from central.sync.jobs import JobState
from wire.entities import Care, Guest
from wire.rooms import Front
from wire.stays import Context, RoomState, Status

DOOR_EVENTS = 20
_RIGHTS = (
    select(door_right)
    .where(door_right.c.property_id == bindparam("p"), door_right.c.key_id.in_(bindparam("keys", expanding=True)))
    .order_by(door_right.c.key_id, door_right.c.door)
)
_EVENTS = (
    select(door_event)
    .where(door_event.c.property_id == bindparam("p"), door_event.c.door.in_(bindparam("doors", expanding=True)))
    .order_by(door_event.c.at.desc(), door_event.c.seq.desc())
    .limit(DOOR_EVENTS)
)
_DAY = select(reservation).where(
    reservation.c.property_id == bindparam("p"),
    reservation.c.status.in_((str(Status.IN_HOUSE), str(Status.CONFIRMED))),  # so that the history behind them is not walked through
    or_(reservation.c.status == str(Status.IN_HOUSE), reservation.c.arrival <= bindparam("day")),
)
_PAGE = select(orders).where(orders.c.property_id == bindparam("p")).order_by(orders.c.taken_at.desc(), orders.c.order_id.desc())
_AFTER = _PAGE.where(tuple_(orders.c.taken_at, orders.c.order_id) < tuple_(bindparam("at", type_=orders.c.taken_at.type), bindparam("id")))


@dataclass(frozen=True, slots=True)
class DoorView:
    """How far a key has come at one door, by the box's word."""

    door: int
    state: str
    lock: str
    code: str | None
    at: datetime
    exposure_until: datetime | None


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key and its doors."""

    key_id: str
    kind: str
    copy_no: int
    until: datetime
    status: str
    doors: tuple[DoorView, ...]


@dataclass(frozen=True, slots=True)
class DoorEventView:
    """One entry of a lock's own log."""

    door: int
    type: str
    at: datetime
    data: dict[str, Any]
    key_id: str | None


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """One reservation in a list."""

    reservation_id: str
    order_id: str
    number: str
    status: str
    guest: Guest
    room_type: str
    room: str | None
    arrival: date
    departure: date
    arrive: datetime
    depart: datetime
    persons: int
    nightly_gross_minor: tuple[int, ...]
    in_house_since: datetime | None
    checked_out_at: datetime | None
    channel: str


@dataclass(frozen=True, slots=True)
class ReservationView:
    """All of one reservation."""

    reservation: ReservationRow
    doors: tuple[int, ...]
    currency: str
    balance_minor: int  # posted so far
    due_minor: int  # to be paid when the guest leaves now: the balance and the used nights that are not posted yet
    folio: tuple[Posting, ...]
    keys: tuple[KeyView, ...]
    jobs: tuple[JobState, ...]
    door_events: tuple[DoorEventView, ...]
    actions: tuple[ActionView, ...]


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order and its reservations."""

    order_id: str
    number: str
    channel: str
    channel_reference: str
    version: int
    status: str
    booked_at: datetime
    taken_at: datetime
    reservations: tuple[ReservationRow, ...]


def rows(conn: Connection, vault: Vault, property_id: str, found: Sequence[Reservation]) -> list[ReservationRow]:
    """Return list rows of reservations, their guests read at once."""
    guests = profiles.read(conn, vault, property_id, (stay.guest_id for stay in found))
    shared = [name for name in ReservationRow.__dataclass_fields__ if name not in {"guest", "status"}]
    return [
        ReservationRow(guest=guests[stay.guest_id], status=str(stay.status), **{name: getattr(stay, name) for name in shared})
        for stay in found
    ]


def order_view(conn: Connection, vault: Vault, property_id: str, order_id: str) -> OrderView:
    """Return one order; raise NotFound."""
    order = books.read_order(conn, property_id, order_id)
    return _order(order, rows(conn, vault, property_id, books.of_order(conn, property_id, order_id)))


def _order(order: Any, rooms: Iterable[ReservationRow]) -> OrderView:
    plain = {name: order[name] for name in ("order_id", "number", "channel", "channel_reference", "status", "booked_at", "taken_at")}
    return OrderView(version=order["channel_version"], reservations=tuple(rooms), **plain)


def order_page(
    conn: Connection, vault: Vault, property_id: str, limit: int, after: str | None = None, channel: str | None = None
) -> list[OrderView]:
    """Return the newest orders first, at most `limit`, those after the order `after`; of one `channel` only where that is given."""
    query, told = _PAGE, {"p": property_id}
    if after is not None:
        last = books.read_order(conn, property_id, after)
        query, told = _AFTER, {**told, "at": last["taken_at"], "id": after}
    if channel is not None:
        query = query.where(orders.c.channel == channel)
    found = conn.execute(query.limit(limit), told).mappings().all()
    ids = [order["order_id"] for order in found]
    of_page = select(reservation).where(reservation.c.property_id == property_id, reservation.c.order_id.in_(ids))
    rooms = [books.of_row(row) for row in conn.execute(of_page.order_by(reservation.c.number)).mappings()]
    told_rows = rows(conn, vault, property_id, rooms)
    return [_order(order, (row for row in told_rows if row.order_id == order["order_id"])) for order in found]


def day(conn: Connection, vault: Vault, property_id: str) -> list[ReservationRow]:
    """Return everybody who is in house or should have arrived by the business date, by arrival and number."""
    house = read_house(conn, property_id)
    found = [books.of_row(row) for row in conn.execute(_DAY, {"p": property_id, "day": house.business_date}).mappings()]
    return rows(conn, vault, property_id, sorted(found, key=lambda stay: (stay.arrival, stay.number)))


def reservation_view(conn: Connection, vault: Vault, property_id: str, reservation_id: str, now: datetime) -> ReservationView:
    """Return all of one reservation, with what may be done to it now; raise NotFound."""
    stay = books.read(conn, property_id, reservation_id)
    house = read_house(conn, property_id)
    doors = assignment.doors_of(conn, property_id, stay.room)
    folio = tuple(ledger.lines(conn, property_id, reservation_id))
    owed = sum(line.gross_minor for line in folio)
    context = Context(now, room=_room(conn, property_id, stay), posted=bool(folio), early=house.early(stay.arrival))
    return ReservationView(
        reservation=rows(conn, vault, property_id, [stay])[0],
        doors=doors,
        currency=house.currency,
        balance_minor=owed,
        due_minor=owed + stays.unposted(stay, house, folio),
        folio=folio,
        keys=_keys(conn, property_id, reservation_id),
        jobs=tuple(jobs.of_reservation(conn, property_id, reservation_id)),
        door_events=_events(conn, property_id, doors),
        actions=books.actions(stay, context, owed),
    )


def _room(conn: Connection, property_id: str, stay: Reservation) -> RoomState | None:
    if stay.room is None:
        return None
    row = assignment.read_room(conn, property_id, stay.room)
    taken, broken = assignment.obstacles(conn, property_id, stay.room, stay.arrival, stay.departure, stay.reservation_id)
    return RoomState(care=Care(row.care), occupied=row.front == Front.OCCUPIED, out_of_order=broken, taken=taken)


def _keys(conn: Connection, property_id: str, reservation_id: str) -> tuple[KeyView, ...]:
    known = keys.of_stay(conn, property_id, reservation_id)
    found = conn.execute(_RIGHTS, {"p": property_id, "keys": [key.key_id for key in known]}).mappings().all()
    rights = [(row["key_id"], DoorView(**{name: row[name] for name in DoorView.__dataclass_fields__})) for row in found]
    return tuple(
        KeyView(key.key_id, str(key.kind), key.copy_no, key.until, str(key.status), tuple(view for of, view in rights if of == key.key_id))
        for key in known
    )


def _events(conn: Connection, property_id: str, doors: tuple[int, ...]) -> tuple[DoorEventView, ...]:
    found = conn.execute(_EVENTS, {"p": property_id, "doors": list(doors)}).mappings()
    return tuple(DoorEventView(**{name: row[name] for name in DoorEventView.__dataclass_fields__}) for row in found)
