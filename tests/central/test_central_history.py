"""Bookings of the past come in once each, without a room ever having two guests, and the nights agree with an independent recount."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from central.channels.history import import_bookings
from central.channels.hotel_bookings import COLUMNS, Booked, OtherHotel, Refusal, Unreadable, rows
from central.channels.placing import House, KnownRoom
from central.problems import Invalid
from central.reports import nights
from central.rooms.property_file import read_property
from central.store.database import Store
from central.store.tables import audit, inventory_night, orders, room_night, task
from central.sync.tables import feed
from tests.central.hotel import Hotel, found

SAMPLE = Path(__file__).parents[1] / "data" / "hotel_bookings_sample.csv"
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
JULY = nights.Period(date(2016, 7, 1), date(2016, 7, 31))


def shipped(slug: str) -> Path:
    return Path(str(resources.files("configs").joinpath("properties", f"{slug}.yaml")))


@pytest.fixture
async def resort(store: Store) -> Hotel:
    return await found(store, read_property(shipped("resort")))


def recount(hotel: str) -> Iterator[tuple[date, int]]:
    """Each night that happened and its price in cents, straight from the file."""
    with SAMPLE.open() as text:
        for row in csv.DictReader(text):
            if row["hotel"] == hotel and row["reservation_status"] == "Check-Out":
                month = MONTHS.index(row["arrival_date_month"]) + 1
                arrival = date(int(row["arrival_date_year"]), month, int(row["arrival_date_day_of_month"]))
                for at in range(int(row["stays_in_weekend_nights"]) + int(row["stays_in_week_nights"])):
                    yield arrival + timedelta(at), round(float(row["adr"]) * 100)


def written(folder: Path, **changes: str) -> Path:
    """A file of one good line of the resort, with some cells changed."""
    with SAMPLE.open() as text:
        good = next(row for row in csv.DictReader(text) if row["hotel"] == "Resort Hotel" and row["reservation_status"] == "Check-Out")
    file = folder / "bookings.csv"
    with file.open("w") as out:
        writer = csv.DictWriter(out, list(good))
        writer.writeheader()
        writer.writerow(good | changes)
    return file


async def test_every_line_is_stored_or_counted_for_the_other_hotel(resort: Hotel) -> None:
    report = await import_bookings(resort.services, "resort", SAMPLE)
    with SAMPLE.open() as text:
        hotels = Counter(row["hotel"] for row in csv.DictReader(text))
    assert (report.stored, report.other_hotel, report.refused) == (hotels["Resort Hotel"], hotels["City Hotel"], [])


async def test_reading_the_same_file_again_changes_nothing(resort: Hotel) -> None:
    first = await import_bookings(resort.services, "resort", SAMPLE)
    lines = await resort.ask(lambda conn, p: conn.execute(select(func.count()).select_from(audit)).scalar_one())
    again = await import_bookings(resort.services, "resort", SAMPLE)
    assert (again.stored, again.known) == (0, first.stored)
    assert await resort.ask(lambda conn, p: conn.execute(select(func.count()).select_from(orders)).scalar_one()) == first.stored
    assert await resort.ask(lambda conn, p: conn.execute(select(func.count()).select_from(audit)).scalar_one()) == lines


async def test_nights_and_revenue_agree_with_a_recount_of_the_file(resort: Hotel) -> None:
    await import_bookings(resort.services, "resort", SAMPLE)
    sold: Counter[date] = Counter()
    revenue: Counter[date] = Counter()
    for day, cents in recount("Resort Hotel"):
        sold[day] += 1
        revenue[day] += cents
    found_rows = await resort.ask(lambda conn, p: nights.rows(conn, p, JULY))
    assert [row[0] for row in found_rows] == list(JULY.days())
    assert found_rows == [(day, sold[day], revenue[day]) for day in JULY.days()]
    assert sum(row[1] for row in found_rows) > 0


async def test_nobody_is_told_of_the_past(resort: Hotel) -> None:
    before = await resort.ask(lambda conn, p: conn.execute(select(func.count()).select_from(feed)).scalar_one())
    await import_bookings(resort.services, "resort", SAMPLE)
    assert await resort.ask(lambda conn, p: conn.execute(select(func.count()).select_from(feed)).scalar_one()) == before
    assert await resort.ask(lambda conn, p: conn.execute(select(func.count()).select_from(task)).scalar_one()) == 0
    said = await resort.ask(
        lambda conn, p: conn.execute(select(audit.c.detail).where(audit.c.action == "bookings_imported")).scalars().all()
    )
    assert len(said) == 1
    assert said[0]["stored"] > 0


async def test_nights_of_the_past_get_the_allowance_they_need_and_others_none(store: Store) -> None:
    hotel = await found(store, read_property(shipped("resort")))
    await import_bookings(hotel.services, "resort", SAMPLE)
    counters = await hotel.ask(lambda conn, p: conn.execute(select(inventory_night)).mappings().all())
    assert all(row["allowance"] == max(0, row["sold"] - row["physical"]) for row in counters)
    assert await hotel.ask(lambda conn, p: conn.execute(select(func.count()).select_from(room_night)).scalar_one()) == sum(
        row["sold"] for row in counters
    )


async def test_a_booking_that_is_not_over_is_no_history(resort: Hotel, tmp_path: Path) -> None:
    file = written(tmp_path, arrival_date_year="2026", arrival_date_month="July", arrival_date_day_of_month="1")
    report = await import_bookings(resort.services, "resort", file)
    assert report.stored == 0
    assert "not before the business date" in report.refused[0].reason


@pytest.mark.parametrize(
    ("cell", "value", "said"),
    [
        ("arrival_date_month", "Juli", "English month"),
        ("arrival_date_day_of_month", "32", "there is no 32"),
        ("adr", "12.345", "two decimals"),
        ("adr", "free", "an amount"),
        ("adults", "-1", "whole number from 0"),
        ("reservation_status", "Gone", "Check-Out, Canceled, No-Show"),
        ("hotel", "Beach Hotel", "City Hotel or Resort Hotel"),
    ],
)
def test_a_bad_cell_is_refused_with_its_line_and_what_was_expected(tmp_path: Path, cell: str, value: str, said: str) -> None:
    (refusal,) = rows(written(tmp_path, **{cell: value}), "Resort Hotel")
    assert isinstance(refusal, Refusal)
    assert refusal.line == 2
    assert said in refusal.reason


async def test_a_room_type_that_the_house_does_not_have_is_refused(resort: Hotel, tmp_path: Path) -> None:
    report = await import_bookings(resort.services, "resort", written(tmp_path, assigned_room_type="Z"))
    assert report.stored == 0
    assert "expected one of A, B" in report.refused[0].reason


def test_a_short_line_does_not_end_the_reading(tmp_path: Path) -> None:
    file = tmp_path / "short.csv"
    lines = SAMPLE.read_text().splitlines()
    file.write_text("\n".join([lines[0], "1,Resort Hotel,0", *lines[1:4]]))
    kinds = [type(one) for one in rows(file, "Resort Hotel")]
    assert kinds[0] is Refusal
    assert len(kinds) == 4
    assert set(kinds[1:]) <= {Booked, OtherHotel}


def test_a_file_of_another_kind_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("name,price\nx,1\n")
    with pytest.raises(Unreadable, match="no column hotel"):
        list(rows(file, "Resort Hotel"))
    assert len(COLUMNS) > 10


async def test_a_report_for_no_period_is_refused(resort: Hotel) -> None:
    with pytest.raises(Invalid, match="no period"):
        await resort.ask(lambda conn, p: nights.rows(conn, p, nights.Period(date(2016, 7, 2), date(2016, 7, 1))))


STAYS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), st.sampled_from("AB")), max_size=60)
FIRST = date(2026, 1, 1)


@given(STAYS)
def test_in_order_of_arrival_a_room_is_found_whenever_the_house_is_not_full(stays: list[tuple[int, int, str]]) -> None:
    house = House([KnownRoom(str(n), "AB"[n % 2]) for n in range(4)], FIRST)
    guests: Counter[int] = Counter()
    held: set[tuple[str, int]] = set()
    for first, count, kind in sorted(stays):
        asked = range(first, first + count)
        room = house.place(kind, FIRST + timedelta(first), FIRST + timedelta(first + count))
        assert (room is None) == (guests[first] == 4)
        if room is not None:
            guests.update(asked)
            assert held.isdisjoint((room, n) for n in asked)
            held.update((room, n) for n in asked)
