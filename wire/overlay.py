"""Own changes stay on top: what the box shows and acts on while a fact of its own is still on its way to central and back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from wire.entities import Body, Guest, KeyBody, KeyKind, KeyStatus, RoomBody, StayBody, StayStatus
from wire.facts import (
    CareSet,
    Fact,
    HoldReturned,
    ItemConsumed,
    KeyIssued,
    KeyLost,
    PaymentTaken,
    StayCheckedIn,
    StayCheckedOut,
    StayDatesChanged,
    StayMoved,
    WalkInTaken,
)

Doors = Mapping[str, tuple[int, ...]]  # room -> its doors, as the box's mirror has them
Subject = tuple[str, str]  # kind and id of an entity
STAY_FACTS = (StayCheckedIn, StayCheckedOut, StayMoved, StayDatesChanged, WalkInTaken, PaymentTaken, ItemConsumed)


def subjects(fact: Fact) -> tuple[Subject, ...]:
    """Return the entities that look different on the box from the moment `fact` is made; none for most kinds."""
    found: list[Subject] = []
    if isinstance(fact, STAY_FACTS) and fact.stay_id is not None:
        found.append(("stay", fact.stay_id))
    if isinstance(fact, StayDatesChanged | WalkInTaken):
        found += [("hold", hold_id) for hold_id in fact.holds]
    elif isinstance(fact, HoldReturned):
        found.append(("hold", fact.hold_id))
    elif isinstance(fact, KeyIssued | KeyLost):
        found.append(("key", fact.key_id))
    elif isinstance(fact, CareSet):
        found.append(("room", fact.room))
    return tuple(found)


def on_top(kind: str, put: Body | None, own: Iterable[Fact], doors: Doors | None = None) -> Body | None:
    """Return an entity of any kind as the box must treat it: `put` with the box's `own` facts above `put.seen` on top.

    Stays by `overlay`; a key that was issued here exists, a lost one is lost, a room is as clean as it was said to be here, a hold
    that was spent or returned is gone.
    """
    if kind == "stay":
        return overlay(put if isinstance(put, StayBody) else None, own, doors)
    body = put
    for fact in own:
        if kind == "hold":
            return None
        if isinstance(fact, KeyIssued):
            body = _issued(body, fact)
        elif isinstance(fact, KeyLost) and isinstance(body, KeyBody):
            body = replace(body, status=KeyStatus.LOST)
        elif isinstance(fact, CareSet) and isinstance(body, RoomBody):
            body = replace(body, care=fact.care)
    return body


def _issued(body: Body | None, fact: KeyIssued) -> KeyBody:
    if isinstance(body, KeyBody):
        return replace(body, until=fact.until, copy_no=fact.copy_no)
    return KeyBody(KeyKind(fact.kind), fact.until, KeyStatus.WANTED, fact.stay_id, fact.staff_id, fact.copy_no)


def overlay(put: StayBody | None, own: Iterable[Fact], doors: Doors | None = None) -> StayBody | None:
    """Return the stay as the box must treat it: central's latest `put` with the box's `own` facts above `put.seen` on top.

    `own` are the facts of this one stay in the order in which they were made. The property is right about arrival, departure and
    the room given, so a check-in here stands against a cancellation there. A departure, whoever reported it, is final: no older
    fact brings a guest back in house. None when central knows no such stay and the box took no walk-in of that id.
    """
    stay = put
    for fact in own:
        if isinstance(fact, WalkInTaken):
            stay = stay or _walk_in(fact, doors or {})
        elif stay is not None and (change := _CHANGES.get(type(fact))) is not None:
            stay = change(stay, fact, doors or {})
    return stay


def _walk_in(fact: WalkInTaken, doors: Doors) -> StayBody:
    return StayBody(
        number=f"W-{fact.stay_id[-6:]}",  # until central has given it a number of its own
        status=StayStatus.DUE_IN,
        rooms=(fact.room,),
        doors=doors.get(fact.room, ()),
        room_type=fact.room_type,
        arrive=fact.arrive,
        depart=fact.depart,
        guest=Guest(fact.display_name, fact.language),
        persons=fact.persons,
        nightly_gross_minor=fact.nightly_gross_minor,
    )


def _in_rooms(stay: StayBody, rooms: tuple[str, ...], doors: Doors) -> StayBody:
    if rooms == stay.rooms:
        return stay
    opened = tuple(dict.fromkeys(door for room in rooms for door in doors.get(room, ())))
    return replace(stay, rooms=rooms, doors=opened)


def _checked_in(stay: StayBody, fact: StayCheckedIn, doors: Doors) -> StayBody:
    if stay.status is StayStatus.CHECKED_OUT:
        return stay
    return replace(_in_rooms(stay, fact.rooms, doors), status=StayStatus.IN_HOUSE, in_house_since=stay.in_house_since or fact.at)


def _checked_out(stay: StayBody, fact: StayCheckedOut, doors: Doors) -> StayBody:
    return replace(stay, status=StayStatus.CHECKED_OUT, checked_out_at=stay.checked_out_at or fact.at)


def _moved(stay: StayBody, fact: StayMoved, doors: Doors) -> StayBody:
    if stay.status is StayStatus.CHECKED_OUT:
        return stay
    rooms = tuple(dict.fromkeys(fact.to_room if room == fact.from_room else room for room in stay.rooms)) or (fact.to_room,)
    return replace(_in_rooms(stay, rooms, doors), moved_at=fact.at)


def _dates(stay: StayBody, fact: StayDatesChanged, doors: Doors) -> StayBody:
    return stay if stay.status is StayStatus.CHECKED_OUT else replace(stay, depart=fact.depart)


def _paid(stay: StayBody, fact: PaymentTaken, doors: Doors) -> StayBody:
    return replace(stay, balance_minor=stay.balance_minor - fact.amount_minor)


def _consumed(stay: StayBody, fact: ItemConsumed, doors: Doors) -> StayBody:
    return replace(stay, balance_minor=stay.balance_minor + fact.gross_minor)


_CHANGES: dict[type[Fact], Callable[[StayBody, Any, Doors], StayBody]] = {
    StayCheckedIn: _checked_in,
    StayCheckedOut: _checked_out,
    StayMoved: _moved,
    StayDatesChanged: _dates,
    PaymentTaken: _paid,
    ItemConsumed: _consumed,
}
