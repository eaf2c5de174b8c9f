"""The words of the device sheets and their numbers: the tables that every binding translates with. No frames.

Sources: device sheets, lock attributes (Matter door lock numbers), decision table of a card tap, `sub` values of Modbus events.
"""

from collections.abc import Mapping

LOCK_STATE = {0: "not_fully_locked", 1: "locked", 2: "unlocked", 3: "unlatched"}
DOOR_STATE = {0: "open", 1: "closed", 2: "jammed", 3: "forced", 4: "error", 5: "ajar"}
MODE = {0: "normal", 2: "privacy", 3: "no_remote", 4: "passage", 16: "lockout"}
OPERATION = {1: "unlock", 2: "lock"}
SOURCE = {
    1: "manual_inside",
    3: "keypad",
    4: "auto",
    7: "remote",
    8: "rfid",
    9: "mobile",
    20: "mechanical_key",
    21: "emergency",
}
REASON = {
    1: "foreign",
    2: "wrong_door",
    3: "blocked",
    4: "lockout",
    5: "unknown",
    6: "clock_invalid",
    7: "not_yet",
    8: "expired",
    9: "schedule",
    10: "superseded",
    11: "out_of_sequence",
    12: "privacy",
    13: "low_power",
}
RIGHTS_CHANGE = {1: "put", 2: "del", 3: "expire", 4: "evict"}
ALARM = {0: "jammed", 1: "factory_reset", 4: "wrong_limit", 5: "tamper", 6: "forced", 7: "ajar", 8: "mechanical_override"}
BATTERY = {0: "ok", 1: "low", 2: "critical"}
OCCUPANCY = {0: "unknown", 1: "vacant", 2: "verifying", 3: "occupied"}
SERVICE = {0: "none", 1: "dnd", 2: "mur", 3: "butler"}
PROFILE = {0: "occupied", 1: "unoccupied", 2: "unsold"}
CONTACT = {0: "entry", 1: "window"}
RESTOCK = {0: "end", 1: "begin"}
ENCODER_STATE = {0: "idle", 1: "waiting_card", 2: "writing", 3: "verifying", 4: "reading", 5: "fault"}
HEALTH_FLAGS = (
    "low_battery",
    "critical_battery",
    "tamper",
    "clock_invalid",
    "nvram_reset",
    "sensor_fault",
    "actuator_jam",
    "event_overflow",
)

ROLE = {1: "guest", 2: "minibar", 3: "housekeeping", 4: "floor_master", 5: "engineering", 6: "security", 7: "emergency"}

EVENTS = {
    1: "boot",
    2: "clock_set",
    3: "clock_invalid",
    4: "log_overflow",
    5: "nvram_reset",
    6: "tamper",
    7: "battery",
    257: "lock_operation",
    258: "access_denied",
    259: "door_state",
    260: "deadbolt",
    261: "generation_advanced",
    262: "rights_changed",
    263: "alarm",
    513: "card_presented",
    514: "encode_done",
    515: "encode_failed",
    516: "card_removed",
    769: "slot_removed",
    770: "slot_returned",
    771: "bar_door",
    772: "restock",
    773: "temp_alarm",
    774: "slot_fault",
    775: "bar_lock",
    1025: "motion",
    1026: "contact",
    1027: "occupancy",
    1028: "service",
    1029: "climate",
    1030: "card_holder",
}


def word(table: Mapping[int, str], said: object) -> str:
    """The word of `said`, a number of `table` or already a word of it. Raises ValueError for anything else."""
    if isinstance(said, str) and said in table.values():
        return said
    if isinstance(said, int) and not isinstance(said, bool) and said in table:
        return table[said]
    raise ValueError("not in the table")


def number(table: Mapping[int, str], said: str) -> int:
    """The number of one word of `table`. Raises ValueError when it has no such word."""
    for key, one in table.items():
        if one == said:
            return key
    raise ValueError(f"{said} is not one of {', '.join(table.values())}")


def flags(bits: int) -> tuple[str, ...]:
    """The names of the health flags that are set, lowest bit first; unknown bits are left out."""
    return tuple(name for bit, name in enumerate(HEALTH_FLAGS) if bits >> bit & 1)
