"""A BTHome v2 sensor: door, window, motion, climate; it only broadcasts.

Source: device sheet, BTHome row (docs/devices), and bthome.io/format.
In gateway.yaml: `{name: door-210, kind: bthome_sensor, settings: {address: "A4:C1:38:00:02:10", key: true}}`.
A broadcast has no log, so the driver makes log_id and seq. The first packet after a start is state; events are changes seen after that.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.ble import BTHOME, Advertisement, BleBus
from gateway.buses.open import Buses
from gateway.device import (
    Code,
    Command,
    Condition,
    Confirmed,
    Driver,
    Drops,
    Emit,
    Event,
    Memory,
    Refused,
    Reply,
    Setting,
    State,
    Unreachable,
)
from gateway.drivers import bthome
from gateway.drivers.bthome import Packet
from gateway.drivers.mqtt_envelope import BadFrame
from gateway.drivers.reports import Reports

LOG_ID, SEQ, COUNTER = "bthome.log_id", "bthome.seq", "bthome.counter"


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Settings:
    """The `settings:` block of one sensor."""

    address: str = Field(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")
    key: bool = False  # encrypted with the first 16 bytes of K_dev; then plain packets are refused
    silent_s: float = Field(default=900.0, gt=0)  # three heartbeats of a battery device


class BthomeSensor:
    """One sensor."""

    def __init__(self, setting: Setting, radio: BleBus, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> None:
        settings = Settings(**setting.settings)
        self._name, self._address, self._silent_s = setting.name, settings.address.upper(), settings.silent_s
        self._key = setting.k_dev[:16] if settings.key else None
        self._radio, self._memory, self._drops, self._now = radio, memory, drops, now
        self._reports = Reports(setting.name)
        self._emit: Emit | None = None
        self._packet_id: int | None = None
        self._known: dict[str, Any] = {}

    async def run(self, emit: Emit) -> None:
        """See Driver.run. Never ends by itself: a sensor that is silent is waited for."""
        self._emit, self._known, self._packet_id = emit, {}, None
        self._reports.begin(emit)
        loop = asyncio.get_running_loop()
        started = loop.time()
        end = self._radio.watch(self._address, self._heard)
        try:
            while True:
                await asyncio.sleep(min(5.0, self._silent_s / 4))
                if loop.time() - (self._radio.heard_at(self._address) or started) > self._silent_s:
                    self._reports.health("offline")
        finally:
            end()
            self._reports.end()
            self._emit = None

    async def apply(self, command: Command) -> Reply:
        """See Driver.apply: a broadcaster takes no commands."""
        return Reply(Code.UNSUPPORTED)

    async def confirmed(self) -> Confirmed:
        """See Driver.confirmed."""
        raise Refused(self._name, Code.UNSUPPORTED, "a sensor holds no rights", "Nothing to do.")

    def _heard(self, said: Advertisement) -> None:
        """Take one advertisement; what has no effect is counted, except the plain repeat of the last packet."""
        data = said.service.get(BTHOME)
        if data is None:
            return
        try:
            packet = bthome.packet(data, said.address, self._key)
            if self._repeated(packet):
                return
        except BadFrame as bad:
            self._drops.drop("ble", self._name, str(bad))
            return
        self._take(packet)

    def _repeated(self, packet: Packet) -> bool:
        """Whether this is the packet that was taken last. Raises BadFrame for a counter that has fallen: somebody plays it again."""
        if packet.counter is not None:
            last = self._memory.get(COUNTER)
            if last is not None and packet.counter <= int(last):
                if packet.counter == int(last):
                    return bool(self._known)  # after a restart the last packet still tells the state
                raise BadFrame("replay")
            self._memory.put(COUNTER, str(packet.counter))
            return False
        repeated = packet.packet_id is not None and packet.packet_id == self._packet_id
        self._packet_id = packet.packet_id
        return repeated

    def _take(self, packet: Packet) -> None:
        """Report what a packet says: condition, state, then an event for each change."""
        before, now = self._known, {**self._known, **attributes(packet)}
        self._known = now
        flags = tuple(flag for flag, on in (("low_battery", now.get("battery_low")), ("tamper", now.get("tamper"))) if on)
        self._reports.condition(Condition(self._name, "online", 0, self._log_id(), flags, now.get("battery_percent")))
        self._reports.state(State(self._name, now))
        for key, event in EVENTS.items():
            if key in before and key in now and before[key] != now[key]:
                self._event(key, *event(now[key]))

    def _event(self, key: str, kind: str, data: dict[str, Any]) -> None:
        if self._emit is None:
            return
        seq = int(self._memory.get(SEQ) or "0") + 1
        self._memory.put(SEQ, str(seq))
        taken = self._emit(Event(self._name, self._log_id(), seq, self._now(), "set", kind, data))
        taken.add_done_callback(lambda done: self._look(key, done))

    def _look(self, key: str, done: "asyncio.Future[None]") -> None:
        """A change that was not stored is a change again with the next packet."""
        if done.cancelled() or done.exception() is not None:
            value = self._known.get(key)
            if isinstance(value, bool):
                self._known = {**self._known, key: not value}

    def _log_id(self) -> int:
        kept = self._memory.get(LOG_ID)
        if kept is None:
            kept = str(secrets.randbelow(2**32 - 1) + 1)
            self._memory.put(LOG_ID, kept)
        return int(kept)


def attributes(packet: Packet) -> dict[str, Any]:
    """What a packet says in the words of a room's attributes."""
    said: dict[str, Any] = {}
    for key, names in FLAGS.items():
        value = packet.first(*names)
        if value is not None:
            said[key] = bool(value)
    battery = packet.first("battery_percent")
    if battery is not None:
        said["battery_percent"] = min(battery, 100)
    for name, scale in (("temp_hundredths", 10), ("temp_tenths", 1)):
        if (temp := packet.first(name)) is not None:
            said["temp"] = round(temp / scale)
    if (humidity := packet.first("humidity_hundredths")) is not None:
        said["humidity"] = round(humidity / 100)
    if (lux := packet.first("lux_hundredths")) is not None:
        said["lux"] = round(lux / 100)
    return said


FLAGS = {
    "contact_entry": ("door", "opening"),
    "contact_window": ("window",),
    "motion": ("motion",),
    "presence": ("presence", "occupancy"),
    "tamper": ("tamper",),
    "battery_low": ("battery_low",),
}
EVENTS: dict[str, Callable[[bool], tuple[str, dict[str, Any]]]] = {
    "contact_entry": lambda on: ("contact", {"which": "entry", "open": on}),
    "contact_window": lambda on: ("contact", {"which": "window", "open": on}),
    "motion": lambda on: ("motion", {"on": on}),
    "tamper": lambda on: ("tamper", {"on": on}),
}


def connect(setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> Driver:
    """The driver of one sensor. Raises DeviceError when the box has no radio."""
    if buses.ble is None:
        raise Unreachable(setting.name, "the box has no BLE", "Add buses.ble to gateway.yaml.")
    return BthomeSensor(setting, buses.ble, memory, drops, now)
