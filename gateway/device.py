"""The contract between the box's core and its device drivers: commands, replies, reports, errors. No protocol lives here.

DeviceError
 - Unreachable      outcome unknown: read `confirmed()` before deciding anything, try again later
 - Refused          the device answered no (`code`): trying again changes nothing unless the code says so
 - Garbled          the device answered nonsense: reset the session, then try again

Names of ops, events and codes are those of docs/devices/contract.md; times are aware datetimes here and epoch seconds only in the codecs.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Literal, Protocol

# ---------------------------------------------------------------- commands


class Code(IntEnum):
    """How a device (or the box itself, LINK_DOWN) answered."""

    OK = 0
    BAD_REQUEST = 1
    UNSUPPORTED = 2
    UNAUTHENTICATED = 3
    REPLAY = 4
    STALE_VERSION = 5
    EXPIRED = 6
    BUSY = 7
    TIMEOUT = 8
    RESOURCE_EXHAUSTED = 9
    NOT_FOUND = 10
    CONFLICT = 11
    CLOCK_INVALID = 12
    LOW_POWER = 13
    ACTUATOR_JAM = 14
    PRIVACY_ACTIVE = 15
    STORAGE_FAULT = 17
    NO_CARD = 32
    CARD_REMOVED = 33
    WRONG_CARD_TYPE = 34
    WRITE_ERROR = 35
    VERIFY_MISMATCH = 36
    FOREIGN_CARD = 37
    CARD_PROTECTED = 38
    SENSOR_FAULT = 48
    LINK_DOWN = 64


RETRY_BY_ITSELF = frozenset({Code.BUSY, Code.TIMEOUT, Code.LINK_DOWN, Code.STORAGE_FAULT})


class Mode(IntEnum):
    """A lock's mode."""

    NORMAL = 0
    PRIVACY = 2
    NO_REMOTE = 3
    PASSAGE = 4
    LOCKOUT = 16


class Role(IntEnum):
    """Whose key it is."""

    GUEST = 1
    MINIBAR = 2
    HOUSEKEEPING = 3
    FLOOR_MASTER = 4
    ENGINEERING = 5
    SECURITY = 6
    EMERGENCY = 7


class LockKind(StrEnum):
    """Who decides at the door: the lock's table, the card beside a lock on the line, or the card alone."""

    ONLINE = "online"
    HYBRID = "hybrid"
    DATA_ON_CARD = "data_on_card"


@dataclass(frozen=True, slots=True)
class AccessRight:
    """One right in one lock, as the lock holds it. `cred_hash` is eight zero bytes for an RFID key."""

    right_ref: int
    version: int
    credential_ref: int
    door_first: int
    door_count: int
    generation: int
    start: datetime  # "from" on the wire
    until: datetime
    role: Role = Role.GUEST
    flags: int = 0
    copy: int = 0
    areas: int = 0
    cred_hash: bytes = bytes(8)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a staff right opens: weekday mask (bit 0 Sunday), start and end minute of day, UTC."""

    weekdays: int
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for the digests; changes nothing."""


@dataclass(frozen=True, slots=True)
class PutRight:
    right: AccessRight
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class DelRight:
    right_ref: int
    version: int


@dataclass(frozen=True, slots=True)
class RaiseFloor:
    floor: int


@dataclass(frozen=True, slots=True)
class BlockCred:
    credential_ref: int
    version: int


@dataclass(frozen=True, slots=True)
class UnblockCred:
    credential_ref: int
    version: int


@dataclass(frozen=True, slots=True)
class SetMode:
    mode: Mode
    version: int


@dataclass(frozen=True, slots=True)
class SetClock:
    at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Identify:
    """Blink or beep."""


@dataclass(frozen=True, slots=True)
class UnlockPulse:
    seconds: int


@dataclass(frozen=True, slots=True)
class CardFields:
    """What goes on a card; property and mac are the encoder's own."""

    door_first: int
    door_count: int
    generation: int
    credential_ref: int
    start: datetime
    until: datetime
    copy: int = 0
    flags: int = 0
    areas: int = 0
    card_type: int = 1  # 1 guest 2 staff 3 one_shot 4 cancel 5 block 6 emergency 7 fallback
    extra_doors: tuple[int, ...] = ()  # at most five; none = image 1


@dataclass(frozen=True, slots=True)
class Encode:
    card: CardFields
    purpose: Literal["new", "copy", "extend"]
    version: int


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Read the card on the plate."""


@dataclass(frozen=True, slots=True)
class VerifyCard:
    card: CardFields


@dataclass(frozen=True, slots=True)
class EraseCard:
    version: int


@dataclass(frozen=True, slots=True)
class CancelCard:
    """Stop waiting for a card."""


@dataclass(frozen=True, slots=True)
class BarLock:
    version: int


@dataclass(frozen=True, slots=True)
class BarUnlock:
    """Momentary."""


@dataclass(frozen=True, slots=True)
class RestockBegin:
    attendant: str


@dataclass(frozen=True, slots=True)
class RestockEnd:
    """End of restocking."""


@dataclass(frozen=True, slots=True)
class SetProfile:
    profile: Literal["occupied", "unoccupied", "unsold"]


@dataclass(frozen=True, slots=True)
class SetSetpoint:
    celsius_tenths: int


@dataclass(frozen=True, slots=True)
class ClearService:
    """DND and MUR off."""


@dataclass(frozen=True, slots=True)
class SetRented:
    rented: bool


LockOp = Ping | PutRight | DelRight | RaiseFloor | BlockCred | UnblockCred | SetMode | SetClock | Identify | UnlockPulse
CardOp = Encode | ReadCard | VerifyCard | EraseCard | CancelCard
BarOp = BarLock | BarUnlock | RestockBegin | RestockEnd
RoomOp = SetProfile | SetSetpoint | ClearService | SetRented
Op = LockOp | CardOp | BarOp | RoomOp


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do. `cmd_id` is the idempotency key: the same command may be sent any number of times."""

    cmd_id: uuid.UUID
    op: Op
    issued_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a lock itself reports, read back from its memory: the only source of `actual`."""

    rights_count: int
    rights_digest: int
    guard_digest: int
    floor: int
    generation: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A device's final answer. `confirmed` comes from every lock op that reads back (device sheets); `result` holds card fields etc."""

    code: Code
    result: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False
    confirmed: Confirmed | None = None


# ---------------------------------------------------------------- reports

TimeQuality = Literal["set", "drifting", "invalid"]
Health = Literal["online", "degraded", "offline", "fault"]
Transport = Literal["mqtt", "modbus", "ble"]


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a device's log. Identity is (device, log_id, seq); `data` in the words of the device sheets."""

    device: str
    log_id: int
    seq: int
    at: datetime
    tq: TimeQuality
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """The full attribute set of a device at a moment; replaces what was known. Restored values are state, never events."""

    device: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """How a device is: sent on connect, on change and with each heartbeat."""

    device: str
    health: Health
    boot_counter: int
    log_id: int
    flags: tuple[str, ...] = ()
    battery_percent: int | None = None
    confirmed: Confirmed | None = None
    clock_offset_s: int | None = None


Report = Event | State | Condition

Emit = Callable[[Report], "asyncio.Future[None]"]
"""Take one report. The order of the calls is the order kept; the future is done after COMMIT, and only then may the device be
acknowledged. Many may be open at once. The future fails when the store cannot take it: then nothing is acknowledged."""


# ---------------------------------------------------------------- drivers


class DeviceError(Exception):
    """Who, what, and what the person on site should do."""

    def __init__(self, device: str, what: str, remedy: str) -> None:
        super().__init__(f"{device}: {what}. {remedy}")
        self.device, self.what, self.remedy = device, what, remedy


class Unreachable(DeviceError):
    """No answer in time, or the line broke while it was asked: the outcome is unknown."""


class Refused(DeviceError):
    """The device said no."""

    def __init__(self, device: str, code: Code, what: str, remedy: str) -> None:
        super().__init__(device, what, remedy)
        self.code = code


class Garbled(DeviceError):
    """The answer could not be understood."""


class Memory(Protocol):
    """What a driver must not forget (command numbers, counters, a log id it made), kept by the engine in its own store.

    Keys and values are short text. `put` is committed with, or before, the next report of the same driver.
    """

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...


class Drops(Protocol):
    """Where a frame goes that has no effect."""

    def drop(self, transport: Transport, device: str | None, reason: str, count: int = 1) -> None:
        """Count frames that were dropped; `reason` is one short slug such as bad_tag, malformed, oversized, unknown_version."""

    def stranger(self, transport: Transport, address: str, said: str) -> None:
        """Put somebody unknown on the quarantine list, with a short excerpt of what it said; repeats are counted."""


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a driver is told about its device."""

    name: str
    property_slug: str
    k_dev: bytes  # 32 bytes
    settings: Mapping[str, Any]  # already checked against the driver's `Settings`
    lock: LockKind | None = None
    door: int | None = None


class Driver(Protocol):
    """One device. A driver module has `Settings` (pydantic dataclass) and `connect(setting, buses, memory, drops, now) -> Driver`."""

    async def run(self, emit: Emit) -> None:
        """Report what the device does until cancelled. Raises DeviceError when the device is lost: the supervisor starts it again.

        On (re)connect: one Condition with the device's own digests, one State, then events not yet acknowledged, oldest first.
        """

    async def apply(self, command: Command) -> Reply:
        """Do `command` and return the device's final answer.

        May be repeated: the same command twice is the same state. Raises Unreachable when the outcome is unknown, Garbled when the
        answer made no sense. A refusal is a Reply with its code, not an error. Momentary commands are not sent after `expires_at`.
        """

    async def confirmed(self) -> Confirmed:
        """Ask a lock what it holds now. Raises Unreachable; Refused UNSUPPORTED for a device that is no lock."""
