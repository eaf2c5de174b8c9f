"""Names and numbers of the device sheet, chapters 1, 2 and 4.3: codes, operations, events, enumerations. Tables only.

JSON carries `type`, `op`, `status`, `code` and `tq` as names and every other enumeration as its number;
Modbus and BLE carry numbers throughout. Both forms meet here and nowhere else in the simulator.
"""

from enum import IntEnum, IntFlag
from typing import Final

CODES: Final[dict[str, int]] = {
    "OK": 0,
    "BAD_REQUEST": 1,
    "UNSUPPORTED": 2,
    "UNAUTHENTICATED": 3,
    "REPLAY": 4,
    "STALE_VERSION": 5,
    "EXPIRED": 6,
    "BUSY": 7,
    "TIMEOUT": 8,
    "RESOURCE_EXHAUSTED": 9,
    "NOT_FOUND": 10,
    "CONFLICT": 11,
    "CLOCK_INVALID": 12,
    "LOW_POWER": 13,
    "ACTUATOR_JAM": 14,
    "PRIVACY_ACTIVE": 15,
    "STORAGE_FAULT": 17,
    "NO_CARD": 32,
    "CARD_REMOVED": 33,
    "WRONG_CARD_TYPE": 34,
    "WRITE_ERROR": 35,
    "VERIFY_MISMATCH": 36,
    "FOREIGN_CARD": 37,
    "CARD_PROTECTED": 38,
    "SENSOR_FAULT": 48,
}

OPCODES: Final[dict[str, int]] = {
    "PING": 0x0001,
    "SET_CLOCK": 0x0002,
    "IDENTIFY": 0x0003,
    "PUT_RIGHT": 0x0110,
    "DEL_RIGHT": 0x0111,
    "RAISE_FLOOR": 0x0112,
    "BLOCK_CRED": 0x0113,
    "UNBLOCK_CRED": 0x0114,
    "LIST_RIGHTS": 0x0115,
    "UNLOCK_PULSE": 0x0120,
    "SET_MODE": 0x0121,
    "ENCODE": 0x0201,
    "READ": 0x0202,
    "VERIFY": 0x0203,
    "ERASE": 0x0204,
    "CANCEL": 0x0205,
    "BAR_LOCK": 0x0301,
    "BAR_UNLOCK": 0x0302,
    "RESTOCK_BEGIN": 0x0303,
    "RESTOCK_END": 0x0304,
    "SET_PROFILE": 0x0401,
    "SET_SETPOINT": 0x0402,
    "CLEAR_SERVICE": 0x0403,
    "SET_RENTED": 0x0404,
}
OP_NAMES: Final[dict[int, str]] = {number: name for name, number in OPCODES.items()}

# What the one u32 called `arg` (mailbox 126-127, BLE TLV 14) means; the value is the argument's JSON name.
ARG_NAMES: Final[dict[str, str]] = {
    "RAISE_FLOOR": "floor",
    "UNLOCK_PULSE": "s",
    "SET_CLOCK": "epoch",
    "SET_MODE": "mode",
    "ENCODE": "areas",
    "VERIFY": "areas",
    "RESTOCK_BEGIN": "attendant",
    "SET_PROFILE": "profile",
    "SET_SETPOINT": "setpoint",
    "SET_RENTED": "rented",
}

MOMENTARY: Final = frozenset({"UNLOCK_PULSE", "BAR_UNLOCK"})  # never without an expiry, never after it

EVENT_TYPES: Final[dict[str, int]] = {
    "boot": 1,
    "clock_set": 2,
    "clock_invalid": 3,
    "log_overflow": 4,
    "nvram_reset": 5,
    "tamper": 6,
    "battery": 7,
    "lock_operation": 257,
    "access_denied": 258,
    "door_state": 259,
    "deadbolt": 260,
    "generation_advanced": 261,
    "rights_changed": 262,
    "alarm": 263,
    "card_presented": 513,
    "encode_done": 514,
    "encode_failed": 515,
    "card_removed": 516,
    "slot_removed": 769,
    "slot_returned": 770,
    "bar_door": 771,
    "restock": 772,
    "temp_alarm": 773,
    "slot_fault": 774,
    "bar_lock": 775,
    "motion": 1025,
    "contact": 1026,
    "occupancy": 1027,
    "service": 1028,
    "climate": 1029,
    "card_holder": 1030,
}

TIME_QUALITY: Final[dict[str, int]] = {"set": 0, "drifting": 1, "invalid": 2}
HEALTH_FLAGS: Final = (  # bit order of the register
    "low_battery",
    "critical_battery",
    "tamper",
    "clock_invalid",
    "nvram_reset",
    "sensor_fault",
    "actuator_jam",
    "event_overflow",
)
CLASS_BITS: Final[dict[str, int]] = {"lock": 1, "encoder": 2, "minibar": 4, "room": 8}
RIGHT_CHANGES: Final[dict[str, int]] = {"put": 1, "del": 2, "expire": 3, "evict": 4}


class LockState(IntEnum):
    """The bolt."""

    NOT_FULLY_LOCKED = 0
    LOCKED = 1
    UNLOCKED = 2
    UNLATCHED = 3


class DoorState(IntEnum):
    """The leaf."""

    OPEN = 0
    CLOSED = 1
    JAMMED = 2
    FORCED = 3
    ERROR = 4
    AJAR = 5


class Mode(IntEnum):
    """What the door does with keys at large."""

    NORMAL = 0
    PRIVACY = 2
    NO_REMOTE = 3
    PASSAGE = 4
    LOCKOUT = 16


class Source(IntEnum):
    """Who moved the bolt."""

    MANUAL_INSIDE = 1
    KEYPAD = 3
    AUTO = 4
    REMOTE = 7
    RFID = 8
    MOBILE = 9
    MECHANICAL_KEY = 20
    EMERGENCY = 21


class Reason(IntEnum):
    """Why a tap was denied, in the order of the tests."""

    FOREIGN = 1
    WRONG_DOOR = 2
    BLOCKED = 3
    LOCKOUT = 4
    UNKNOWN = 5
    CLOCK_INVALID = 6
    NOT_YET = 7
    EXPIRED = 8
    SCHEDULE = 9
    SUPERSEDED = 10
    OUT_OF_SEQUENCE = 11
    PRIVACY = 12
    LOW_POWER = 13


class Alarm(IntEnum):
    """What the lock cries out about."""

    JAMMED = 0
    FACTORY_RESET = 1
    WRONG_LIMIT = 4
    TAMPER = 5
    FORCED = 6
    AJAR = 7
    MECHANICAL_OVERRIDE = 8


class Role(IntEnum):
    """Whose right it is."""

    GUEST = 1
    MINIBAR = 2
    HOUSEKEEPING = 3
    FLOOR_MASTER = 4
    ENGINEERING = 5
    SECURITY = 6
    EMERGENCY = 7


class RightFlag(IntFlag):
    """Bits of a right's and a card's flags."""

    OVERRIDE_PRIVACY = 0x01
    ONE_SHOT = 0x02
    MAY_SET_PASSAGE = 0x04
    COMMON_ONLY = 0x08
    BLOCKS_GUEST = 0x10


class CardType(IntEnum):
    """First question that a door asks a card image."""

    GUEST = 1
    STAFF = 2
    ONE_SHOT = 3
    CANCEL = 4
    BLOCK = 5
    EMERGENCY = 6
    FALLBACK = 7


class EncoderState(IntEnum):
    """What the encoder is about."""

    IDLE = 0
    WAITING_CARD = 1
    WRITING = 2
    VERIFYING = 3
    READING = 4
    FAULT = 5


class Occupancy(IntEnum):
    """Virtual occupancy as a device may report it."""

    UNKNOWN = 0
    VACANT = 1
    VERIFYING = 2
    OCCUPIED = 3


class Service(IntEnum):
    """The service panel."""

    NONE = 0
    DND = 1
    MUR = 2
    BUTLER = 3
