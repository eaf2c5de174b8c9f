"""A minibar on a Modbus line.

Source: device sheet, Modbus binding (docs/devices).
In gateway.yaml: `{name: bar-205, kind: modbus_minibar, settings: {line: east, unit: 55}}`.
"""

from collections.abc import Callable
from datetime import datetime

from gateway.buses.open import Buses
from gateway.device import Driver, Drops, Memory, Setting
from gateway.drivers.modbus_session import ModbusDeviceSettings as Settings
from gateway.drivers.modbus_session import connect_modbus

__all__ = ["Settings", "connect"]


def connect(setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> Driver:
    """The driver of one minibar; nothing is sent before `run`."""
    return connect_modbus(setting, buses, memory, drops, now, "minibar")
