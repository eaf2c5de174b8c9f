"""Rooms: the one that is chosen by itself, both axes, repairs, the property file."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from central.bookings import stays
from central.problems import Conflict, NotAllowed, NotFound
from central.rooms import assignment, repairs
from central.rooms.care import move_axes, set_care
from central.rooms.day import turn_of_day
from central.rooms.house import business_date_at, read_house
from central.rooms.inventory import availability
from central.rooms.loading import load_property
from central.rooms.property_file import read_property
from central.rooms.rules import Candidate, choose, nights, runs
from central.store.tables import room
from central.sync import feed
from host.configuration import ConfigurationError
from tests.central.hotel import Hotel, day, small_hotel
from wire.codec import decode_body
from wire.entities import Care, RoomBody
from wire.rooms import RoomEvent

HORIZON = 12
Book = dict[str, set[int]]  # room -> nights taken, counted from the first day


def candidates(book: Book, first: int, end: int) -> Iterable[Candidate]:
    """What the query finds, found by looking at every night."""
    for sort, (name, taken) in enumerate(book.items()):
        if not taken & set(range(first, end)):
            before = max((n for n in taken if n < first), default=None)
            after = min((n for n in taken if n >= end), default=None)
            yield Candidate(name, sort, None if before is None else day(before), None if after is None else day(after))


books = st.dictionaries(st.sampled_from(["1", "2", "3", "4", "5"]), st.sets(st.integers(0, HORIZON)), max_size=5)


@given(books, st.integers(0, HORIZON), st.integers(1, 6))
def test_a_stay_gets_a_room_whenever_one_is_free_for_all_of_it(book: Book, first: int, length: int) -> None:
    wanted = set(range(first, first + length))
    free = {name for name, taken in book.items() if not taken & wanted}
    chosen = choose(candidates(book, first, first + length), day(first), day(first + length))
    assert chosen in free if free else chosen is None


@given(books, st.integers(0, HORIZON), st.integers(1, 6))
def test_the_choice_does_not_depend_on_the_order_of_the_candidates(book: Book, first: int, length: int) -> None:
    found = list(candidates(book, first, first + length))
    arrival, departure = day(first), day(first + length)
    assert choose(found, arrival, departure) == choose(reversed(found), arrival, departure)


def test_the_tightest_gap_is_taken_first() -> None:
    book: Book = {"1": set(), "2": {0, 1, 4, 5}, "3": {0}}
    assert choose(candidates(book, 2, 4), day(2), day(4)) == "2"


@given(st.sets(st.integers(0, 40)))
def test_runs_cover_exactly_the_days_they_were_made_of(days: set[int]) -> None:
    covered = [night for first, end in runs(day(n) for n in sorted(days)) for night in nights(first, end)]
    assert covered == [day(n) for n in sorted(days)]


async def test_a_room_out_of_order_is_never_chosen_and_leaves_sale(hotel: Hotel) -> None:
    await hotel.do(repairs.plan, "201", "out_of_order", day(0), day(2), "water")
    assert [await room_of(hotel, f"r{n}") for n in range(2)] == ["202", "203"]
    with pytest.raises(Conflict, match="No room of type A"):
        await hotel.book("r9")


async def test_a_room_out_of_service_stays_on_sale_and_is_given_to_nobody(hotel: Hotel) -> None:
    await hotel.do(repairs.plan, "201", "out_of_service", day(0), day(2), "noise")
    assert [await room_of(hotel, f"r{n}") for n in range(3)] == ["202", "203", None]


async def room_of(hotel: Hotel, reference: str) -> str | None:
    from central.bookings import books as ledger

    stay = await hotel.book(reference)
    return await hotel.ask(lambda conn, slug: ledger.read(conn, slug, stay).room)


async def test_a_repair_of_a_sold_out_type_is_refused(hotel: Hotel) -> None:
    for n in range(3):
        await hotel.book(f"r{n}", first=3)
    await hotel.do(repairs.plan, "201", "out_of_order", day(1), day(3), "paint")
    with pytest.raises(Conflict, match="not free"):
        await hotel.do(repairs.plan, "201", "out_of_order", day(3), day(4), "paint")


async def test_a_finished_repair_returns_its_nights(hotel: Hotel) -> None:
    interval = await hotel.do(repairs.plan, "201", "out_of_order", day(0), day(2), "water")
    await hotel.do(repairs.finish, interval)
    assert (await hotel.ask(lambda conn, slug: availability(conn, slug, day(0), day(2))))[0].by_night == (3, 3)
    with pytest.raises(NotFound):
        await hotel.do(repairs.finish, interval)


async def test_the_free_rooms_of_the_query_are_those_of_a_look_at_every_night(hotel: Hotel) -> None:
    for reference, first, length in (("a", 0, 2), ("b", 1, 3), ("c", 3, 1), ("d", 5, 2)):
        await hotel.book(reference, first, length)
    from central.store.tables import room_night

    rows = await hotel.ask(lambda conn, _: conn.execute(select(room_night.c.room, room_night.c.night)).all())
    book: Book = {name: {(row.night - day(0)).days for row in rows if row.room == name} for name in ("201", "202", "203")}
    for first in range(7):
        found = await free(hotel, first)
        assert found == [(one.room, one.before, one.after) for one in candidates(book, first, first + 2)]


async def free(hotel: Hotel, first: int) -> list[tuple[str, date | None, date | None]]:
    rows = await hotel.ask(lambda conn, slug: assignment.free_rooms(conn, slug, day(first), day(first + 2), "A"))
    return [(row.room, row.before, row.after) for row in rows]


async def test_an_occupied_room_cannot_be_checked_in_to_again(hotel: Hotel) -> None:
    await hotel.do(move_axes, "201", RoomEvent.CHECKED_IN)
    with pytest.raises(NotAllowed, match="room_occupied"):
        await hotel.do(move_axes, "201", RoomEvent.CHECKED_IN)


async def test_a_room_that_was_left_is_dirty_and_the_box_is_told(hotel: Hotel) -> None:
    await hotel.do(move_axes, "201", RoomEvent.CHECKED_IN)
    await hotel.do(move_axes, "201", RoomEvent.CHECKED_OUT)
    assert (await told_room(hotel, "201")).care is Care.DIRTY
    await hotel.do(set_care, "201", Care.INSPECTED)
    assert (await told_room(hotel, "201")).care is Care.INSPECTED


async def told_room(hotel: Hotel, number: str) -> RoomBody:
    entries = await hotel.ask(lambda conn, slug: feed.read(conn, hotel.services.vault, slug, 0, 200))
    (entry,) = [entry for entry in entries if (entry.kind, entry.id) == ("room", number)]
    body = decode_body("room", entry.body or b"")
    assert isinstance(body, RoomBody)
    return body


async def test_the_night_turns_the_date_and_lived_in_rooms_need_service(hotel: Hotel) -> None:
    stay = await hotel.book(nights=3)
    await hotel.do(stays.check_in, stay)
    due = await hotel.do(turn_of_day)
    assert (await hotel.ask(read_house)).business_date == day(0)
    hotel.clock.move(due - hotel.clock.now())
    await hotel.do(turn_of_day)
    assert (await hotel.ask(read_house)).business_date == day(1)
    rows = await hotel.ask(lambda conn, _: conn.execute(select(room.c.room, room.c.care)).all())
    cares = {row.room: row.care for row in rows}
    assert cares == {"201": "dirty", "202": "clean", "203": "clean", "301": "clean"}


async def test_a_clock_that_was_set_back_does_not_turn_the_day_back(hotel: Hotel) -> None:
    hotel.clock.move(timedelta(days=-3))
    await hotel.do(turn_of_day)
    assert (await hotel.ask(read_house)).business_date == day(0)


def test_one_in_the_morning_still_belongs_to_the_old_business_date() -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    paris = ZoneInfo("Europe/Paris")
    assert business_date_at(datetime(2026, 7, 1, 23, 0, tzinfo=UTC), paris) == date(2026, 7, 1)
    assert business_date_at(datetime(2026, 7, 2, 2, 0, tzinfo=UTC), paris) == date(2026, 7, 2)


async def test_a_property_can_be_loaded_again_and_follows_its_file(hotel: Hotel) -> None:
    file = small_hotel(rooms={"201": "A", "202": "A", "203": "A", "204": "A", "301": "B"})
    load = lambda conn: load_property(conn, file, "system", hotel.clock.now(), hotel.services.vault)  # noqa: E731
    assert not await hotel.store.write(load)
    assert (await hotel.ask(lambda conn, slug: availability(conn, slug, day(0), day(1))))[0].left == 4
    fewer = small_hotel(rooms={"201": "A", "301": "B"})
    with pytest.raises(Conflict, match="202, 203, 204"):
        await hotel.store.write(lambda conn: load_property(conn, fewer, "system", hotel.clock.now(), hotel.services.vault))


SHIPPED = Path("configs/properties/demo.yaml")


def test_the_shipped_demo_has_the_rooms_that_its_arrivals_need() -> None:
    told = read_property(SHIPPED)
    kinds = [one.type for one in told.rooms]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {"A": 14, "D": 6, "E": 2, "F": 1, "G": 1}
    assert told.simulated


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('{number: "205", type: A', '{number: "205", type: AA', ":32:27: rooms.4.type:", "did you mean 'A'?"),
        ('{number: "205"', '{number: "204"', ":32:14: rooms.4.number:", "each once"),
        ("time_zone: Europe/Paris", "time_zone: Europe/Pari", ":6:12: time_zone:", "did you mean 'Europe/Paris'?"),
        ("currency: EUR", "curency: EUR", ":7:1: curency:", "did you mean 'currency'?"),
        ("- {type: G, gross_minor: 24000, tax: room}", "", ":20:12: room_types.4.code:", "expected a price"),
        ("check_out: 11:00", "check_out: 16:00", "check_out:", "not after check_in (15:00)"),
    ],
)
def test_a_mistake_in_a_property_file_is_named_with_its_place(tmp_path: Path, old: str, new: str, place: str, words: str) -> None:
    text = SHIPPED.read_text()
    assert old in text
    file = tmp_path / "wrong.yaml"
    file.write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError) as refused:
        read_property(file)
    assert place in str(refused.value)
    assert words in str(refused.value)


def test_a_house_knows_from_when_on_the_night_is_the_guests() -> None:
    from central.rooms.house import House

    house = House("demo", 1, "x", "Europe/Paris", "EUR", "15:00", "11:00", day(0), ("en",), True, 1)
    assert house.early(day(0)) == timedelta(hours=15)
    assert replace(house, time_zone="Asia/Shanghai").arrive(day(0)).isoformat() == "2026-07-01T07:00:00+00:00"
