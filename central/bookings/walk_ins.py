"""What the box sold without a line: walk-ins and added nights, out of the holds that it was given.

A hold that is spent pays for a night of the reservation; what no hold covers is taken from stock like any other night, and when that is
gone the fact is refused and a person decides: the guest keeps room and key meanwhile. The room night is always that of the room in which
the guest lives: whoever was to have it and has not come yet makes way.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select

from central.bookings import books, making_way, rules, stays
from central.bookings.books import Reservation
from central.bookings.orders import rates_of
from central.folio import ledger
from central.guests import profiles
from central.problems import Conflict
from central.rooms import assignment, inventory
from central.rooms.house import next_number, read_house
from central.rooms.rules import nights
from central.store import audit
from central.store.tables import occupant, orders, reservation
from central.store.turn import Turn
from central.store.wakeups import announce
from central.sync import holds
from central.upkeep import tasks
from wire.entities import Guest
from wire.facts import StayDatesChanged, WalkInTaken
from wire.ids import new_id
from wire.messages import FactRow
from wire.stays import Status

CHANNEL = "walk_in"
_KNOWN = select(reservation.c.reservation_id).where(
    reservation.c.property_id == bindparam("p"), reservation.c.reservation_id == bindparam("r")
)


def walk_in_taken(turn: Turn, row: FactRow, fact: WalkInTaken) -> None:
    """Take over a guest without an order. Raises Conflict when a hold is spent already, or an uncovered night is not to be had."""
    if turn.conn.execute(_KNOWN, {"p": turn.property_id, "r": fact.stay_id}).first():
        return
    if not fact.nights:
        raise Conflict("no_nights", "The box took a walk-in without a night.", "Ask the desk.")
    house = next_number(turn)
    departure = fact.nights[-1] + timedelta(days=1)
    told = fact.nightly_gross_minor if len(fact.nightly_gross_minor) == len(fact.nights) else None  # the box may not know our prices
    priced = rules.prices(told, rates_of(turn, fact.room_type), fact.nights[0], departure)
    order_id, guest_id = new_id(), profiles.make(turn, Guest(fact.display_name, fact.language))
    stay = Reservation(
        reservation_id=fact.stay_id, order_id=order_id, number=str(house.last_number), status=Status.CONFIRMED, room_type=fact.room_type,
        stock_type=assignment.read_room(turn.conn, turn.property_id, fact.room).room_type, room=fact.room, arrival=fact.nights[0],
        departure=departure, arrive=fact.arrive, depart=fact.depart, persons=fact.persons,
        nightly_gross_minor=priced, guest_id=guest_id, channel=CHANNEL,
    )  # fmt: skip
    turn.conn.execute(insert(orders), _order(turn, row, stay))
    turn.conn.execute(insert(reservation), stay.row(turn.property_id))
    people = {"property_id": turn.property_id, "reservation_id": fact.stay_id}
    seats: list[dict[str, Any]] = [people | {"place": n, "guest_id": None if n else guest_id} for n in range(fact.persons)]
    turn.conn.execute(insert(occupant), seats)
    covered = _spent(turn, fact.holds, stay)
    _take(turn, stay, tuple(night for night in fact.nights if night not in covered))
    ledger.open_folio(turn, fact.stay_id, house.currency)
    if fact.unbacked:
        tasks.add(turn, "unbacked_walk_in", {}, room=fact.room, reservation_id=fact.stay_id)
    books.publish(turn, stay, balance_minor=0)
    audit.record(turn, "walk_in_taken", f"stay/{fact.stay_id}", room=fact.room, holds=len(fact.holds), unbacked=fact.unbacked)
    announce(turn.conn, turn.property_id, "order", order_id)


def _order(turn: Turn, row: FactRow, stay: Reservation) -> dict[str, Any]:
    return {
        "property_id": turn.property_id, "order_id": stay.order_id, "number": stay.number, "channel": CHANNEL,
        "channel_reference": stay.reservation_id, "channel_version": 1, "status": "confirmed", "booked_at": row.at, "taken_at": turn.now,
        "changed_at": turn.now, "note_sealed": None,
    }  # fmt: skip


def stay_dates_changed(turn: Turn, row: FactRow, fact: StayDatesChanged) -> None:
    """Take over another departure. Raises Conflict when a hold is spent already, or an uncovered night is not to be had."""
    stay = books.read(turn.conn, turn.property_id, fact.stay_id)
    if stay.status is not Status.IN_HOUSE:
        return
    departure = read_house(turn.conn, turn.property_id).local_date(fact.depart)
    covered = _spent(turn, fact.holds, stay)
    uncovered = tuple(night for night in nights(stay.departure, departure) if night not in covered)
    making_way.for_guest(turn, stay, uncovered)
    stays.change_departure(turn, fact.stay_id, departure, covered=covered)
    if uncovered:
        tasks.add(turn, "unbacked_extension", {"nights": len(uncovered)}, room=stay.room, reservation_id=fact.stay_id)


def _spent(turn: Turn, hold_ids: tuple[str, ...], stay: Reservation) -> frozenset[date]:
    """Spend holds for a stay and return the nights that are its own by that.

    A hold of another room of the same type pays for the night just as well; its own room night is then free for whoever makes way.
    """
    spent = holds.spend(turn, hold_ids, stay.reservation_id)
    if any(one.room_type != stay.stock_type for one in spent):
        raise Conflict("hold_spent", "A hold of another room type was spent.", "Find out where the guest is.")
    elsewhere = tuple(one.night for one in spent if one.room != stay.room)
    if elsewhere and stay.room is not None:
        assignment.leave_exactly(turn, stay.reservation_id, elsewhere)
        making_way.for_guest(turn, stay, elsewhere)
        assignment.take_nights(turn, stay.room, stay.reservation_id, elsewhere)
    return frozenset(one.night for one in spent)


def _take(turn: Turn, stay: Reservation, days: tuple[date, ...]) -> None:
    """Take nights that no hold covers from stock."""
    inventory.take(turn, stay.stock_type, days)
    if stay.room is not None:
        making_way.for_guest(turn, stay, days)
        assignment.take_nights(turn, stay.room, stay.reservation_id, days)
