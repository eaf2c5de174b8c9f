"""Which kinds of devices there are: the modules of this package, and what other packages offer as entry points `latchkey.drivers`."""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from gateway.buses.open import Buses
from gateway.device import Driver, Drops, Memory, Setting

GROUP = "latchkey.drivers"
OURS = (
    "mqtt_lock",
    "mqtt_encoder",
    "mqtt_minibar",
    "mqtt_room",
    "modbus_lock",
    "modbus_encoder",
    "modbus_minibar",
    "modbus_room",
    "ble_lock",
    "bthome_sensor",
)


class DriverModule(Protocol):
    """What a driver module has."""

    Settings: Any  # a pydantic dataclass: the `settings:` block

    def connect(self, setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> Driver:
        """Make the driver of one device."""


class UnknownKind(LookupError):
    """No driver has this name."""


def kinds() -> tuple[str, ...]:
    """Every kind that a configuration may name, ours first."""
    return OURS + tuple(sorted(entry_points(group=GROUP).names))


def load(kind: str) -> DriverModule:
    """The module of `kind`. Raises UnknownKind; the caller has `kinds()` for a suggestion."""
    if kind in OURS:
        return cast("DriverModule", import_module(f"gateway.drivers.{kind}"))
    for entry in entry_points(group=GROUP, name=kind):
        return cast("DriverModule", entry.load())
    raise UnknownKind(kind)
