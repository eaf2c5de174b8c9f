"""Bytes of the lock's Bluetooth protocol (device sheet 4.4): fragments, messages, TLVs, events, INFO, advertisement. Pure; little endian.

fragment  bit 7 first, bit 6 last, bits 5-0 index | up to ATT_MTU - 4 bytes
message   ver u8 = 1 | type u8 | counter u32 | len u16 | len bytes | tag[8], the tag only once a session stands
CMD       opcode u16 | cmd_id[16] | TLV ...
REPLY     status u8 | code u8 | replayed u8 | cmd_id[16] | TLV ...
TLV       tag u8 | len u8 | value
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from firmware_sim.codes import ARG_NAMES, CLASS_BITS, CODES, HEALTH_FLAGS, OP_NAMES, TIME_QUALITY
from firmware_sim.device import Command, Reply
from firmware_sim.event_log import Event, numbers
from firmware_sim.unit import Unit

VERSION: Final = 1
COMPANY: Final = 0xFFFF  # of the manufacturer data
TAG: Final = 8  # bytes
PAUSE_S: Final = 2.0  # a longer one between two fragments drops the message
_FIRST, _LAST, _INDEX = 0x80, 0x40, 0x3F
_HEADER = struct.Struct("<BBIH")


class Type(IntEnum):
    """Kinds of message."""

    HELLO = 0x01
    HELLO_ACK = 0x02
    CMD = 0x10
    REPLY = 0x11
    EVENT = 0x20
    EVENT_ACK = 0x21
    ERROR = 0x7F


class Malformed(Exception):
    """These bytes are no such thing."""


def fragments(message: bytes, mtu: int) -> Iterator[bytes]:
    """Cut `message` for a link with this ATT_MTU. Raises ValueError when it needs more than 64 pieces."""
    size = mtu - 4
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    if len(pieces) > _INDEX + 1:
        raise ValueError(f"{len(message)} bytes do not fit in 64 fragments of {size}")
    for index, piece in enumerate(pieces):
        first = _FIRST if index == 0 else 0
        last = _LAST if index == len(pieces) - 1 else 0
        yield bytes((first | last | index,)) + piece


class Assembler:
    """Puts fragments together again; a gap or a pause drops what has come so far."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0.0

    def add(self, fragment: bytes, at: float) -> bytes | None:
        """Take a fragment that came at `at` (monotonic seconds); return the message once it is whole."""
        head, body = fragment[0], fragment[1:]
        if head & _FIRST:
            self._parts = []
        elif not self._parts or at - self._at > PAUSE_S:
            self._parts = []
            return None
        if head & _INDEX != len(self._parts):
            self._parts = []
            return None
        self._parts.append(body)
        self._at = at
        if not head & _LAST:
            return None
        message, self._parts = b"".join(self._parts), []
        return message


@dataclass(frozen=True, slots=True)
class Frame:
    """A message taken apart but not yet opened."""

    type: int
    counter: int
    header: bytes  # the associated data of the tag
    body: bytes
    tag: bytes  # empty on plain messages


def header(kind: Type, counter: int, length: int) -> bytes:
    """The 8 bytes before the body, of which `length` does not count the tag."""
    return _HEADER.pack(VERSION, kind, counter, length)


def plain(kind: Type, body: bytes) -> bytes:
    """A message outside a session: counter 0, no tag."""
    return header(kind, 0, len(body)) + body


def taken_apart(message: bytes) -> Frame:
    """Read the header. Raises Malformed for another version or a length that does not fit."""
    if len(message) < _HEADER.size:
        raise Malformed("shorter than its header")
    version, kind, counter, length = _HEADER.unpack_from(message)
    rest = message[_HEADER.size :]
    if version != VERSION:
        raise Malformed(f"version {version}")
    if len(rest) not in (length, length + TAG):
        raise Malformed("the length does not fit")
    return Frame(kind, counter, message[: _HEADER.size], rest[:length], rest[length:])


# -- commands

_ARGUMENTS: Final[Mapping[int, tuple[str, int]]] = {  # tag -> JSON name, bytes
    1: ("s", 2),
    2: ("right_ref", 4),
    3: ("version", 4),
    4: ("generation", 4),
    5: ("from", 4),
    6: ("until", 4),
    7: ("credential_ref", 4),
    8: ("cred_hash", 8),
    9: ("flags", 2),
    10: ("role", 1),
    11: ("copy", 1),
    12: ("door_first", 2),
    13: ("door_count", 2),
    14: ("arg", 4),
    15: ("areas", 4),
    16: ("schedule", 5),
}
_CMD = struct.Struct("<H16s")


def tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value in their order. Raises Malformed when the last one is cut off."""
    at = 0
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise Malformed("a TLV is cut off")
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


@dataclass(frozen=True, slots=True)
class Order:
    """A CMD as it came: `command` is None when its arguments cannot be read; it is then answered BAD_REQUEST."""

    cmd_id: bytes
    command: Command | None


def order(body: bytes) -> Order:
    """Read a CMD. Raises Malformed when it is too short to name a cmd_id to answer to."""
    if len(body) < _CMD.size:
        raise Malformed("a CMD without a cmd_id")
    opcode, cmd_id = _CMD.unpack_from(body)
    op = OP_NAMES.get(opcode, f"{opcode:#06x}")
    try:
        args = dict(_argument(op, tag, value) for tag, value in tlvs(body[_CMD.size :]))
    except Malformed:
        return Order(cmd_id, None)
    expires = None if op == "PUT_RIGHT" else args.pop("until", None)  # elsewhere TLV 6 is when the order expires
    return Order(cmd_id, Command(cmd_id, op, args, None, expires))


def _argument(op: str, tag: int, value: bytes) -> tuple[str, Any]:
    """An unknown tag is refused: a lock that overlooks a limit would grant more than was meant."""
    name, size = _ARGUMENTS.get(tag, ("", -1))
    if len(value) != size:
        raise Malformed(f"TLV {tag} with {len(value)} bytes")
    if name == "cred_hash":
        return name, value.hex()
    if name == "schedule":
        days, start, end = struct.unpack("<BHH", value)
        return name, {"days": days, "start": start, "end": end}
    if name == "arg":
        name = ARG_NAMES.get(op, name)
    return name, int.from_bytes(value, "little")


# -- answers

_STATUS: Final[Mapping[str, int]] = {"accepted": 1, "running": 2, "done": 3, "error": 4, "expired": 5}


def tlv(tag: int, value: int, size: int) -> bytes:
    """One number as a TLV."""
    return struct.pack("<BB", tag, size) + value.to_bytes(size, "little")


def reply(answer: Reply) -> bytes:
    """The body of a REPLY."""
    head = struct.pack("<BBB16s", _STATUS[answer.status], CODES[answer.code], answer.replayed, answer.cmd_id)
    return head + b"".join(results(answer.result))


def results(result: Mapping[str, Any]) -> Iterator[bytes]:
    """The TLVs of a reply's result; what has no number is left out."""
    state, health = result.get("state", {}), result.get("health", {})
    known = {
        **{name: result.get(name) for name in ("rights_count", "rights_digest", "guard_digest", "floor", "generation")},
        **{name: state.get(name) for name in ("lock_state", "door_state", "deadbolt", "mode", "seq")},
        **{name: health.get("battery", {}).get(name) for name in ("mv", "pct")},
        "flags": flag_bits(health["flags"]) if "flags" in health else None,
        "clock": health.get("clock"),
        "tq": TIME_QUALITY.get(health.get("tq", "")),
    }
    for name, tag, size in _RESULTS:
        value = known[name]
        if value is not None:
            yield tlv(tag, int(value, 16) if isinstance(value, str) else int(value), size)
    for right in result.get("rights", ()):
        yield struct.pack("<BBII", 37, 8, right["right_ref"], right["version"])


_RESULTS: Final = (  # name, tag, bytes; 32 to 36 by the device sheet, 40 to 49 = health and state of a PING
    ("rights_count", 32, 2),
    ("rights_digest", 33, 4),
    ("guard_digest", 34, 4),
    ("floor", 35, 4),
    ("generation", 36, 4),
    ("lock_state", 40, 1),
    ("door_state", 41, 1),
    ("deadbolt", 42, 1),
    ("mode", 43, 1),
    ("mv", 44, 2),
    ("pct", 45, 1),
    ("flags", 46, 1),
    ("clock", 47, 4),
    ("tq", 48, 1),
    ("seq", 49, 4),
)


def flag_bits(names: Iterable[str]) -> int:
    """The health flags as one byte, in their bit order."""
    return sum(1 << HEALTH_FLAGS.index(name) for name in names)


def event(happened: Event, index: int) -> bytes:
    """The body of an EVENT: the Modbus fields, with the low byte of the index."""
    n = numbers(happened, index)
    quality = TIME_QUALITY[happened.tq]
    return struct.pack("<IHHIBBII", happened.seq, n.type, n.sub, happened.ts, quality, n.index & 0xFF, n.ref, n.value)


def event_ack(body: bytes) -> tuple[int, int]:
    """Read log_id and upto of an EVENT_ACK."""
    if len(body) != 8:
        raise Malformed("an EVENT_ACK is 8 bytes")
    log_id, upto = struct.unpack("<II", body)
    return log_id, upto


# -- what a lock shows without a session


def info(device: Unit) -> bytes:
    """The INFO characteristic."""
    return struct.pack("<BBQII", VERSION, CLASS_BITS[device.device_class], device.serial, device.boot_counter, device.log_id)


def advertised(device: Unit) -> bytes:
    """The manufacturer data: a change of event number or flags asks the gateway to connect."""
    seq, flags = device.log.newest & 0xFFFF, flag_bits(device.flags())
    return struct.pack("<BBIHBB", VERSION, CLASS_BITS[device.device_class], device.serial & 0xFFFFFFFF, seq, device.battery.percent, flags)
