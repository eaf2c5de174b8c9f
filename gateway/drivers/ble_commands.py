"""Commands and replies of the BLE binding: opcodes and TLVs. Pure.

Source: device sheets, BLE binding. TLVs 32-36 of a reply are what the lock holds; 40-49 are what a PING adds of state and health.
"""

import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gateway.device import (
    BlockCred,
    Code,
    Command,
    Confirmed,
    DelRight,
    PutRight,
    RaiseFloor,
    SetClock,
    SetMode,
    UnblockCred,
    UnlockPulse,
)
from gateway.drivers import words
from gateway.drivers.mqtt_envelope import BadFrame
from gateway.drivers.ops import OPS, epoch

STATUS: dict[int, Literal["accepted", "running", "done", "error", "expired"]] = {
    1: "accepted",
    2: "running",
    3: "done",
    4: "error",
    5: "expired",
}
_WIDTH = {1: "H", 2: "I", 3: "I", 4: "I", 5: "I", 6: "I", 7: "I", 9: "H", 10: "B", 11: "B", 12: "H", 13: "H", 14: "I", 15: "I"}
_READ = {
    32: "H",
    33: "I",
    34: "I",
    35: "I",
    36: "I",
    40: "B",
    41: "B",
    42: "B",
    43: "B",
    44: "H",
    45: "B",
    46: "B",
    47: "I",
    48: "B",
    49: "I",
}
_HELD = (32, 33, 34, 35, 36)
Values = dict[int, int | bytes]


@dataclass(frozen=True, slots=True)
class ReplyFrame:
    """One REPLY. `values` by TLV; unknown ones are left out."""

    status: Literal["accepted", "running", "done", "error", "expired"]
    code: int
    replayed: bool
    cmd_id: uuid.UUID
    values: dict[int, int]

    def final(self) -> bool:
        """Whether the command has ended."""
        return self.status not in {"accepted", "running"}

    def outcome(self) -> Code:
        """The contract's code. Raises BadFrame for a number that is in no table."""
        if self.status == "expired":
            return Code.EXPIRED
        try:
            return Code(self.code)
        except ValueError:
            raise BadFrame("unknown_code") from None

    def confirmed(self) -> Confirmed | None:
        """What the lock holds, if it says all of it."""
        if any(tag not in self.values for tag in _HELD):
            return None
        return Confirmed(*(self.values[tag] for tag in _HELD))

    def attributes(self) -> dict[str, Any]:
        """The lock's attributes in words, as far as a PING told them."""
        told = self.values
        said: dict[str, Any] = {}
        for tag, key, table in ((40, "lock_state", words.LOCK_STATE), (41, "door_state", words.DOOR_STATE), (43, "mode", words.MODE)):
            if tag in told:
                said[key] = table.get(told[tag])
        if 42 in told:
            said["deadbolt"] = bool(told[42])
        for tag, key in ((35, "floor"), (36, "generation")):
            if tag in told:
                said[key] = told[tag]
        return said


def command(asked: Command) -> bytes:
    """The payload of CMD: opcode u16, cmd_id, TLVs by rising tag."""
    values = _values(asked)
    body = b"".join(_tlv(tag, values[tag]) for tag in sorted(values))
    return struct.pack("<H", OPS[type(asked.op)].opcode) + asked.cmd_id.bytes + body


def reply(payload: bytes) -> ReplyFrame:
    """Read REPLY. Raises BadFrame."""
    if len(payload) < 19 or payload[0] not in STATUS:
        raise BadFrame("malformed")
    values: dict[int, int] = {}
    for tag, value in _tlvs(payload[19:]):
        width = _READ.get(tag)
        if width is None:
            continue
        if len(value) != struct.calcsize("<" + width):
            raise BadFrame("malformed")
        (values[tag],) = struct.unpack("<" + width, value)
    return ReplyFrame(STATUS[payload[0]], payload[1], bool(payload[2]), uuid.UUID(bytes=payload[3:19]), values)


def _tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise BadFrame("malformed")
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def _tlv(tag: int, value: int | bytes) -> bytes:
    packed = value if isinstance(value, bytes) else struct.pack("<" + _WIDTH[tag], value)
    return bytes([tag, len(packed)]) + packed


def _values(asked: Command) -> Values:
    write = _VALUES.get(type(asked.op))
    values: Values = {} if write is None else write(asked.op)
    if asked.expires_at is not None and 6 not in values:
        values[6] = epoch(asked.expires_at)
    return values


def _put_right(op: PutRight) -> Values:
    right = op.right
    values: Values = {
        2: right.right_ref,
        3: right.version,
        4: right.generation,
        5: epoch(right.start),
        6: epoch(right.until),
        7: right.credential_ref,
        8: right.cred_hash,
        9: right.flags,
        10: int(right.role),
        11: right.copy,
        12: right.door_first,
        13: right.door_count,
    }
    if right.areas:
        values[15] = right.areas
    if op.schedule is not None:
        values[16] = struct.pack("<BHH", op.schedule.weekdays, op.schedule.start_minute, op.schedule.end_minute)
    return values


_VALUES: dict[type, Callable[[Any], Values]] = {
    PutRight: _put_right,
    DelRight: lambda op: {2: op.right_ref, 3: op.version},
    RaiseFloor: lambda op: {14: op.floor},
    BlockCred: lambda op: {7: op.credential_ref, 3: op.version},
    UnblockCred: lambda op: {7: op.credential_ref, 3: op.version},
    SetMode: lambda op: {14: int(op.mode), 3: op.version},
    SetClock: lambda op: {14: epoch(op.at), 3: op.version},
    UnlockPulse: lambda op: {1: op.seconds},
}
