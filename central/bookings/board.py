"""The room board as plain values: each room with its two axes, its guest, its sensors and its devices; six queries for any hotel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, RowMapping, bindparam, select

from central.bookings import views
from central.bookings.views import ReservationRow
from central.rooms.house import House, read_house
from central.store.tables import device, maintenance, room, room_door, room_signal
from central.store.vault import Vault
from wire.entities import Care, Maintenance, StayBody, StayStatus
from wire.rooms import Front, Room, shown
from wire.stays import Status

_OF: BindParameter[str] = bindparam("p")
_ROOMS = (
    select(room, room_signal.c.occupancy, room_signal.c.service)
    .outerjoin(room_signal, (room_signal.c.property_id == room.c.property_id) & (room_signal.c.room == room.c.room))
    .where(room.c.property_id == _OF)
    .order_by(room.c.sort, room.c.room)
)
_DOORS = select(room_door).where(room_door.c.property_id == _OF).order_by(room_door.c.room, room_door.c.door)
_DEVICES = select(device).where(device.c.property_id == _OF).order_by(device.c.device)
_REPAIRS = select(maintenance).where(
    maintenance.c.property_id == _OF, maintenance.c.first_night <= bindparam("day"), maintenance.c.end_night > bindparam("day")
)


@dataclass(frozen=True, slots=True)
class DeviceView:
    """How a device is, by the box's word."""

    device: str
    device_class: str | None
    room: str | None
    health: str
    flags: tuple[str, ...]
    battery_percent: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class BoardStay:
    """Who is in the room, or will be tonight."""

    reservation_id: str
    number: str
    status: str  # due_in or in_house
    guest: str
    arrive: datetime
    depart: datetime
    due_out: bool


@dataclass(frozen=True, slots=True)
class BoardRoom:
    """One cell. `word`, `tone` and `icon` are those of `wire.rooms.shown`."""

    room: str
    room_type: str
    floor: int
    doors: tuple[int, ...]
    front: str
    care: str
    maintenance: str | None
    occupancy: str
    service: str
    stay: BoardStay | None
    devices: tuple[DeviceView, ...]
    word: str
    tone: str
    icon: str


def devices(conn: Connection, property_id: str) -> list[DeviceView]:
    """Return every device that the box has spoken of, by name."""
    found = conn.execute(_DEVICES, {"p": property_id}).mappings()
    return [DeviceView(**{name: row[name] for name in DeviceView.__dataclass_fields__} | {"flags": tuple(row["flags"])}) for row in found]


def board(conn: Connection, vault: Vault, property_id: str, now: datetime, day: Sequence[ReservationRow] | None = None) -> list[BoardRoom]:
    """Return every room in the house's order, as it is at `now`. `day` is `views.day`, where the caller has read it already."""
    house = read_house(conn, property_id)
    doors: dict[str, list[int]] = {}
    for row in conn.execute(_DOORS, {"p": property_id}):
        doors.setdefault(row.room, []).append(row.door)
    repairs = {row.room: row for row in conn.execute(_REPAIRS, {"p": property_id, "day": house.business_date})}
    fitted: dict[str | None, list[DeviceView]] = {}
    for one in devices(conn, property_id):
        fitted.setdefault(one.room, []).append(one)
    stays: dict[str | None, ReservationRow] = {}
    for stay in views.day(conn, vault, property_id) if day is None else day:
        if stay.room not in stays or stay.status == Status.IN_HOUSE:
            stays[stay.room] = stay
    return [
        _cell(
            found,
            tuple(doors.get(found["room"], ())),
            house,
            now,
            repair=repairs.get(found["room"]),
            tonight=stays.get(found["room"]),
            fitted=fitted.get(found["room"], ()),
        )
        for found in conn.execute(_ROOMS, {"p": property_id}).mappings()
    ]


def _cell(
    row: RowMapping,
    doors: tuple[int, ...],
    house: House,
    now: datetime,
    *,
    repair: Row[*tuple[Any, ...]] | None,
    tonight: ReservationRow | None,
    fitted: Sequence[DeviceView],
) -> BoardRoom:
    planned = () if repair is None else (Maintenance(repair.kind, house.arrive(repair.first_night), house.depart(repair.end_night)),)
    seen = shown(Room(Front(row["front"]), Care(row["care"]), planned), _body(tonight), now)
    return BoardRoom(
        room=row["room"],
        room_type=row["room_type"],
        floor=row["floor"],
        doors=doors,
        front=row["front"],
        care=row["care"],
        maintenance=None if repair is None else repair.kind,
        occupancy=row["occupancy"] or "unknown",
        service=row["service"] or "none",
        stay=_stay(tonight, house),
        devices=tuple(fitted),
        word=seen.word,
        tone=seen.tone,
        icon=seen.icon,
    )


def _stay(row: ReservationRow | None, house: House) -> BoardStay | None:
    if row is None:
        return None
    inside = row.status == Status.IN_HOUSE
    leaving: bool = inside and _leaves(row.departure, house.business_date)
    status = StayStatus.IN_HOUSE if inside else StayStatus.DUE_IN
    return BoardStay(row.reservation_id, row.number, str(status), row.guest.display_name, row.arrive, row.depart, leaving)


def _leaves(departure: date, business_date: date) -> bool:
    return departure <= business_date


def _body(row: ReservationRow | None) -> StayBody | None:
    if row is None:
        return None
    status = StayStatus.IN_HOUSE if row.status == Status.IN_HOUSE else StayStatus.DUE_IN
    return StayBody(row.number, status, (), (), row.room_type, row.arrive, row.depart, row.guest)
