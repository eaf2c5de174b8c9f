"""What pages read beyond the answers of the API: what each guest would pay now, today's departures, what a search finds, choices of a form.

Plain functions of a connection; a fixed number of statements each, however many rooms or guests there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, cast, func, or_, select

from central.bookings import board, books, views
from central.bookings.board import BoardRoom, DeviceView
from central.bookings.rules import charged
from central.bookings.views import DoorEventView, ReservationRow, ReservationView
from central.rooms.assignment import AnyRow, free_rooms
from central.rooms.house import House, read_house
from central.store.tables import door_event, folio, posting, reservation, room, room_type
from central.store.vault import Vault
from central.sync.tables import job
from wire.stays import Status

EVENTS = 20  # of a room's doors, newest first: a screenful
LIVING = ("confirmed", "in_house", "checked_out")  # whose room number means something
FOUND = 50  # lines of a search
OVERSTAYED = timedelta(days=30)  # nobody stays longer than that over the agreed departure

_P: BindParameter[str] = bindparam("p")
_folios = folio.join(posting, (posting.c.property_id == folio.c.property_id) & (posting.c.folio_id == folio.c.folio_id))
_OWED = (
    select(folio.c.reservation_id, cast(func.sum(posting.c.gross_minor), BigInteger).label("gross_minor"))
    .select_from(_folios)
    .where(folio.c.property_id == _P, folio.c.reservation_id.in_(bindparam("ids", expanding=True)))
    .group_by(folio.c.reservation_id)
)
_POSTED = select(posting.c.source, posting.c.source_seq).where(
    posting.c.property_id == _P, posting.c.source.in_(bindparam("sources", expanding=True))
)
_LEFT = select(reservation).where(
    reservation.c.property_id == _P,
    reservation.c.status == str(Status.CHECKED_OUT),
    reservation.c.departure >= bindparam("agreed", type_=reservation.c.departure.type),  # by the index: years of history are not read
    reservation.c.checked_out_at >= bindparam("since", type_=reservation.c.checked_out_at.type),
)
_NUMBERED = (
    select(reservation)
    .where(
        reservation.c.property_id == _P,
        or_(
            reservation.c.number == bindparam("text"),
            reservation.c.number.startswith(bindparam("dash"), autoescape=False),
            (reservation.c.room == bindparam("text")) & reservation.c.status.in_(LIVING),
        ),
    )
    .order_by(reservation.c.arrival.desc(), reservation.c.number)
    .limit(FOUND)
)
_CARES = select(room.c.room, room.c.care).where(room.c.property_id == _P)
_TYPES = select(room_type.c.room_type, room_type.c.names).where(room_type.c.property_id == _P).order_by(room_type.c.sort)
_JOB_ARGS = select(job.c.job_id, job.c.args).where(job.c.property_id == _P, job.c.job_id.in_(bindparam("ids", expanding=True)))
_EVENTS = (
    select(door_event)
    .where(
        door_event.c.property_id == _P,
        door_event.c.door.in_(bindparam("doors", expanding=True)),
        door_event.c.at >= bindparam("since", type_=door_event.c.at.type),
    )
    .order_by(door_event.c.at.desc(), door_event.c.seq.desc())
    .limit(EVENTS)
)

Types = Mapping[str, Mapping[str, str]]  # code -> language -> name
Dues = Mapping[str, int]  # reservation -> minor units


@dataclass(frozen=True, slots=True)
class Today:
    """Who is in house or expected (`here`), who has left since midnight of the business date, what each owes, how clean each room is."""

    house: House
    here: Sequence[ReservationRow]
    left: Sequence[ReservationRow]
    dues: Dues
    cares: Mapping[str, str]
    types: Types


@dataclass(frozen=True, slots=True)
class Found:
    """All that the board shows."""

    today: Today
    rooms: Sequence[BoardRoom]
    now: datetime


@dataclass(frozen=True, slots=True)
class OneOrder:
    """All that the page of one order shows. `args` are those of the card jobs, by job id; `posted` the ordinals of nights on the folio."""

    house: House
    view: ReservationView
    channel: str
    others: Sequence[ReservationRow]
    types: Types
    care: str | None
    posted: frozenset[int]
    args: Mapping[str, Mapping[str, Any]]
    devices: Sequence[DeviceView]
    free: Sequence[AnyRow]
    now: datetime


def today(conn: Connection, vault: Vault, property_id: str) -> Today:
    """Read the lists of the day; raise NotFound for an unknown property."""
    house = read_house(conn, property_id)
    here = views.day(conn, vault, property_id)
    since = house.arrive(house.business_date) - house.early(house.business_date)
    gone = [
        books.of_row(row)
        for row in conn.execute(_LEFT, {"p": property_id, "since": since, "agreed": house.business_date - OVERSTAYED}).mappings()
    ]
    left = views.rows(conn, vault, property_id, gone)
    return Today(house, here, left, dues(conn, house, [*here, *left]), _cares(conn, property_id), types(conn, property_id))


def rooms(conn: Connection, vault: Vault, property_id: str, now: datetime) -> Found:
    """Read the board and the lists beside it."""
    day = today(conn, vault, property_id)
    return Found(day, board.board(conn, vault, property_id, now, day.here), now)


def numbered(conn: Connection, vault: Vault, property_id: str, text: str) -> tuple[list[ReservationRow], Dues]:
    """Return reservations whose number or room is `text`, or whose order's number it is, latest arrival first; at most FOUND."""
    wild = text.replace("%", "").replace("_", "")
    known = [books.of_row(row) for row in conn.execute(_NUMBERED, {"p": property_id, "text": text, "dash": f"{wild}-"}).mappings()]
    rows = views.rows(conn, vault, property_id, known)
    return rows, dues(conn, read_house(conn, property_id), rows)


def order(conn: Connection, vault: Vault, property_id: str, wanted: str, now: datetime) -> OneOrder:
    """Read one order by the id of a reservation, or of an order (then its first reservation). Raises NotFound."""
    house = read_house(conn, property_id)
    of_order = books.of_order(conn, property_id, wanted)
    key = of_order[0].reservation_id if of_order else wanted
    view = views.reservation_view(conn, vault, property_id, key, now)
    row = view.reservation
    siblings = of_order or books.of_order(conn, property_id, row.order_id)
    others = views.rows(conn, vault, property_id, [stay for stay in siblings if stay.reservation_id != key])
    first = max(house.business_date, row.arrival)
    open_stay = row.status in {Status.CONFIRMED, Status.IN_HOUSE} and first < row.departure
    ids = [state.job_id for state in view.jobs]
    return OneOrder(
        house=house,
        view=view,
        channel=books.read_order(conn, property_id, row.order_id)["channel"],
        others=others,
        types=types(conn, property_id),
        care=_cares(conn, property_id).get(row.room or ""),
        posted=_posted(conn, property_id, [key])[key],
        args={row.job_id: row.args for row in conn.execute(_JOB_ARGS, {"p": property_id, "ids": ids})} if ids else {},
        devices=board.devices(conn, property_id),
        free=free_rooms(conn, property_id, first, row.departure) if open_stay else (),
        now=now,
    )


def room_doors(conn: Connection, property_id: str, doors: Sequence[int], since: datetime) -> list[DoorEventView]:
    """Return what doors have said since an instant, newest first, at most EVENTS."""
    rows = conn.execute(_EVENTS, {"p": property_id, "doors": list(doors), "since": since}).mappings() if doors else ()
    return [DoorEventView(**{name: row[name] for name in DoorEventView.__dataclass_fields__}) for row in rows]


def types(conn: Connection, property_id: str) -> Types:
    """Return the names of the room types by code, in the house's order."""
    return {row.room_type: row.names for row in conn.execute(_TYPES, {"p": property_id})}


def _cares(conn: Connection, property_id: str) -> dict[str, str]:
    """How clean each room is."""
    return {row.room: row.care for row in conn.execute(_CARES, {"p": property_id})}


def dues(conn: Connection, house: House, rows: Iterable[ReservationRow]) -> dict[str, int]:
    """Return what each would pay when it left now: the folio's balance, and the used nights that are not on it yet."""
    by_id = {row.reservation_id: row for row in rows}
    if not by_id:
        return {}
    owed = {row.reservation_id: int(row.gross_minor) for row in conn.execute(_OWED, {"p": house.property_id, "ids": list(by_id)})}
    posted = _posted(conn, house.property_id, by_id)
    return {key: owed.get(key, 0) + sum(gross for _, gross in pending(house, row, posted[key])) for key, row in by_id.items()}


def pending(house: House, row: ReservationRow, posted: frozenset[int]) -> list[tuple[date, int]]:
    """Return nights and prices that a guest in house has used and that are not on the folio: what check-out would post now."""
    if row.status != Status.IN_HOUSE:
        return []
    nights = charged(row.arrival, row.departure, house.business_date)
    return [(night, row.nightly_gross_minor[at]) for at, night in enumerate(nights) if night.toordinal() not in posted]


def _posted(conn: Connection, property_id: str, ids: Iterable[str]) -> dict[str, frozenset[int]]:
    """The ordinals of the nights that are on the folio, by reservation."""
    sources = {f"night/{key}": key for key in ids}
    found: dict[str, set[int]] = {key: set() for key in sources.values()}
    for row in conn.execute(_POSTED, {"p": property_id, "sources": list(sources)}):
        found[sources[row.source]].add(row.source_seq)
    return {key: frozenset(days) for key, days in found.items()}
