"""A whole hotel of simulated devices: built from its settings and keys, put behind its bindings, and shown as truth."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from firmware_sim.clock_server import ServedClock, run_timers
from firmware_sim.device import Device, Setup
from firmware_sim.drawer import Drawer
from firmware_sim.encoder import Encoder
from firmware_sim.lock import Lock, LockSettings
from firmware_sim.minibar import Minibar
from firmware_sim.modbus_side import LineSettings, ModbusLine
from firmware_sim.mqtt_side import MqttSide
from firmware_sim.nvram import Nvram
from firmware_sim.room import RoomController
from firmware_sim.sensor import SensorPair
from firmware_sim.settings import DeviceLine, HotelSettings
from firmware_sim.world import World
from host.exits import HostError
from host.home import Home

SAVE_S = 2.0  # how often the drawer of cards is looked at
log = logging.getLogger(__name__)


class Side(Protocol):
    """One binding of many devices."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """What commissioning left in LATCHKEY_HOME/keys: devices.json and property.json."""

    k_dev: Mapping[str, bytes] = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    k_card: bytes = field(repr=False)
    number: int


def read_keys(home: Home, settings: HotelSettings) -> Keys:
    """Read the simulator's copy of the keys. Raises HostError that says which are missing."""
    devices, told = home.read_keys("devices.json"), home.read_keys("property.json")
    linked = [device.name for device in settings.devices if device.binding != "none"]
    missing = [name for name in linked if name not in devices]
    if missing or "k_card" not in told:
        what = f"no key for {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}" if missing else "no k_card"
        raise HostError(
            f"{home.keys} has {what}",
            "Copy devices.json and property.json of the box there, or make keys of their own: latchkey-sim keys --config FILE",
        )
    try:
        k_dev = {name: bytes.fromhex(devices[name]["k_dev"]) for name in linked}
        passwords = {name: str(devices[name].get("mqtt_password", "")) for name in linked}
        return Keys(k_dev, passwords, bytes.fromhex(told["k_card"]), int(told.get("number", settings.number)))
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"a file in {home.keys} is damaged", "Copy it from the box once more") from error


def make_keys(home: Home, settings: HotelSettings) -> None:
    """Write keys for every device that has none, and K_card. Those that are there are kept."""
    devices, told = home.read_keys("devices.json"), home.read_keys("property.json")
    for name in ["gateway", "join", *(device.name for device in settings.devices if device.binding != "none")]:
        if name not in devices:
            devices[name] = {"k_dev": secrets.token_hex(32), "mqtt_password": secrets.token_urlsafe(18)}
    told.setdefault("k_card", secrets.token_hex(32))
    told.setdefault("number", settings.number)
    home.write_keys("devices.json", devices)
    home.write_keys("property.json", told)


class Hotel:
    """All devices of one file. Build, `start`, `stop`. `folder` None keeps every memory in this process."""

    def __init__(self, settings: HotelSettings, keys: Keys, folder: Path | None) -> None:
        self.settings, self.keys, self.folder = settings, keys, folder
        self.clock = ServedClock(settings.clock.start, settings.clock.rate)
        self.world = World(self.clock, settings.seed, physical=Nvram(None if folder is None else folder / "physical.nvram"))
        self._told_time = [settings.clock.start.isoformat() if settings.clock.start else None, settings.clock.rate]
        kept = self.world.physical.table.get("clock")
        if kept and kept.get("told") == self._told_time:  # who tells another time or rate in the file wants that one
            self.clock.go_on(kept)
        self.drawer = Drawer(None if folder is None else folder / "cards.json", keys.number, keys.k_card)
        self.devices: dict[str, Device] = {line.name: self._built(line) for line in settings.devices}
        self._lay_cards()
        self.sides: list[Side] = self._sides(settings.devices)
        self._tasks: list[asyncio.Task[None]] = []

    def _built(self, line: DeviceLine) -> Device:
        mains = line.mains if line.mains is not None else line.kind not in ("lock", "bthome") or line.binding == "modbus"
        setup = Setup(line.name, line.binding, self.keys.k_dev.get(line.name, bytes(32)), mains)
        nvram = Nvram(None if self.folder is None else self.folder / "devices" / f"{line.name}.nvram")
        if line.kind == "lock":
            door = LockSettings(line.door or 0, line.lock, line.areas, self.keys.number, self.keys.k_card)
            return Lock(setup, self.world, nvram, door)
        if line.kind == "encoder":
            return Encoder(setup, self.world, nvram, self.keys.number, self.keys.k_card)
        if line.kind == "minibar":
            return Minibar(setup, self.world, nvram, line.slots)
        if line.kind == "room":
            return RoomController(setup, self.world, nvram)
        return SensorPair(setup, self.world, nvram, line.encrypted)

    def _lay_cards(self) -> None:
        """Cards that lay on a plate when the simulator ended still lie there."""
        for device in self.devices.values():
            lies = self.world.physical.table.get(f"{device.name}/plate")
            if isinstance(device, Encoder) and lies in self.drawer.cards:
                device.plate.put(self.drawer.cards[lies])

    def _sides(self, lines: Sequence[DeviceLine]) -> list[Side]:
        sides: list[Side] = []
        mqtt = [self.devices[line.name] for line in lines if line.binding == "mqtt"]
        if mqtt:
            broker = self.settings.mqtt
            sides.append(MqttSide(mqtt, self.settings.property, broker.host, broker.port, self.keys.passwords))
        for name, wire in self.settings.modbus.lines.items():
            units = {line.unit: self.devices[line.name] for line in lines if line.binding == "modbus" and line.line == name and line.unit}
            if units:
                sides.append(ModbusLine(name, units, LineSettings(wire.host, wire.port, wire.serial, wire.baud, wire.parity)))
        return sides + self._ble([line for line in lines if line.binding == "ble"])

    def _ble(self, lines: Sequence[DeviceLine]) -> list[Side]:
        if not lines:
            return []
        from firmware_sim.ble_side import BleSide  # only hotels with BLE devices need a bus

        socket = (self.folder or Path()) / self.settings.ble.socket
        addresses = {line.name: line.address or "" for line in lines}
        return [BleSide([self.devices[line.name] for line in lines], addresses, socket, seed=self.settings.seed)]

    async def start(self) -> None:
        """Serve every binding. Raises HostError when a port or socket cannot be had; then nothing is left running."""
        try:
            for side in self.sides:
                await side.start()
        except OSError as error:
            await self.stop()
            raise HostError(str(error), "Choose another port in the hotel's file, or end what holds it") from error
        self._tasks = [
            asyncio.create_task(run_timers(self.clock, self.world.timers), name="device-timers"),
            asyncio.create_task(self._save(), name="card-drawer"),
        ]

    async def stop(self) -> None:
        """Hang up, close and save. May be repeated."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for side in self.sides:
            with contextlib.suppress(OSError):
                await side.stop()
        self.save()
        for device in self.devices.values():
            device.nvram.close()
        self.world.physical.close()

    def save(self) -> None:
        """Keep the cards and the time."""
        self.drawer.save()
        self.world.physical.put({"clock": {**self.clock.kept(), "told": self._told_time}})

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            self.save()

    def truth(self) -> dict[str, Any]:
        """What really happened and is, by device; it never crosses a binding."""
        return {name: truth(device) for name, device in self.devices.items()}

    def shown(self, device: Device) -> dict[str, Any]:
        """A device as the control API lists it."""
        standing = [side.lines[device.name].standing for side in self.sides if isinstance(side, MqttSide) and device.name in side.lines]
        return {
            "id": device.name,
            "class": device.device_class,
            "binding": device.setup.binding,
            "powered": device.powered,
            "reachable": device.reachable,
            "link": standing[0] if standing else "connected" if device.reachable and device.setup.binding != "none" else "offline",
            "boot_counter": device.boot_counter,
            "log_id": device.log_id,
            "state": device.state(),
            "health": device.health(),
            "unacknowledged": len(device.unacknowledged()),
            "dropped": dict(device.dropped),
            "faults": dict(device.faults.set_values),
        }


def truth(device: Device) -> dict[str, Any]:
    """Ground truth of one device."""
    if isinstance(device, Lock):
        bolt = device.bolt
        return {"bolt_openings": list(bolt.openings), "locked": bolt.locked, "door": int(bolt.leaf), "deadbolt": bolt.deadbolt}
    if isinstance(device, Minibar):
        return {"true_stock": {str(slot): present for slot, present in device.true_stock.items()}, "door_open": device.door_open}
    if isinstance(device, RoomController):
        return {"true_presence": device.true_presence, "entry_open": device.open[0], "window_open": device.open[1]}
    if isinstance(device, Encoder):
        card = device.plate.card
        return {"card": card.id if card else None, "written_total": device.attributes()["written_total"]}
    return device.attributes()
