"""The order list: what each filter finds, that pages neither lose nor repeat a row, and that depth and history cost nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from central.bookings import order_list, stays
from central.bookings.order_list import Filter, Page
from central.bookings.orders import cancel_order
from central.channels.history import import_bookings
from central.problems import Invalid
from central.rooms.house import read_house
from central.rooms.property_file import read_property
from central.store.database import Store
from tests.central.counting import statements
from tests.central.hotel import Hotel, day, found
from tests.central.test_central_history import SAMPLE, shipped
from wire.entities import Guest


async def listed(hotel: Hotel, asked: Filter, after: str | None = None, limit: int = 50) -> Page:
    """One page of the list."""
    return await hotel.ask(lambda conn, p: order_list.page(conn, hotel.services.vault, p, asked, after, limit))


async def numbers(hotel: Hotel, **asked: object) -> list[str]:
    """The numbers that a filter finds, in order."""
    return [row.reservation.number for row in (await listed(hotel, Filter(**asked))).rows]  # type: ignore[arg-type]


async def three(hotel: Hotel) -> list[str]:
    """1001 Ada in house, 1002 Grace due tomorrow by another channel, 1003 Alan cancelled."""
    ada = await hotel.book("a", nights=2)
    grace = await hotel.book("b", first=1, nights=1, channel="agency", guest=Guest("Grace Hopper"))
    alan = await hotel.book("c", first=5, guest=Guest("Alan Turing"))
    await hotel.do(stays.check_in, ada)
    row = await listed(hotel, Filter(text="1003"))
    await hotel.do(cancel_order, row.rows[0].reservation.order_id, "changed mind")
    return [ada, grace, alan]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["1003", "1002", "1001"]),
        ({"sort": "earliest"}, ["1001", "1002", "1003"]),
        ({"arrival_from": day(1)}, ["1003", "1002"]),
        ({"arrival_to": day(1)}, ["1002", "1001"]),
        ({"departure_from": day(3)}, ["1003"]),
        ({"departure_to": day(2)}, ["1002", "1001"]),
        ({"status": "in_house"}, ["1001"]),
        ({"status": "due_out"}, []),
        ({"status": "due_in"}, []),
        ({"status": "confirmed"}, ["1002"]),
        ({"status": "cancelled"}, ["1003"]),
        ({"channel": "agency"}, ["1002"]),
        ({"text": "grace"}, ["1002"]),
        ({"text": "1002"}, ["1002"]),
        ({"text": "b"}, ["1002"]),
        ({"text": "turing"}, []),
        ({"text": "201"}, ["1001"]),
        ({"text": "nobody"}, []),
        ({"text": "grace", "status": "in_house"}, []),
    ],
)
async def test_each_filter_finds_what_it_says(hotel: Hotel, asked: dict[str, object], expected: list[str]) -> None:
    await three(hotel)
    if asked == {"text": "201"}:
        ada = (await listed(hotel, Filter(text="1001"))).rows[0].reservation
        asked = {"text": ada.room, "status": "in_house"}
    assert await numbers(hotel, **asked) == expected


async def test_all_rooms_of_an_order_are_found_by_its_number(hotel: Hotel) -> None:
    await hotel.book("group", rooms=2)
    assert sorted(await numbers(hotel, text="1001")) == ["1001-1", "1001-2"]
    assert await numbers(hotel, text="1001-2") == ["1001-2"]


async def test_due_in_is_who_is_expected_today(hotel: Hotel) -> None:
    await three(hotel)
    assert await numbers(hotel, status="due_in") == []
    await hotel.book("d", guest=Guest("Edsger"))
    assert await numbers(hotel, status="due_in") == ["1004"]


@pytest.mark.parametrize("sort", ["latest", "earliest"])
async def test_pages_lose_and_repeat_nothing_though_many_arrive_on_one_day(hotel: Hotel, sort: order_list.Sort) -> None:
    for at in range(9):
        await hotel.book(f"r{at}", first=at // 3 * 2, room_type="A")
    whole = await numbers(hotel, sort=sort)
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await listed(hotel, Filter(sort=sort), after, limit=2)
        seen += [row.reservation.number for row in page.rows]
        after = page.after
        if after is None:
            break
    assert seen == whole
    assert len(set(seen)) == 9


async def test_a_booking_that_comes_in_between_shifts_no_page(hotel: Hotel) -> None:
    for at in range(3):
        await hotel.book(f"r{at}", first=at)
    first = await listed(hotel, Filter(), limit=2)
    await hotel.book("late", first=20)
    assert [row.reservation.number for row in (await listed(hotel, Filter(), first.after, limit=2)).rows] == ["1001"]


async def test_a_page_asks_the_same_few_questions_however_many_rows_it_has(hotel: Hotel) -> None:
    await hotel.book("r0")
    counts = []
    for more in (0, 5):
        for at in range(more):
            await hotel.book(f"more{at}", first=at + 1)
        with statements() as told:
            await listed(hotel, Filter())
        counts.append(len(told))
    assert counts == [4, 4]  # house, rows, when booked, guests


def plan(conn: Connection, slug: str, asked: Filter, after: str | None) -> str:
    """How the database would find one page."""
    words = order_list.statement(read_house(conn, slug), asked, after, 51).compile(conn, compile_kwargs={"literal_binds": True})
    if conn.dialect.name == "sqlite":
        return " ".join(str(row[3]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}"))
    conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # an empty table is read whole, whatever indexes there are
    conn.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    return " ".join(str(row[0]) for row in conn.exec_driver_sql(f"EXPLAIN {words}".replace("%", "%%")))


@pytest.mark.parametrize("asked", [Filter(), Filter(channel="web", departure_from=day(-400)), Filter(status="no_show", sort="earliest")])
async def test_the_deepest_page_starts_inside_the_index_and_sorts_nothing(hotel: Hotel, asked: Filter) -> None:
    for after in (None, f"{day(-900).isoformat()}~r"):
        told = await hotel.ask(lambda conn, p, after=after: plan(conn, p, asked, after))  # type: ignore[misc]
        assert "ix_reservation_list" in told
        assert "TEMP B-TREE" not in told
        assert "Sort" not in told
        if after is not None and asked == Filter():
            assert "(arrival,reservation_id)<" in told or "ROW(arrival, reservation_id) <" in told


async def test_without_the_row_value_the_deep_page_would_begin_at_the_top(hotel: Hotel) -> None:
    told = await hotel.ask(lambda conn, p: plan(conn, p, replace(Filter(), sort="latest"), None))
    assert "reservation_id)<" not in told
    assert "ROW(arrival" not in told


@pytest.mark.parametrize(
    ("told", "code"),
    [({"arrival_from": "tomorrow"}, "bad_day"), ({"status": "asleep"}, "bad_status"), ({"sort": "up"}, "bad_sort")],
)
def test_a_filter_that_makes_no_sense_is_named(told: dict[str, str], code: str) -> None:
    with pytest.raises(Invalid) as failed:
        order_list.wanted(told)
    assert failed.value.code == code


async def test_imported_history_is_listed_by_its_own_channels(store: Store) -> None:
    hotel = await found(store, read_property(shipped("resort")))
    report = await import_bookings(hotel.services, "resort", SAMPLE)
    seen, after = 0, None
    while True:
        page = await listed(hotel, Filter(), after, limit=100)
        seen += len(page.rows)
        after = page.after
        if after is None:
            break
    assert seen == report.stored
    channels = await hotel.ask(order_list.channels)
    by_channel = [await listed(hotel, Filter(channel=one), limit=order_list.MOST) for one in channels]
    assert sum(len(page.rows) for page in by_channel) == report.stored
    assert len(channels) > 1


async def test_a_page_mark_that_is_none_of_ours_is_refused(hotel: Hotel) -> None:
    with pytest.raises(Invalid, match="page mark"):
        await listed(hotel, Filter(), "; drop table")


def test_a_filter_survives_its_way_through_an_address() -> None:
    asked = Filter(day(0), None, None, day(9) + timedelta(days=1), "in_house", "web", "O'Neill & Söhne", "earliest")
    assert order_list.wanted(asked.told()) == asked
    assert Filter().told() == {}
