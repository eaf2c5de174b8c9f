"""The demo's orders: 40 real bookings of one day of arrival, read from `arrivals.csv` and shifted so that they arrive today."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

# The data hold no names, so the demo invents them; every order keeps its name from run to run.
_FAMILY = (
    "Almeida", "Byrne", "Castro", "Doyle", "Esteves", "Fournier", "García", "Hughes", "Ivanova", "Jansen", "Keane", "Lefèvre",
    "Moreira", "Nolan", "Oliveira", "Pinto", "Quinn", "Ramos", "Sousa", "Taylor", "Walsh",
)  # fmt: skip
_GIVEN = ("Ana", "Brian", "Chloé", "Diego", "Emma", "Filipe", "Grace", "Hugo", "Inês", "João", "Kate", "Louis", "Marta", "Niall")
_CHINESE = ("王芳", "李伟", "陈静", "张敏", "刘洋")
CHANNELS = {"TA/TO": "agency", "Direct": "direct", "Corporate": "corporate", "GDS": "gds"}  # the data's word -> ours


@dataclass(frozen=True, slots=True)
class Arrival:
    """One booking. `booked_before` and `cancelled_before` are days before the day of arrival; the price is one night's, in cents."""

    place: int  # in the file
    source_row: int
    booked_before: int
    cancelled_before: int | None
    nights: int
    adults: int
    children: int
    room_type: str
    channel: str
    price_minor: int

    @property
    def reference(self) -> str:
        return f"demo-{self.source_row}"

    @property
    def guest(self) -> str:
        if self.place % 8 == 3:
            return _CHINESE[self.place // 8 % len(_CHINESE)]
        return f"{_GIVEN[self.place % len(_GIVEN)]} {_FAMILY[self.place * 5 % len(_FAMILY)]}"

    def order(self, today: date) -> dict[str, Any]:
        """Return the body that the order API takes."""
        return {
            "channel": self.channel,
            "channel_reference": self.reference,
            "booked_on": (today - timedelta(self.booked_before)).isoformat(),
            "guest": {"display_name": self.guest, "language": "en"},
            "arrival": today.isoformat(),
            "departure": (today + timedelta(self.nights)).isoformat(),
            "room_type": self.room_type,
            "adults": self.adults,
            "children": self.children,
            "nightly_gross_minor": [self.price_minor] * self.nights,
        }


def arrivals() -> tuple[Arrival, ...]:
    """Return the bookings in the order in which they were made."""
    lines = resources.files("demo").joinpath("arrivals.csv").read_text().splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(
        Arrival(
            place=place,
            source_row=int(row["source_row"]),
            booked_before=int(row["booked_days_before"]),
            cancelled_before=int(row["cancelled_days_before"]) if row["cancelled_days_before"] else None,
            nights=int(row["nights"]),
            adults=int(row["adults"]),
            children=int(row["children"]) + int(row["babies"]),
            room_type=row["room_type"],
            channel=CHANNELS[row["channel"]],
            price_minor=int(Decimal(row["price_per_night_eur"]) * 100),
        )
        for place, row in enumerate(rows)
    )


def in_time(bookings: tuple[Arrival, ...]) -> Iterator[tuple[str, Arrival]]:
    """Yield ("book" | "cancel", booking) as it happened, oldest first; on one day cancellations come before bookings."""
    steps = [(-b.booked_before, 1, b.source_row, "book", b) for b in bookings]
    steps += [(-b.cancelled_before, 0, b.source_row, "cancel", b) for b in bookings if b.cancelled_before is not None]
    for *_, what, booking in sorted(steps, key=lambda s: s[:3]):
        yield what, booking
