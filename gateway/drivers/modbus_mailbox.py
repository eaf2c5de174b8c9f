"""The mailbox of a Modbus device: one command as 36 registers with its tag. Pure.

Source: device sheets, Modbus binding, holding registers 100..135.
"""

import hmac
import struct
from collections.abc import Callable
from typing import Any

from gateway.device import (
    BarLock,
    BlockCred,
    CardFields,
    Command,
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
    UnblockCred,
    UnlockPulse,
    VerifyCard,
)
from gateway.drivers import words
from gateway.drivers.ops import OPS, epoch

FIRST, COUNT = 100, 36
LABEL = b"hgw-mb-v1"
PURPOSE = {"new": 1, "copy": 2, "extend": 3}
_PACK = struct.Struct(">HH8sIIIIII8sHBBHHIHIH")  # HR 100..131


def following(cmd_seq: int) -> int:
    """The next command number: 1..65535, wrapping past 0."""
    return cmd_seq % 0xFFFF + 1


def registers(command: Command, cmd_seq: int, k_dev: bytes, log_id: int, boot_counter: int) -> list[int]:
    """The 36 registers of `command` for a device in this boot; the same arguments give the same registers."""
    head = fields(command, cmd_seq)
    return list(struct.unpack(">36H", head + tag(k_dev, log_id, boot_counter, head)))


def tag(k_dev: bytes, log_id: int, boot_counter: int, head: bytes) -> bytes:
    """HMAC-SHA256(K_dev, "hgw-mb-v1" ‖ log_id u32 ‖ boot_counter u32 ‖ HR 100..131)[:8], big-endian."""
    return hmac.digest(k_dev, LABEL + struct.pack(">II", log_id, boot_counter) + head, "sha256")[:8]


def fields(command: Command, cmd_seq: int) -> bytes:
    """HR 100..131 as 64 bytes, big-endian; what an op does not use is zero."""
    op = command.op
    used = dict.fromkeys(("right_ref", "version", "generation", "from", "until", "credential_ref", "flags", "role"), 0)
    used |= dict.fromkeys(("copy", "door_first", "door_count", "arg", "card_type", "purpose", "areas", "door_5"), 0)
    if command.expires_at is not None:
        used["until"] = epoch(command.expires_at)
    write = _FIELDS.get(type(op))
    hashed = bytes(8)
    if write is not None:
        used |= write(op)
    if isinstance(op, PutRight):
        hashed = op.right.cred_hash
    elif isinstance(op, Encode | VerifyCard):
        hashed, used["door_5"] = _extra_doors(op.card)
    return _PACK.pack(
        cmd_seq,
        OPS[type(op)].opcode,
        command.cmd_id.bytes[8:],
        used["right_ref"],
        used["version"],
        used["generation"],
        used["from"],
        used["until"],
        used["credential_ref"],
        hashed,
        used["flags"],
        used["role"],
        used["copy"],
        used["door_first"],
        used["door_count"],
        used["arg"] & 0xFFFF_FFFF,
        used["purpose"] << 8 | used["card_type"],
        used["areas"],
        used["door_5"],
    )


def supported(op: Op) -> bool:
    """Whether the mailbox has room for `op`: schedules have none."""
    return not (isinstance(op, PutRight) and op.schedule is not None)


def _extra_doors(card: CardFields) -> tuple[bytes, int]:
    """Extra doors 1..4 in the place of cred_hash, the fifth in HR 131; all zero = image 1."""
    doors = (*card.extra_doors, 0, 0, 0, 0, 0)[:5]
    return struct.pack(">4H", *doors[:4]), doors[4]


def _put_right(op: PutRight) -> dict[str, int]:
    right = op.right
    return {
        "right_ref": right.right_ref,
        "version": right.version,
        "generation": right.generation,
        "from": epoch(right.start),
        "until": epoch(right.until),
        "credential_ref": right.credential_ref,
        "flags": right.flags,
        "role": int(right.role),
        "copy": right.copy,
        "door_first": right.door_first,
        "door_count": right.door_count,
        "areas": right.areas,
    }


def _card(card: CardFields) -> dict[str, int]:
    return {
        "generation": card.generation,
        "from": epoch(card.start),
        "until": epoch(card.until),
        "credential_ref": card.credential_ref,
        "flags": card.flags,
        "copy": card.copy,
        "door_first": card.door_first,
        "door_count": card.door_count,
        "arg": card.areas,
        "card_type": card.card_type,
    }


_FIELDS: dict[type, Callable[[Any], dict[str, int]]] = {
    PutRight: _put_right,
    DelRight: lambda op: {"right_ref": op.right_ref, "version": op.version},
    RaiseFloor: lambda op: {"arg": op.floor},
    BlockCred: lambda op: {"credential_ref": op.credential_ref, "version": op.version},
    UnblockCred: lambda op: {"credential_ref": op.credential_ref, "version": op.version},
    SetMode: lambda op: {"arg": int(op.mode), "version": op.version},
    SetClock: lambda op: {"arg": epoch(op.at), "version": op.version},
    UnlockPulse: lambda op: {"arg": op.seconds},
    Encode: lambda op: {**_card(op.card), "purpose": PURPOSE[op.purpose], "version": op.version},
    VerifyCard: lambda op: _card(op.card),
    EraseCard: lambda op: {"version": op.version},
    BarLock: lambda op: {"version": op.version},
    RestockBegin: lambda op: {"arg": int(op.attendant) if op.attendant.isdecimal() else 0},
    SetProfile: lambda op: {"arg": words.number(words.PROFILE, op.profile)},
    SetSetpoint: lambda op: {"arg": op.celsius_tenths},
    SetRented: lambda op: {"arg": int(op.rented)},
}
