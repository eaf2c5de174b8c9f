"""A box with bars and rooms and no wires: events go in as drivers report them, time is moved by hand, facts come out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from gateway.device import Code, Command, Condition, Confirmed, Event, Op, Refused, Reply, State, Transport, Unreachable
from gateway.engine import Engine, Unit
from gateway.minibars import Minibars
from gateway.occupancies import Occupancies
from gateway.rules.charges import Fridge
from gateway.store import Store
from gateway.sync import journal
from gateway.tenancies import Tenancies
from gateway.wishes import Wishes
from host.clock import ManualClock
from tests.gateway.bars import LOG, NOON
from wire import codec
from wire.entities import Body, Item, PriceListBody, PropertyBody
from wire.facts import Fact
from wire.messages import FeedRow

F = TypeVar("F", bound=Fact)
UNITS = {
    unit.name: unit
    for unit in (
        Unit("bar-201", "minibar", "201"),
        Unit("room-201", "room", "201"),
        Unit("lock-201", "lock", "201", 201),
        Unit("room-202", "room", "202"),
    )
}
FRIDGES = {"bar-201": Fridge("bar-201", "201", {1: "cola", 2: "beer", 3: "water"})}
HOTEL = PropertyBody(42, "Demo", "Europe/Paris", "EUR", "15:00", "11:00", NOON.date(), ("en", "zh"), simulated=True)
PRICES = {"cola": 300, "beer": 450, "water": 200}


def prices(version: int, valid_from: datetime, **cost: int) -> PriceListBody:
    return PriceListBody("minibar", version, valid_from, tuple(Item(sku, {"en": sku}, minor, "goods") for sku, minor in cost.items()))


@dataclass
class FakeDevice:
    """Does what it is told, unless it is away or says no."""

    name: str
    transport: Transport = "mqtt"
    away: bool = False
    code: Code = Code.OK
    told: list[Op] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    watchers: list[Callable[[], None]] = field(default_factory=list)

    async def apply(self, command: Command) -> Reply:
        await asyncio.sleep(0)
        self.commands.append(command)
        for watcher in self.watchers:
            watcher()
        if self.away:
            raise Unreachable(self.name, "no answer", "Check its power.")
        if self.code is Code.OK:
            self.told.append(command.op)
        return Reply(self.code)

    async def confirmed(self) -> Confirmed:
        raise Refused(self.name, Code.UNSUPPORTED, "no lock", "Nothing to do.")


@dataclass
class Rooms:
    """The parts, and hands for them."""

    folder: Path
    clock: ManualClock
    store: Store
    engine: Engine
    tenancies: Tenancies
    minibars: Minibars
    occupancies: Occupancies
    devices: Mapping[str, FakeDevice]
    feed: int = 0

    async def put(self, kind: str, name: str, body: Body) -> None:
        """Central puts one entity; returns when the box has followed it."""
        self.feed += 1
        row = FeedRow(self.feed, kind, name, "put", 0, json.loads(codec.canonical(body)))
        await self.store.write(lambda tx: journal.take_row(tx, row))
        await asyncio.sleep(0)
        await self.tenancies.caught_up()
        await self.caught_up()

    async def said(self, seq: int, kind: str, device: str = "bar-201", *, ago: float = 0, log: int = LOG, **data: Any) -> None:
        """A device's event, `ago` seconds old."""
        await self.engine.emit(Event(device, log, seq, self.clock.now() - timedelta(seconds=ago), "set", kind, data))

    async def took(self, seq: int, slot: int, no: int, *, ago: float = 0) -> None:
        await self.said(seq, "slot_removed", ago=ago, slot=slot, removal_no=no)

    async def gave(self, seq: int, slot: int, no: int, after: int, *, ago: float = 0) -> None:
        await self.said(seq, "slot_returned", ago=ago, slot=slot, removal_no=no, after_s=after)

    async def is_(self, device: str, health: Any = "online", *, boot: int = 1, flags: tuple[str, ...] = ()) -> None:
        await self.engine.emit(Condition(device, health, boot, LOG, flags))

    async def shows(self, device: str, **attributes: Any) -> None:
        await self.engine.emit(State(device, attributes))

    async def later(self, seconds: float) -> None:
        """Move time; returns when everything that fell due is done."""
        self.clock.move(timedelta(seconds=seconds))
        await self.caught_up()

    async def caught_up(self) -> None:
        await self.minibars.caught_up()
        await self.occupancies.caught_up()

    def facts(self, kind: type[F]) -> list[F]:
        rows = self.store.peek(lambda db: db.execute("SELECT seq, row FROM outbox ORDER BY lane, seq").fetchall())
        read = [codec.read_row(row["seq"], bytes(row["row"])) for row in rows]
        return [fact for fact in (codec.decode_fact(row.kind, row.body) for row in read) if isinstance(fact, kind)]

    async def until(self, true: Callable[[], bool], limit_s: float = 5.0) -> None:
        """Wait for a commit, or a command to a device, after which `true()` holds."""
        news = asyncio.Event()
        for device in self.devices.values():
            device.watchers.append(news.set)
        self.store.watch(lambda _: news.set())
        async with asyncio.timeout(limit_s):
            while not true():
                await news.wait()
                news.clear()


@asynccontextmanager
async def rooms(folder: Path, now: datetime = NOON, *, grace_s: float = 60) -> AsyncIterator[Rooms]:
    """A running box; its devices are online. The same `folder` again is the same box after a restart."""
    store = Store(folder / "box.db", journal.STEPS)
    store.open()
    clock = ManualClock(now)
    engine = Engine(store, clock, UNITS, lambda _: None)
    tenancies = Tenancies(store, clock)
    minibars = Minibars(store, clock, FRIDGES, {"bar-201": timedelta(seconds=grace_s)}, engine.heard.__contains__, delivery_s=0)
    occupancies = Occupancies(store, clock, UNITS, None, engine.heard.__contains__, delivery_s=0)
    engine.listeners = (minibars, occupancies)
    devices = {name: FakeDevice(name) for name, unit in UNITS.items() if unit.device_class in {"minibar", "room"}}
    wishes = Wishes(store, clock, devices)
    tasks = [asyncio.create_task(part.run()) for part in (tenancies, minibars, occupancies, wishes)]
    found = Rooms(folder, clock, store, engine, tenancies, minibars, occupancies, devices)
    found.feed = store.peek(lambda db: db.execute("SELECT coalesce(max(seq), 0) AS seq FROM mirror").fetchone()["seq"])
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


async def opened(hotel: Rooms) -> None:
    """The devices have come up, and central has told hotel and prices."""
    for device in UNITS:
        await hotel.is_(device)
    await hotel.put("property", "demo", HOTEL)
    await hotel.put("price_list", "minibar/1", prices(1, hotel.clock.now() - timedelta(days=1), **PRICES))
