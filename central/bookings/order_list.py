"""The order list: reservations of all times by filters, in pages that cost the same however deep they lie.

A page is cut by the row value (arrival, reservation) that the last one ended with, never by counting rows; no total is made. Every
filter is judged on the columns of one index (`ix_reservation_list`) before a row is fetched. What a person types into the search box is
resolved first, by the unique keys of numbers and references; names are sealed, so they are looked for among those who are in house,
expected soon, or have just left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, false, or_, select, tuple_, union, union_all

from central.bookings import books, views
from central.bookings.views import ReservationRow
from central.guests import profiles
from central.problems import Invalid
from central.rooms.house import House, read_house
from central.store.tables import orders, reservation, room
from central.store.vault import Vault
from wire.stays import Status

_COMING, _HERE = str(Status.CONFIRMED), str(Status.IN_HOUSE)
# Few of many: their arrivals are looked up first, so that the walk through the list begins and ends with them.
LIVE = {"confirmed": _COMING, "due_in": _COMING, "in_house": _HERE, "due_out": _HERE}
PAGE = 50  # rows of a screen
MOST = 1000  # rows of one answer
STATUSES = ("confirmed", "due_in", "in_house", "due_out", "checked_out", "cancelled", "no_show")
LATELY = timedelta(days=2)  # who has left since then is still found by name
SOON = timedelta(days=60)  # and who arrives until then; each name is unsealed for it, 300 rooms are some 6,000
LONGEST = 200  # characters of what is searched for

Sort = Literal["latest", "earliest"]
_r = reservation.c
_CHANNELS = select(orders.c.channel).where(orders.c.property_id == bindparam("p"))
_ROOM = select(room.c.room).where(room.c.property_id == bindparam("p"), room.c.room == bindparam("text"))
_ORDERS = union(  # each part by a unique key
    select(orders.c.order_id).where(orders.c.property_id == bindparam("p"), orders.c.number == bindparam("text")),
    select(orders.c.order_id).where(
        orders.c.property_id == bindparam("p"),
        orders.c.channel.in_(bindparam("channels", expanding=True)),
        orders.c.channel_reference == bindparam("text"),
    ),
)
_CALLED = union(
    select(_r.reservation_id).where(_r.property_id == bindparam("p"), _r.number == bindparam("text")),
    select(_r.reservation_id).where(_r.property_id == bindparam("p"), _r.order_id.in_(bindparam("orders", expanding=True))),
)
_NAMED = union_all(  # each part by (status, departure)
    select(_r.reservation_id, _r.guest_id).where(
        _r.property_id == bindparam("p"),
        _r.status.in_((str(Status.IN_HOUSE), str(Status.CONFIRMED))),
        or_(_r.status == str(Status.IN_HOUSE), _r.arrival <= bindparam("until", type_=_r.arrival.type)),
    ),
    select(_r.reservation_id, _r.guest_id).where(
        _r.property_id == bindparam("p"),
        _r.status == str(Status.CHECKED_OUT),
        _r.departure >= bindparam("since", type_=_r.departure.type),
    ),
)
_ARRIVALS = select(
    _r.arrival, _r.order_id
).where(  # a column that the list's index lacks, and no order: so that the condition's index is taken
    _r.property_id == bindparam("p")
)
_BOOKED = select(orders.c.order_id, orders.c.booked_at).where(
    orders.c.property_id == bindparam("p"), orders.c.order_id.in_(bindparam("ids", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for; what is None, or empty, does not matter. Days are inclusive at both ends.

    `text` is a room, the number of an order or reservation, a channel's reference, or a part of a guest's name.
    """

    arrival_from: date | None = None
    arrival_to: date | None = None
    departure_from: date | None = None
    departure_to: date | None = None
    status: str = ""
    channel: str = ""
    text: str = ""
    sort: Sort = "latest"

    def told(self) -> dict[str, str]:
        """The filter as the parameters of an address."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: value.isoformat() if isinstance(value, date) else str(value) for name, value in said.items() if value}
        return {name: value for name, value in plain.items() if (name, value) != ("sort", "latest")}


@dataclass(frozen=True, slots=True)
class ListRow:
    """One reservation of the list, and when its order was booked."""

    reservation: ReservationRow
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order; `after` asks for the page behind them, None: this is the last."""

    rows: tuple[ListRow, ...]
    after: str | None


def wanted(told: Mapping[str, str]) -> Filter:
    """Read a filter from the parameters of an address; raise Invalid naming the first that makes no sense."""
    days: dict[str, Any] = {}
    for name in ("arrival_from", "arrival_to", "departure_from", "departure_to"):
        value = told.get(name, "").strip()
        try:
            days[name] = date.fromisoformat(value) if value else None
        except ValueError:
            raise Invalid("bad_day", f"{name}: expected a day such as 2026-07-01, got {value[:20]!r}.", "Correct the day.") from None
    status, sort = told.get("status", ""), told.get("sort", "") or "latest"
    if status and status not in STATUSES:
        raise Invalid("bad_status", f"status: expected one of {', '.join(STATUSES)}.", "Choose one of them.")
    if sort not in {"latest", "earliest"}:
        raise Invalid("bad_sort", "sort: expected latest or earliest.", "Choose one of them.")
    text = " ".join(told.get("text", "").split())[:LONGEST]
    return Filter(**days, status=status, channel=told.get("channel", "").strip()[:LONGEST], text=text, sort=sort)  # type: ignore[arg-type]


def channels(conn: Connection, property_id: str) -> list[str]:
    """Return every channel that has brought an order, sorted: one step into the index for each, however many orders there are."""
    found: list[str] = []
    while True:
        query = _CHANNELS.order_by(orders.c.channel).limit(1)
        newest = conn.execute(query.where(orders.c.channel > found[-1]) if found else query, {"p": property_id}).scalar()
        if newest is None:
            return found
        found.append(newest)


def page(conn: Connection, vault: Vault, property_id: str, asked: Filter, after: str | None = None, limit: int = PAGE) -> Page:
    """Return at most `limit` reservations that match, those behind `after`; raise Invalid for a cursor that is none of ours."""
    house = read_house(conn, property_id)
    query = statement(house, asked, after, limit + 1)
    few: ColumnElement[bool] | None = _r.status.in_([LIVE[asked.status]]) if asked.status in LIVE else None
    if asked.text:
        meant, ids = _meant(conn, vault, house, asked.text)
        query, few = query.where(meant), meant if ids else few
    if few is not None:
        span = sorted(conn.execute(_ARRIVALS.where(few), {"p": property_id}).scalars())
        if not span:
            return Page((), None)
        query = query.where(_r.arrival.between(span[0], span[-1]))
    found = [books.of_row(row) for row in conn.execute(query).mappings()]
    shown = found[:limit]
    booked = {row.order_id: row.booked_at for row in conn.execute(_BOOKED, {"p": property_id, "ids": [stay.order_id for stay in shown]})}
    rows = tuple(ListRow(row, booked[row.order_id]) for row in views.rows(conn, vault, property_id, shown))
    return Page(rows, f"{shown[-1].arrival.isoformat()}~{shown[-1].reservation_id}" if len(found) > limit else None)


def statement(house: House, asked: Filter, after: str | None, limit: int) -> Select[Any]:
    """Return the query of one page, without the search text."""
    query = select(reservation).where(_r.property_id == house.property_id, *_judged(house, asked))
    latest = asked.sort == "latest"
    if after is not None:
        here, last = tuple_(_r.arrival, _r.reservation_id), tuple_(*_cursor(after), types=[_r.arrival.type, Text()])
        query = query.where(here < last if latest else here > last)
    order = (_r.arrival.desc(), _r.reservation_id.desc()) if latest else (_r.arrival, _r.reservation_id)
    return query.order_by(*order).limit(limit)


def _cursor(after: str) -> tuple[date, str]:
    day, _, key = after.partition("~")
    try:
        return date.fromisoformat(day), key
    except ValueError:
        raise Invalid("bad_cursor", "after: this page mark is none of ours.", "Begin at the first page.") from None


def _judged(house: House, asked: Filter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions. Nobody leaves before arriving, so an end of departures also ends the arrivals that are walked through."""
    arrival_to = min((day for day in (asked.arrival_to, asked.departure_to) if day), default=None)
    if asked.arrival_from:
        yield _r.arrival >= asked.arrival_from
    if arrival_to:
        yield _r.arrival <= arrival_to
    if asked.departure_from:
        yield _r.departure >= asked.departure_from
    if asked.departure_to:
        yield _r.departure <= asked.departure_to
    if asked.channel:
        yield _r.channel == asked.channel
    yield from _of_status(house, asked.status)


def _of_status(house: House, status: str) -> Iterator[ColumnElement[bool]]:
    if status == "due_in":
        yield _r.status == str(Status.CONFIRMED)
        yield _r.arrival <= house.business_date
    elif status == "due_out":
        yield _r.status == str(Status.IN_HOUSE)
        yield _r.departure <= house.business_date
    elif status:
        yield _r.status == status


def _meant(conn: Connection, vault: Vault, house: House, text: str) -> tuple[ColumnElement[bool], bool]:
    """Return the condition that a search text is, after asking who and what is called so, and whether it names single reservations."""
    told = {"p": house.property_id, "text": text}
    found = conn.execute(_ORDERS, told | {"channels": channels(conn, house.property_id)}).scalars().all()
    ids = set(conn.execute(_CALLED, told | {"orders": found}).scalars()) | _of_name(conn, vault, house, text)
    mine = _r.reservation_id.in_(sorted(ids)) if ids else false()
    one_room = conn.execute(_ROOM, told).scalar()
    return (mine, True) if one_room is None else (or_(_r.room == one_room, mine), False)


def _of_name(conn: Connection, vault: Vault, house: House, text: str) -> set[str]:
    """Return the reservations of those whose name has `text` in it: in house, expected SOON, left LATELY."""
    days = {"until": house.business_date + SOON, "since": house.business_date - LATELY}
    near = {row.reservation_id: row.guest_id for row in conn.execute(_NAMED, {"p": house.property_id, **days})}
    guests = profiles.read(conn, vault, house.property_id, near.values()) if near else {}
    called = {key for key, who in guests.items() if text.casefold() in who.display_name.casefold()}
    return {key for key, guest_id in near.items() if guest_id in called}
