"""Bookings of the past, taken in from a file: reservation, nights and folio as they were; nobody is told and nothing is sent.

Each line is stored once, however often its file is read: its identity is its row in the source. The house limit stands by the key of
the room nights; the counters of a type, which the old house overran by upgrading, get the allowance that those nights need and no more.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, case, cast, insert, select, update

from central.channels.hotel_bookings import Booked, OtherHotel, Refusal, rows
from central.channels.placing import House, KnownRoom, mask
from central.folio.arithmetic import tax_included
from central.folio.ledger import ROOM
from central.guests import profiles
from central.rooms import inventory
from central.rooms.house import House as Settings
from central.rooms.house import read_house
from central.rooms.rules import nights
from central.services import Services
from central.store import audit
from central.store.tables import folio, inventory_night, orders, posting, rate, reservation, room, room_night, room_type, tax
from central.store.turn import Turn
from wire.entities import Guest
from wire.ids import new_id

PREFIX = "hotel-bookings/"  # of the channel reference: what makes a line the same line
CHUNK = 1000  # lines in one transaction: others wait for it 0.3 s at the most, and a kill loses one chunk, which the next run takes in
ACTOR = "import/bookings"

_KNOWN = select(orders.c.channel_reference).where(orders.c.property_id == bindparam("p"), orders.c.channel_reference.startswith(PREFIX))
_ROOMS = select(room.c.room, room.c.room_type).where(room.c.property_id == bindparam("p")).order_by(room.c.sort, room.c.room)
_TYPES = select(room_type.c.room_type).where(room_type.c.property_id == bindparam("p"))
_TAKEN = select(room_night.c.room, room_night.c.night).where(
    room_night.c.property_id == bindparam("p"), room_night.c.night >= bindparam("first"), room_night.c.night < bindparam("end")
)
_TAX = (
    select(rate.c.room_type, rate.c.tax_code, tax.c.basis_points)
    .join(tax, (tax.c.property_id == rate.c.property_id) & (tax.c.tax_code == rate.c.tax_code))
    .where(rate.c.property_id == bindparam("p"), rate.c.weekday == 0)
)
_n = inventory_night.c
_NEEDED = cast(_n.sold + bindparam("more") + _n.optioned + _n.held + _n.burned - _n.physical + _n.out_of_order, BigInteger)
_SELL = (
    update(inventory_night)
    .where(_n.property_id == bindparam("p"), _n.room_type == bindparam("t"), _n.night == bindparam("day"))
    .values(sold=_n.sold + bindparam("more"), allowance=case((_n.allowance < _NEEDED, _NEEDED), else_=_n.allowance))
)
_ADD_ORDERS, _ADD_RESERVATIONS, _ADD_NIGHTS = insert(orders), insert(reservation), insert(room_night)
_ADD_FOLIOS, _ADD_POSTINGS = insert(folio), insert(posting)


@dataclass(slots=True)
class Report:
    """What an import did with each line; the lines of a file are the sum of the first four counts."""

    stored: int = 0
    known: int = 0
    other_hotel: int = 0
    refused: list[Refusal] = field(default_factory=list)
    upgraded: int = 0  # of the stored: in a room of another type than the assigned one

    def as_dict(self) -> dict[str, Any]:
        told = [{"line": one.line, "reason": one.reason} for one in sorted(self.refused, key=lambda one: one.line)]
        counts = {"stored": self.stored, "known": self.known, "other_hotel": self.other_hotel, "refused": len(told)}
        return counts | {"upgraded": self.upgraded, "refusals": told}


@dataclass(frozen=True, slots=True)
class _Books:
    """What is known of the property before the first line is stored."""

    settings: Settings
    types: frozenset[str]
    taxes: dict[str, tuple[str, int]]  # room type -> tax code, basis points
    rooms: tuple[KnownRoom, ...]
    references: frozenset[str]


async def import_bookings(
    services: Services, property_id: str, file: Path, progress: Callable[[int, int], None] = lambda a, b: None
) -> Report:
    """Take the file's bookings of the hotel of this name into `property_id`; a second run changes nothing.

    `progress(done, all)` is called after each chunk. Raises NotFound, hotel_bookings.Unreadable, OSError.
    """
    books = await services.store.read(lambda conn: _books(conn, property_id))
    report = Report()
    fresh = _sorted_out(rows(file, books.settings.name), books, report)
    if not fresh:
        return report
    first, end = fresh[0].arrival, max(one.departure for one in fresh)
    house = await services.store.read(lambda conn: House(books.rooms, first, _taken(conn, property_id, first, end)))
    guest_id = await services.change(property_id, ACTOR, _prepare, first, end)
    for at in range(0, len(fresh), CHUNK):
        placed = list(_placed(fresh[at : at + CHUNK], house, report))
        await services.change(property_id, ACTOR, _store, books, placed, guest_id)
        progress(min(at + CHUNK, len(fresh)), len(fresh))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    await services.change(property_id, ACTOR, _record, file.name, digest, report)
    return report


def _books(conn: Connection, property_id: str) -> _Books:
    told = {"p": property_id}
    settings = read_house(conn, property_id)
    return _Books(
        settings,
        frozenset(conn.execute(_TYPES, told).scalars()),
        {row.room_type: (row.tax_code, row.basis_points) for row in conn.execute(_TAX, told).all()},
        tuple(KnownRoom(row.room, row.room_type) for row in conn.execute(_ROOMS, told).all()),
        frozenset(conn.execute(_KNOWN, told).scalars()),
    )


def _taken(conn: Connection, property_id: str, first: date, end: date) -> dict[str, int]:
    taken: dict[str, int] = {}
    for row in conn.execute(_TAKEN, {"p": property_id, "first": first, "end": end}).all():
        taken[row.room] = taken.get(row.room, 0) | mask([row.night], first)
    return taken


def _sorted_out(lines: Iterable[Booked | Refusal | OtherHotel], books: _Books, report: Report) -> list[Booked]:
    """Count what is not for us and return the rest in order of arrival, in which they can be placed."""
    fresh: list[Booked] = []
    seen: set[int] = set()
    for one in lines:
        if isinstance(one, OtherHotel):
            report.other_hotel += 1
        elif isinstance(one, Refusal):
            report.refused.append(one)
        elif f"{PREFIX}{one.source_row}" in books.references or one.source_row in seen:
            report.known += 1
        elif reason := _obstacle(one, books):
            report.refused.append(Refusal(one.line, reason))
        else:
            seen.add(one.source_row)
            fresh.append(one)
    fresh.sort(key=lambda one: (one.arrival, one.line))
    return fresh


def _obstacle(one: Booked, books: _Books) -> str | None:
    for key, code in (("reserved_room_type", one.reserved_type), ("assigned_room_type", one.assigned_type)):
        if code not in books.types:
            return f"{key}: expected one of {', '.join(sorted(books.types))}, got {code!r}"
    if max(one.departure, one.ended_on) > books.settings.business_date:
        return f"departure {one.departure} is not before the business date {books.settings.business_date}: this is no history"
    return None


def _placed(chunk: Iterable[Booked], house: House, report: Report) -> Iterator[tuple[Booked, KnownRoom | None]]:
    """Yield each booking with its room; those that did not come have none. One that does not fit is refused."""
    by_number = {one.number: one for one in house.rooms}
    for one in chunk:
        if one.status != "checked_out":
            report.stored += 1
            yield one, None
            continue
        number = house.place(one.assigned_type, one.arrival, one.departure)
        if number is None:
            report.refused.append(Refusal(one.line, f"all {len(house.rooms)} rooms are taken on a night from {one.arrival}"))
            continue
        report.stored += 1
        report.upgraded += by_number[number].room_type != one.assigned_type
        yield one, by_number[number]


def _prepare(turn: Turn, first: date, end: date) -> str:
    """Open the counters of the past nights and return the guest without a name, in whose name all of it is: the data hold none."""
    inventory.open_nights(turn, first, end + timedelta(days=1))
    return profiles.make(turn, Guest("—"))


def _store(turn: Turn, books: _Books, placed: list[tuple[Booked, KnownRoom | None]], guest_id: str) -> None:
    """Store one chunk: each booking's order, reservation and folio, and for those who came their nights and postings."""
    made = [(one, given, new_id(), new_id()) for one, given in placed]  # with the ids of the order and of the reservation
    lead: dict[str, Any] = {"property_id": turn.property_id}
    if not made:
        return
    turn.conn.execute(_ADD_ORDERS, [lead | _order(one, order_id) for one, _, order_id, _ in made])
    stays = [lead | _reservation(books.settings, one, given, order_id, stay_id, guest_id) for one, given, order_id, stay_id in made]
    turn.conn.execute(_ADD_RESERVATIONS, stays)
    folios = {stay_id: new_id() for _, _, _, stay_id in made}
    currency = {"currency": books.settings.currency}
    turn.conn.execute(_ADD_FOLIOS, [lead | currency | {"folio_id": f, "reservation_id": r} for r, f in folios.items()])
    came = [(one, given, stay_id) for one, given, _, stay_id in made if given is not None and one.nights]
    if not came:
        return
    turn.conn.execute(
        _ADD_NIGHTS,
        [
            lead | {"room": given.number, "night": day, "reservation_id": stay_id, "hold_id": None}
            for one, given, stay_id in came
            for day in nights(one.arrival, one.departure)
        ],
    )
    turn.conn.execute(_ADD_POSTINGS, [lead | line for one, _, stay_id in came for line in _lines(books, one, stay_id, folios[stay_id])])
    sold = Counter((one.assigned_type, day) for one, _, _ in came for day in nights(one.arrival, one.departure))
    turn.conn.execute(_SELL, [{"p": turn.property_id, "t": code, "day": day, "more": count} for (code, day), count in sold.items()])


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def _order(one: Booked, order_id: str) -> dict[str, Any]:
    return {
        "order_id": order_id, "number": f"H{one.source_row}", "channel": one.channel, "channel_reference": f"{PREFIX}{one.source_row}",
        "channel_version": 1, "status": "cancelled" if one.status == "cancelled" else "confirmed", "booked_at": _noon(one.booked_on),
        "taken_at": _noon(one.booked_on), "changed_at": _noon(one.ended_on), "note_sealed": None,
    }  # fmt: skip


def _reservation(settings: Settings, one: Booked, given: KnownRoom | None, order_id: str, stay_id: str, guest_id: str) -> dict[str, Any]:
    arrive, depart = settings.arrive(one.arrival), settings.depart(one.departure)
    return {
        "reservation_id": stay_id, "order_id": order_id, "number": f"H{one.source_row}", "status": one.status,
        "room_type": one.reserved_type, "stock_type": one.assigned_type, "room": given.number if given else None,
        "arrival": one.arrival, "departure": one.departure, "arrive": arrive, "depart": depart,
        "persons": one.persons, "nightly_gross_minor": [one.price_minor] * one.nights, "guest_id": guest_id, "no_post": False,
        "in_house_since": arrive if given else None, "moved_at": None, "checked_out_at": max(arrive, depart) if given else None,
        "version": 1, "channel": one.channel,
    }  # fmt: skip


def _lines(books: _Books, one: Booked, stay_id: str, folio_id: str) -> Iterator[dict[str, Any]]:
    """Yield the room postings of a stay, one a night, each on the business date on which its night began."""
    code, basis_points = books.taxes[one.reserved_type]
    net, owed = tax_included(one.price_minor, basis_points)
    for day in nights(one.arrival, one.departure):
        yield {
            "posting_id": new_id(), "folio_id": folio_id, "code": ROOM, "quantity": 1, "gross_minor": one.price_minor, "net_minor": net,
            "tax_minor": owed, "tax_code": code, "business_date": day, "posted_at": _noon(day), "actor": ACTOR,
            "source": f"night/{stay_id}", "source_seq": day.toordinal(), "detail": {"night": day.isoformat()}, "reverses": None,
        }  # fmt: skip


def _record(turn: Turn, name: str, digest: str, report: Report) -> None:
    """Leave the one audit line of this file, unless nothing came of it."""
    counts = {"stored": report.stored, "known": report.known, "other_hotel": report.other_hotel, "refused": len(report.refused)}
    if report.stored:
        audit.record(turn, "bookings_imported", f"file/{name}", sha256=digest, **counts)
