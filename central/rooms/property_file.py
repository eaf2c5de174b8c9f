"""The property file: what `latchkey-central property load` reads, and what must hold in it beyond the types."""

from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from host.configuration import ConfigurationError, Document, Problem, Section, read

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _whole_basis_points(percent: Decimal) -> Decimal:
    if percent * 100 != int(percent * 100):
        raise ValueError("expected a percentage with at most two decimals")
    return percent


Percent = Annotated[Decimal, Field(ge=0, le=100), AfterValidator(_whole_basis_points)]


class RoomType(Section):
    """One kind of room that is sold; its place in the list is its place on every page."""

    code: Annotated[str, Field(min_length=1, max_length=16)]
    names: dict[str, str]
    capacity: Annotated[int, Field(ge=1, le=32)]


class Room(Section):
    """One room and the doors that its keys open."""

    number: Annotated[str, Field(min_length=1, max_length=16)]
    type: str
    floor: int
    doors: list[Annotated[int, Field(ge=1, le=65535)]]


class Price(Section):
    """What a night of one type costs, tax included, in minor units; `except` for the nights that begin on other days."""

    type: str
    gross_minor: Annotated[int, Field(ge=0)]
    tax: str
    weekdays: dict[Weekday, Annotated[int, Field(ge=0)]] = {}


class Article(Section):
    """One thing that lies in minibars, tax included, in minor units."""

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    names: Annotated[dict[str, str], Field(min_length=1)]
    gross_minor: Annotated[int, Field(ge=0)]
    tax: str


class PropertyFile(Section):
    """A whole property."""

    slug: Slug
    number: Annotated[int, Field(ge=1, le=65535)]
    name: Annotated[str, Field(min_length=1, max_length=80)]
    time_zone: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    check_in: TimeOfDay
    check_out: TimeOfDay
    languages: Annotated[list[Literal["en", "zh"]], Field(min_length=1)]
    simulated: bool = False
    taxes: dict[str, Percent]
    room_types: Annotated[list[RoomType], Field(min_length=1)]
    rooms: Annotated[list[Room], Field(min_length=1)]
    prices: list[Price]
    minibar: list[Article] = []


def read_property(path: Path) -> PropertyFile:
    """Read and check one property file; raise ConfigurationError with every problem and its line."""
    document = read(path)
    told = document.check(PropertyFile)
    if problems := _problems(document, told):
        raise ConfigurationError(problems)
    return told


def _problems(document: Document, told: PropertyFile) -> list[Problem]:
    types = [room_type.code for room_type in told.room_types]
    numbers = [room.number for room in told.rooms]
    priced = [price.type for price in told.prices]
    problems = [
        *_doubles(document, "room_types.{}.code", types),
        *_doubles(document, "rooms.{}.number", numbers),
        *_doubles(document, "prices.{}.type", priced),
        *_doubles(document, "minibar.{}.sku", [article.sku for article in told.minibar]),
        *_strangers(document, "minibar.{}.tax", [article.tax for article in told.minibar], list(told.taxes), "one of the taxes"),
        *_strangers(document, "rooms.{}.type", [room.type for room in told.rooms], types, "the code of a room type"),
        *_strangers(document, "prices.{}.type", priced, types, "the code of a room type"),
        *_strangers(document, "prices.{}.tax", [price.tax for price in told.prices], list(told.taxes), "one of the taxes"),
    ]
    if told.time_zone not in available_timezones():
        problems.append(document.problem("time_zone", "expected a time zone such as Europe/Paris", options=sorted(available_timezones())))
    if time.fromisoformat(told.check_out) > time.fromisoformat(told.check_in):
        problems.append(document.problem("check_out", f"expected a time not after check_in ({told.check_in})"))
    problems += [
        document.problem(f"room_types.{at}.code", "expected a price for this type under prices")
        for at, code in enumerate(types)
        if code not in priced
    ]
    return problems


def _doubles(document: Document, key: str, words: list[str]) -> list[Problem]:
    return [document.problem(key.format(at), "expected each once") for at, word in enumerate(words) if word in words[:at]]


def _strangers(document: Document, key: str, words: list[str], known: list[str], what: str) -> list[Problem]:
    return [document.problem(key.format(at), f"expected {what}", options=known) for at, word in enumerate(words) if word not in known]
