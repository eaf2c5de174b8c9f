"""The input registers of a Modbus device as values: status, attributes by class, the last card, the event window. Pure.

Source: device sheets, Modbus binding; zero-based PDU addresses, u32 high word first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.device import Confirmed, TimeQuality
from gateway.drivers import words
from gateway.drivers.event_data import Fixed

MAP_VERSION = 0x0100
CLASS_BITS = {"lock": 1, "encoder": 2, "minibar": 4, "room": 8}
COUNT = {"lock": 70, "encoder": 68, "minibar": 47, "room": 61}  # from 0, as far as the class has something to say
PIECES = {  # the same without the holes of the map
    "lock": ((0, 31), (32, 8), (68, 2)),
    "encoder": ((0, 31), (64, 4)),
    "minibar": ((0, 31), (40, 7)),
    "room": ((0, 31), (48, 13)),
}
ILLEGAL_ADDRESS = 2  # the Modbus exception of a device that has nothing at an address
WINDOW_FIRST, WINDOW_COUNT, RECORD = 100, 96, 12
CARD_FIRST, CARD_COUNT = 70, 22

Registers = Sequence[int]


def u32(registers: Registers, at: int) -> int:
    """Two registers, high word first."""
    return registers[at] << 16 | registers[at + 1]


def i16(value: int) -> int:
    """Two's complement."""
    return value - 0x1_0000 if value & 0x8000 else value


def split32(value: int) -> list[int]:
    """A u32 as two registers, high word first."""
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def quality(number: int) -> TimeQuality:
    """The time quality; a number that is in no table is no quality at all."""
    return "set" if number == 0 else "drifting" if number == 1 else "invalid"


@dataclass(frozen=True, slots=True)
class Status:
    """IR 0..30."""

    map_version: int
    class_bits: int
    boot_counter: int
    log_id: int
    clock: int  # epoch seconds
    tq: TimeQuality
    battery_percent: int | None  # None on mains
    flags: tuple[str, ...]
    newest: int
    oldest: int
    rights_digest: int
    rights_count: int
    ack_seq: int
    cmd_state: int
    code: int
    result: int


def status(registers: Registers) -> Status:
    """Read IR 0..30."""
    mains = registers[15] == 0xFFFF
    return Status(
        map_version=registers[0],
        class_bits=registers[1],
        boot_counter=u32(registers, 8),
        log_id=u32(registers, 10),
        clock=u32(registers, 12),
        tq=quality(registers[14]),
        battery_percent=None if mains else min(registers[16], 100),
        flags=words.flags(registers[17]),
        newest=u32(registers, 18),
        oldest=u32(registers, 20),
        rights_digest=u32(registers, 22),
        rights_count=registers[24],
        ack_seq=registers[26],
        cmd_state=registers[27],
        code=registers[28],
        result=u32(registers, 29),
    )


@dataclass(frozen=True, slots=True)
class Look:
    """All that one round of reading shows: status, the class's attributes, and what a lock holds."""

    status: Status
    attributes: dict[str, Any]
    confirmed: Confirmed | None


def look(registers: Registers, device_class: str) -> Look:
    """Read IR 0.. as far as COUNT says. Raises ValueError when it is no such device."""
    seen = status(registers)
    if seen.map_version != MAP_VERSION:
        raise ValueError(f"register map {seen.map_version:#06x} is unknown")
    if not seen.class_bits & CLASS_BITS[device_class]:
        raise ValueError(f"it is no {device_class}")
    held = None
    if device_class == "lock":
        held = Confirmed(seen.rights_count, seen.rights_digest, u32(registers, 68), u32(registers, 38), u32(registers, 36))
    return Look(seen, ATTRIBUTES[device_class](registers), held)


@dataclass(frozen=True, slots=True)
class Record:
    """One event of the window."""

    seq: int
    ts: int
    tq: TimeQuality
    fixed: Fixed


def window(registers: Registers) -> list[Record]:
    """Read the eight records of IR 100..195, by seq; empty ones (seq 0) are left out."""
    records = []
    for at in range(0, WINDOW_COUNT, RECORD):
        one = registers[at : at + RECORD]
        if u32(one, 0):
            fixed = Fixed(one[2], one[3], one[7], u32(one, 8), u32(one, 10))
            records.append(Record(u32(one, 0), u32(one, 4), quality(one[6]), fixed))
    return sorted(records, key=lambda record: record.seq)


def card(registers: Registers) -> dict[str, Any]:
    """Read the last card, IR 70..91, under the names of a card image."""
    return {
        "type": registers[0],
        "property": registers[1],
        "door_first": registers[2],
        "door_count": registers[3],
        "generation": u32(registers, 4),
        "copy": registers[6],
        "flags": registers[7],
        "from": u32(registers, 8),
        "until": u32(registers, 10),
        "credential_ref": u32(registers, 12),
        "areas": u32(registers, 14),
        "extra_doors": [door for door in registers[17:22] if door],
    }


def _lock(r: Registers) -> dict[str, Any]:
    return {
        "lock_state": words.LOCK_STATE.get(r[32]),
        "door_state": words.DOOR_STATE.get(r[33]),
        "deadbolt": bool(r[34]),
        "mode": words.MODE.get(r[35]),
        "generation": u32(r, 36),
        "floor": u32(r, 38),
    }


def _minibar(r: Registers) -> dict[str, Any]:
    present = u32(r, 45)
    slots = [{"slot": slot + 1, "present": bool(present >> slot & 1)} for slot in range(min(r[43], 32))]
    return {"bar_door": bool(r[40]), "bar_locked": bool(r[41]), "temp": i16(r[42]), "restock": bool(r[44]), "slots": slots}


def _room(r: Registers) -> dict[str, Any]:
    return {
        "occupancy": words.OCCUPANCY.get(r[48]),
        "motion_count": r[49],
        "since_motion_s": r[50],
        "temp": i16(r[51]),
        "humidity": r[52],
        "setpoint": i16(r[53]),
        "hvac_mode": r[54],
        "service": words.SERVICE.get(r[55]),
        "profile": words.PROFILE.get(r[56]),
        "lux": r[57],
        "contact_entry": bool(r[58]),
        "contact_window": bool(r[59]),
        "card_holder": bool(r[60]),
    }


def _encoder(r: Registers) -> dict[str, Any]:
    return {
        "state": words.ENCODER_STATE.get(r[64]),
        "card_present": bool(r[65]),
        "written_total": r[66],
        "last_error": r[67],
    }


ATTRIBUTES: dict[str, Callable[[Registers], dict[str, Any]]] = {"lock": _lock, "minibar": _minibar, "room": _room, "encoder": _encoder}
"""By class: the attributes in IR 0.. as far as COUNT says."""
