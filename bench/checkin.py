"""From the request for a check-in at central to the lock's own acknowledgement, per transport, beside a bare round trip to such a lock.

The acknowledgement is timed by the box, when it has the lock's answer and its digests (the time that the right carries as `active`);
all programs follow one clock. The bare round trip is a ping by the same driver and bus to a spare lock, without core, store and
central; it is measured in turn with the check-ins, in the same hotel. On the radio either begins with a connect, and pings go round
four locks, because a lock that is just hanging up (2.4 s) makes the next caller wait.
"""

import asyncio
import json
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import TypeAdapter

from bench.figures import quantile, spread, verdict
from demo.desk import Desk
from demo.hotel import Hotel
from demo.plan import demo_hotel, spare_locks
from demo.scenarios.box import BoxDesk
from gateway.buses.open import BusesSettings, open_buses
from gateway.device import Command, Driver, Ping, Report, Setting, Transport
from gateway.drivers.registry import load

ROUNDS = {"mqtt": 40, "modbus": 40, "ble": 12}
LIMIT_MS = {"mqtt": 1000.0, "modbus": 1000.0, "ble": 3000.0}  # design bars, p95


class _Nothing:
    """Remembers for as long as the bench runs; drops and strangers are not what is measured."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self._kept.get(key)

    def put(self, key: str, value: str) -> None:
        self._kept[key] = value

    def drop(self, transport: Transport, device: str | None, reason: str, count: int = 1) -> None:
        """Count nothing."""

    def stranger(self, transport: Transport, address: str, said: str) -> None:
        """List nobody."""


def _taken(report: Report) -> "asyncio.Future[None]":
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


@asynccontextmanager
async def _spares(hotel: Hotel) -> AsyncIterator[dict[str, list[Driver]]]:
    """Yield running drivers for the spare locks, by transport."""
    keys = json.loads((hotel.homes.box / "keys" / "devices.json").read_text())
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={hotel.bluez}"
    lines = {name: {"host": hotel.ports.host, "port": port} for name, port in hotel.ports.lines.items()}
    mqtt = {"host": hotel.ports.host, "port": hotel.ports.broker, "username": "gateway"}
    settings = TypeAdapter(BusesSettings).validate_python({"mqtt": mqtt, "modbus": {"lines": lines}, "ble": {"adapter": "hci0"}})
    nothing = _Nothing()
    async with open_buses(settings, mqtt_password=keys["gateway"]["mqtt_password"], client_id="bench", drops=nothing) as buses:
        drivers: dict[str, list[Driver]] = {}
        for device in spare_locks():
            module = load(device.kind)
            setting = Setting(device.name, "demo", bytes.fromhex(keys[device.name]["k_dev"]), device.on_box().get("settings", {}))
            made = module.connect(setting, buses, nothing, nothing, lambda: datetime.now(UTC))
            drivers.setdefault(device.binding, []).append(made)
        tasks = [asyncio.create_task(driver.run(_taken)) for same in drivers.values() for driver in same]
        try:
            yield drivers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _bare_ms(driver: Driver) -> float:
    begun = time.perf_counter()
    await driver.apply(Command(uuid.uuid4(), Ping(), datetime.now(UTC)))
    return (time.perf_counter() - begun) * 1000


class _House:
    """The hotel as the bench uses it: one guest at a time, in and out again."""

    def __init__(self, hotel: Hotel, desk: Desk) -> None:
        self.hotel, self.desk, self._count = hotel, desk, 0
        self.types: dict[str, str] = {}
        self.offset = timedelta()
        self.held: set[str] = set()

    async def learn(self) -> None:
        """Learn each room's type, which rooms the box holds, and how far the hotel's clock is from this machine's."""
        self.types = {room["room"]: room["room_type"] for room in await self.desk.board()}
        async with httpx.AsyncClient(base_url=self.hotel.box) as box:
            desk = BoxDesk(box)
            await desk.sign_in(self.hotel.prepared.login["user"], self.hotel.prepared.pin)
            self.held = {one["room"] for one in await desk.holds()}
        async with httpx.AsyncClient() as client:
            before = datetime.now(UTC)
            told = datetime.fromisoformat((await client.get(f"{self.hotel.sim}/clock")).json()["now"])
            self.offset = told - (before + (datetime.now(UTC) - before) / 2)

    async def check_in_ms(self, room: str) -> float:
        """Check a guest in to `room`, wait for the lock, check out again; return request to acknowledgement."""
        self._count += 1
        today = await self.hotel.today()
        order = await self.desk.order(
            {
                "channel": "direct",
                "channel_reference": f"bench-{self._count}",
                "guest": {"display_name": "Bench Guest"},
                "arrival": today.isoformat(),
                "nights": 1,
                "room_type": self.types[room],
            }
        )
        stay = order["reservations"][0]["reservation_id"]
        begun = datetime.now(UTC) + self.offset
        await self.desk.check_in(stay, room=room)
        doors = await self.desk.doors(stay, "active")
        acknowledged = max(datetime.fromisoformat(door["at"]) for door in doors)
        await self.desk.check_out(stay)
        await self.desk.doors(stay, "revoked")
        return (acknowledged - begun) / timedelta(milliseconds=1)


async def measure(show: Callable[[dict[str, Any]], None], rounds: int) -> dict[str, Any]:
    """Measure every transport in one hotel; `rounds` check-ins a transport (0 = ROUNDS)."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
        async with Hotel(Path(folder), devices=(*demo_hotel(), *spare_locks())) as hotel, _spares(hotel) as drivers:
            desk = Desk(hotel.central, hotel.prepared.token)
            house = _House(hotel, desk)
            await house.learn()
            for way in ("mqtt", "modbus", "ble"):
                locks = [d for d in demo_hotel() if d.cls == "lock" and d.binding == way and d.lock == "online"]
                rooms = [d.room for d in locks if d.room and d.room not in house.held]
                checked, bare = [], []
                for at in range(rounds or ROUNDS[way]):
                    bare.append(await _bare_ms(drivers[way][at % len(drivers[way])]))
                    checked.append(await house.check_in_ms(rooms[at % len(rooms)]))
                figures[way] = {"check_in_ms": spread(checked), "bare_ms": spread(bare)}
                figures[way]["ratio_p50"] = round(quantile(checked, 0.5) / quantile(bare, 0.5), 2)
                show({"transport": way, **figures[way]})
            await desk.close()
    bars = {f"{way}_p95_ms": (figures[way]["check_in_ms"]["p95"], LIMIT_MS[way]) for way in LIMIT_MS}
    return verdict(bars, name="checkin", figures=figures, ratios={way: figures[way]["ratio_p50"] for way in figures})
