"""Composition root of the box: builds every part from the configuration and the keys, runs them, and ends them in order.

The only place of the box that reads the system's clock.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from gateway.bars import forget_old_takes
from gateway.buses.open import Buses, open_buses
from gateway.clocks import ClockSetter
from gateway.configuration import Configuration, DeviceSettings
from gateway.desk import schema as desk
from gateway.device import Setting
from gateway.drivers.mqtt_strangers import watch_strangers
from gateway.engine import Engine, News, Unit, forget_old_events
from gateway.health import DropCounts
from gateway.jobs import Jobs
from gateway.keys import Enrolled, Keys
from gateway.minibars import Minibars
from gateway.occupancies import Occupancies
from gateway.planner import Planner
from gateway.reconcile import Reconciler
from gateway.store import Store, StoreError
from gateway.supervisor import Handle, Planned, Supervisor
from gateway.sync import journal
from gateway.sync.link import Link, Peer
from gateway.tenancies import Tenancies
from gateway.wishes import Wishes
from host.clock import Clock, SystemClock
from host.exits import HostError, Refused
from host.home import Home
from host.notify import Notifier
from host.serving import served
from host.simulated_clock import SimulatedClock
from wire.entities import PropertyBody

SWEEP_S = 10.0
STEP_LIMIT_S = 10.0  # a silent door must not hold up the hotel's clock for longer
TRIM_SWEEPS = 360  # hourly
BUSY = 10_000  # changes waiting for the disk: the box is not well

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The running box, for the console and for tests."""

    configuration: Configuration
    clock: Clock
    store: Store
    drops: DropCounts
    units: dict[str, Unit]
    engine: Engine
    supervisor: Supervisor
    planner: Planner
    reconciler: Reconciler
    jobs: Jobs
    clocks: ClockSetter
    tenancies: Tenancies
    minibars: Minibars
    occupancies: Occupancies
    wishes: Wishes
    link: Link | None
    enrolled: Enrolled | None


def build(configuration: Configuration, home: Home, clock: Clock, store: Store) -> Parts:
    """Put the parts together; nothing runs yet. `store` is open. Raises HostError for a missing key."""
    told, keys = configuration.told, Keys(home)
    enrolled = keys.enrolled()
    if enrolled is not None and enrolled.slug != told.property:
        raise HostError(f"{configuration.file} is for {told.property}, this box belongs to {enrolled.slug}", "Use another LATCHKEY_HOME")
    drops = DropCounts(clock)
    units = {device.name: Unit(device.name, device.device_class, device.room, device.door, device.lock) for device in told.devices}
    handles = {device.name: Handle(_planned(configuration, device, keys)) for device in told.devices}
    locks = {unit.door: handles[name] for name, unit in units.items() if unit.device_class == "lock" and unit.door is not None}
    planner = Planner(store, clock, configuration.doors())
    reconciler = Reconciler(store, clock, locks)
    clocks = ClockSetter(store, clock, {name: handle for name, handle in handles.items() if units[name].device_class != "sensor"})
    engine = Engine(store, clock, units, lambda news: _answer(news, reconciler, clocks))
    minibars = Minibars(store, clock, configuration.fridges(), configuration.graces(), engine.heard.__contains__)
    occupancies = Occupancies(store, clock, units, configuration.policy(), engine.heard.__contains__)
    engine.listeners = (minibars, occupancies)
    wishes = Wishes(store, clock, {name: handles[name] for name, unit in units.items() if unit.device_class in {"minibar", "room"}})
    supervisor = Supervisor(handles, engine, drops, clock.now)
    jobs = Jobs(store, clock, planner, handles, units)
    link = None
    if told.central is not None and enrolled is not None:
        link = Link(store, Peer(told.central.url, enrolled.token, enrolled.box_id, version("latchkey")), clock, jobs.take)
    core = (drops, units, engine, supervisor, planner, reconciler, jobs, clocks)
    return Parts(configuration, clock, store, *core, Tenancies(store, clock), minibars, occupancies, wishes, link, enrolled)


def _planned(configuration: Configuration, device: DeviceSettings, keys: Keys) -> Planned:
    lock = device.lock if device.device_class == "lock" else None
    setting = Setting(device.name, configuration.told.property, keys.k_dev(device.name), device.settings, lock, device.door)
    return Planned(setting, device.kind, configuration.modules[device.kind])


def _answer(news: News, reconciler: Reconciler, clocks: ClockSetter) -> None:
    """A device came up, was restarted, disagrees or runs wrong: ask it what it holds, set its clock."""
    fresh = news.came_up or news.restarted
    if news.unit.door is not None and news.unit.device_class == "lock" and (fresh or news.disagrees):
        reconciler.look(news.unit.door)
    if fresh:
        clocks.want(news.unit.name)
    elif news.condition.clock_offset_s is not None:
        clocks.want(news.unit.name, offset_s=news.condition.clock_offset_s)


# ---------------------------------------------------------------- running


async def run(configuration: Configuration, home: Home, say: Callable[[str], None]) -> None:
    """Run the box until SIGTERM or SIGINT. `say` gets one line when it serves. Raises HostError."""
    clock = await _clock(configuration)
    store = Store(home.data / "box.db", journal.STEPS, desk.STEPS)
    store.open()
    store.ballast.load()
    try:
        parts = build(configuration, home, clock, store)
        refuse_a_wrong_clock(parts)
        if store.set_aside is not None:
            say(f"the store was damaged and is set aside as {store.set_aside.name}; what central knows comes back from central")
        if parts.link is None:
            say("not enrolled, or no central in the configuration: working alone")
        await _serve(parts, home, say)
    finally:
        await store.close()
        if isinstance(clock, SimulatedClock):
            await clock.stop()


async def _clock(configuration: Configuration) -> Clock:
    told = configuration.told.clock
    if told is None:
        return SystemClock()
    clock = SimulatedClock(told.simulated, "gateway")
    await clock.start()
    return clock


def refuse_a_wrong_clock(parts: Parts) -> None:
    """A simulated clock is for a simulated property only; raise Refused for another. An empty mirror says nothing yet."""
    body = parts.store.peek(lambda db: journal.body(db, "property", parts.configuration.told.property))
    if isinstance(parts.clock, SimulatedClock) and isinstance(body, PropertyBody) and not body.simulated:
        raise Refused(
            f"{parts.configuration.told.property} is a real hotel: it cannot run by a simulated clock", "Take clock.simulated out"
        )


async def _serve(parts: Parts, home: Home, say: Callable[[str], None]) -> None:
    from gateway.console import console

    told = parts.configuration.told
    keys, mqtt = Keys(home), told.buses.mqtt
    password = keys.mqtt_password(mqtt.username) if mqtt and mqtt.username else None
    notifier, ending = Notifier(), _signals()
    client = f"gateway-{parts.enrolled.box_id if parts.enrolled else told.property}"
    if isinstance(parts.clock, SimulatedClock):
        parts.clock.on_step(lambda: _worked_off(parts))
    async with (
        open_buses(told.buses, drops=parts.drops, client_id=client, mqtt_password=password) as buses,
        served(console(parts), told.listen.host, told.listen.port) as serving,
    ):
        if buses.mqtt is not None:
            watch_strangers(buses.mqtt, told.property, parts.units.keys(), parts.drops)
        await parts.jobs.recover()
        if parts.link is not None:
            parts.link.start()
        say(f"serving {told.property} at {serving.url}")
        notifier.ready(f"{len(told.devices)} devices")
        try:
            await _until_the_end(parts, buses, ending, notifier)
        finally:
            notifier.stopping()
            await parts.jobs.stop()
            if parts.link is not None:
                await parts.link.stop()


async def _worked_off(parts: Parts) -> None:
    """After a step of simulated time: what fell due is planned, and the doors that answer hold it."""
    await parts.planner.caught_up()
    await parts.tenancies.caught_up()
    await asyncio.gather(parts.minibars.caught_up(), parts.occupancies.caught_up())
    await parts.reconciler.settled(STEP_LIMIT_S)


def _signals() -> asyncio.Event:
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: the caller ends us by cancelling
            loop.add_signal_handler(number, ending.set)
    return ending


class _Ending(Exception):
    """The program was asked to end."""


async def _until_the_end(parts: Parts, buses: Buses, ending: asyncio.Event, notifier: Notifier) -> None:
    async def ended() -> None:
        await ending.wait()
        raise _Ending

    try:
        async with asyncio.TaskGroup() as tasks:
            for part in running(parts, buses):
                tasks.create_task(part)
            tasks.create_task(notifier.keep_alive(lambda: parts.store.backlog < BUSY))
            tasks.create_task(ended())
    except* _Ending:
        pass


def running(parts: Parts, buses: Buses) -> list[Any]:
    """Return the coroutines that make the box live; each runs until cancelled."""
    return [
        parts.planner.run(),
        parts.reconciler.run(),
        parts.clocks.run(),
        parts.tenancies.run(),
        parts.minibars.run(),
        parts.occupancies.run(),
        parts.wishes.run(),
        parts.supervisor.run(buses),
        _sweep(parts),
    ]


async def _sweep(parts: Parts) -> None:
    """Commit what nobody waited for; forget what is old; look whether the property fits the clock."""
    sweeps = 0
    while True:
        await asyncio.sleep(SWEEP_S)
        sweeps += 1
        try:
            await parts.engine.flush()
            await parts.drops.flush(parts.store)
            if sweeps % TRIM_SWEEPS == 0:
                now = parts.clock.now()
                await parts.store.write(lambda tx: forget_old_events(tx, now))  # noqa: B023 - awaited here
                await parts.store.write(lambda tx: forget_old_takes(tx, now))  # noqa: B023
        except StoreError as why:
            _log.error("upkeep: %s", why)
        refuse_a_wrong_clock(parts)
