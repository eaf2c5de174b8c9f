"""Parts for tests of the Bluetooth side: a plain peripheral, a running side, and bleak tidied up behind every test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.bluezdbus import manager
from bleak.backends.device import BLEDevice

from firmware_sim.bluez.air import Air, start_air
from firmware_sim.bluez.faults import QUICK, Timings
from firmware_sim.bluez.peripheral import Advertisement, Characteristic, GattService, Link, Peripheral, Radio, assigned

ADDRESS = "C4:00:00:00:00:01"
SERVICE = "5ffa0001-8d15-4636-9f8a-8f504c4613ab"
ASK = "5ffa0003-8d15-4636-9f8a-8f504c4613ab"
ANSWER = "5ffa0004-8d15-4636-9f8a-8f504c4613ab"
BATTERY = assigned(0x2A19)


@dataclass
class Echo:
    """A peripheral that notifies on ANSWER whatever is written to ASK."""

    address: str = ADDRESS
    address_type: str = "random"
    interval_s: float = 0.05
    mtu: int = 247
    name: str | None = None
    manufacturer_data: dict[int, bytes] = field(default_factory=dict)
    gatt: Sequence[GattService] = (
        GattService(SERVICE, (Characteristic(ASK, ("read", "write", "write-without-response")), Characteristic(ANSWER, ("notify",)))),
        GattService(assigned(0x180F), (Characteristic(BATTERY, ("read", "notify")),)),
    )
    uuids: tuple[str, ...] = ()
    on_air: bool = True
    link: Link | None = None
    radio: Radio | None = None
    written: list[bytes] = field(default_factory=list)

    def placed(self, radio: Radio) -> None:
        self.radio = radio

    def advertisement(self) -> Advertisement:
        return Advertisement(manufacturer_data=self.manufacturer_data, uuids=self.uuids, name=self.name)

    async def read(self, char: str) -> bytes:
        return bytes((87,)) if char == BATTERY else b"value"

    async def write(self, char: str, data: bytes) -> None:
        self.written.append(data)
        if self.link is not None:
            self.link.notify(ANSWER, data)

    def on_connect(self, link: Link) -> None:
        self.link = link

    def on_disconnect(self) -> None:
        self.link = None


@dataclass
class Stuck(Echo):
    """A peripheral that takes a write and never gets done with it."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, char: str, data: bytes) -> None:
        self.reached.set()
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def bleak_at(monkeypatch: pytest.MonkeyPatch, address: str) -> AsyncIterator[None]:
    """bleak uses the bus at `address`; afterwards its own bus connection of this loop, which it never closes itself, is closed."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    try:
        yield
    finally:
        shared = manager._global_instances.pop(asyncio.get_running_loop(), None)
        if shared is not None and shared._bus is not None:
            shared._bus.disconnect()
            if shared._bus_watcher_task is not None:
                await asyncio.wait({shared._bus_watcher_task})


@contextlib.asynccontextmanager
async def radio(monkeypatch: pytest.MonkeyPatch, folder: Path, *devices: Peripheral, timings: Timings = QUICK) -> AsyncIterator[Air]:
    """Devices on the air, and bleak there too."""
    air = await start_air(folder / "bluez.sock", devices, timings=timings)
    try:
        async with bleak_at(monkeypatch, air.address):
            yield air
    finally:
        await air.stop()


async def found(address: str = ADDRESS) -> BLEDevice:
    """Scan until the device is heard."""
    device = await BleakScanner.find_device_by_address(address, timeout=5.0)
    assert device is not None, f"{address} was not heard"
    return device


class Heard:
    """A callback for notifications, with a way to wait for the next one."""

    def __init__(self) -> None:
        self.values: asyncio.Queue[bytes] = asyncio.Queue()

    def __call__(self, _characteristic: object, data: bytearray) -> None:
        self.values.put_nowait(bytes(data))

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.values.get(), 5.0)


def client(device: BLEDevice, timeout: float = 5.0) -> BleakClient:
    return BleakClient(device, timeout=timeout)
