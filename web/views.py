"""What the pages of both desks show, as values: pure functions of what was read make them, templates draw them, live pages compare them.

All instants are already in the hotel's zone. A view holds no "now": two equal views look the same at any time; ages count in the
browser from the instants that are here. Codes stay codes; words and colours are the templates' business (web/words.py).
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

Names = tuple[tuple[str, str], ...]  # language -> name
GROUPS = ("vacant", "booked", "occupied", "maintenance")
GROUP: dict[str, str] = {  # the word of wire.rooms.shown -> the colour group of the board
    "vacant": "vacant",
    "vacant_dirty": "vacant",
    "booked": "booked",
    "booked_dirty": "booked",
    "occupied": "occupied",
    "due_out": "occupied",
    "out_of_order": "maintenance",
    "out_of_service": "maintenance",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with a device of a room; `code` is a health (offline …) or a flag (low_battery …)."""

    device: str
    code: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One room on the board."""

    room: str
    room_type: str
    type_names: Names
    floor: int
    word: str  # of wire.rooms.shown
    care: str
    presence: str = "unknown"
    service: str = "none"
    guest: str = ""
    moment: datetime | None = None  # booked: agreed arrival; occupied: agreed departure
    today: date | None = None
    href: str = ""  # to the stay when there is one, else to the room
    room_href: str = ""
    trouble: tuple[Trouble, ...] = ()

    @property
    def group(self) -> str:
        """The colour group."""
        return GROUP[self.word]

    @property
    def id(self) -> str:
        """The element's id on the page."""
        return f"room-{self.room}"


@dataclass(frozen=True, slots=True)
class Filter:
    """One count on top of the board, which is also a filter; `show` is empty for all rooms."""

    show: str
    count: int
    href: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts on top of the board."""

    every: Filter
    groups: tuple[Filter, ...]
    care: tuple[Filter, ...]
    attention: Filter


@dataclass(frozen=True, slots=True)
class Line:
    """One reservation in a list."""

    href: str
    number: str
    guest: str
    status: str
    room: str | None
    room_type: str
    type_names: Names
    arrive: datetime
    depart: datetime
    nights: int
    persons: int
    balance_minor: int
    currency: str
    care: str | None = None  # of the room, where it matters for an arrival
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """What the desk still expects today, beside the board."""

    arrivals: tuple[Line, ...]
    departures: tuple[Line, ...]
    today: date
    arrivals_href: str
    departures_href: str
    shown: int = 7  # of each list; the rest is one click away


@dataclass(frozen=True, slots=True)
class Board:
    """The room board: tiles in the order of floors (highest first) and rooms."""

    tiles: tuple[Tile, ...]
    counts: Counts
    due: Due

    def floors(self) -> Iterable[tuple[int, tuple[Tile, ...]]]:
        """Yield the floors, highest first, each with its rooms in the hotel's order."""
        for floor in sorted({tile.floor for tile in self.tiles}, reverse=True):
            yield floor, tuple(tile for tile in self.tiles if tile.floor == floor)

    def parts(self) -> dict[str, Hashable]:
        """The parts of the page by the id of their element."""
        return {"board-counts": self.counts, "board-due": self.due} | {tile.id: tile for tile in self.tiles}

    def without_names(self) -> "Board":
        """The same board for those who may see rooms but not stays."""
        bare = tuple(replace(tile, guest="", href=tile.room_href) for tile in self.tiles)
        return Board(bare, self.counts, replace(self.due, arrivals=(), departures=()))


def counts(tiles: Iterable[Tile], path: str) -> Counts:
    """Count rooms by colour group, by care and by what needs attention; `path` is the board's address."""
    rooms = tuple(tiles)

    def one(show: str, matching: Iterable[object]) -> Filter:
        return Filter(show, sum(1 for _ in matching), f"{path}?show={show}" if show else path)

    return Counts(
        every=one("", rooms),
        groups=tuple(one(group, (tile for tile in rooms if tile.group == group)) for group in GROUPS),
        care=tuple(one(care, (tile for tile in rooms if tile.care == care)) for care in ("dirty", "pickup", "clean", "inspected")),
        attention=one("attention", (tile for tile in rooms if tile.trouble or tile.service != "none")),
    )


@dataclass(frozen=True, slots=True)
class ActionView:
    """Whether an action may be done; with `ok` a reason is a warning."""

    action: str
    ok: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Who, where, in which state: the first thing to be read."""

    number: str
    guest: str
    status: str
    due: str | None  # due_in or due_out when today is the day
    room: str | None
    room_type: str
    type_names: Names
    care: str | None
    arrive: datetime
    depart: datetime
    nights: int
    persons: int
    balance_minor: int
    currency: str
    channel: str
    language: str
    today: date
    in_house_since: datetime | None = None
    checked_out_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be chosen in a form; `busy` says that it would have to wait."""

    value: str
    text: str
    note: str = ""
    tone: str = "plain"
    chosen: bool = False
    names: Names = ()  # of what stands behind the text, such as a room's type


@dataclass(frozen=True, slots=True)
class Desk:
    """What can be done with the order, and the addresses that do it."""

    base: str
    check_in: ActionView
    check_out: ActionView
    move: ActionView
    assign: ActionView
    rooms: tuple[Choice, ...]  # free rooms for a move or an assignment
    balance_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class DoorRight:
    """One key at one door, by the lock's own word."""

    door: int
    state: str
    lock: str
    at: datetime
    code: str | None = None
    exposure_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key of the stay and how far it has come at each door."""

    key_id: str
    kind: str
    copy_no: int
    status: str
    until: datetime
    doors: tuple[DoorRight, ...]
    today: date
    cut_at: datetime | None = None  # when a card with this key was last finished
    cut_on: str = ""  # by which encoder


@dataclass(frozen=True, slots=True)
class JobView:
    """The newest card job. `state`: waiting, started, done, failed, unknown, expired, withdrawn; `code` a device code."""

    job_id: str
    state: str
    encoder: str
    asked_at: datetime
    code: str | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys and doors: what is out, the form for one more, and what the encoder is doing."""

    base: str
    cut: ActionView
    keys: tuple[KeyView, ...]
    encoders: tuple[Choice, ...]
    job: JobView | None
    next_key: str | None  # the key that has no card yet; None: the next card needs a key of its own
    again: bool  # a card for that key was tried and did not come out right
    today: date


@dataclass(frozen=True, slots=True)
class FolioLine:
    """One posting."""

    day: date  # business date; the night itself for a room
    code: str
    text: str
    gross_minor: int


@dataclass(frozen=True, slots=True)
class Folio:
    """The bill so far. `pending` are nights that were used and are posted by the night audit or at check-out; `due` counts them."""

    lines: tuple[FolioLine, ...]
    pending: tuple[tuple[date, int], ...]
    due_minor: int
    currency: str
    nightly: tuple[tuple[date, int], ...]


@dataclass(frozen=True, slots=True)
class DoorLine:
    """One entry of a door's log."""

    door: int
    type: str
    data: tuple[tuple[str, object], ...]
    at: datetime
    copy_no: int | None = None  # of the key that was used, where it is one of this stay


@dataclass(frozen=True, slots=True)
class LockView:
    """One device of the room."""

    device: str
    health: str
    flags: tuple[str, ...]
    battery_percent: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Doors:
    """What the doors of the stay said last."""

    lines: tuple[DoorLine, ...]
    devices: tuple[LockView, ...]
    today: date


@dataclass(frozen=True, slots=True)
class Order:
    """The page of one order."""

    head: Head
    desk: Desk
    keys: Keys
    folio: Folio
    doors: Doors
    others: tuple[Line, ...] = ()  # the other reservations of the same order

    def parts(self) -> dict[str, Hashable]:
        """The parts of the page by the id of their element."""
        return {
            "order-head": self.head,
            "order-desk": self.desk,
            "order-keys": self.keys,
            "order-folio": self.folio,
            "order-doors": self.doors,
        }


@dataclass(frozen=True, slots=True)
class RoomPage:
    """The page of one room: its tile, its devices, what its doors said, who is expected."""

    tile: Tile
    doors: Doors
    stays: tuple[Line, ...]
    base: str
    back: str


@dataclass(frozen=True, slots=True)
class LineState:
    """How a box stands with central: live, connecting, waiting, refused or alone. `heard_at` only where it matters: not while live."""

    state: str
    heard_at: datetime | None
    today: date
    unsent: int = 0  # facts that central does not hold yet


@dataclass(frozen=True, slots=True)
class TabLine:
    """One line that the box has added to a bill by itself."""

    kind: str  # payment or item
    text: str
    amount_minor: int
    at: datetime
    sent: bool


@dataclass(frozen=True, slots=True)
class Tab:
    """The bill as a box knows it: what central said, when, and the box's own lines on top."""

    base: str
    balance_minor: int
    central_minor: int
    currency: str
    heard_at: datetime | None
    lines: tuple[TabLine, ...]
    nightly: tuple[tuple[date, int], ...]
    today: date
    may_pay: bool = True


@dataclass(frozen=True, slots=True)
class Departure:
    """Changing the departure at a box. `backed_until` is the latest departure that its holds pay for."""

    base: str
    extend: ActionView
    shorten: ActionView
    departure: date
    earliest: date
    backed_until: date
    managers: tuple[tuple[str, str], ...] = ()  # id, name: whose PIN sells what no hold covers
