"""What the box sold without a line: out of its holds, or against the books."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from central.bookings import books, facts, stays
from central.bookings.walk_ins import walk_in_taken
from central.problems import Conflict
from central.rooms.day import give_holds, turn_of_day
from central.rooms.inventory import availability
from central.store.tables import hold
from central.sync.enrolment import add_box
from central.sync.holds import Held
from central.upkeep.tasks import open_tasks
from tests.central.hotel import NOON, Hotel, day
from wire.facts import StayCheckedIn, StayDatesChanged, WalkInTaken
from wire.messages import FactRow
from wire.stays import Status

ROW = FactRow(1, "f1", "WalkInTaken", "stay/w1", NOON, "synced", "box", {})


@pytest.fixture
async def lent(hotel: Hotel) -> list[Held]:
    """The holds of the hotel's box: two of the three rooms of type A on each night."""
    await hotel.do(add_box, "http://central")
    rows = await hotel.ask(lambda conn, _: conn.execute(select(hold)).all())
    return [Held(row.hold_id, row.room, row.room_type, row.night) for row in rows]


def walk_in(room: str, held: list[Held], nights: int = 1, *, unbacked: bool = False) -> WalkInTaken:
    days = tuple(day(n) for n in range(nights))
    ids = tuple(one.hold_id for one in held if one.room == room and one.night in days)
    leaves = NOON + timedelta(days=nights)
    return WalkInTaken("w1", room, "A", NOON, leaves, days, "Grace Hopper", "en", 2, (9000,) * nights, ids, unbacked)


async def left(hotel: Hotel, nights: int = 2) -> tuple[int, ...]:
    return (await hotel.ask(lambda conn, slug: availability(conn, slug, day(0), day(nights))))[0].by_night


async def test_a_walk_in_spends_the_holds_of_its_nights(hotel: Hotel, lent: list[Held]) -> None:
    assert await left(hotel) == (1, 1)
    for _ in range(2):
        await hotel.do(walk_in_taken, ROW, walk_in("201", lent, 2))
    stay = await hotel.ask(lambda conn, slug: books.read(conn, slug, "w1"))
    assert (stay.room, stay.arrival, stay.departure, stay.status) == ("201", day(0), day(2), Status.CONFIRMED)
    assert await left(hotel) == (1, 1)
    checked_in = StayCheckedIn("w1", ("201",), NOON)
    await hotel.do(facts.HANDLERS[StayCheckedIn], ROW, checked_in)
    assert (await hotel.ask(lambda conn, slug: books.read(conn, slug, "w1"))).status is Status.IN_HOUSE


async def test_a_walk_in_that_no_hold_covers_takes_stock_and_leaves_a_task(hotel: Hotel, lent: list[Held]) -> None:
    await hotel.do(walk_in_taken, ROW, walk_in("203", [], unbacked=True))
    assert await left(hotel) == (0, 1)
    assert [(task.kind, task.room) for task in await hotel.ask(open_tasks)] == [("unbacked_walk_in", "203")]


async def test_a_hold_that_is_spent_already_is_refused_and_changes_nothing(hotel: Hotel, lent: list[Held]) -> None:
    strange = WalkInTaken("w1", "201", "A", NOON, NOON, (day(0),), "Grace Hopper", "en", 1, (1,), ("01-nobody",))
    with pytest.raises(Conflict) as refused:
        await hotel.do(walk_in_taken, ROW, strange)
    assert refused.value.code == "hold_spent"
    assert await left(hotel) == (1, 1)


async def test_a_walk_in_where_somebody_was_sold_the_room_is_a_conflict(hotel: Hotel, lent: list[Held]) -> None:
    await hotel.book()
    with pytest.raises(Conflict):
        await hotel.do(walk_in_taken, ROW, walk_in("203", []))


async def test_an_extension_at_the_box_spends_a_hold(hotel: Hotel, lent: list[Held]) -> None:
    await hotel.do(walk_in_taken, ROW, walk_in("201", lent))
    await hotel.do(facts.HANDLERS[StayCheckedIn], ROW, StayCheckedIn("w1", ("201",), NOON))
    tomorrow = tuple(one.hold_id for one in lent if one.room == "201" and one.night == day(1))
    await hotel.do(facts.HANDLERS[StayDatesChanged], ROW, StayDatesChanged("w1", NOON + timedelta(days=2), tomorrow))
    assert (await hotel.ask(lambda conn, slug: books.read(conn, slug, "w1"))).departure == day(2)
    assert await left(hotel) == (1, 1)


async def test_a_hotel_without_a_box_gives_no_holds_and_one_with_a_box_each_day(hotel: Hotel) -> None:
    assert await hotel.do(give_holds) == 0
    await hotel.do(add_box, "http://central")
    assert await left(hotel) == (1, 1)
    assert await hotel.do(give_holds) == 0
    hotel.clock.move(timedelta(days=1))
    await hotel.do(turn_of_day)
    assert (await hotel.ask(lambda conn, slug: availability(conn, slug, day(9), day(10))))[0].left == 1


async def test_held_rooms_are_not_given_to_orders(hotel: Hotel, lent: list[Held]) -> None:
    stay = await hotel.book()
    held = {one.room for one in lent}
    assert (await hotel.ask(lambda conn, slug: books.read(conn, slug, stay))).room not in held
    with pytest.raises(Conflict):
        await hotel.book("r2")


async def test_a_closed_refusal_lets_our_version_stand(hotel: Hotel, lent: list[Held]) -> None:
    from central.upkeep import tasks

    stay = await hotel.book()
    task = await hotel.do(tasks.add, "fact_refused", {"code": "room_taken"}, reservation_id=stay)
    await hotel.do(facts.close_task, task)
    assert await hotel.ask(open_tasks) == []
    done = await hotel.do(stays.check_in, stay)
    assert done.stay.status is Status.IN_HOUSE


async def test_a_walk_in_without_a_price_costs_what_the_house_asks(hotel: Hotel, lent: list[Held]) -> None:
    await hotel.do(walk_in_taken, ROW, replace(walk_in("201", lent, 2), nightly_gross_minor=()))
    assert (await hotel.ask(lambda conn, slug: books.read(conn, slug, "w1"))).nightly_gross_minor == (10000, 10000)
