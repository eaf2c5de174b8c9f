"""The event ring of a device: what happened, numbered, kept until it is acknowledged, the oldest overwritten first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim.codes import CODES, EVENT_TYPES, RIGHT_CHANGES

RING = 512  # device sheet, chapter 1


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. Identity is (device_id, log_id, seq); `ts` is epoch seconds by the device's own clock."""

    device_id: str
    log_id: int
    seq: int
    ts: int
    tq: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has a number."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The fixed fields of an event on Modbus and BLE. `index` is u16 here; BLE keeps its low 8 bits."""

    type: int
    sub: int
    index: int
    ref: int
    value: int


class EventLog:
    """Events not yet acknowledged, oldest first. The owner persists what `keys_for` returns before it calls `admit`."""

    def __init__(self, ring: int = RING) -> None:
        self.ring = ring
        self.next_seq = 1
        self.lost = 0
        self._kept: dict[int, Event] = {}

    def restore(self, next_seq: int, lost: int, kept: Mapping[str, Any], device_id: str, log_id: int) -> None:
        """Take over what the memory held; `kept` is {seq: [ts, tq, type, data]}."""
        self.next_seq, self.lost = next_seq, lost
        rows = sorted((int(seq), row) for seq, row in kept.items())
        self._kept = {seq: Event(device_id, log_id, seq, ts, tq, kind, data) for seq, (ts, tq, kind, data) in rows}

    def keys_for(self, events: tuple[Event, ...]) -> dict[str, Any]:
        """The memory changes that admit `events`, with the overwritten ones deleted."""
        keys: dict[str, Any] = {f"e/{e.seq}": [e.ts, e.tq, e.type, dict(e.data)] for e in events}
        over = self._overwritten(len(events))
        keys.update({f"e/{seq}": None for seq in over})
        if events:
            keys["seq"] = events[-1].seq + 1
        if over:
            keys["lost"] = self.lost + len(over)
        return keys

    def admit(self, events: tuple[Event, ...]) -> None:
        """Keep `events`, which the memory holds by now."""
        for seq in self._overwritten(len(events)):
            del self._kept[seq]
            self.lost += 1
        for event in events:
            self._kept[event.seq] = event
            self.next_seq = event.seq + 1

    def dropped_by(self, upto: int) -> list[int]:
        """The numbers that an acknowledgement of `upto` frees. A number that was never given frees nothing."""
        return [seq for seq in self._kept if seq <= upto] if upto < self.next_seq else []

    def drop(self, seqs: list[int]) -> None:
        """Forget acknowledged events."""
        for seq in seqs:
            self._kept.pop(seq, None)

    def kept(self) -> tuple[Event, ...]:
        """All events not yet acknowledged, by number."""
        return tuple(self._kept.values())

    @property
    def newest(self) -> int:
        """The number of the latest event, 0 before the first."""
        return self.next_seq - 1

    @property
    def oldest(self) -> int:
        """The number of the oldest event kept, 0 when all are acknowledged."""
        return next(iter(self._kept), 0)

    def _overwritten(self, coming: int) -> list[int]:
        over = len(self._kept) + coming - self.ring
        return list(self._kept)[: max(over, 0)]


def numbers(event: Event, index: int = 0) -> Numbers:
    """The event as Modbus (IR 100-195) and BLE (EVENT) carry it; device sheet 4.3, line `sub`. `index` = the device's own.

    Where the sheet is silent: on/off events put the new value in `sub`; restock is 1 begin, 0 end with the
    attendant in `ref`; rights_changed has the right in `ref` and its version in `value`; bar_lock has its
    source in `value`; climate and temp_alarm have the temperature (0.1 °C, two's complement) in `value`.
    """
    shape = _SHAPES.get(event.type)
    sub, ref, value = (0, 0, 0) if shape is None else shape(event.data)
    at = int(event.data.get("slot", index))
    return Numbers(EVENT_TYPES[event.type], sub, at, ref & 0xFFFFFFFF, value & 0xFFFFFFFF)


_Data = Mapping[str, Any]


def _lock_operation(data: _Data) -> tuple[int, int, int]:
    op = 1 if data["op"] == "unlock" else 2
    return op << 8 | int(data["source"]), _ref(data), int(data["generation"] or 0)


def _restock(data: _Data) -> tuple[int, int, int]:
    attendant = str(data["attendant"] or "0")
    return int(data["state"] == "begin"), int(attendant) if attendant.isdecimal() else 0, 0


def _ref(data: _Data) -> int:
    return int(data["credential_ref"] or 0)


_SHAPES: dict[str, Callable[[_Data], tuple[int, int, int]]] = {  # sub, ref, value
    "clock_set": lambda d: (0, 0, int(d["delta_s"])),
    "log_overflow": lambda d: (0, 0, int(d["lost"])),
    "tamper": lambda d: (int(d["on"]), 0, 0),
    "battery": lambda d: (int(d["state"]), 0, int(d["mv"])),
    "lock_operation": _lock_operation,
    "access_denied": lambda d: (int(d["reason"]), _ref(d), int(d["count"])),
    "door_state": lambda d: (int(d["state"]), 0, 0),
    "deadbolt": lambda d: (int(d["on"]), 0, 0),
    "generation_advanced": lambda d: (0, _ref(d), int(d["to"])),
    "rights_changed": lambda d: (RIGHT_CHANGES[d["op"]], int(d["right_ref"]), int(d["version"])),
    "alarm": lambda d: (int(d["kind"]), 0, 0),
    "encode_done": lambda d: (0, _ref(d), 0),
    "encode_failed": lambda d: (CODES[d["code"]], 0, 0),
    "slot_removed": lambda d: (0, int(d["removal_no"]), 0),
    "slot_returned": lambda d: (0, int(d["removal_no"]), int(d["after_s"])),
    "bar_door": lambda d: (int(d["open"]), 0, 0),
    "restock": _restock,
    "temp_alarm": lambda d: (0, 0, int(d["temp"])),
    "bar_lock": lambda d: (int(d["on"]), 0, int(d["source"])),
    "motion": lambda d: (int(d["on"]), 0, 0),
    "contact": lambda d: (int(d["which"]), 0, int(d["open"])),
    "occupancy": lambda d: (int(d["state"]), 0, 0),
    "service": lambda d: (int(d["value"]), 0, 0),
    "climate": lambda d: (0, 0, int(d["temp"])),
    "card_holder": lambda d: (int(d["present"]), 0, 0),
}
