"""A room that both sides gave away while they were apart: the guest who lives in it stays, an order that has not come yet makes way."""

from collections.abc import Iterable
from datetime import date

from central.bookings import books
from central.bookings.books import Reservation
from central.problems import Conflict
from central.rooms import assignment
from central.rooms.rules import nights
from central.store import audit
from central.store.turn import Turn
from central.upkeep import tasks
from wire.stays import Status


def for_guest(turn: Turn, stay: Reservation, days: Iterable[date]) -> None:
    """Free the room of a guest for `days`: who has it and is not here yet gets another room of the type, or none and a task.

    Raises Conflict when somebody lives in it, or it is held: then a person must look.
    """
    if stay.room is None:
        return
    others: dict[str, None] = {}
    for row in assignment.holders(turn.conn, turn.property_id, stay.room, days):
        if row.reservation_id is None:
            raise Conflict("room_taken", f"Room {stay.room} is held for the box on one of these nights.", "Find out where the guest is.")
        if row.reservation_id != stay.reservation_id:
            others[row.reservation_id] = None
    for reservation_id in others:
        _elsewhere(turn, reservation_id)


def _elsewhere(turn: Turn, reservation_id: str) -> None:
    other = books.read(turn.conn, turn.property_id, reservation_id)
    if other.status is Status.IN_HOUSE or other.room is None:
        raise Conflict("room_taken", f"Room {other.room} is lived in by two guests on our books.", "Find out who is there.")
    assignment.leave_nights(turn, reservation_id, other.arrival)
    room = assignment.choose_room(turn, other.stock_type, other.arrival, other.departure)
    if room is not None and room != other.room:
        assignment.take_nights(turn, room, reservation_id, nights(other.arrival, other.departure))
    else:
        room = None
        tasks.add(turn, "room_given_away", {"room": other.room}, room=other.room, reservation_id=reservation_id)
    books.publish(turn, books.change(turn, other, room=room))
    audit.record(turn, "made_way", f"stay/{reservation_id}", before=other.room, room=room)
