"""The room board and the lists of the day as views: pure functions of what was read."""

from collections.abc import Iterable, Sequence
from datetime import date

from central.bookings.board import BoardRoom, DeviceView
from central.bookings.views import ReservationRow
from central.pages.queries import Found, Today, Types
from web.views import Board, Doors, Due, Line, Names, RoomPage, Tile, Trouble, counts
from wire.stays import Status

QUIET_FLAGS = frozenset({"event_overflow", "nvram_reset"})  # for engineering, not for the desk
WORST = frozenset({"fault", "offline"})
CURRENT = ("in_house", "due_out", "due_in", "confirmed", "checked_out")  # in the order in which a search shows them
LIVED = frozenset({"occupied", "due_out", "booked", "booked_dirty"})  # the stay is what the tile is about


def board(found: Found) -> Board:
    """Draw rooms, stays and devices together. Tiles stand in the house's order."""
    tiles = tuple(tile(found.today, room) for room in found.rooms)
    return Board(tiles, counts(tiles, f"/p/{found.today.house.property_id}/board"), due(found.today))


def tile(today: Today, room: BoardRoom) -> Tile:
    """Draw one room."""
    house = today.house
    base = f"/p/{house.property_id}"
    stay = room.stay if room.word in LIVED else None
    moment = None
    if stay is not None:
        moment = (stay.arrive if stay.status == "due_in" else stay.depart).astimezone(house.zone)
    return Tile(
        room=room.room,
        room_type=room.room_type,
        type_names=names(today.types, room.room_type),
        floor=room.floor,
        word=room.word,
        care=room.care,
        presence=room.occupancy,
        service=room.service,
        guest=stay.guest if stay else "",
        moment=moment,
        today=house.business_date,
        href=f"{base}/orders/{stay.reservation_id}" if stay else f"{base}/rooms/{room.room}",
        room_href=f"{base}/rooms/{room.room}",
        trouble=trouble(room.devices),
    )


def trouble(devices: Iterable[DeviceView]) -> tuple[Trouble, ...]:
    """What is wrong with the devices of a room, the worst first: bad health, then flags."""
    said = []
    for one in devices:
        said += [Trouble(one.device, one.health)] if one.health != "online" else []
        said += [Trouble(one.device, flag) for flag in one.flags if flag not in QUIET_FLAGS]
    return tuple(sorted(said, key=lambda trouble: trouble.code not in WORST))


def due(today: Today) -> Due:
    """What the desk still expects today: arrivals by agreed time, departures that have not left."""
    base = f"/p/{today.house.property_id}"
    arrivals = [line(today, row) for row in today.here if row.status == Status.CONFIRMED]
    leaving = [line(today, row) for row in today.here if row.status == Status.IN_HOUSE and row.departure <= today.house.business_date]
    return Due(
        tuple(sorted(arrivals, key=lambda one: (one.arrive, one.number))),
        tuple(sorted(leaving, key=lambda one: (one.depart, one.number))),
        today.house.business_date,
        f"{base}/arrivals",
        f"{base}/departures",
    )


def day(today: Today) -> dict[str, list[Line]]:
    """The lists of the day by name. Departures are those still to leave, then those who have left today."""
    expected = due(today)
    inside = [line(today, row) for row in today.here if row.status == Status.IN_HOUSE]
    gone = [line(today, row) for row in today.left]
    return {
        "arrivals": list(expected.arrivals),
        "in-house": by_room(inside),
        "departures": [*expected.departures, *by_room(gone)],
    }


def by_room(lines: Sequence[Line]) -> list[Line]:
    """Order lines by room, then number."""
    return sorted(lines, key=lambda one: (one.room or "", one.number))


def current_first(lines: Iterable[Line]) -> list[Line]:
    """Order what a search found: who is here, who comes today, who will come, who was here, what came to nothing."""
    return sorted(lines, key=lambda one: (CURRENT.index(one.status) if one.status in CURRENT else len(CURRENT), one.arrive))


def status_of(row: ReservationRow, today: date) -> str:
    """The word of a reservation on `today`: due_in and due_out are computed."""
    if row.status == Status.CONFIRMED and row.arrival <= today:
        return "due_in"
    if row.status == Status.IN_HOUSE and row.departure <= today:
        return "due_out"
    return row.status


def line(today: Today, row: ReservationRow) -> Line:
    """One reservation for a list."""
    house = today.house
    return Line(
        href=f"/p/{house.property_id}/orders/{row.reservation_id}",
        number=row.number,
        guest=row.guest.display_name,
        status=status_of(row, house.business_date),
        room=row.room,
        room_type=row.room_type,
        type_names=names(today.types, row.room_type),
        arrive=row.arrive.astimezone(house.zone),
        depart=row.depart.astimezone(house.zone),
        nights=(row.departure - row.arrival).days,
        persons=row.persons,
        balance_minor=today.dues.get(row.reservation_id, 0),
        currency=house.currency,
        care=today.cares.get(row.room or ""),
    )


def names(types: Types, code: str) -> Names:
    """A room type's names by language."""
    return tuple(sorted(types.get(code, {}).items()))


def room_page(today: Today, room: BoardRoom, doors: Doors) -> RoomPage:
    """The page of one room."""
    base = f"/p/{today.house.property_id}"
    stays = tuple(line(today, row) for row in today.here if row.room == room.room)
    return RoomPage(tile(today, room), doors, stays, f"{base}/rooms/{room.room}", f"{base}/board")
