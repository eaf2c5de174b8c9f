"""Orders: taken once however often they are delivered, changed by a newer version, cancelled; each in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from central.bookings import books, rules
from central.bookings.books import Reservation
from central.bookings.keys import withdraw_all
from central.bookings.rules import Delivery
from central.folio import ledger
from central.guests import profiles
from central.problems import NotAllowed, NotFound
from central.rooms import assignment, inventory
from central.rooms.house import House, next_number, read_house
from central.rooms.rules import nights
from central.store import audit
from central.store.tables import occupant, orders, rate, reservation
from central.store.turn import Turn
from central.store.wakeups import announce
from wire.entities import Guest
from wire.ids import new_id
from wire.stays import Action, Context, Reason, Status, judge

_BY_REFERENCE = select(orders).where(
    orders.c.property_id == bindparam("p"),
    orders.c.channel == bindparam("channel"),
    orders.c.channel_reference == bindparam("reference"),
)
_RATES = select(rate.c.weekday, rate.c.gross_minor).where(rate.c.property_id == bindparam("p"), rate.c.room_type == bindparam("t"))
_ADD_ORDER = insert(orders)
_ADD_RESERVATION = insert(reservation)
_ADD_OCCUPANTS = insert(occupant)
_CHANGE_ORDER = (
    update(orders)
    .where(orders.c.property_id == bindparam("p"), orders.c.order_id == bindparam("o"))
    .values(status=bindparam("status_"), channel_version=bindparam("version_"), changed_at=bindparam("at_", type_=orders.c.changed_at.type))
)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as a channel delivers it. `nightly_gross_minor` is one price a night and room, None for the house's own."""

    channel: str
    channel_reference: str
    version: int
    booked_at: datetime
    guest: Guest
    room_type: str
    arrival: date
    departure: date
    persons: int
    rooms: int = 1
    nightly_gross_minor: tuple[int, ...] | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What changes; None stays as it is. `version` None: the next one."""

    version: int | None = None
    guest: Guest | None = None
    room_type: str | None = None
    arrival: date | None = None
    departure: date | None = None
    persons: int | None = None
    nightly_gross_minor: tuple[int, ...] | None = None


def take_order(turn: Turn, wanted: NewOrder) -> dict[str, Any]:
    """Take, or recognise, an order and return its short answer with `created`.

    The same channel and reference is the same order: the same or an older version changes nothing, a newer one amends. `differs` says
    that the same version came again and says something else than the books: it was not taken over. Raises Conflict
    when no room is left, Invalid for impossible dates or prices, NotFound for an unknown type.
    """
    told = {"p": turn.property_id, "channel": wanted.channel, "reference": wanted.channel_reference}
    known = turn.conn.execute(_BY_REFERENCE, told).mappings().one_or_none()
    if known is not None:
        return _delivered_again(turn, wanted, known["order_id"], known["channel_version"])
    house = next_number(turn)
    rules.check_dates(wanted.arrival, wanted.departure, house.business_date)
    priced = rules.prices(wanted.nightly_gross_minor, rates_of(turn, wanted.room_type), wanted.arrival, wanted.departure)
    inventory.ensure_open(turn, house.business_date, wanted.departure)
    inventory.take(turn, wanted.room_type, nights(wanted.arrival, wanted.departure), wanted.rooms)
    order_id = new_id()
    row = _order_row(turn, wanted, order_id, house)
    turn.conn.execute(_ADD_ORDER, row)
    guest_id = profiles.make(turn, wanted.guest)
    made = [_add_reservation(turn, wanted, house, order_id=order_id, guest_id=guest_id, at=at, priced=priced) for at in range(wanted.rooms)]
    audit.record(turn, "order_taken", f"order/{order_id}", channel=wanted.channel, reference=wanted.channel_reference, rooms=wanted.rooms)
    announce(turn.conn, turn.property_id, "order", order_id)
    return short(row, made, house, turn.now) | {"created": True}


def rates_of(turn: Turn, room_type: str) -> dict[int, int]:
    """Return the house's price of a type by weekday (0 = Monday); raise NotFound when there is no such type."""
    found = dict(turn.conn.execute(_RATES, {"p": turn.property_id, "t": room_type}).all())
    if not found:
        raise NotFound("room_type", room_type)
    return found


def _order_row(turn: Turn, wanted: NewOrder, order_id: str, house: House) -> dict[str, Any]:
    note = turn.vault.seal(f"orders/{turn.property_id}/{order_id}/note", wanted.note) if wanted.note else None
    return {
        "property_id": turn.property_id, "order_id": order_id, "number": str(house.last_number), "channel": wanted.channel,
        "channel_reference": wanted.channel_reference, "channel_version": wanted.version, "status": "confirmed",
        "booked_at": wanted.booked_at, "taken_at": turn.now, "changed_at": turn.now, "note_sealed": note,
    }  # fmt: skip


def _add_reservation(
    turn: Turn, wanted: NewOrder, house: House, *, order_id: str, guest_id: str, at: int, priced: tuple[int, ...]
) -> Reservation:
    number = str(house.last_number) if wanted.rooms == 1 else f"{house.last_number}-{at + 1}"
    room = assignment.choose_room(turn, wanted.room_type, wanted.arrival, wanted.departure)
    stay = Reservation(
        reservation_id=new_id(), order_id=order_id, number=number, status=Status.CONFIRMED, room_type=wanted.room_type,
        stock_type=wanted.room_type, room=room, arrival=wanted.arrival, departure=wanted.departure, arrive=house.arrive(wanted.arrival),
        depart=house.depart(wanted.departure), persons=wanted.persons, nightly_gross_minor=priced, guest_id=guest_id,
        channel=wanted.channel,
    )  # fmt: skip
    turn.conn.execute(_ADD_RESERVATION, stay.row(turn.property_id))
    people: dict[str, Any] = {"property_id": turn.property_id, "reservation_id": stay.reservation_id}
    turn.conn.execute(_ADD_OCCUPANTS, [people | {"place": n, "guest_id": None if n else guest_id} for n in range(wanted.persons)])
    if room is not None:
        assignment.take_nights(turn, room, stay.reservation_id, nights(wanted.arrival, wanted.departure))
    ledger.open_folio(turn, stay.reservation_id, house.currency)
    books.publish(turn, stay, wanted.guest, balance_minor=0)
    return stay


def _delivered_again(turn: Turn, wanted: NewOrder, order_id: str, known_version: int) -> dict[str, Any]:
    if rules.delivery(known_version, wanted.version) is Delivery.NEWER:
        change = Amendment(
            wanted.version, wanted.guest, wanted.room_type, wanted.arrival, wanted.departure, wanted.persons, wanted.nightly_gross_minor
        )
        return amend_order(turn, order_id, change) | {"created": False}
    differing = _differing(turn, wanted, order_id) if wanted.version == known_version else []
    if differing:  # nothing is dropped in silence: the sender is told, and a person can find it
        audit.record(turn, "order_repeat_differs", f"order/{order_id}", version=wanted.version, fields=differing)
    return answer(turn, order_id) | {"created": False, "differs": bool(differing)}


def _differing(turn: Turn, wanted: NewOrder, order_id: str) -> list[str]:
    """Return the fields in which the same version, sent again, says something else than the books.

    Every change of an order before arrival gives it another version. Nights, type and prices of a stay that has begun are the desk's
    and are not compared; neither are the time of booking and the note.
    """
    stays = books.of_order(turn.conn, turn.property_id, order_id)
    guests = profiles.read(turn.conn, turn.vault, turn.property_id, {stay.guest_id for stay in stays})
    found = {"rooms": len(stays) != wanted.rooms}
    for stay in stays:
        now: dict[str, Any] = {"arrival": stay.arrival, "persons": stay.persons, "guest": guests.get(stay.guest_id, wanted.guest)}
        told: dict[str, Any] = {"arrival": wanted.arrival, "persons": wanted.persons, "guest": wanted.guest}
        if stay.status in {Status.CONFIRMED, Status.CANCELLED}:
            now |= {"departure": stay.departure, "room_type": stay.room_type}
            told |= {"departure": wanted.departure, "room_type": wanted.room_type}
            if wanted.nightly_gross_minor is not None:
                now["nightly_gross_minor"], told["nightly_gross_minor"] = stay.nightly_gross_minor, wanted.nightly_gross_minor
        found |= {name: found.get(name, False) or now[name] != told[name] for name in told}
    return sorted(name for name, differs in found.items() if differs)


def amend_order(turn: Turn, order_id: str, change: Amendment) -> dict[str, Any]:
    """Change dates, type, persons, guest or prices of an order before arrival and return its short answer.

    An older or equal version changes nothing. Raises NotAllowed with reasons, Conflict when the added nights are not to be had.
    """
    order = books.read_order(turn.conn, turn.property_id, order_id)
    version = order["channel_version"] + 1 if change.version is None else change.version
    if rules.delivery(order["channel_version"], version) is not Delivery.NEWER:
        return answer(turn, order_id)
    house = read_house(turn.conn, turn.property_id)
    stays = _must_all(turn, order_id, Action.AMEND)
    for stay in stays:
        _amend(turn, house, stay, change)
    if change.guest is not None:
        for guest_id in dict.fromkeys(stay.guest_id for stay in stays):
            profiles.change(turn, guest_id, change.guest)
    for stay in books.of_order(turn.conn, turn.property_id, order_id):
        books.publish(turn, stay, change.guest)
    _close(turn, order_id, order["status"], version, "order_amended")
    return answer(turn, order_id)


def _amend(turn: Turn, house: House, stay: Reservation, change: Amendment) -> None:
    room_type = change.room_type or stay.room_type
    arrival, departure = change.arrival or stay.arrival, change.departure or stay.departure
    values: dict[str, Any] = {} if change.persons is None else {"persons": change.persons}
    moved = (room_type, arrival, departure) != (stay.room_type, stay.arrival, stay.departure)
    if moved:
        rules.check_dates(arrival, departure, min(house.business_date, stay.arrival))
        priced = rules.prices(change.nightly_gross_minor, rates_of(turn, room_type), arrival, departure)
        room = _restock(turn, house, stay, room_type, (arrival, departure))
        values |= {"room_type": room_type, "stock_type": room_type, "arrival": arrival, "departure": departure, "room": room}
        values |= {"arrive": house.arrive(arrival), "depart": house.depart(departure), "nightly_gross_minor": priced}
    elif change.nightly_gross_minor is not None:
        values["nightly_gross_minor"] = rules.prices(change.nightly_gross_minor, {}, arrival, departure)
    if values:
        books.change(turn, stay, **values)


def _restock(turn: Turn, house: House, stay: Reservation, room_type: str, new: tuple[date, date]) -> str | None:
    """Exchange the nights of `stay` for those of `new` and return the room: the one it had when that still fits."""
    inventory.ensure_open(turn, house.business_date, new[1])
    inventory.give_back(turn, stay.stock_type, nights(stay.arrival, stay.departure))
    inventory.take(turn, room_type, nights(*new))
    assignment.leave_nights(turn, stay.reservation_id, stay.arrival)
    free = assignment.free_rooms(turn.conn, turn.property_id, *new, room_type)
    room = stay.room if stay.room in {row.room for row in free} else assignment.best(free, *new)
    if room is not None:
        assignment.take_nights(turn, room, stay.reservation_id, nights(*new))
    return room


def cancel_order(turn: Turn, order_id: str, reason: str, version: int | None = None) -> dict[str, Any]:
    """Cancel every reservation of an order and return each of its nights to sale. A cancelled order stays as it is.

    Raises NotAllowed when somebody of it is, or was, in house.
    """
    order = books.read_order(turn.conn, turn.property_id, order_id)
    if order["status"] == "cancelled":
        return answer(turn, order_id)
    for stay in _must_all(turn, order_id, Action.CANCEL):
        release(turn, stay, Status.CANCELLED)
    _close(turn, order_id, "cancelled", version or order["channel_version"] + 1, "order_cancelled", reason=reason)
    return answer(turn, order_id)


def release(turn: Turn, stay: Reservation, status: Status) -> None:
    """End a reservation before arrival: all its nights return to sale, its keys are withdrawn."""
    inventory.give_back(turn, stay.stock_type, nights(stay.arrival, stay.departure))
    assignment.leave_nights(turn, stay.reservation_id, stay.arrival)
    withdraw_all(turn, stay.reservation_id)
    books.publish(turn, books.change(turn, stay, status=status))


def _must_all(turn: Turn, order_id: str, action: Action) -> list[Reservation]:
    """Return the order's reservations that `action` concerns; raise NotAllowed when one of them does not permit it."""
    stays = [stay for stay in books.of_order(turn.conn, turn.property_id, order_id) if stay.status is not Status.CANCELLED]
    verdicts = [judge(action, books.view(stay), Context(turn.now)) for stay in stays]
    refused = {str(verdict.reason_code) for verdict in verdicts if not verdict.ok}
    if refused or not stays:
        raise NotAllowed(str(action), sorted(refused) or [str(Reason.ALREADY_CANCELLED)])
    return stays


def _close(turn: Turn, order_id: str, status: str, version: int, action: str, **detail: str) -> None:
    turn.conn.execute(_CHANGE_ORDER, {"p": turn.property_id, "o": order_id, "status_": status, "version_": version, "at_": turn.now})
    audit.record(turn, action, f"order/{order_id}", version=version, **detail)
    announce(turn.conn, turn.property_id, "order", order_id)


def answer(turn: Turn, order_id: str) -> dict[str, Any]:
    """Return the short answer of an order as it is now."""
    order = books.read_order(turn.conn, turn.property_id, order_id)
    stays = books.of_order(turn.conn, turn.property_id, order_id)
    house = read_house(turn.conn, turn.property_id)
    return short(dict(order), stays, house, turn.now)


def short(order: Mapping[str, Any], stays: Sequence[Reservation], house: House, now: datetime) -> dict[str, Any]:
    """What every delivery of an order is answered with. What may be done is judged by dates and state; rooms are not looked at."""
    told = [
        {
            "reservation_id": stay.reservation_id, "number": stay.number, "status": str(stay.status), "room": stay.room,
            "actions": [asdict(one) for one in books.actions(stay, Context(now, early=house.early(stay.arrival)))],
        }
        for stay in stays
    ]  # fmt: skip
    plain = {name: order[name] for name in ("order_id", "number", "status")}
    return {**plain, "version": order["channel_version"], "reservations": told}
