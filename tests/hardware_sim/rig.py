"""A box's drivers against simulated devices: real broker, real Modbus server, real bleak. `rig(...)` is one device and its driver."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from firmware_sim import mqtt_side
from firmware_sim.ble_side import BleSide
from firmware_sim.bluez.faults import QUICK, Timings
from firmware_sim.device import Device
from firmware_sim.hotel import Hotel, Keys
from firmware_sim.modbus_side import ModbusLine as SimulatedLine
from firmware_sim.settings import HotelSettings
from gateway.buses.ble import BleSettings
from gateway.buses.modbus import LineSettings, ModbusSettings
from gateway.buses.mqtt import MqttSettings
from gateway.buses.open import Buses, BusesSettings, open_buses
from gateway.device import Command, Condition, DeviceError, Driver, Event, LockKind, Op, Report, Setting, State, Transport
from gateway.drivers import ble_lock, modbus_handshake
from gateway.drivers.registry import load
from tests.hardware_sim.broker import GATEWAY, GATEWAY_PASSWORD, Broker

SLUG, NUMBER, K_CARD = "demo", 42, bytes([0x11]) * 32
K_DEV = bytes(range(32))
UNIT, ADDRESS = 5, "C4:00:00:00:02:09"
LIMIT_S = 20.0
T = TypeVar("T")


class Notes(dict[str, str]):
    """A driver's memory."""

    def put(self, key: str, value: str) -> None:
        self[key] = value


@dataclass
class Counted:
    """The drops and strangers that were told."""

    reasons: list[tuple[Transport, str | None, str]] = field(default_factory=list)
    strangers: list[tuple[str, str]] = field(default_factory=list)

    def drop(self, transport: Transport, device: str | None, reason: str, count: int = 1) -> None:
        self.reasons += [(transport, device, reason)] * count

    def stranger(self, transport: Transport, address: str, said: str) -> None:
        self.strangers.append((address, said))

    def of(self, reason: str) -> int:
        return sum(1 for _, _, one in self.reasons if one == reason)


class Log:
    """Where reports go. `closed` holds every commit back; `refuse` makes the next events fail as a full store would."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.committed: list[Event] = []
        self.refuse = 0
        self._open: list[tuple[Report, asyncio.Future[None]]] = []
        self._closed = False
        self._news = asyncio.Event()

    def emit(self, report: Report) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reports.append(report)
        if self._closed:
            self._open.append((report, done))
        else:
            self._settle(report, done)
        self._tell()
        return done

    def _settle(self, report: Report, done: "asyncio.Future[None]") -> None:
        if isinstance(report, Event) and self.refuse:
            self.refuse -= 1
            done.set_exception(OSError("no space left"))
            return
        if isinstance(report, Event):
            self.committed.append(report)
        done.set_result(None)

    def close(self) -> None:
        """Commit nothing until `open`."""
        self._closed = True

    def open(self) -> None:
        """Commit what was held back, in order."""
        self._closed, held = False, self._open
        self._open = []
        for report, done in held:
            self._settle(report, done)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    @property
    def conditions(self) -> list[Condition]:
        return [report for report in self.reports if isinstance(report, Condition)]

    @property
    def states(self) -> list[State]:
        return [report for report in self.reports if isinstance(report, State)]

    @property
    def events(self) -> list[Event]:
        return [report for report in self.reports if isinstance(report, Event)]

    def types(self) -> list[str]:
        return [event.type for event in self.committed]

    async def until(self, ready: Callable[[], T], limit_s: float = LIMIT_S) -> T:
        """Wait until `ready` gives something true, looking at each report and ten times a second."""
        try:
            async with asyncio.timeout(limit_s):
                while not (found := ready()):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await self._news.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"it did not happen; reports: {self.reports[-6:]}") from None


@dataclass
class Rig:
    """One device, its driver, and what the driver reports."""

    kind: str
    binding: Transport
    device: Any  # a Device of firmware_sim, with the hands of its class
    driver: Driver
    log: Log
    drops: Counted
    memory: Notes
    hotel: Hotel
    buses: Buses
    broker: Broker | None
    running: "asyncio.Task[None]"

    def command(self, op: Op, ttl_s: float | None = None) -> Command:
        """`op` as the core would issue it now."""
        now = self.hotel.clock.now()
        return Command(uuid.uuid4(), op, now, None if ttl_s is None else now + timedelta(seconds=ttl_s))

    async def quiet(self) -> None:
        """Wait until the driver has met the device and everything so far is acknowledged."""
        await self.log.until(lambda: any(c.health == "online" for c in self.log.conditions) and self.log.states)
        await self.log.until(lambda: not self.device.unacknowledged())

    def now(self) -> datetime:
        return datetime.now(UTC)


def hotel_of(kind: str, binding: Transport, broker: Broker | None, **more: Any) -> Hotel:
    """A hotel with one device of `kind` (lock, encoder, minibar, room, bthome) called `<kind>-1`."""
    line: dict[str, Any] = {"name": f"{kind}-1", "class": kind, "binding": binding, **more}
    if kind == "lock":
        line["door"] = 205
    if binding == "modbus":
        line |= {"line": "east", "unit": UNIT}
    if binding == "ble":
        line["address"] = ADDRESS
    settings = HotelSettings.model_validate(
        {
            "property": SLUG,
            "number": NUMBER,
            "mqtt": {"host": "127.0.0.1", "port": broker.port if broker else 1},
            "modbus": {"lines": {"east": {"host": "127.0.0.1", "port": 0}}},
            "devices": [line],
        }
    )
    name = f"{kind}-1"
    keys = Keys({name: K_DEV}, {name: broker.passwords[name] if broker else ""}, K_CARD, NUMBER)
    hotel = Hotel(settings, keys, None)
    for device in hotel.devices.values():
        device.faults.latency = {"const": 2}
    return hotel


@asynccontextmanager
async def rig(
    kind: str,
    binding: Transport,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    broker: Broker | None = None,
    timings: Timings = QUICK,
    settings: dict[str, Any] | None = None,
    prepare: Callable[[Device], None] | None = None,
    **more: Any,
) -> AsyncIterator[Rig]:
    """One device of `kind` over `binding` and its running driver. `prepare` may turn knobs before the driver starts."""
    monkeypatch.setattr(mqtt_side, "RESEND_S", 0.3)  # 30 s in life
    monkeypatch.setattr(mqtt_side, "TICK_S", 0.1)
    monkeypatch.setattr(modbus_handshake, "STUCK_S", {False: 0.5, True: 14.0})
    monkeypatch.setattr(ble_lock, "NEWS_EVERY_S", 0.5)  # 10 s in life
    monkeypatch.setattr(ble_lock, "LINGER_S", 0.3)
    hotel = hotel_of(kind, binding, broker, **more)
    hotel.sides = [_quick(side, folder, timings, hotel) for side in hotel.sides]
    await hotel.start()
    device = hotel.devices[f"{kind}-1"]
    try:
        if prepare is not None:
            prepare(device)
        drops, log, memory = Counted(), Log(), Notes()
        async with (
            radio_of(hotel, monkeypatch),
            open_buses(_buses(hotel, broker), drops=drops, client_id="box", mqtt_password=GATEWAY_PASSWORD) as buses,
        ):
            setting = setting_of(kind, binding, settings or {})
            module = "bthome_sensor" if kind == "bthome" else f"{binding}_{kind}"
            driver = load(module).connect(setting, buses, memory, drops, hotel.clock.now)
            async with running_driver(driver, log) as running:
                yield Rig(kind, binding, device, driver, log, drops, memory, hotel, buses, broker, running)
    finally:
        await hotel.stop()


def setting_of(kind: str, binding: Transport, given: dict[str, Any]) -> Setting:
    """What the core would tell the driver of `<kind>-1`."""
    places: dict[str, dict[str, Any]] = {"modbus": {"line": "east", "unit": UNIT, "poll_s": 0.05}, "ble": {"address": ADDRESS}, "mqtt": {}}
    lock = LockKind.ONLINE if kind == "lock" else None
    return Setting(f"{kind}-1", SLUG, K_DEV, {**places[binding], **given}, lock, 205 if lock else None)


@asynccontextmanager
async def running_driver(driver: Driver, log: Log) -> AsyncIterator["asyncio.Task[None]"]:
    """The driver at work until the block ends."""
    running = asyncio.create_task(supervised(driver, log))
    try:
        yield running
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def supervised(driver: Driver, log: Log) -> None:
    """Run a driver as the box does: a device that was lost is begun again."""
    while True:
        with contextlib.suppress(DeviceError):
            await driver.run(log.emit)
        await asyncio.sleep(0.1)


def _quick(side: Any, folder: Path, timings: Timings, hotel: Hotel) -> Any:
    if isinstance(side, BleSide):
        addresses = {line.name: line.address or "" for line in hotel.settings.devices if line.binding == "ble"}
        return BleSide([hotel.devices[name] for name in addresses], addresses, folder / "bluez.sock", timings=timings)
    return side


def _buses(hotel: Hotel, broker: Broker | None) -> BusesSettings:
    mqtt = MqttSettings(host=broker.host, port=broker.port, username=GATEWAY) if broker else None
    lines = {
        side.name: LineSettings(host="127.0.0.1", port=side.port, limit_s=0.5) for side in hotel.sides if isinstance(side, SimulatedLine)
    }
    ble = BleSettings() if any(isinstance(side, BleSide) for side in hotel.sides) else None
    return BusesSettings(mqtt=mqtt, modbus=ModbusSettings(lines=lines) if lines else None, ble=ble)


@asynccontextmanager
async def radio_of(hotel: Hotel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Point bleak at the hotel's simulated BlueZ, if it has one; afterwards close bleak's own bus connection of this loop."""
    sides = [side for side in hotel.sides if isinstance(side, BleSide)]
    if not sides:
        yield
        return
    from bleak.backends.bluezdbus import manager

    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", sides[0].address)
    try:
        yield
    finally:
        shared = manager._global_instances.pop(asyncio.get_running_loop(), None)
        if shared is not None and shared._bus is not None:
            shared._bus.disconnect()
            watching = shared._bus_watcher_task
            await asyncio.wait({watching} if watching else {asyncio.ensure_future(asyncio.sleep(0))})


def strictly_rising(events: Iterable[Event]) -> bool:
    """Whether events are in order and each is there once."""
    seqs = [event.seq for event in events]
    return seqs == sorted(set(seqs))
