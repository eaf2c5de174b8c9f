"""The rows of orders and reservations: one place for their statements, and what the box is told of a stay."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from central.folio import ledger
from central.guests import profiles
from central.problems import NotFound
from central.rooms.assignment import doors_of
from central.store.tables import orders, reservation
from central.store.turn import Turn
from central.store.wakeups import announce
from central.sync import feed
from wire.entities import Guest, StayBody
from wire.stays import Action, Context, Status, StayView, allowed, on_box

_ONE = select(reservation).where(reservation.c.property_id == bindparam("p"), reservation.c.reservation_id == bindparam("r"))
_OF_ORDER = (
    select(reservation)
    .where(reservation.c.property_id == bindparam("p"), reservation.c.order_id == bindparam("o"))
    .order_by(reservation.c.number)
)
_ORDER = select(orders).where(orders.c.property_id == bindparam("p"), orders.c.order_id == bindparam("o"))
_MINE = (reservation.c.property_id == bindparam("p"), reservation.c.reservation_id == bindparam("r"))


OFFERED = (  # what the API has a verb for
    Action.AMEND, Action.ASSIGN, Action.CHECK_IN, Action.CUT_KEY, Action.MOVE, Action.EXTEND, Action.SHORTEN, Action.CHECK_OUT,
    Action.CANCEL, Action.NO_SHOW,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ActionView:
    """Whether an action may be done; `reason_code` says why not, or (allowed) what to mind."""

    action: str
    allowed: bool
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """One row of the table, as it is now."""

    reservation_id: str
    order_id: str
    number: str
    status: Status
    room_type: str
    stock_type: str
    room: str | None
    arrival: date
    departure: date
    arrive: datetime
    depart: datetime
    persons: int
    nightly_gross_minor: tuple[int, ...]
    guest_id: str
    no_post: bool = False
    in_house_since: datetime | None = None
    moved_at: datetime | None = None
    checked_out_at: datetime | None = None
    version: int = 1
    channel: str = ""

    def row(self, property_id: str) -> dict[str, Any]:
        """The row to insert."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return told | {"property_id": property_id, "status": str(self.status), "nightly_gross_minor": list(self.nightly_gross_minor)}


def of_row(row: RowMapping) -> Reservation:
    """Return the reservation that a row of the table holds."""
    told: dict[str, Any] = {name: row[name] for name in Reservation.__dataclass_fields__}
    return Reservation(**told | {"status": Status(row["status"]), "nightly_gross_minor": tuple(row["nightly_gross_minor"])})


def read(conn: Connection, property_id: str, reservation_id: str) -> Reservation:
    """Return one reservation; raise NotFound."""
    row = conn.execute(_ONE, {"p": property_id, "r": reservation_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("reservation", reservation_id)
    return of_row(row)


def of_order(conn: Connection, property_id: str, order_id: str) -> list[Reservation]:
    """Return the reservations of an order, by number."""
    return [of_row(row) for row in conn.execute(_OF_ORDER, {"p": property_id, "o": order_id}).mappings()]


def view(stay: Reservation, balance_minor: int = 0) -> StayView:
    """Return what the law of stays wants to know of a reservation."""
    return StayView(
        status=stay.status,
        arrive=stay.arrive,
        depart=stay.depart,
        rooms=(stay.room,) if stay.room else (),
        in_house_since=stay.in_house_since,
        checked_out_at=stay.checked_out_at,
        balance_minor=balance_minor,
    )


def actions(stay: Reservation, context: Context, balance_minor: int = 0) -> tuple[ActionView, ...]:
    """Judge everything that the API offers, by the one table; what `context` does not know is not judged."""
    judged = allowed(view(stay, balance_minor), context)
    return tuple(
        ActionView(str(one.action), one.ok, str(one.reason_code) if one.reason_code else None) for one in judged if one.action in OFFERED
    )


def read_order(conn: Connection, property_id: str, order_id: str) -> RowMapping:
    """Return the order's row; raise NotFound."""
    row = conn.execute(_ORDER, {"p": property_id, "o": order_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("order", order_id)
    return row


def change(turn: Turn, before: Reservation, **values: Any) -> Reservation:
    """Write `values` over the row, count its version up, and return the reservation as it is then."""
    after = replace(before, **values, version=before.version + 1)
    raw = {name: _raw(value) for name, value in values.items()}
    statement = update(reservation).where(*_MINE).values(**raw, version=after.version)
    turn.conn.execute(statement, {"p": turn.property_id, "r": before.reservation_id})
    return after


def _raw(value: Any) -> Any:
    """A value as the table holds it."""
    if isinstance(value, Status):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def publish(turn: Turn, stay: Reservation, guest: Guest | None = None, balance_minor: int | None = None) -> None:
    """Put the stay as it is now into the feed, once the box should know of it, and wake whoever shows it.

    `guest` and `balance_minor` save a query each where the caller knows them.
    """
    announce(turn.conn, turn.property_id, "stay", stay.reservation_id)
    if stay.room is not None:
        announce(turn.conn, turn.property_id, "room", stay.room)
    status = on_box(stay.status)
    if status is None:
        return
    who = guest or profiles.read(turn.conn, turn.vault, turn.property_id, [stay.guest_id])[stay.guest_id]
    owed = ledger.balance(turn.conn, turn.property_id, stay.reservation_id) if balance_minor is None else balance_minor
    body = StayBody(
        number=stay.number,
        status=status,
        rooms=(stay.room,) if stay.room else (),
        doors=doors_of(turn.conn, turn.property_id, stay.room),
        room_type=stay.room_type,
        arrive=stay.arrive,
        depart=stay.depart,
        guest=who,
        persons=stay.persons,
        in_house_since=stay.in_house_since,
        moved_at=stay.moved_at,
        checked_out_at=stay.checked_out_at,
        no_post=stay.no_post,
        nightly_gross_minor=stay.nightly_gross_minor,
        balance_minor=owed,
    )
    feed.put(turn, "stay", stay.reservation_id, body)
