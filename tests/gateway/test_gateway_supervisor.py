"""Devices come and go: each is started again, none stops another; clocks are set, strangers listed, frames counted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import clocks, health, supervisor
from gateway.buses.open import Buses
from gateway.clocks import ClockSetter
from gateway.device import Code, Command, Condition, Confirmed, Driver, Emit, Reply, SetClock, Setting, Unreachable
from gateway.drivers.registry import DriverModule
from gateway.engine import Engine, Unit
from gateway.health import DropCounts
from gateway.reconcile import Port
from gateway.store import Store
from gateway.supervisor import Handle, Planned, Supervisor
from gateway.sync import journal
from gateway.turns import Turns
from host.clock import ManualClock
from tests.gateway.houses import NOON


class Flaky:
    """A driver that fails so many times before it runs."""

    transport = "mqtt"

    def __init__(self, name: str, failures: int, error: Exception | None = None) -> None:
        self.name, self.failures, self.error = name, failures, error
        self.starts = 0
        self.commands: list[Command] = []
        self.code = Code.OK
        self.silent = 0  # so many commands are not answered
        self.running = asyncio.Event()

    def connect(self, *_: object) -> Driver:
        return cast("Driver", self)

    async def run(self, emit: Emit) -> None:
        self.starts += 1
        if self.starts <= self.failures:
            raise self.error or Unreachable(self.name, "no answer", "Check its power.")
        await emit(Condition(self.name, "online", 1, 7))
        self.running.set()
        await asyncio.Event().wait()

    async def apply(self, command: Command) -> Reply:
        self.commands.append(command)
        if len(self.commands) <= self.silent:
            raise Unreachable(self.name, "no answer", "Check its power.")
        return Reply(self.code)

    async def confirmed(self) -> Confirmed:
        return Confirmed(0, 0, 0, 0, 0)


def handle(driver: Flaky, kind: str = "mqtt_lock") -> Handle:
    setting = Setting(driver.name, "demo", bytes(32), {})
    return Handle(Planned(setting, kind, cast("DriverModule", SimpleNamespace(connect=driver.connect, Settings=None))))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "box.db", journal.STEPS)
    made.open()
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(supervisor, "BUG_WAIT_S", 0.01)


def house(store: Store, *drivers: Flaky) -> tuple[Supervisor, dict[str, Handle]]:
    handles = {driver.name: handle(driver) for driver in drivers}
    units = {driver.name: Unit(driver.name, "lock") for driver in drivers}
    clock = ManualClock(NOON)
    return Supervisor(handles, Engine(store, clock, units, lambda _: None), DropCounts(clock), clock.now), handles


async def running(doing: Any, until: Callable[[], Any]) -> None:
    task = asyncio.create_task(doing)
    try:
        async with asyncio.timeout(5):
            await until()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_lost_device_is_started_again_and_stops_no_other(store: Store) -> None:
    bad, good = Flaky("lock-1", 3), Flaky("lock-2", 0)
    boss, handles = house(store, bad, good)

    async def both() -> None:
        await good.running.wait()
        await bad.running.wait()

    await running(boss.run(Buses()), both)
    assert (bad.starts, good.starts) == (4, 1)
    assert (handles["lock-1"].restarts, handles["lock-1"].why) == (3, "no answer")


async def test_a_fault_in_a_drivers_own_code_stops_no_other_either(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Flaky("lock-1", 1, ZeroDivisionError()), Flaky("lock-2", 0)
    boss, handles = house(store, bad, good)
    await running(boss.run(Buses()), bad.running.wait)
    assert handles["lock-1"].why == "ZeroDivisionError in its driver"
    assert good.starts == 1


async def test_a_device_that_is_being_started_again_is_unreachable(store: Store) -> None:
    one = handle(Flaky("lock-1", 0))
    with pytest.raises(Unreachable, match="started again"):
        await one.apply(Command(cast("Any", None), SetClock(NOON, 1), NOON))
    with pytest.raises(Unreachable):
        await one.confirmed()


@pytest.mark.parametrize(("kind", "way"), [("mqtt_lock", "mqtt"), ("modbus_room", "modbus"), ("ble_lock", "ble"), ("bthome_sensor", "ble")])
def test_the_way_to_a_device_is_in_its_drivers_name(kind: str, way: str) -> None:
    driver = cast("Any", SimpleNamespace(name="d", connect=None))
    assert handle(driver, kind).transport == way


async def test_a_clock_is_set_at_connect_and_again_only_when_it_is_wrong(store: Store) -> None:
    driver, clock = Flaky("lock-1", 0), ManualClock(NOON)
    setter = ClockSetter(store, clock, {"lock-1": cast("Port", driver)})
    task = asyncio.create_task(setter.run())
    setter.want("lock-1")
    async with asyncio.timeout(5):
        while not driver.commands:
            await asyncio.sleep(0)
    setter.want("lock-1", offset_s=5)
    setter.want("lock-1", offset_s=500)  # an older message: it was set a moment ago
    setter.want("sensor")
    assert setter._due.empty()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (command,) = driver.commands
    assert isinstance(command.op, SetClock)
    assert (command.op.at, command.op.version) == (NOON, (1 << 24) + 1)


async def test_a_clock_that_could_not_be_set_is_tried_again_and_not_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "AGAIN_S", 0.001)
    away, back = Flaky("lock-1", 0), Flaky("lock-2", 0)
    away.silent, back.silent = 99, 1
    away.transport = back.transport = "ble"
    setter = ClockSetter(store, ManualClock(NOON), {"lock-1": cast("Port", away), "lock-2": cast("Port", back)})
    task = asyncio.create_task(setter.run())
    setter.want("lock-1")
    setter.want("lock-2")
    async with asyncio.timeout(5):
        while len(away.commands) < 3 or len(back.commands) < 2:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (len(away.commands), len(back.commands)) == (3, 2)


async def test_an_untrusted_clock_sets_nobodys(store: Store) -> None:
    driver, clock = Flaky("lock-1", 0), ManualClock(NOON, "untrusted")
    setter = ClockSetter(store, clock, {"lock-1": cast("Port", driver)})
    task = asyncio.create_task(setter.run())
    setter.want("lock-1")
    while not setter._due.empty():
        await asyncio.sleep(0)
    await store.write(lambda tx: None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert driver.commands == []


async def test_strangers_are_listed_with_what_they_said_and_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MOST_STRANGERS", 3)
    clock = ManualClock(NOON)
    drops = DropCounts(clock)
    for number in (1, 1, 2, 3, 4):
        drops.stranger("mqtt", f"lock-{number}", "x" * 500)
    await drops.flush(store)
    clock.move(timedelta(minutes=1))
    drops.stranger("mqtt", "lock-1", "hello")
    await drops.flush(store)
    rows = await store.read(health.strangers)
    assert [(row["address"], row["count"]) for row in rows] == [("lock-1", 3), ("lock-2", 1), ("lock-3", 1)]
    assert rows[0]["said"] == "hello"
    assert len(rows[1]["said"]) == 200
    assert drops.turned_away == 1


async def test_frames_without_effect_are_counted_by_way_device_and_reason() -> None:
    drops = DropCounts(ManualClock(NOON))
    drops.drop("mqtt", "lock-1", "bad_tag")
    drops.drop("mqtt", "lock-1", "bad_tag", 2)
    drops.drop("modbus", None, "malformed")
    assert [(row["device"], row["reason"], row["count"]) for row in drops.as_rows()] == [(None, "malformed", 1), ("lock-1", "bad_tag", 3)]


async def test_the_arriving_guest_goes_first_at_a_narrow_gate() -> None:
    turns, order = Turns(1), []

    async def one(name: str, rank: int) -> None:
        async with turns.mine(rank):
            order.append(name)
            await asyncio.sleep(0)

    async with turns.mine(0):
        tasks = [asyncio.create_task(one(name, rank)) for name, rank in (("ping", 2), ("leaving", 1), ("arriving", 0), ("also", 0))]
        await asyncio.sleep(0)
        tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["arriving", "also", "ping"]
    async with asyncio.timeout(1), turns.mine(5):
        pass
