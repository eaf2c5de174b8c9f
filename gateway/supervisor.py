"""Runs every device's driver: one task each, started again when it is lost. A device that is down stops no other."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.buses.open import Buses
from gateway.device import Command, Confirmed, DeviceError, Driver, Drops, Reply, Setting, Transport, Unreachable
from gateway.drivers.registry import DriverModule
from gateway.engine import Engine

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0  # reconnects on the hotel's own network
BUG_WAIT_S = 30.0  # a driver that breaks in its own code is not hurried

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Planned:
    """One device to run: its driver's module, what it is told, its kind's name and way."""

    setting: Setting
    kind: str
    module: DriverModule

    @property
    def transport(self) -> Transport:
        """The way to the device, by the driver's name; what is on no bus of ours counts as MQTT."""
        return "modbus" if self.kind.startswith("modbus") else "ble" if self.kind.startswith(("ble", "bthome")) else "mqtt"


class Handle:
    """One device as the core uses it; there is one as long as the program runs, whatever happens to the driver."""

    def __init__(self, planned: Planned) -> None:
        self.planned = planned
        self.name = planned.setting.name
        self.kind = planned.kind
        self.transport: Transport = planned.transport
        self.driver: Driver | None = None
        self.restarts = 0
        self.why = ""  # why it was last started again

    async def apply(self, command: Command) -> Reply:
        """As Driver.apply; also raises Unreachable while the driver is being started again."""
        return await self._running().apply(command)

    async def confirmed(self) -> Confirmed:
        """As Driver.confirmed; also raises Unreachable while the driver is being started again."""
        return await self._running().confirmed()

    def _running(self) -> Driver:
        if self.driver is None:
            raise Unreachable(self.name, "its connection is being started again", "Wait a moment; if it stays so, check its power.")
        return self.driver


class Supervisor:
    """All devices of the box."""

    def __init__(self, handles: Mapping[str, Handle], engine: Engine, drops: Drops, now: Callable[[], datetime]) -> None:
        self._engine, self._drops, self._now = engine, drops, now
        self.handles = handles
        self.buses = Buses()  # until `run` is told of them

    async def run(self, buses: Buses) -> None:
        """Keep every driver running until cancelled."""
        self.buses = buses
        async with asyncio.TaskGroup() as tasks:
            for name, handle in self.handles.items():
                tasks.create_task(self._keep(handle, buses), name=f"device {name}")

    async def _keep(self, handle: Handle, buses: Buses) -> None:
        name, pause = handle.name, FIRST_WAIT_S
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._once(handle, buses)
                handle.why = "ended by itself"
            except DeviceError as why:
                handle.why = why.what
                _log.info("%s", why)
            except Exception as why:  # noqa: BLE001 - a fault in one driver must not stop the hotel
                handle.why = f"{type(why).__name__} in its driver"
                _log.exception("%s: its driver has a fault and is started again", name)
                pause = BUG_WAIT_S
            finally:
                handle.driver = None
            self._engine.lost(name)
            handle.restarts += 1
            if asyncio.get_running_loop().time() - started > LONGEST_WAIT_S * 2:
                pause = FIRST_WAIT_S
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing
            pause = min(pause * 2, max(pause, LONGEST_WAIT_S))

    async def _once(self, handle: Handle, buses: Buses) -> None:
        planned, memory = handle.planned, self._engine.memory(handle.name)
        handle.driver = planned.module.connect(planned.setting, buses, memory, self._drops, self._now)
        await handle.driver.run(self._engine.emit)
