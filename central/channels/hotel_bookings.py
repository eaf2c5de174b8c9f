"""The file format of the public hotel booking data: one line, one booking, one room; read into values or refused with a reason.

N. Antonio, A. de Almeida, L. Nunes, "Hotel booking demand datasets", Data in Brief 22 (2019) 41-49. Facts that the code rests on:
nights = both "nights" columns together (the "weekend" one counts nights that start on Sunday and Monday); the day of booking is
the arrival less `lead_time`; `adr` is one night's price in euro with at most two decimals; unknown children are written NA; there
is no booking number, so a booking's identity is its row in the full file (column `source_row`, else its place in this file).
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

HOTELS = ("City Hotel", "Resort Hotel")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
ENDINGS = {"Check-Out": "checked_out", "Canceled": "cancelled", "No-Show": "no_show"}
CHANNELS = {"TA/TO": "agency", "Direct": "direct", "Corporate": "corporate", "GDS": "gds", "Undefined": "unknown"}
COLUMNS = (
    "hotel", "lead_time", "arrival_date_year", "arrival_date_month", "arrival_date_day_of_month", "stays_in_weekend_nights",
    "stays_in_week_nights", "adults", "children", "babies", "distribution_channel", "reserved_room_type", "assigned_room_type", "adr",
    "reservation_status", "reservation_status_date",
)  # fmt: skip
_GZIP = b"\x1f\x8b"


class Unreadable(ValueError):
    """The file is not of this format at all; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Booked:
    """One booking as the data tell it. `price_minor` is one night's, in cents; `ended_on` when `status` became true."""

    line: int
    source_row: int
    arrival: date
    nights: int
    booked_on: date
    status: str  # checked_out, cancelled, no_show
    ended_on: date
    reserved_type: str
    assigned_type: str
    persons: int
    price_minor: int
    channel: str

    @property
    def departure(self) -> date:
        return self.arrival + timedelta(days=self.nights)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is not taken, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class OtherHotel:
    """A line that speaks of another of the data's hotels."""

    line: int


def rows(path: Path, hotel: str) -> Iterator[Booked | Refusal | OtherHotel]:
    """Yield what each line of the file (plain or gzip) is for `hotel`, in file order; a bad line never ends the reading.

    Raises Unreadable when the file has no header of this format, OSError when it cannot be opened.
    """
    with _opened(path) as text:
        reader = csv.reader(text)
        header = next(reader, [])
        if missing := [name for name in COLUMNS if name not in header]:
            raise Unreadable(f"{path.name} has no column {', '.join(missing[:3])}; expected a hotel bookings file")
        count = 0
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError) as why:
                yield Refusal(reader.line_num, f"the line cannot be read: {why}")
                continue
            count += 1
            yield _judged(reader.line_num, count, header, cells, hotel)


def _opened(path: Path) -> TextIO:
    with path.open("rb") as probe:
        packed = probe.read(2) == _GZIP
    if packed:
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def _judged(line: int, count: int, header: list[str], cells: list[str], hotel: str) -> Booked | Refusal | OtherHotel:
    if len(cells) != len(header):
        return Refusal(line, f"expected {len(header)} columns, got {len(cells)}")
    row = dict(zip(header, cells, strict=True))
    if row["hotel"] not in HOTELS:
        return Refusal(line, f"hotel: expected {' or '.join(HOTELS)}, got {row['hotel']!r}")
    if row["hotel"] != hotel:
        return OtherHotel(line)
    try:
        return _booked(line, count, row)
    except ValueError as why:
        return Refusal(line, str(why))


def _booked(line: int, count: int, row: dict[str, str]) -> Booked:
    arrival = _day(row)
    return Booked(
        line=line,
        source_row=_whole(row, "source_row") if "source_row" in row else count,
        arrival=arrival,
        nights=_whole(row, "stays_in_weekend_nights") + _whole(row, "stays_in_week_nights"),
        booked_on=arrival - timedelta(days=_whole(row, "lead_time")),
        status=_word(row, "reservation_status", ENDINGS),
        ended_on=_iso(row, "reservation_status_date"),
        reserved_type=row["reserved_room_type"].strip(),
        assigned_type=row["assigned_room_type"].strip(),
        persons=_whole(row, "adults") + (0 if row["children"] == "NA" else _whole(row, "children")) + _whole(row, "babies"),
        price_minor=_cents(row, "adr"),
        channel=_word(row, "distribution_channel", CHANNELS),
    )


def _whole(row: dict[str, str], key: str) -> int:
    text = row[key].strip().removesuffix(".0")  # some copies write children as 1.0
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{key}: expected a whole number from 0, got {row[key]!r}")
    return int(text)


def _word(row: dict[str, str], key: str, known: dict[str, str]) -> str:
    if row[key] not in known:
        raise ValueError(f"{key}: expected one of {', '.join(known)}, got {row[key]!r}")
    return known[row[key]]


def _day(row: dict[str, str]) -> date:
    month = row["arrival_date_month"]
    if month not in MONTHS:
        raise ValueError(f"arrival_date_month: expected an English month, got {month!r}")
    year, day = _whole(row, "arrival_date_year"), _whole(row, "arrival_date_day_of_month")
    try:
        return date(year, MONTHS.index(month) + 1, day)
    except ValueError:
        raise ValueError(f"arrival: there is no {day} {month} {year}") from None


def _iso(row: dict[str, str], key: str) -> date:
    try:
        return date.fromisoformat(row[key])
    except ValueError:
        raise ValueError(f"{key}: expected a date such as 2016-07-01, got {row[key]!r}") from None


def _cents(row: dict[str, str], key: str) -> int:
    try:
        cents = Decimal(row[key]) * 100
    except InvalidOperation:
        raise ValueError(f"{key}: expected an amount such as 75.50, got {row[key]!r}") from None
    if not cents.is_finite() or cents != int(cents):
        raise ValueError(f"{key}: expected at most two decimals, got {row[key]!r}")
    return int(cents)
