"""What each op is called, how long it may take, and whom it may be asked of: the tables of the device sheets, chapters 1 and 2.

Limits: chapter 1, "accept by / done by / expires". Names and numbers: chapter 4.3, opcodes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.device import (
    BarLock,
    BarUnlock,
    BlockCred,
    CancelCard,
    ClearService,
    DelRight,
    Encode,
    EraseCard,
    Identify,
    Op,
    Ping,
    PutRight,
    RaiseFloor,
    ReadCard,
    RestockBegin,
    RestockEnd,
    SetClock,
    SetMode,
    SetProfile,
    SetRented,
    SetSetpoint,
    UnblockCred,
    UnlockPulse,
    VerifyCard,
)


@dataclass(frozen=True, slots=True)
class Known:
    """One op: its name in JSON, its number on Modbus and BLE."""

    name: str
    opcode: int


OPS: Final[dict[type, Known]] = {
    Ping: Known("PING", 0x0001),
    SetClock: Known("SET_CLOCK", 0x0002),
    Identify: Known("IDENTIFY", 0x0003),
    PutRight: Known("PUT_RIGHT", 0x0110),
    DelRight: Known("DEL_RIGHT", 0x0111),
    RaiseFloor: Known("RAISE_FLOOR", 0x0112),
    BlockCred: Known("BLOCK_CRED", 0x0113),
    UnblockCred: Known("UNBLOCK_CRED", 0x0114),
    UnlockPulse: Known("UNLOCK_PULSE", 0x0120),
    SetMode: Known("SET_MODE", 0x0121),
    Encode: Known("ENCODE", 0x0201),
    ReadCard: Known("READ", 0x0202),
    VerifyCard: Known("VERIFY", 0x0203),
    EraseCard: Known("ERASE", 0x0204),
    CancelCard: Known("CANCEL", 0x0205),
    BarLock: Known("BAR_LOCK", 0x0301),
    BarUnlock: Known("BAR_UNLOCK", 0x0302),
    RestockBegin: Known("RESTOCK_BEGIN", 0x0303),
    RestockEnd: Known("RESTOCK_END", 0x0304),
    SetProfile: Known("SET_PROFILE", 0x0401),
    SetSetpoint: Known("SET_SETPOINT", 0x0402),
    ClearService: Known("CLEAR_SERVICE", 0x0403),
    SetRented: Known("SET_RENTED", 0x0404),
}

ANY_DEVICE: Final = frozenset({Ping, SetClock, Identify})
CLASS_OPS: Final[dict[str, frozenset[type]]] = {
    "lock": ANY_DEVICE | {PutRight, DelRight, RaiseFloor, BlockCred, UnblockCred, UnlockPulse, SetMode},
    "encoder": ANY_DEVICE | {Encode, ReadCard, VerifyCard, EraseCard, CancelCard},
    "minibar": ANY_DEVICE | {BarLock, BarUnlock, RestockBegin, RestockEnd},
    "room": ANY_DEVICE | {SetProfile, SetSetpoint, ClearService, SetRented},
}
READS_BACK: Final = frozenset({PutRight, DelRight, RaiseFloor, BlockCred, UnblockCred, SetMode, Ping})  # of a lock: chapter 1, Reconcile
MOMENTARY: Final = frozenset({UnlockPulse, BarUnlock})
CARD_WORK: Final = frozenset({Encode, ReadCard, VerifyCard, EraseCard})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: first sign of life, final answer."""

    accept_s: float
    done_s: float


def limits(op: Op) -> Limits:
    """How long a device may take for `op`; a momentary op is asked again until it expires, 10 s after it was issued."""
    if type(op) in MOMENTARY:
        return Limits(2.0, 10.0)
    if type(op) in CARD_WORK:
        return Limits(2.0, 18.0)
    return Limits(3.0, 10.0)


def name(op: Op) -> str:
    """The op's name in JSON."""
    return OPS[type(op)].name


def epoch(at: datetime) -> int:
    """Whole epoch seconds, as devices count."""
    return int(at.timestamp())
