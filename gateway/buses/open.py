"""Which buses a box has, and their opening and closing. The only place that knows all three."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.ble import BleBus, BleSettings
from gateway.buses.modbus import ModbusLine, ModbusSettings
from gateway.buses.mqtt import MqttBus, MqttSettings
from gateway.device import Drops


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class BusesSettings:
    """The `buses:` block of gateway.yaml. What is not named does not exist."""

    mqtt: MqttSettings | None = None
    modbus: ModbusSettings | None = None
    ble: BleSettings | None = None


@dataclass(frozen=True, slots=True)
class Buses:
    """The connections that drivers share. Drivers take what they need and say so when it is missing."""

    mqtt: MqttBus | None = None
    modbus: Mapping[str, ModbusLine] = field(default_factory=dict)
    ble: BleBus | None = None

    def trouble(self) -> list[str]:
        """What is wrong with the buses themselves, a line each: broker, Modbus lines, adapter."""
        told = (bus.trouble for bus in (self.mqtt, *self.modbus.values(), self.ble) if bus is not None)
        return [trouble for trouble in told if trouble is not None]


@asynccontextmanager
async def open_buses(settings: BusesSettings, *, drops: Drops, client_id: str, mqtt_password: str | None = None) -> AsyncIterator[Buses]:
    """Open all buses and keep them until the block ends; waits for none of them, so a box starts without broker, line or radio.

    `client_id` names the box's persistent session at the broker: fixed per box.
    """
    mqtt = MqttBus(settings.mqtt, drops, client_id=client_id, password=mqtt_password) if settings.mqtt else None
    lines = {name: ModbusLine(name, line, drops) for name, line in (settings.modbus.lines if settings.modbus else {}).items()}
    ble = BleBus(settings.ble, drops) if settings.ble else None
    tasks = [asyncio.create_task(bus.run(), name=f"bus {type(bus).__name__}") for bus in (mqtt, ble) if bus is not None]
    try:
        yield Buses(mqtt, lines, ble)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for line in lines.values():
            await line.close()
