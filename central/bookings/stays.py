"""Stays: check-in, move, change of departure, check-out; each one transaction, each judged by the one table in `wire`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from central.bookings import books, keys, rules
from central.bookings.books import Reservation
from central.bookings.orders import rates_of, release
from central.folio import ledger
from central.folio.ledger import Line, Posting
from central.problems import NotAllowed
from central.rooms import assignment, inventory
from central.rooms.care import move_axes
from central.rooms.house import House, read_house
from central.rooms.rules import nights
from central.store import audit
from central.store.tables import rate
from central.store.turn import Turn
from central.upkeep import tasks
from wire.entities import Care
from wire.rooms import Front, RoomEvent
from wire.stays import Action, Context, Reason, RoomState, Status, judge

_TAX = select(rate.c.tax_code).where(rate.c.property_id == bindparam("p"), rate.c.room_type == bindparam("t")).limit(1)


@dataclass(frozen=True, slots=True)
class Done:
    """What a use case did; `warning` is what the table says one should have minded."""

    stay: Reservation
    warning: Reason | None = None


def must(action: Action, stay: Reservation, context: Context, balance_minor: int = 0) -> Reason | None:
    """Return the warning that comes with an allowed action; raise NotAllowed with the reason otherwise."""
    verdict = judge(action, books.view(stay, balance_minor), context)
    if not verdict.ok:
        raise NotAllowed(str(action), [str(verdict.reason_code)])
    return verdict.reason_code


def room_state(turn: Turn, number: str, first: date, end: date, reservation_id: str) -> RoomState:
    """Return a room as the table wants to know it, seen from one reservation."""
    row = assignment.read_room(turn.conn, turn.property_id, number)
    taken, broken = assignment.obstacles(turn.conn, turn.property_id, number, first, end, reservation_id)
    return RoomState(care=Care(row.care), occupied=row.front == Front.OCCUPIED, out_of_order=broken, taken=taken)


def assign(turn: Turn, reservation_id: str, number: str) -> Done:
    """Give a reservation another room before its arrival. Raises NotAllowed, or Conflict when the room or its type is taken."""
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    warning = must(Action.ASSIGN, stay, Context(turn.now))
    stay = put_into(turn, stay, number, stay.arrival)
    books.publish(turn, stay)
    audit.record(turn, "assigned", f"stay/{reservation_id}", room=number)
    return Done(stay, warning)


def check_in(turn: Turn, reservation_id: str, number: str | None = None, copies: int = 1) -> Done:
    """Let the guest in: the room is occupied, `copies` keys are wanted until the departure.

    Without a room the reservation gets the one that is chosen by itself. Raises NotAllowed with the reason (not due yet, room occupied,
    no room …), Conflict when the wanted room is taken.
    """
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    house = read_house(turn.conn, turn.property_id)
    context = Context(turn.now, early=house.early(stay.arrival))
    if stay.status is Status.CONFIRMED and (number or stay.room is None):
        wanted = number or assignment.choose_room(turn, stay.stock_type, stay.arrival, stay.departure)
        if wanted is not None and wanted != stay.room:
            stay = put_into(turn, stay, wanted, stay.arrival)
    room = room_state(turn, stay.room, stay.arrival, stay.departure, reservation_id) if stay.room else None
    warning = must(Action.CHECK_IN, stay, Context(turn.now, room=room, early=context.early))
    if stay.room is None:
        raise NotAllowed(str(Action.CHECK_IN), [str(Reason.NO_ROOM_ASSIGNED)])
    move_axes(turn, stay.room, RoomEvent.CHECKED_IN)
    stay = books.change(turn, stay, status=Status.IN_HOUSE, in_house_since=turn.now)
    books.publish(turn, stay)
    for copy_no in range(copies):
        keys.issue(turn, stay, copy_no)
    audit.record(turn, "checked_in", f"stay/{reservation_id}", room=stay.room, keys=copies)
    return Done(stay, warning)


def move(turn: Turn, reservation_id: str, number: str) -> Done:
    """Move a guest to another room for the rest of the stay; the same keys open its doors from then on.

    Raises NotAllowed, or Conflict when the room, or its type, is taken.
    """
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    must(Action.MOVE, stay, Context(turn.now))
    if number == stay.room:
        return Done(stay)
    house = read_house(turn.conn, turn.property_id)
    first = tonight(house, stay)
    room = room_state(turn, number, first, stay.departure, reservation_id)
    for wrong, reason in (
        (room.occupied, Reason.ROOM_OCCUPIED),
        (room.out_of_order, Reason.ROOM_OUT_OF_ORDER),
        (room.taken, Reason.ROOM_TAKEN),
    ):
        if wrong:
            raise NotAllowed(str(Action.MOVE), [str(reason)])
    before = stay.room
    stay = put_into(turn, stay, number, first, moved_at=turn.now)
    if before is not None:
        move_axes(turn, before, RoomEvent.MOVED_OUT)
    move_axes(turn, number, RoomEvent.MOVED_IN)
    books.publish(turn, stay)
    audit.record(turn, "moved", f"stay/{reservation_id}", room=number, before=before)
    return Done(stay, Reason.ROOM_DIRTY if room.care not in {Care.CLEAN, Care.INSPECTED} else None)


def put_into(turn: Turn, stay: Reservation, number: str, first: date, **values: Any) -> Reservation:
    """Give the room for the nights from `first` on; a room of another type is taken from that type's counter."""
    rest = nights(max(first, stay.arrival), stay.departure)
    kind = assignment.read_room(turn.conn, turn.property_id, number).room_type
    if kind != stay.stock_type and rest:
        inventory.give_back(turn, stay.stock_type, rest)
        inventory.take(turn, kind, rest)
    assignment.leave_nights(turn, stay.reservation_id, first)
    assignment.take_nights(turn, number, stay.reservation_id, rest)
    return books.change(turn, stay, room=number, stock_type=kind, **values)


def change_departure(turn: Turn, reservation_id: str, departure: date, *, covered: frozenset[date] = frozenset()) -> Done:
    """Let a guest in house stay longer or leave earlier: nights, prices and keys follow. `covered` nights are the stay's already.

    Raises NotAllowed, or Conflict when the room or its type is not free on the added nights.
    """
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    if departure == stay.departure:
        return Done(stay)
    house = read_house(turn.conn, turn.property_id)
    action = Action.EXTEND if departure > stay.departure else Action.SHORTEN
    warning = must(action, stay, Context(turn.now))
    rules.check_dates(stay.arrival, departure, stay.arrival)
    if departure <= house.business_date and action is Action.SHORTEN:
        raise NotAllowed(str(action), [str(Reason.LAST_NIGHT)])
    moved = rules.dates_changed((stay.arrival, stay.departure), (stay.arrival, departure))
    inventory.ensure_open(turn, house.business_date, departure)
    inventory.give_back(turn, stay.stock_type, moved.dropped)
    added = tuple(day for day in moved.added if day not in covered)
    inventory.take(turn, stay.stock_type, added)
    if moved.dropped:
        assignment.leave_nights(turn, reservation_id, departure)
    if added and stay.room is not None:
        assignment.take_nights(turn, stay.room, reservation_id, added)
    priced = rules.repriced(stay.nightly_gross_minor, stay.arrival, departure, rates_of(turn, stay.room_type))
    stay = books.change(turn, stay, departure=departure, depart=house.depart(departure), nightly_gross_minor=priced)
    books.publish(turn, stay)
    keys.prolong_all(turn, stay)
    audit.record(turn, str(action), f"stay/{reservation_id}", departure=departure.isoformat())
    return Done(stay, warning)


def check_out(turn: Turn, reservation_id: str, *, open_balance: bool = False) -> Done:
    """Let the guest go: used nights are posted, unused ones return to sale, the room is vacant and dirty, the keys are withdrawn.

    Raises NotAllowed `open_balance` while the folio is not settled, unless `open_balance` says to go on: then a task remains.
    """
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    must(Action.CHECK_OUT, stay, Context(turn.now))
    house = read_house(turn.conn, turn.property_id)
    post_nights(turn, stay, rules.charged(stay.arrival, stay.departure, house.business_date))
    owed = ledger.balance(turn.conn, turn.property_id, reservation_id)
    warning = must(Action.CHECK_OUT, stay, Context(turn.now, balance_refuses=not open_balance), owed)
    stay = leave(turn, house, stay)
    books.publish(turn, stay, balance_minor=owed)
    if owed:
        tasks.add(turn, "open_balance", {"amount_minor": owed}, room=stay.room, reservation_id=reservation_id)
    audit.record(turn, "checked_out", f"stay/{reservation_id}", room=stay.room, balance_minor=owed)
    return Done(stay, warning)


def leave(turn: Turn, house: House, stay: Reservation, at: datetime | None = None) -> Reservation:
    """Free the room and its nights from the business date on, end the keys, and return the stay as checked out."""
    unused = tuple(day for day in nights(stay.arrival, stay.departure) if day >= house.business_date)
    inventory.give_back(turn, stay.stock_type, unused)
    assignment.leave_nights(turn, stay.reservation_id, house.business_date)
    if stay.room is not None:
        move_axes(turn, stay.room, RoomEvent.CHECKED_OUT)
    keys.withdraw_all(turn, stay.reservation_id)
    departure = min(stay.departure, max(house.business_date, stay.arrival + timedelta(days=1)))
    values: dict[str, Any] = {"status": Status.CHECKED_OUT, "checked_out_at": at or turn.now}
    if departure != stay.departure:
        priced = stay.nightly_gross_minor[: (departure - stay.arrival).days]
        values |= {"departure": departure, "depart": house.depart(departure), "nightly_gross_minor": priced}
    return books.change(turn, stay, **values)


def no_show(turn: Turn, reservation_id: str) -> Done:
    """Note that nobody came: every night returns to sale."""
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    warning = must(Action.NO_SHOW, stay, Context(turn.now))
    release(turn, stay, Status.NO_SHOW)
    audit.record(turn, "no_show", f"stay/{reservation_id}")
    return Done(books.read(turn.conn, turn.property_id, reservation_id), warning)


def post_nights(turn: Turn, stay: Reservation, days: tuple[date, ...]) -> int:
    """Post room and tax for these nights, each once, however often it is asked; return how many were new."""
    tax_code = turn.conn.execute(_TAX, {"p": turn.property_id, "t": stay.room_type}).scalar()
    lines = [
        Line(ledger.ROOM, stay.nightly_gross_minor[(day - stay.arrival).days], day.toordinal(), tax_code, detail={"night": day.isoformat()})
        for day in days
    ]
    return ledger.post_once(turn, stay.reservation_id, f"night/{stay.reservation_id}", lines)


def unposted(stay: Reservation, house: House, folio: Iterable[Posting]) -> int:
    """Return the price of the nights that a check-out now would post, in minor units."""
    if stay.status is not Status.IN_HOUSE:
        return 0
    posted = {line.detail.get("night") for line in folio if line.code == ledger.ROOM}
    used = rules.charged(stay.arrival, stay.departure, house.business_date)
    return sum(stay.nightly_gross_minor[(day - stay.arrival).days] for day in used if day.isoformat() not in posted)


def pay(turn: Turn, reservation_id: str, payment_id: str, method: str, amount_minor: int, reference: str = "") -> bool:
    """Post a payment and tell the box the new balance; return whether it is new."""
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    new = ledger.pay(turn, reservation_id, payment_id, method, amount_minor, reference)
    if new:
        books.publish(turn, stay)
    return new


def reverse(turn: Turn, posting_id: str, reason: str) -> tuple[str, str]:
    """Reverse a folio line, tell the box the new balance, and return (the new line's id, the reservation's id)."""
    made, reservation_id = ledger.reverse(turn, posting_id, reason)
    books.publish(turn, books.read(turn.conn, turn.property_id, reservation_id))
    return made, reservation_id


def tonight(house: House, stay: Reservation) -> date:
    """The first night that a change of room concerns."""
    return min(max(house.business_date, stay.arrival), stay.departure)
