"""A room that box and central gave away while they were apart: the guest stays, the other order gets another room or a person to look."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from central.bookings import books, facts, stays
from central.bookings.books import Reservation
from central.bookings.walk_ins import walk_in_taken
from central.folio import ledger
from central.problems import Conflict
from central.rooms.day import turn_of_day
from central.rooms.inventory import availability
from central.store.database import Store
from central.store.tables import hold, inventory_night, room_night
from central.sync.enrolment import add_box
from central.sync.holds import Held
from central.upkeep.tasks import open_tasks
from tests.central.hotel import NOON, TODAY, Hotel, day, found, small_hotel
from wire.facts import StayCheckedIn, StayCheckedOut, StayDatesChanged, StayMoved, WalkInTaken
from wire.messages import FactRow

ROW = FactRow(1, "f1", "WalkInTaken", "stay/w1", NOON, "synced", "box", {})
FOUR = {"201": "A", "202": "A", "203": "A", "204": "A", "301": "B"}


@pytest.fixture
async def house(store: Store) -> Hotel:
    """Four rooms of type A, two of them held for the box."""
    made = await found(store, small_hotel(rooms=FOUR))
    await made.do(add_box, "http://central")
    return made


async def held(hotel: Hotel, night: int) -> list[Held]:
    rows = await hotel.ask(lambda conn, _: conn.execute(select(hold).where(hold.c.night == day(night)).order_by(hold.c.room)).all())
    return [Held(row.hold_id, row.room, row.room_type, row.night) for row in rows]


async def stay_of(hotel: Hotel, stay_id: str) -> Reservation:
    return await hotel.ask(lambda conn, slug: books.read(conn, slug, stay_id))


async def lives_here(hotel: Hotel) -> Reservation:
    """A guest in house for one night."""
    stay_id = await hotel.book("here")
    await hotel.do(stays.check_in, stay_id)
    return await stay_of(hotel, stay_id)


async def longer(hotel: Hotel, stay: Reservation, *holds: Held) -> None:
    change = StayDatesChanged(stay.reservation_id, NOON + timedelta(days=2), tuple(one.hold_id for one in holds))
    await hotel.do(facts.HANDLERS[StayDatesChanged], ROW, change)


async def balanced(hotel: Hotel) -> None:
    """What is sold and held is what rooms are given to, night by night, for the type that all this is about."""
    counts = select(inventory_night.c.sold, inventory_night.c.held).where(
        inventory_night.c.room_type == "A", inventory_night.c.night == day(1)
    )
    sold, kept = await hotel.ask(lambda conn, _: tuple(conn.execute(counts).one()))
    rows = await hotel.ask(lambda conn, _: conn.execute(select(room_night).where(room_night.c.night == day(1))).all())
    assert (sold, kept) == (sum(row.reservation_id is not None for row in rows), sum(row.hold_id is not None for row in rows))


async def test_a_hold_of_another_room_pays_for_a_night_in_the_guests_own(house: Hotel) -> None:
    stay = await lives_here(house)
    strange = next(one for one in await held(house, 1) if one.room != stay.room)
    await longer(house, stay, strange)
    nights = select(room_night.c.room).where(room_night.c.reservation_id == stay.reservation_id, room_night.c.night == day(1))
    assert await house.ask(lambda conn, _: list(conn.execute(nights).scalars())) == [stay.room]
    assert await house.ask(open_tasks) == []
    await balanced(house)


async def test_an_order_that_has_not_come_makes_way_for_a_guest_who_stays(house: Hotel) -> None:
    stay = await lives_here(house)
    other = await house.book("tomorrow", first=1)
    if (await stay_of(house, other)).room != stay.room:
        await house.do(stays.assign, other, stay.room or "")
    strange = next(one for one in await held(house, 1) if one.room != stay.room)
    await longer(house, stay, strange)
    moved = await stay_of(house, other)
    assert moved.room not in {None, stay.room}
    assert (await stay_of(house, stay.reservation_id)).departure == day(2)
    await balanced(house)


async def test_where_no_other_room_is_left_a_person_is_told(house: Hotel) -> None:
    stay = await lives_here(house)
    other = await house.book("long", first=1, nights=12)  # longer than the box's holds: only one room is free for all of it
    if (await stay_of(house, other)).room != stay.room:
        await house.do(stays.assign, other, stay.room or "")
    third = await house.book("third", first=1, nights=12)
    assert (await stay_of(house, third)).room is not None
    strange = next(one for one in await held(house, 1) if one.room != stay.room)
    await longer(house, stay, strange)
    assert (await stay_of(house, other)).room is None
    assert [(task.kind, task.reservation_id) for task in await house.ask(open_tasks)] == [("room_given_away", other)]


async def test_a_night_that_no_hold_covers_is_one_item(house: Hotel) -> None:
    stay = await lives_here(house)
    await longer(house, stay)
    assert [task.kind for task in await house.ask(open_tasks)] == ["unbacked_extension"]
    await balanced(house)


async def test_a_hold_of_another_type_is_refused(house: Hotel) -> None:
    (one, *_) = await held(house, 0)
    stays_in_b = WalkInTaken("w1", "301", "B", NOON, NOON, (TODAY,), "Grace Hopper", "en", 1, (1,), (one.hold_id,))
    with pytest.raises(Conflict):
        await house.do(walk_in_taken, ROW, stays_in_b)


async def test_two_guests_in_one_room_are_never_sorted_out_by_the_books(house: Hotel) -> None:
    stay = await lives_here(house)
    taken = WalkInTaken("w1", stay.room or "", "A", NOON, NOON, (TODAY,), "Grace Hopper", "en", 1, (1,), (), unbacked=True)
    with pytest.raises(Conflict):
        await house.do(walk_in_taken, ROW, taken)
    assert (await house.ask(lambda conn, slug: availability(conn, slug, day(0), day(1))))[0].left == 1


async def test_the_box_was_right_about_who_got_the_room(house: Hotel) -> None:
    first, second = await house.book("first", nights=2), await house.book("second", nights=2)
    given = (await stay_of(house, second)).room
    await house.do(facts.HANDLERS[StayCheckedIn], ROW, StayCheckedIn(first, (given or "",), NOON))
    assert (await stay_of(house, first)).room == given
    assert (await stay_of(house, second)).room not in {None, given}
    await balanced(house)


async def test_a_guest_whom_the_box_moved_stays_where_they_are(house: Hotel) -> None:
    stay = await lives_here(house)
    other = await house.book("other", nights=2)
    given = (await stay_of(house, other)).room or ""
    await house.do(facts.HANDLERS[StayMoved], ROW, StayMoved(stay.reservation_id, stay.room or "", given, NOON))
    assert (await stay_of(house, stay.reservation_id)).room == given
    assert (await stay_of(house, other)).room != given


async def test_who_left_days_ago_without_a_line_pays_until_that_day(house: Hotel) -> None:
    stay_id = await house.book("long", nights=5)
    await house.do(stays.check_in, stay_id)
    house.clock.move(timedelta(days=3))
    await house.do(turn_of_day)
    await house.do(facts.HANDLERS[StayCheckedOut], ROW, StayCheckedOut(stay_id, NOON + timedelta(days=1)))
    lines = await house.ask(lambda conn, slug: ledger.lines(conn, slug, stay_id))
    assert [line.detail.get("night") for line in lines] == [day(0).isoformat()]
    assert (await stay_of(house, stay_id)).departure == day(1)
