"""Pure decisions about orders: nights, prices, which version counts, which nights are charged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from central.problems import Invalid
from central.rooms.rules import nights

LONGEST = 365  # nights of one order; longer stays are contracts


class Delivery(StrEnum):
    """What a delivery of an order that we know is."""

    REPEAT = "repeat"  # the same version again: answer as before
    OLDER = "older"  # late: changes nothing
    NEWER = "newer"  # amends


def delivery(known_version: int, version: int) -> Delivery:
    """Judge a delivery by its version."""
    if version == known_version:
        return Delivery.REPEAT
    return Delivery.NEWER if version > known_version else Delivery.OLDER


def check_dates(arrival: date, departure: date, business_date: date) -> None:
    """Raise Invalid for a stay without nights, too many of them, or one that begins before the business date."""
    if departure <= arrival:
        raise Invalid("no_nights", "The departure is not after the arrival.", "Give at least one night.")
    if (departure - arrival).days > LONGEST:
        raise Invalid("too_long", f"More than {LONGEST} nights in one order.", "Make several orders.")
    if arrival < business_date:
        raise Invalid("arrival_in_past", f"The hotel's business date is {business_date}.", "Choose a later arrival.")


def prices(given: Sequence[int] | None, rates: Mapping[int, int], arrival: date, departure: date) -> tuple[int, ...]:
    """Return the gross price of each night in minor units: as given with the order, else by the day on which the night begins.

    Raises Invalid when the number of prices is not the number of nights, or the house has no price.
    """
    days = nights(arrival, departure)
    if given is not None:
        if len(given) != len(days):
            raise Invalid("price_mismatch", f"{len(given)} prices for {len(days)} nights.", "Give one price for each night.")
        return tuple(given)
    if any(day.weekday() not in rates for day in days):
        raise Invalid("no_price", "The house has no price for this type.", "Send a price with the order.")
    return tuple(rates[day.weekday()] for day in days)


@dataclass(frozen=True, slots=True)
class Change:
    """The nights that a change of dates gives up and adds, in order."""

    dropped: tuple[date, ...]
    added: tuple[date, ...]


def dates_changed(old: tuple[date, date], new: tuple[date, date]) -> Change:
    """Compare two half-open stays."""
    before, after = nights(*old), nights(*new)
    return Change(tuple(day for day in before if day not in after), tuple(day for day in after if day not in before))


def charged(arrival: date, departure: date, business_date: date) -> tuple[date, ...]:
    """Return the nights that a guest who leaves on `business_date` has used: at least the first, at most those that were agreed.

    Nights after an agreed departure are not charged by themselves; an extension prices them.
    """
    return nights(arrival, min(departure, max(business_date, arrival + timedelta(days=1))))


def repriced(old: Sequence[int], arrival: date, departure: date, rates: Mapping[int, int]) -> tuple[int, ...]:
    """Return the nightly prices for another departure: agreed nights keep their price, added ones cost the house's rate.

    A house without a rate continues at the price of the last agreed night.
    """
    days = nights(arrival, departure)
    return tuple(old[at] if at < len(old) else rates.get(day.weekday(), old[-1]) for at, day in enumerate(days))
