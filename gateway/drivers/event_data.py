"""An event's data in the box's words, whatever the binding carried: from JSON (MQTT) and from the fixed fields (Modbus, BLE). Pure.

Source: device sheets, event table of each class and the line `sub` of the Modbus binding. What a binding cannot carry is None, so the
keys of one type are the same on all three. Where the sheet leaves the fixed fields open, they are read so:
on/off events carry the new value in `sub`; restock is 1 begin, 0 end, the attendant in `ref`; rights_changed has the right in `ref` and
its version in `value`; bar_lock has its source in `value`; climate and temp_alarm have the temperature (0.1 °C, two's complement) there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.device import Code
from gateway.drivers import words
from gateway.drivers.mqtt_envelope import BadFrame

U32 = 0xFFFF_FFFF
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fixed:
    """The fixed fields of an event on Modbus and BLE."""

    type: int
    sub: int
    index: int
    ref: int
    value: int


def from_json(kind: str, said: Said) -> dict[str, Any]:
    """The data of an event that came as JSON. A type that we do not know keeps its data as it is. Raises BadFrame("malformed")."""
    read = _JSON.get(kind)
    if read is None:
        return dict(said)
    try:
        return read(said)
    except (KeyError, ValueError, TypeError):
        raise BadFrame("malformed") from None


def from_fixed(fixed: Fixed) -> tuple[str, dict[str, Any]]:
    """Type and data of an event that came as fixed fields. An unknown number becomes `unknown_<number>` with its fields.

    Raises BadFrame("malformed") when a value is not in its table.
    """
    kind = words.EVENTS.get(fixed.type)
    if kind is None:
        return f"unknown_{fixed.type}", {"sub": fixed.sub, "index": fixed.index, "ref": fixed.ref, "value": fixed.value}
    read = _FIXED.get(kind)
    try:
        return kind, {} if read is None else read(fixed)
    except (KeyError, ValueError):
        raise BadFrame("malformed") from None


def unreadable(kind: str, said: Said) -> tuple[str, dict[str, Any]]:
    """Type and data of an event of our own device whose data make no sense: kept for the audit trail, so that its log flows on."""
    return "unreadable", {"type": kind, "said": dict(said)}


def fields(fixed: Fixed) -> dict[str, int]:
    """The fixed fields by name."""
    return {"type": fixed.type, "sub": fixed.sub, "index": fixed.index, "ref": fixed.ref, "value": fixed.value}


# ---------------------------------------------------------------- reading JSON values


def _whole(said: Said, key: str, low: int = 0, high: int = U32) -> int:
    value = said[key]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(key)
    return value


def _maybe(said: Said, key: str) -> int | None:
    return None if said.get(key) is None else _whole(said, key)


def _flag(said: Said, key: str) -> bool:
    value = said[key]
    if value is True or value is False:
        return value
    if value in {0, 1}:
        return bool(value)
    raise ValueError(key)


def _text(said: Said, key: str) -> str | None:
    value = said.get(key)
    return None if value is None else str(value)[:80]


def _degrees(said: Said, key: str) -> int | None:
    return None if said.get(key) is None else _whole(said, key, -1000, 2000)


def _named(table: Mapping[int, str], said: Said, key: str) -> str:
    return words.word(table, said[key])


def _word_or_none(table: Mapping[int, str], said: Said, key: str) -> str | None:
    return None if said.get(key) is None else words.word(table, said[key])


def _code(said: Said) -> str:
    value = said["code"]
    return Code(value).name if isinstance(value, int) else Code[value].name


_JSON: dict[str, Callable[[Said], dict[str, Any]]] = {
    "boot": lambda s: {"reason": _text(s, "reason")},
    "clock_set": lambda s: {"delta_s": _whole(s, "delta_s", -U32)},
    "clock_invalid": lambda s: {},
    "log_overflow": lambda s: {"lost": _whole(s, "lost")},
    "nvram_reset": lambda s: {},
    "tamper": lambda s: {"on": _flag(s, "on")},
    "battery": lambda s: {"mv": _maybe(s, "mv"), "pct": _maybe(s, "pct"), "state": _named(words.BATTERY, s, "state")},
    "lock_operation": lambda s: {
        "op": _named(words.OPERATION, s, "op"),
        "source": _named(words.SOURCE, s, "source"),
        "credential_ref": _maybe(s, "credential_ref"),
        "right_ref": _maybe(s, "right_ref"),
        "role": _maybe(s, "role"),
        "generation": _maybe(s, "generation"),
    },
    "access_denied": lambda s: {
        "reason": _named(words.REASON, s, "reason"),
        "credential_ref": _maybe(s, "credential_ref"),
        "count": 1 if s.get("count") is None else _whole(s, "count"),
    },
    "door_state": lambda s: {"state": _named(words.DOOR_STATE, s, "state")},
    "deadbolt": lambda s: {"on": _flag(s, "on")},
    "privacy": lambda s: {"on": _flag(s, "on")},
    "generation_advanced": lambda s: {"from": _maybe(s, "from"), "to": _whole(s, "to"), "credential_ref": _maybe(s, "credential_ref")},
    "rights_changed": lambda s: {
        "right_ref": _whole(s, "right_ref"),
        "op": _named(words.RIGHTS_CHANGE, s, "op"),
        "version": _maybe(s, "version"),
    },
    "alarm": lambda s: {"kind": _named(words.ALARM, s, "kind")},
    "card_presented": lambda s: {},
    "encode_done": lambda s: {"credential_ref": _maybe(s, "credential_ref"), "uid_hash": _text(s, "uid_hash")},
    "encode_failed": lambda s: {"code": _code(s)},
    "card_removed": lambda s: {},
    "slot_removed": lambda s: {"slot": _whole(s, "slot", high=0xFFFF), "removal_no": _whole(s, "removal_no")},
    "slot_returned": lambda s: {
        "slot": _whole(s, "slot", high=0xFFFF),
        "removal_no": _whole(s, "removal_no"),
        "after_s": _whole(s, "after_s"),
    },
    "bar_door": lambda s: {"open": _flag(s, "open")},
    "restock": lambda s: {"state": _named(words.RESTOCK, s, "state"), "attendant": _text(s, "attendant")},
    "temp_alarm": lambda s: {"temp": _degrees(s, "temp")},
    "slot_fault": lambda s: {"slot": _whole(s, "slot", high=0xFFFF)},
    "bar_lock": lambda s: {"on": _flag(s, "on"), "source": _word_or_none(words.SOURCE, s, "source")},
    "motion": lambda s: {"on": True if s.get("on") is None else _flag(s, "on")},
    "contact": lambda s: {"which": _named(words.CONTACT, s, "which"), "open": _flag(s, "open")},
    "occupancy": lambda s: {"state": _named(words.OCCUPANCY, s, "state"), "cause": _text(s, "cause")},
    "service": lambda s: {"value": _named(words.SERVICE, s, "value"), "source": _text(s, "source")},
    "climate": lambda s: {"temp": _degrees(s, "temp"), "humidity": _maybe(s, "humidity")},
    "card_holder": lambda s: {"present": _flag(s, "present")},
}


# ---------------------------------------------------------------- reading fixed fields


def _signed(value: int) -> int:
    return value - (1 << 32) if value & 0x8000_0000 else value


def _bit(value: int) -> bool:
    if value not in {0, 1}:
        raise ValueError(value)
    return bool(value)


def _some(ref: int) -> int | None:
    """References are never 0: the box issues epoch << 24 | counter."""
    return ref or None


def _fixed_operation(f: Fixed) -> dict[str, Any]:
    return {
        "op": words.OPERATION[f.sub >> 8],
        "source": words.SOURCE[f.sub & 0xFF],
        "credential_ref": _some(f.ref),
        "right_ref": None,
        "role": None,
        "generation": _some(f.value),
    }


_FIXED: dict[str, Callable[[Fixed], dict[str, Any]]] = {
    "boot": lambda f: {"reason": None},
    "clock_set": lambda f: {"delta_s": _signed(f.value)},
    "log_overflow": lambda f: {"lost": f.value},
    "tamper": lambda f: {"on": _bit(f.sub)},
    "battery": lambda f: {"mv": f.value, "pct": None, "state": words.BATTERY[f.sub]},
    "lock_operation": _fixed_operation,
    "access_denied": lambda f: {"reason": words.REASON[f.sub], "credential_ref": _some(f.ref), "count": f.value or 1},
    "door_state": lambda f: {"state": words.DOOR_STATE[f.sub]},
    "deadbolt": lambda f: {"on": _bit(f.sub)},
    "generation_advanced": lambda f: {"from": None, "to": f.value, "credential_ref": _some(f.ref)},
    "rights_changed": lambda f: {"right_ref": f.ref, "op": words.RIGHTS_CHANGE[f.sub], "version": _some(f.value)},
    "alarm": lambda f: {"kind": words.ALARM[f.sub]},
    "encode_done": lambda f: {"credential_ref": _some(f.ref), "uid_hash": None},
    "encode_failed": lambda f: {"code": Code(f.sub).name},
    "slot_removed": lambda f: {"slot": f.index, "removal_no": f.ref},
    "slot_returned": lambda f: {"slot": f.index, "removal_no": f.ref, "after_s": f.value},
    "bar_door": lambda f: {"open": _bit(f.sub)},
    "restock": lambda f: {"state": words.RESTOCK[f.sub], "attendant": str(f.ref) if f.ref else None},
    "temp_alarm": lambda f: {"temp": _signed(f.value)},
    "slot_fault": lambda f: {"slot": f.index},
    "bar_lock": lambda f: {"on": _bit(f.sub), "source": words.SOURCE.get(f.value)},
    "motion": lambda f: {"on": _bit(f.sub)},
    "contact": lambda f: {"which": words.CONTACT[f.sub], "open": _bit(f.value)},
    "occupancy": lambda f: {"state": words.OCCUPANCY[f.sub], "cause": None},
    "service": lambda f: {"value": words.SERVICE[f.sub], "source": None},
    "climate": lambda f: {"temp": _signed(f.value), "humidity": None},
    "card_holder": lambda f: {"present": _bit(f.sub)},
}
