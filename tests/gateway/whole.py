"""A whole small hotel in one process: broker, simulated devices behind their real protocols, and a box made by its own `app.build`."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import broker
from demo.plan import Device, Ports, demo_hotel, gateway_yaml, simulator_yaml
from firmware_sim.hotel import Hotel
from firmware_sim.hotel import Keys as SimulatorKeys
from firmware_sim.settings import HotelSettings
from gateway import app, configuration
from gateway.app import Parts
from gateway.buses.open import open_buses
from gateway.keys import Keys
from gateway.store import Store
from gateway.sync import journal
from host.clock import Clock, SystemClock
from host.configuration import save
from host.home import Home
from tests.firmware_sim.radio import bleak_at
from wire import codec
from wire.entities import Body, Care, RoomBody
from wire.facts import Fact
from wire.messages import FeedRow


@dataclass
class House:
    """The box's parts and the devices around it."""

    parts: Parts
    devices: Hotel
    seq: int = 0

    async def put(self, kind: str, name: str, body: Body) -> None:
        """Central puts one entity."""
        self.seq += 1
        row = FeedRow(self.seq, kind, name, "put", 0, json.loads(codec.canonical(body)))
        await self.parts.store.write(lambda tx: journal.take_row(tx, row))

    def facts(self, kind: str) -> list[Fact]:
        """What the box told, oldest first."""
        rows = self.parts.store.peek(lambda db: db.execute("SELECT seq, row FROM outbox ORDER BY at, seq").fetchall())
        read = [codec.read_row(row["seq"], bytes(row["row"])) for row in rows]
        return [codec.decode_fact(row.kind, row.body) for row in read if row.kind == kind]

    def states(self, key_id: str) -> dict[int, str]:
        look = "SELECT door, state FROM door_right WHERE key_id = ? ORDER BY right_ref"
        return {row["door"]: row["state"] for row in self.parts.store.peek(lambda db: db.execute(look, (key_id,)).fetchall())}

    async def until(self, true: Callable[[], bool], limit_s: float = 15.0) -> None:
        """Wait for a commit after which `true()` holds."""
        news = asyncio.Event()
        self.parts.store.watch(lambda _: news.set())
        async with asyncio.timeout(limit_s):
            while not true():
                await news.wait()
                news.clear()


def _keys(devices: Sequence[Device]) -> dict[str, dict[str, str]]:
    names = [device.name for device in devices] + ["gateway", "join"]
    return {name: {"k_dev": secrets.token_hex(32), "mqtt_password": secrets.token_urlsafe(12)} for name in names}


def _prepared(folder: Path, devices: Sequence[Device], ports: Ports, keys: dict[str, dict[str, str]]) -> tuple[Home, Hotel]:
    """Write the box's home and build the simulated devices with the same keys."""
    home = Home(folder / "box").prepared()
    home.write_keys("devices.json", keys)
    told: dict[str, Any] = gateway_yaml(tuple(devices), ports, "demo")
    told.pop("clock")
    told.pop("central")
    if not any(device.binding == "ble" for device in devices):
        told["buses"].pop("ble")
    save(home.config / "gateway.yaml", told)
    settings = HotelSettings.model_validate(simulator_yaml(tuple(devices), ports, "demo", 42, 7))
    k_dev = {name: bytes.fromhex(held["k_dev"]) for name, held in keys.items()}
    passwords = {name: held["mqtt_password"] for name, held in keys.items()}
    return home, Hotel(settings, SimulatorKeys(k_dev, passwords, bytes(32), 42), folder / "sim")


@asynccontextmanager
async def house(
    folder: Path, names: Sequence[str], patch: pytest.MonkeyPatch | None = None, clock: Clock | None = None
) -> AsyncIterator[House]:
    """Run the named devices of the demo hotel and a box for them; the rooms are in its mirror. No central. `patch` is needed for BLE."""
    devices = tuple(device for device in demo_hotel() if device.name in names)
    lines = {"east": broker.free_port(), "west": broker.free_port()}
    ports = Ports(1, 0, broker.free_port(), 1, 1, broker.free_port(), lines)
    keys = _keys(devices)
    home, simulated = _prepared(folder, devices, ports, keys)
    accounts = broker.Accounts("demo", {name: held["mqtt_password"] for name, held in keys.items()})
    _, child = await broker.start(folder / "broker", accounts, ports.host, ports.broker)
    await simulated.start()
    try:
        async with contextlib.AsyncExitStack() as stack:
            if patch is not None:
                await stack.enter_async_context(bleak_at(patch, f"unix:path={folder / 'sim' / 'bluez.sock'}"))
            found = House(await _running(stack, home, clock or SystemClock()), simulated)
            for device in devices:
                if device.room and device.door:
                    await found.put("room", device.room, RoomBody("double", 2, (device.door,), Care.INSPECTED))
            yield found
    finally:
        await simulated.stop()
        await child.stop()


async def _running(stack: contextlib.AsyncExitStack, home: Home, clock: Clock) -> Parts:
    """Build and run the box; the stack ends it."""
    store = Store(home.data / "box.db", journal.STEPS)
    store.open()
    stack.push_async_callback(store.close)
    loaded = configuration.load(home.config / "gateway.yaml")
    parts = app.build(loaded, home, clock, store)
    password = Keys(home).mqtt_password("gateway")
    buses = open_buses(loaded.told.buses, drops=parts.drops, client_id="gateway-test", mqtt_password=password)
    tasks = [asyncio.create_task(part) for part in app.running(parts, await stack.enter_async_context(buses))]

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(end)
    return parts
