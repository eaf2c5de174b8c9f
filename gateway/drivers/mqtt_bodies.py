"""The JSON inside the MQTT envelope: commands out; replies, events, state and health in. Pure.

Source: device sheets, chapters 1 and 4.1. In device JSON `ts`, `issued_at`, `expires_at` are RFC 3339 with Z; `from`, `until`, `epoch` are
epoch seconds; `type`, `op`, `status`, `code`, `tq` are names, other enumerations numbers.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from gateway.device import (
    BarLock,
    BlockCred,
    CardFields,
    Code,
    Command,
    Confirmed,
    DelRight,
    Encode,
    EraseCard,
    Op,
    PutRight,
    RaiseFloor,
    RestockBegin,
    SetClock,
    SetMode,
    SetProfile,
    SetRented,
    SetSetpoint,
    TimeQuality,
    UnblockCred,
    UnlockPulse,
    VerifyCard,
)
from gateway.drivers import words
from gateway.drivers.mqtt_envelope import U32, BadFrame
from gateway.drivers.ops import epoch, name

MAINS_MV = 0xFFFF  # a device on mains has no battery; the Modbus binding writes it so
MOST_EVENTS = 32  # in one message
Status = Literal["accepted", "running", "done", "error", "expired"]


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class ReplyBody:
    """One reply as the device wrote it."""

    cmd_id: uuid.UUID
    status: Status
    ts: AwareDatetime | None = None
    code: str | None = None
    result: dict[str, Any] | None = None
    replayed: bool = False

    def final(self) -> bool:
        """Whether the command has ended."""
        return self.status not in {"accepted", "running"}


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class EventBody:
    """One event as the device wrote it."""

    v: int
    device_id: str
    log_id: U32
    seq: U32
    ts: AwareDatetime
    tq: TimeQuality
    type: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z_]+$")]
    data: dict[str, Any] = field(default_factory=dict)


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class ConfirmedBody:
    """What a lock reads back; in replies and in `health`."""

    rights_count: U32
    rights_digest: str | int
    guard_digest: str | int
    floor: U32
    generation: U32


_REPLY = TypeAdapter(ReplyBody)
_EVENT = TypeAdapter(EventBody)
_EVENTS = TypeAdapter(Annotated[list[EventBody], Field(min_length=1, max_length=MOST_EVENTS)])
_CONFIRMED = TypeAdapter(ConfirmedBody)
_OBJECT = TypeAdapter(dict[str, Any])


def command(asked: Command) -> str:
    """The body of one command; the same command always gives the same text."""
    said = {
        "v": 1,
        "cmd_id": str(asked.cmd_id),
        "op": name(asked.op),
        "args": arguments(asked.op),
        "issued_at": _instant(asked.issued_at),
        "expires_at": None if asked.expires_at is None else _instant(asked.expires_at),
    }
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False)


def acknowledgement(log_id: int, upto: int) -> str:
    """The body of `event/ack`."""
    return json.dumps({"log_id": log_id, "upto": upto}, separators=(",", ":"))


def arguments(op: Op) -> dict[str, Any]:
    """The `args` of `op`."""
    write = _ARGUMENTS.get(type(op))
    return {} if write is None else write(op)


def reply(body: bytes) -> ReplyBody:
    """Read a reply. Raises BadFrame."""
    try:
        said = _REPLY.validate_json(body)
    except ValidationError:
        raise BadFrame("malformed") from None
    if said.final() and said.code is None and said.status == "error":
        raise BadFrame("malformed")
    return said


def outcome(said: ReplyBody) -> Code:
    """The code of a final reply; a name that we do not know is a refusal without a cure. Raises BadFrame."""
    if said.status == "expired":
        return Code.EXPIRED
    if said.code is None:
        return Code.OK
    try:
        return Code[said.code]
    except KeyError:
        raise BadFrame("unknown_code") from None


def events(body: bytes, device: str) -> list[EventBody]:
    """Read one event or an array of at most 32, in order. Raises BadFrame: malformed, unknown_version, wrong_device."""
    try:
        said = _EVENTS.validate_json(body) if body.lstrip()[:1] == b"[" else [_EVENT.validate_json(body)]
        for one in said:
            if one.v != 1:
                raise BadFrame("unknown_version")
            if one.device_id != device:
                raise BadFrame("wrong_device")
            one.ts.astimezone(UTC)
    except (ValidationError, OverflowError):  # 0001-01-01T00:00+14:00 is no instant in UTC
        raise BadFrame("malformed") from None
    return said


def attributes(body: bytes) -> dict[str, Any]:
    """Read `state` or `health`, an object. Raises BadFrame."""
    try:
        return _OBJECT.validate_json(body)
    except ValidationError:
        raise BadFrame("malformed") from None


def confirmed(said: Mapping[str, Any]) -> Confirmed | None:
    """What a lock reads back, if it is there; digests come as 8 hex digits or as whole numbers. Raises BadFrame when they are wrong."""
    if "rights_digest" not in said or "guard_digest" not in said:
        return None
    try:
        body = _CONFIRMED.validate_python(dict(said))
        return Confirmed(body.rights_count, _digest(body.rights_digest), _digest(body.guard_digest), body.floor, body.generation)
    except (ValidationError, ValueError):
        raise BadFrame("malformed") from None


def _digest(said: str | int) -> int:
    value = int(said, 16) if isinstance(said, str) else said
    if not 0 <= value <= 0xFFFF_FFFF:
        raise ValueError("a digest is 32 bits")
    return value


def instant(said: object) -> datetime | None:
    """An RFC 3339 time stamp with a zone; None for anything else."""
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at


def _instant(at: datetime) -> str:
    """RFC 3339 with Z, whole seconds unless there is more to say."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


# ---------------------------------------------------------------- arguments


def _put_right(op: PutRight) -> dict[str, Any]:
    right = op.right
    said: dict[str, Any] = {
        "right_ref": right.right_ref,
        "version": right.version,
        "credential_ref": right.credential_ref,
        "cred_hash": right.cred_hash.hex(),
        "door_first": right.door_first,
        "door_count": right.door_count,
        "generation": right.generation,
        "from": epoch(right.start),
        "until": epoch(right.until),
        "role": int(right.role),
        "flags": right.flags,
        "copy": right.copy,
    }
    if right.areas:
        said["areas"] = right.areas
    if op.schedule is not None:
        said["schedule"] = {"days": op.schedule.weekdays, "start": op.schedule.start_minute, "end": op.schedule.end_minute}
    return said


def _card(card: CardFields) -> dict[str, Any]:
    return {
        "type": card.card_type,
        "door_first": card.door_first,
        "door_count": card.door_count,
        "generation": card.generation,
        "copy": card.copy,
        "flags": card.flags,
        "from": epoch(card.start),
        "until": epoch(card.until),
        "credential_ref": card.credential_ref,
        "areas": card.areas,
        "extra_doors": list(card.extra_doors),
    }


_ARGUMENTS: dict[type, Callable[[Any], dict[str, Any]]] = {
    PutRight: _put_right,
    DelRight: lambda op: {"right_ref": op.right_ref, "version": op.version},
    RaiseFloor: lambda op: {"floor": op.floor},
    BlockCred: lambda op: {"credential_ref": op.credential_ref, "version": op.version},
    UnblockCred: lambda op: {"credential_ref": op.credential_ref, "version": op.version},
    SetMode: lambda op: {"mode": int(op.mode), "version": op.version},
    SetClock: lambda op: {"epoch": epoch(op.at), "version": op.version},
    UnlockPulse: lambda op: {"s": op.seconds},
    Encode: lambda op: {**_card(op.card), "purpose": op.purpose, "version": op.version},
    VerifyCard: lambda op: _card(op.card),
    EraseCard: lambda op: {"version": op.version},
    BarLock: lambda op: {"version": op.version},
    RestockBegin: lambda op: {"attendant": op.attendant},
    SetProfile: lambda op: {"profile": words.number(words.PROFILE, op.profile)},
    SetSetpoint: lambda op: {"setpoint": op.celsius_tenths},
    SetRented: lambda op: {"rented": op.rented},
}


@dataclass(frozen=True, slots=True)
class HealthBody:
    """What `health` says, read once."""

    flags: tuple[str, ...]
    battery_percent: int | None
    confirmed: Confirmed | None
    on_mains: bool = True


def health(said: Mapping[str, Any]) -> HealthBody:
    """Read the attributes of `health`. Raises BadFrame."""
    flags = said.get("flags", [])
    battery = said.get("battery")
    percent = battery.get("pct") if isinstance(battery, dict) else battery
    mains = battery is None or (isinstance(battery, dict) and battery.get("mv") in (None, MAINS_MV))  # what it said may not be hashable
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise BadFrame("malformed")
    if percent is not None and (isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100):
        raise BadFrame("malformed")
    return HealthBody(tuple(flags), None if mains else percent, confirmed(said), mains)
