"""What central tells the box: the latest state of one thing each, by kind.

Bodies are frozen dataclasses; `codec.py` turns them into canonical JSON and back. Instants are aware datetimes (RFC 3339 with Z
on the wire), money is whole minor units with the property's currency, ids are text. Unknown fields are ignored on reading, so
that a newer central may say more; a field added later has a default.
"""

from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime
from pydantic.dataclasses import dataclass


class Care(StrEnum):
    """How clean a room is; kept apart from whether somebody lives in it."""

    DIRTY = "dirty"
    PICKUP = "pickup"
    CLEAN = "clean"
    INSPECTED = "inspected"


class StayStatus(StrEnum):
    """The states of a stay that the box is told of."""

    DUE_IN = "due_in"
    IN_HOUSE = "in_house"
    CHECKED_OUT = "checked_out"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class KeyKind(StrEnum):
    """What carries a key."""

    RFID = "rfid"
    MOBILE = "mobile"
    PIN = "pin"


class KeyStatus(StrEnum):
    """Whether central wants a key to open."""

    WANTED = "wanted"
    LOST = "lost"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Guest:
    """All that the box knows of a guest."""

    display_name: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One interval in which a room is out of order (leaves sale) or out of service (is not assigned)."""

    kind: str  # out_of_order | out_of_service
    start: AwareDatetime
    end: AwareDatetime


@dataclass(frozen=True, slots=True)
class PropertyBody:
    """The hotel itself; its entity id is the slug. Times of day are HH:MM in the property's zone."""

    number: int  # u16, on cards
    name: str
    time_zone: str  # IANA
    currency: str  # ISO 4217
    check_in: str
    check_out: str
    business_date: date
    languages: tuple[str, ...]
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class RoomBody:
    """One room; its entity id is the room's number as text. A room may have several doors, a door may serve several rooms."""

    room_type: str
    floor: int
    doors: tuple[int, ...]
    care: Care
    maintenance: tuple[Maintenance, ...] = ()


@dataclass(frozen=True, slots=True)
class StayBody:
    """One reservation as the box needs it; its entity id is the reservation's.

    `arrive` and `depart` are the agreed instants, to the minute; `in_house_since` is when the guest was checked in (may be before
    `arrive`); `moved_at` when the present doors were given, if that was after the check-in. `doors` is the exact set that its keys
    open. `nightly_gross_minor` is one price for each night.
    """

    number: str  # what people say at the desk
    status: StayStatus
    rooms: tuple[str, ...]
    doors: tuple[int, ...]
    room_type: str
    arrive: AwareDatetime
    depart: AwareDatetime
    guest: Guest
    persons: int = 1
    zones: tuple[str, ...] = ()
    in_house_since: AwareDatetime | None = None
    moved_at: AwareDatetime | None = None
    checked_out_at: AwareDatetime | None = None
    no_post: bool = False
    nightly_gross_minor: tuple[int, ...] = ()
    balance_minor: int = 0


@dataclass(frozen=True, slots=True)
class KeyBody:
    """One key of a stay or of a staff member; `secret` (mobile, PIN) is sealed to the box, base64."""

    kind: KeyKind
    until: AwareDatetime
    status: KeyStatus = KeyStatus.WANTED
    stay_id: str | None = None
    staff_id: str | None = None
    copy_no: int = 0
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class StaffBody:
    """One member of staff as the box's console knows them; `pin_hash` = argon2id(HMAC(K_pin, PIN))."""

    display_name: str
    roles: tuple[str, ...]
    language: str = "en"
    pin_hash: str | None = None
    sections: tuple[str, ...] = ()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """One thing for sale in an outlet, at one version of its prices."""

    sku: str
    names: dict[str, str]  # language -> name
    gross_minor: int
    tax_code: str


@dataclass(frozen=True, slots=True)
class PriceListBody:
    """The prices of one outlet from an instant on; every version of the last 60 days stays."""

    outlet: str
    version: int
    valid_from: AwareDatetime
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class HoldBody:
    """One room night that central has given to the box for walk-ins and extensions without a line."""

    room: str
    room_type: str
    night: date


Body = PropertyBody | RoomBody | StayBody | KeyBody | StaffBody | PriceListBody | HoldBody
KINDS: dict[str, type[Body]] = {
    "property": PropertyBody,
    "room": RoomBody,
    "stay": StayBody,
    "key": KeyBody,
    "staff": StaffBody,
    "price_list": PriceListBody,
    "hold": HoldBody,
}
