"""The demo's orders are real bookings that fit its hotel."""

from collections import Counter
from datetime import date

import pytest

from demo.arrivals import arrivals, in_time

TODAY = date(2026, 11, 21)
ROOMS = {"A": 12, "D": 4, "E": 2, "F": 1, "G": 1}  # what the box does not hold


def test_there_are_forty_real_bookings_and_eighteen_of_them_come() -> None:
    bookings = arrivals()
    assert len(bookings) == len({b.source_row for b in bookings}) == 40
    assert sum(b.cancelled_before is None for b in bookings) == 18


def test_at_no_moment_were_more_rooms_of_a_type_on_the_books_than_the_hotel_has() -> None:
    booked: Counter[str] = Counter()
    for what, booking in in_time(arrivals()):
        booked[booking.room_type] += 1 if what == "book" else -1
        assert booked[booking.room_type] <= ROOMS[booking.room_type]


def test_a_booking_is_cancelled_only_after_it_was_made() -> None:
    made: set[int] = set()
    for what, booking in in_time(arrivals()):
        if what == "book":
            made.add(booking.source_row)
        else:
            assert booking.source_row in made


@pytest.mark.parametrize("booking", arrivals(), ids=lambda b: b.reference)
def test_an_order_says_what_the_data_say(booking: object) -> None:
    order = booking.order(TODAY)  # type: ignore[attr-defined]
    nights = (date.fromisoformat(order["departure"]) - TODAY).days
    assert order["arrival"] == "2026-11-21"
    assert nights == len(order["nightly_gross_minor"]) >= 1
    assert min(order["nightly_gross_minor"]) > 0
    assert order["adults"] >= 1


def test_cents_are_exact() -> None:
    prices = {b.source_row: b.price_minor for b in arrivals()}
    assert prices[15217] == 3605
    assert all(isinstance(price, int) for price in prices.values())
