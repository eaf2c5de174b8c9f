"""Nights sold and room revenue by day, of stays that happened."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, bindparam, select

from central.problems import Invalid
from central.rooms.house import read_house
from central.store.tables import reservation
from wire.stays import Status

TITLE = "Nights sold"
COLUMNS: tuple[str, ...] = ("day", "nights_sold", "room_revenue_minor")
LIMIT = 3660  # days in one report: ten years

_r = reservation.c
_STAYS = select(_r.arrival, _r.departure, _r.nightly_gross_minor, _r.status).where(
    _r.property_id == bindparam("p"),
    _r.status.in_((str(Status.CHECKED_OUT), str(Status.IN_HOUSE))),
    _r.arrival < bindparam("end"),
    _r.departure > bindparam("first"),
)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both of them counted."""

    first: date
    last: date

    def days(self) -> Iterator[date]:
        """Each day, in order."""
        return (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))


def rows(conn: Connection, property_id: str, period: Period) -> list[tuple[date, int, int]]:
    """Return one row for every day of the period, zeros included: (day, nights that began on it, what they cost in minor units).

    A night counts on the day on which it begins. A guest in house counts up to the night before the business date: what is to come
    has not happened. Raises Invalid for a period that is none or is longer than LIMIT days, NotFound for no such property.
    """
    if not 0 <= (period.last - period.first).days < LIMIT:
        raise Invalid("period", f"From {period.first} to {period.last} is no period.", f"Give two days, at most {LIMIT} apart.")
    house = read_house(conn, property_id)
    sold = dict.fromkeys(period.days(), 0)
    revenue = dict.fromkeys(sold, 0)
    told = {"p": property_id, "first": period.first, "end": period.last + timedelta(days=1)}
    for stay in conn.execute(_STAYS, told):
        end = min(stay.departure, house.business_date) if stay.status == Status.IN_HOUSE else stay.departure
        for at, price in enumerate(stay.nightly_gross_minor[: (end - stay.arrival).days]):
            day = stay.arrival + timedelta(days=at)
            if day in sold:
                sold[day] += 1
                revenue[day] += price
    return [(day, sold[day], revenue[day]) for day in sold]
