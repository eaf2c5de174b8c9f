"""What the box tells central: what has happened, in the past tense, each once.

A fact that a device caused has the id of its cause (`ids.caused_by`); one that a person caused has a UUIDv7. Each kind travels in
one lane, each lane with its own numbers: `desk` and `log` are never dropped, `last` is thinned first, and nothing in `log` may be
needed to understand `desk`.
"""

from dataclasses import field
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime
from pydantic.dataclasses import dataclass

from wire.entities import Care

Lane = Literal["desk", "log", "last"]
LANES: tuple[Lane, ...] = ("desk", "log", "last")  # the order in which they are served


class RightState(StrEnum):
    """How far one right at one door has come; `active` and `revoked` only after the lock's own answer."""

    PLANNED = "planned"
    PUSHING = "pushing"
    ACTIVE = "active"
    RETRYING = "retrying"
    REVOKING = "revoking"
    REVOKED = "revoked"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    ENCODED = "encoded"  # data on card from here on
    RELEASED = "released"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class StayCheckedIn:
    stay_id: str
    rooms: tuple[str, ...]
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class StayCheckedOut:
    stay_id: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class StayMoved:
    stay_id: str
    from_room: str
    to_room: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class StayDatesChanged:
    stay_id: str
    depart: AwareDatetime
    holds: tuple[str, ...] = ()  # spent for the added nights


@dataclass(frozen=True, slots=True)
class WalkInTaken:
    """A guest without an order, taken at the box; `sealed` is what only central can read (base64)."""

    stay_id: str
    room: str
    room_type: str
    arrive: AwareDatetime
    depart: AwareDatetime
    nights: tuple[date, ...]
    display_name: str
    language: str
    persons: int
    nightly_gross_minor: tuple[int, ...]
    holds: tuple[str, ...]
    unbacked: bool = False
    sealed: str | None = None


@dataclass(frozen=True, slots=True)
class HoldReturned:
    hold_id: str


@dataclass(frozen=True, slots=True)
class KeyIssued:
    key_id: str
    kind: str
    until: AwareDatetime
    stay_id: str | None = None
    staff_id: str | None = None
    copy_no: int = 0


@dataclass(frozen=True, slots=True)
class KeyLost:
    key_id: str


@dataclass(frozen=True, slots=True)
class RightChanged:
    """The state of one key at one door; `lock` online, hybrid or data_on_card; `code` a device code's name when it was refused."""

    key_id: str
    door: int
    state: RightState
    lock: str
    at: AwareDatetime
    stay_id: str | None = None
    code: str | None = None
    exposure_until: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class JobStarted:
    job_id: str


@dataclass(frozen=True, slots=True)
class JobDone:
    """How a job ended: done, failed (with a device code's name), unknown (the card may or may not be right) or expired."""

    job_id: str
    outcome: Literal["done", "failed", "unknown", "expired"]
    code: str
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaymentTaken:
    payment_id: str
    stay_id: str
    method: str
    amount_minor: int
    currency: str
    reference: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class ItemConsumed:
    """One bottle gone for good; (device, log_id, slot, removal_no) is posted at most once."""

    device: str
    log_id: int
    slot: int
    removal_no: int
    room: str
    removed_at: AwareDatetime
    sku: str
    price_version: int
    gross_minor: int
    tax_code: str
    stay_id: str | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class ConsumptionReview:
    """A question about one removal; `log_id` names it together with device, slot and removal_no."""

    device: str
    room: str
    slot: int
    removal_no: int
    reason: str
    at: AwareDatetime
    stay_id: str | None = None
    log_id: int | None = None


@dataclass(frozen=True, slots=True)
class Restocked:
    device: str
    room: str
    attendant: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class RoomOccupancy:
    room: str
    occupancy: Literal["unknown", "vacant", "verifying", "occupied"]
    cause: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class RoomService:
    room: str
    service: Literal["none", "dnd", "mur", "butler"]
    source: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class CareSet:
    room: str
    care: Care


@dataclass(frozen=True, slots=True)
class DoorEvent:
    """One event of a lock's own log, in device words; `key_id` and `stay_id` where the box knows whose key it was."""

    device: str
    door: int
    log_id: int
    seq: int
    type: str
    at: AwareDatetime
    tq: str
    data: dict[str, Any] = field(default_factory=dict)
    key_id: str | None = None
    stay_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    device: str
    health: Literal["online", "degraded", "offline", "fault"]
    flags: tuple[str, ...]
    at: AwareDatetime
    battery_percent: int | None = None
    room: str | None = None
    device_class: str | None = None  # lock, encoder, minibar, room, sensor: so that a desk can offer the encoders


@dataclass(frozen=True, slots=True)
class TaskRaised:
    """Something that a person must look at; `kind` names the text in the catalogue, `args` fill it."""

    task_id: str
    kind: str
    at: AwareDatetime
    room: str | None = None
    stay_id: str | None = None
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    device: str
    at: AwareDatetime
    values: dict[str, Any]
    keep: Literal["all", "last"] = "last"


@dataclass(frozen=True, slots=True)
class KeysSealed:
    blob: str  # base64; only the recovery key opens it


Fact = (
    StayCheckedIn | StayCheckedOut | StayMoved | StayDatesChanged | WalkInTaken | HoldReturned | KeyIssued | KeyLost | RightChanged
    | JobStarted | JobDone | PaymentTaken | ItemConsumed | ConsumptionReview | Restocked | RoomOccupancy | RoomService | CareSet
    | DoorEvent | DeviceHealth | TaskRaised | Reading | KeysSealed
)  # fmt: skip
_ALL: tuple[type[Fact], ...] = (
    StayCheckedIn, StayCheckedOut, StayMoved, StayDatesChanged, WalkInTaken, HoldReturned, KeyIssued, KeyLost, RightChanged,
    JobStarted, JobDone, PaymentTaken, ItemConsumed, ConsumptionReview, Restocked, RoomOccupancy, RoomService, CareSet,
    DoorEvent, DeviceHealth, TaskRaised, Reading, KeysSealed,
)  # fmt: skip
KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in _ALL}
_LOG = {DoorEvent, DeviceHealth}
_LAST = {RoomOccupancy}
URGENT: frozenset[type[Fact]] = frozenset({RightChanged, JobStarted, JobDone, StayCheckedIn, StayCheckedOut, StayMoved, TaskRaised})


def lane_of(fact: Fact) -> Lane:
    """Return the lane in which `fact` travels."""
    if isinstance(fact, Reading):
        return "log" if fact.keep == "all" else "last"
    return "log" if type(fact) in _LOG else "last" if type(fact) in _LAST else "desk"
