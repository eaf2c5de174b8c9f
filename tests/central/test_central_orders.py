"""Orders: taken once, amended by newer versions, cancelled; never more sold than there is."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from central.bookings.orders import Amendment, amend_order, cancel_order, take_order
from central.bookings.rules import Delivery, dates_changed, delivery, prices, repriced
from central.problems import Conflict, Invalid, NotAllowed, NotFound
from central.rooms.inventory import availability
from central.store.tables import audit, guest, inventory_night, orders, reservation, room_night
from central.sync import feed
from tests.central.counting import statements
from tests.central.hotel import Hotel, day, order
from wire.entities import Guest


async def left(hotel: Hotel, room_type: str = "A", first: int = 0, nights: int = 1) -> tuple[int, ...]:
    found = await hotel.ask(lambda conn, slug: availability(conn, slug, day(first), day(first + nights)))
    return next(one.by_night for one in found if one.room_type == room_type)


def rows_of(conn: Connection, table: object) -> int:
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


async def test_an_order_takes_its_nights_and_a_room(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order(nights=2))
    assert taken["created"]
    assert taken["reservations"][0]["room"] == "201"
    assert await left(hotel, nights=3) == (2, 2, 3)


async def test_an_order_is_one_order_however_often_it_is_delivered(hotel: Hotel) -> None:
    answers = await asyncio.gather(*(hotel.do(take_order, order()) for _ in range(8)))
    assert {answer["number"] for answer in answers} == {"1001"}
    assert sum(answer["created"] for answer in answers) == 1
    assert await left(hotel) == (2,)
    assert await hotel.ask(lambda conn, _: rows_of(conn, orders)) == 1


async def test_two_channels_may_use_the_same_reference(hotel: Hotel) -> None:
    one = await hotel.do(take_order, order())
    other = await hotel.do(take_order, order(channel="phone"))
    assert one["number"] != other["number"]


async def test_the_last_room_is_sold_once_to_many_buyers(hotel: Hotel) -> None:
    wanted = [hotel.do(take_order, order(f"r{n}", nights=3)) for n in range(12)]
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    sold = [one for one in outcomes if isinstance(one, dict)]
    refused = [one for one in outcomes if isinstance(one, Conflict)]
    assert (len(sold), len(refused)) == (3, 9)
    assert {one.code for one in refused} == {"no_room_left"}
    assert sorted(one["reservations"][0]["room"] for one in sold) == ["201", "202", "203"]
    assert await left(hotel, nights=3) == (0, 0, 0)
    assert await hotel.ask(lambda conn, _: rows_of(conn, room_night)) == 9


async def test_an_order_that_fits_on_one_night_only_takes_none(hotel: Hotel) -> None:
    for n in range(3):
        await hotel.book(f"r{n}", first=1)
    with pytest.raises(Conflict, match="No room of type A"):
        await hotel.book("late", nights=2)
    assert await left(hotel, nights=3) == (3, 0, 3)
    assert await hotel.ask(lambda conn, _: rows_of(conn, guest)) == 3


async def test_an_order_for_several_rooms_gets_them_all_or_none(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order(rooms=2))
    assert [one["number"] for one in taken["reservations"]] == ["1001-1", "1001-2"]
    with pytest.raises(Conflict):
        await hotel.do(take_order, order("more", rooms=2))
    assert await left(hotel) == (1,)


async def test_an_order_far_ahead_opens_its_nights(hotel: Hotel) -> None:
    await hotel.book(first=900, nights=2)
    assert await left(hotel, first=899, nights=4) == (3, 2, 2, 3)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"departure": day(0)}, "no_nights"),
        ({"arrival": day(-1)}, "arrival_in_past"),
        ({"departure": day(400)}, "too_long"),
        ({"nightly_gross_minor": (1, 2)}, "price_mismatch"),
    ],
)
async def test_an_impossible_order_is_refused_with_its_reason(hotel: Hotel, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        await hotel.do(take_order, order(**changes))
    assert refused.value.code == code


async def test_an_order_for_a_type_that_is_not_there_is_refused(hotel: Hotel) -> None:
    with pytest.raises(NotFound, match="'Z'"):
        await hotel.book(room_type="Z")


async def test_a_newer_version_amends_and_an_older_one_that_comes_late_changes_nothing(hotel: Hotel) -> None:
    first = order(nights=1)
    await hotel.do(take_order, first)
    await hotel.do(take_order, replace(first, version=3, departure=day(3)))
    late = await hotel.do(take_order, replace(first, version=2, departure=day(2)))
    assert late["version"] == 3
    assert await left(hotel, nights=4) == (2, 2, 2, 3)


async def test_an_amendment_moves_every_night_it_held(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order(nights=2))
    await hotel.do(amend_order, taken["order_id"], Amendment(arrival=day(1), departure=day(3), guest=Guest("Grace Hopper")))
    assert await left(hotel, nights=4) == (3, 2, 2, 3)
    nights = await hotel.ask(lambda conn, _: conn.execute(select(room_night.c.night).order_by(room_night.c.night)).scalars().all())
    assert nights == [day(1), day(2)]


async def test_an_amendment_to_another_type_uses_the_other_counter(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order())
    changed = await hotel.do(amend_order, taken["order_id"], Amendment(room_type="B"))
    assert changed["reservations"][0]["room"] == "301"
    assert (await left(hotel), await left(hotel, "B")) == ((3,), (0,))


async def test_an_amendment_that_does_not_fit_leaves_the_order_as_it_was(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order())
    for n in range(3):
        await hotel.book(f"other{n}", first=1)
    with pytest.raises(Conflict):
        await hotel.do(amend_order, taken["order_id"], Amendment(departure=day(2)))
    assert await left(hotel, nights=3) == (2, 0, 3)


async def test_a_cancelled_order_returns_every_night_and_may_be_cancelled_again(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order(nights=3))
    for _ in range(2):
        answer = await hotel.do(cancel_order, taken["order_id"], "changed plans")
        assert answer["status"] == "cancelled"
    assert await left(hotel, nights=3) == (3, 3, 3)
    assert await hotel.ask(lambda conn, _: rows_of(conn, room_night)) == 0
    with pytest.raises(NotAllowed, match="already_cancelled"):
        await hotel.do(amend_order, taken["order_id"], Amendment(persons=2))


async def test_the_box_hears_of_an_order_and_of_its_end(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order())
    await hotel.do(cancel_order, taken["order_id"], "")
    told = await hotel.ask(lambda conn, slug: feed.read(conn, hotel.services.vault, slug, 0, 100))
    (stay,) = [entry for entry in told if entry.kind == "stay"]
    assert b'"status":"cancelled"' in (stay.body or b"")
    assert b"Ada Lovelace" in (stay.body or b"")


async def test_no_name_of_a_guest_lies_in_the_database(hotel: Hotel) -> None:
    await hotel.book(note="Ada Lovelace likes the quiet side")

    def everything(conn: Connection, _: str) -> str:
        told = [str(row) for table in (orders, reservation, guest, audit, room_night) for row in conn.execute(select(table))]
        return "\n".join(told)

    assert "Lovelace" not in await hotel.ask(everything)


async def test_every_change_leaves_one_line_in_the_trail(hotel: Hotel) -> None:
    taken = await hotel.do(take_order, order())
    await hotel.do(amend_order, taken["order_id"], Amendment(persons=2))
    await hotel.do(cancel_order, taken["order_id"], "no reason")
    trail = await hotel.ask(lambda conn, _: conn.execute(select(audit.c.seq, audit.c.action, audit.c.actor).order_by(audit.c.seq)).all())
    assert [row.action for row in trail] == ["prices_set", "property_loaded", "order_taken", "order_amended", "order_cancelled"]
    assert [row.seq for row in trail] == [1, 2, 3, 4, 5]
    assert trail[2].actor == "staff/test"


async def test_a_booking_costs_at_most_twenty_statements(hotel: Hotel) -> None:
    with statements() as counted:
        await hotel.do(take_order, order(nights=5))
    assert len(counted) <= 20, counted


async def test_the_counters_say_what_the_room_nights_say(hotel: Hotel) -> None:
    for n in range(3):
        await hotel.book(f"r{n}", first=n, nights=2)
    sold = await hotel.ask(lambda conn, _: int(conn.execute(select(func.sum(inventory_night.c.sold))).scalar_one()))
    assert sold == await hotel.ask(lambda conn, _: rows_of(conn, room_night)) == 6


def test_a_delivery_is_judged_by_its_version() -> None:
    assert [delivery(2, version) for version in (1, 2, 3)] == [Delivery.OLDER, Delivery.REPEAT, Delivery.NEWER]


def test_a_night_costs_what_its_first_day_costs() -> None:
    rates = dict.fromkeys(range(7), 100) | {4: 150}
    assert prices(None, rates, day(0), day(4)) == (100, 100, 150, 100)
    assert prices((7, 8), {}, day(0), day(2)) == (7, 8)


def test_agreed_nights_keep_their_price_when_the_stay_grows() -> None:
    assert repriced((50, 60), day(0), day(4), dict.fromkeys(range(7), 100)) == (50, 60, 100, 100)
    assert repriced((50, 60), day(0), day(3), {}) == (50, 60, 60)


def test_a_change_of_dates_knows_what_it_drops_and_adds() -> None:
    change = dates_changed((day(0), day(3)), (day(1), day(4)))
    assert (change.dropped, change.added) == ((day(0),), (day(3),))
