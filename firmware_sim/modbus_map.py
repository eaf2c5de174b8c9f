"""The Modbus map of a device (device sheet 4.3) as pure functions: registers out of a device, a command out of the mailbox, its tag.

Addresses are zero-based PDU addresses; u32 and u64 with the high word first.
"""

import hmac
import struct
from collections.abc import Sequence
from typing import Any

from firmware_sim.codes import ARG_NAMES, CLASS_BITS, HEALTH_FLAGS, OP_NAMES, TIME_QUALITY, DoorState
from firmware_sim.device import Command, Device, Event
from firmware_sim.encoder import Encoder
from firmware_sim.event_log import numbers
from firmware_sim.lock_body import LockBody
from firmware_sim.minibar import Minibar
from firmware_sim.room import RoomController
from firmware_sim.vitals import MAINS_MV

MAP_VERSION = 0x0100
STATUS_COUNT = 92  # IR 0..91
WINDOW_AT, WINDOW_EVENTS, RECORD = 100, 8, 12
MAILBOX_AT, MAILBOX_COUNT = 100, 36
_MAILBOX = struct.Struct(">HH8sIIIIII8sHBBHHIBBIH")  # 64 bytes: HR 100..131
_CARD_IMAGES = frozenset({"ENCODE", "VERIFY"})  # their `until` is the card's
_KEEPS_UNTIL = _CARD_IMAGES | {"PUT_RIGHT", "DEL_RIGHT", "RAISE_FLOOR", "BLOCK_CRED", "UNBLOCK_CRED", "SET_MODE", "SET_CLOCK", "PING"}


def u32(value: int) -> tuple[int, int]:
    """Two registers, high word first; negative numbers as two's complement."""
    return value >> 16 & 0xFFFF, value & 0xFFFF


def status(device: Device, mailbox: tuple[int, int, int, int]) -> list[int]:
    """IR 0..91. `mailbox` = ack_seq, command state, code, result."""
    registers = [0] * STATUS_COUNT
    battery = device.battery
    flags = sum(1 << bit for bit, name in enumerate(HEALTH_FLAGS) if name in device.flags())
    registers[0:4] = MAP_VERSION, CLASS_BITS.get(device.device_class, 0), device.model, _firmware(device.fw)
    registers[4:8] = (*u32(device.serial >> 32), *u32(device.serial))
    registers[8:14] = (*u32(device.boot_counter), *u32(device.log_id), *u32(int(device.now())))
    registers[14:18] = TIME_QUALITY[device.tq()], MAINS_MV if battery.mains else round(battery.mv), battery.percent, flags
    registers[18:22] = (*u32(device.log.newest), *u32(device.log.oldest))
    ack_seq, state, code, result = mailbox
    registers[26:31] = (ack_seq, state, code, *u32(result))
    for at, values in _class_registers(device).items():
        registers[at : at + len(values)] = values
    return registers


def _class_registers(device: Device) -> dict[int, tuple[int, ...]]:
    if isinstance(device, LockBody):
        return _lock(device)
    if isinstance(device, Minibar):
        return _minibar(device)
    if isinstance(device, RoomController):
        return _room(device)
    return _encoder(device) if isinstance(device, Encoder) else {}


def _lock(lock: LockBody) -> dict[int, tuple[int, ...]]:
    held, told = lock.memory.readback(), lock.attributes()
    moving = (told["lock_state"], told["door_state"], int(told["deadbolt"]), told["mode"])
    return {
        22: (*u32(held["rights_digest"]), held["rights_count"], lock.rights_capacity),
        32: (*moving, *u32(held["generation"]), *u32(held["floor"])),
        68: u32(held["guard_digest"]),
    }


def _minibar(bar: Minibar) -> dict[int, tuple[int, ...]]:
    present = sum(1 << slot - 1 for slot in bar.true_stock if bar.seen(slot))
    temp = bar.attributes()["temp"] & 0xFFFF
    return {40: (int(bar.door_open), int(bar.locked), temp, bar.slots, int(bar.restocking), *u32(present))}


def _room(room: RoomController) -> dict[int, tuple[int, ...]]:
    told = room.attributes()
    since = min(int(room.world.now() - room.moved_at), 0xFFFF)
    climate = (told["temp"] & 0xFFFF, told["humidity"], told["setpoint"] & 0xFFFF, told["hvac_mode"])
    contacts = (int(told["contact_entry"]), int(told["contact_window"]), int(told["card_holder"]))
    return {48: (told["occupancy"], room.motions, since, *climate, told["service"], told["profile"], told["lux"], *contacts)}


def _encoder(encoder: Encoder) -> dict[int, tuple[int, ...]]:
    told, card = encoder.attributes(), encoder.last_read
    wide = ("from", "until", "credential_ref", "areas")
    fields = tuple(word for name in wide for word in u32(card.get(name, 0)))
    extra = (*card.get("extra_doors", ()), 0, 0, 0, 0, 0)[:5]
    head = (card.get("type", 0), card.get("property", 0), card.get("door_first", 0), card.get("door_count", 0))
    image = (*head, *u32(card.get("generation", 0)), card.get("copy", 0), card.get("flags", 0), *fields)
    state = (told["state"], int(told["card_present"]), told["written_total"] & 0xFFFF, told["last_error"])
    return {64: state, 70: (*image, encoder.last_code, *extra)}


def _firmware(version: str) -> int:
    major, minor, patch = (int(part) for part in version.split("."))
    return major << 12 | minor << 6 | patch


def window(events: Sequence[Event], index: int) -> list[int]:
    """IR 100..195: the first eight of `events`, the rest zero. `index` is the device's own."""
    registers: list[int] = []
    for event in events[:WINDOW_EVENTS]:
        n = numbers(event, index)
        head = (*u32(event.seq), n.type, n.sub, *u32(event.ts), TIME_QUALITY[event.tq], n.index)
        registers += (*head, *u32(n.ref), *u32(n.value))
    return registers + [0] * (WINDOW_EVENTS * RECORD - len(registers))


def inputs(device: Device) -> int:
    """Discrete inputs 0..11 as bits of one number."""
    told = device.attributes()
    service = told.get("service", 0)
    bits = (
        told.get("door_state", DoorState.CLOSED) != DoorState.CLOSED or bool(told.get("contact_entry")),
        bool(told.get("deadbolt")),
        bool(told.get("motion")),
        bool(told.get("bar_door")),
        device.faults.tamper,
        device.battery.state > 0,
        bool(told.get("card_holder")),
        bool(told.get("contact_window")),
        service == 1,
        service == 2,
        device.jammed,
        bool(told.get("restock")),
    )
    return sum(1 << at for at, on in enumerate(bits) if on)


def tag(key: bytes, log_id: int, boot_counter: int, head: bytes) -> bytes:
    """The eight bytes of HR 132..135 for HR 100..131."""
    return hmac.digest(key, b"hgw-mb-v1" + struct.pack(">II", log_id, boot_counter) + head, "sha256")[:8]


def authentic(device: Device, registers: Sequence[int]) -> bool:
    """Whether the 36 registers of a mailbox carry the tag of this device in this boot."""
    raw = struct.pack(">36H", *registers)
    return hmac.compare_digest(tag(device.k_dev, device.log_id, device.boot_counter, raw[:64]), raw[64:])


def order(registers: Sequence[int]) -> Command:
    """The command in a mailbox. An opcode that nobody knows becomes the op `UNKNOWN`, which every device refuses."""
    raw = struct.pack(">36H", *registers)
    (_seq, opcode, cmd_id, right_ref, version, generation, start, until, credential_ref, hashed, flags, role, copy, first, count, *rest) = (
        _MAILBOX.unpack(raw[:64])
    )
    arg, purpose, card_type, areas, fifth = rest
    op = OP_NAMES.get(opcode, "UNKNOWN")
    if op == "LIST_RIGHTS":
        op = "UNKNOWN"  # there is no room for the answer on this binding
    args: dict[str, Any] = {
        "right_ref": right_ref,
        "version": version,
        "generation": generation,
        "from": start,
        "until": until,
        "credential_ref": credential_ref,
        "flags": flags,
        "role": role,
        "copy": copy,
        "door_first": first,
        "door_count": count,
        "areas": areas,
    }
    if op in _CARD_IMAGES:
        doors = (*struct.unpack(">4H", hashed), fifth)
        args |= {"type": card_type, "purpose": purpose, "extra_doors": [door for door in doors if door]}
    else:
        args["cred_hash"] = hashed.hex()
    if op in ARG_NAMES:
        args[ARG_NAMES[op]] = arg
    expires = None if op in _KEEPS_UNTIL or until == 0 else float(until)
    return Command(bytes(8) + cmd_id, op, args, None, expires)


def holding_room(room: RoomController, at: int, value: int) -> bool:
    """Take a write to HR 10..12 (setpoint, profile, quiet_s); False when the value is impossible."""
    names = {10: ("setpoint", range(50, 351)), 11: ("profile", range(3)), 12: ("quiet_s", range(1, 0x10000))}
    name, allowed = names[at]
    if value not in allowed:
        return False
    setattr(room, name, value)
    if name != "quiet_s":
        room.nvram.put({name: value})
    room.changed()
    return True
