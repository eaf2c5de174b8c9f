"""gateway.yaml: what it may say, and every mistake in it with file, line and column. Names devices, never secrets."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.open import BusesSettings
from gateway.device import LockKind
from gateway.drivers import registry
from gateway.drivers.registry import DriverModule, UnknownKind
from gateway.rules.charges import Fridge
from gateway.rules.hotel import Door
from gateway.rules.occupancy import Policy
from host.configuration import ConfigurationError, Document, Problem, Section, read

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")  # also a part of MQTT topics
SLUG = re.compile(r"[a-z][a-z0-9-]{0,31}")  # a property's, as central has it; also a part of MQTT topics
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Sku = Annotated[str, Field(min_length=1, max_length=64)]
_FORBID = ConfigDict(extra="forbid")


class CentralSettings(Section):
    """Where central answers; http only on loopback."""

    url: str


class ClockSettings(Section):
    """A simulated clock; refused unless the property is marked simulated."""

    simulated: str


class ListenSettings(Section):
    """Where the console is served."""

    host: str = "127.0.0.1"
    port: int = Field(default=8801, ge=0, le=65535)


class DeviceSettings(Section):
    """One device."""

    name: str
    kind: str
    room: str | None = None
    door: int | None = Field(default=None, ge=1, le=65535)
    lock: LockKind = LockKind.ONLINE
    settings: dict[str, Any] = Field(default_factory=dict)
    slots: dict[Annotated[int, Field(ge=1, le=65535)], Sku] = Field(default_factory=dict)  # of a minibar: what lies where
    grace_s: float | None = Field(default=None, ge=0, le=600)  # of a minibar: how long a bottle may still be put back

    @property
    def device_class(self) -> str:
        """Lock, encoder, minibar, room or sensor: the last word of the driver's name."""
        return self.kind.rpartition("_")[2]


class OccupancySettings(Section):
    """How long a room must be quiet before it counts as empty, and how long its door may stand open."""

    quiet_s: float = Field(default=1800, ge=60, le=14_400)
    night_factor: int = Field(default=2, ge=1, le=4)
    ajar_s: float = Field(default=300, ge=10, le=3600)
    ajar_counts_as_shut: bool = False


class DoorSettings(Section):
    """A door without a device: only cards know it."""

    door: int = Field(ge=1, le=65535)
    room: str | None = None
    kind: LockKind = LockKind.DATA_ON_CARD


class GatewaySettings(Section):
    """The whole file."""

    property: str
    central: CentralSettings | None = None
    clock: ClockSettings | None = None
    listen: ListenSettings = ListenSettings()
    buses: BusesSettings = BusesSettings()
    devices: tuple[DeviceSettings, ...] = ()
    doors: tuple[DoorSettings, ...] = ()
    occupancy: OccupancySettings = OccupancySettings()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What `load` found, checked against the drivers. `settings` = each device's own block as its driver's model read it, by name."""

    file: Path
    told: GatewaySettings
    modules: Mapping[str, DriverModule] = field(default_factory=dict)  # by kind

    def doors(self) -> dict[int, Door]:
        """Return every door that the file names, with its device."""
        made = {entry.door: Door(entry.door, entry.kind) for entry in self.told.doors}
        locks = (device for device in self.told.devices if device.device_class == "lock" and device.door is not None)
        return made | {lock.door: Door(lock.door, lock.lock, lock.name) for lock in locks if lock.door is not None}

    def fridges(self) -> dict[str, Fridge]:
        """Return every minibar that stands in a room, by device."""
        bars = (device for device in self.told.devices if device.device_class == "minibar")
        return {bar.name: Fridge(bar.name, bar.room, bar.slots) for bar in bars if bar.room is not None}

    def graces(self) -> dict[str, timedelta]:
        """Return how long a bottle of each minibar may still be put back, where the file says so."""
        return {device.name: timedelta(seconds=device.grace_s) for device in self.told.devices if device.grace_s is not None}

    def policy(self) -> Policy:
        """Return the rules of occupancy; the time zone comes with the property."""
        told = self.told.occupancy
        return Policy(
            quiet=timedelta(seconds=told.quiet_s),
            night_factor=told.night_factor,
            ajar=timedelta(seconds=told.ajar_s),
            ajar_counts_as_shut=told.ajar_counts_as_shut,
        )


def load(path: Path) -> Configuration:
    """Read and check gateway.yaml; raise ConfigurationError with every problem that was found, in file order."""
    document = read(path)
    told = document.check(GatewaySettings)
    modules: dict[str, DriverModule] = {}
    problems = [*_names(document, told), *_places(document, told), *_bars(document, told), *_plain_http(document, told)]
    for number, device in enumerate(told.devices):
        problems += _driver(document, told, number, device, modules)
    if problems:
        raise ConfigurationError(problems)
    return Configuration(path, told, modules)


def _names(document: Document, told: GatewaySettings) -> Iterator[Problem]:
    if not SLUG.fullmatch(told.property):
        yield document.problem("property", "expected the property's slug: small letters, digits and hyphens, at most 32 long")
    seen: dict[str, int] = {}
    for number, device in enumerate(told.devices):
        key = f"devices.{number}.name"
        if not NAME.fullmatch(device.name):
            yield document.problem(key, "expected a name of small letters, digits and hyphens, at most 48 long")
        if device.name in seen:
            yield document.problem(key, f"expected a name of its own; devices.{seen[device.name]} has this one")
        seen.setdefault(device.name, number)


def _places(document: Document, told: GatewaySettings) -> Iterator[Problem]:
    """Doors, Modbus units and radio addresses may be given once each."""
    seen: dict[tuple[object, ...], str] = {}

    def taken(key: str, *place: object) -> Iterator[Problem]:
        if place in seen:
            yield document.problem(key, f"expected one that nobody else has; {seen[place]} has this one")
        seen.setdefault(place, key.rpartition(".")[0].removesuffix(".settings"))

    for number, device in enumerate(told.devices):
        key = f"devices.{number}"
        if device.device_class == "lock" and device.door is None:
            yield document.problem(f"{key}.door", "expected the number of the door that this lock is on")
        if device.door is not None:
            yield from taken(f"{key}.door", "door", device.door)
        if "unit" in device.settings:
            yield from taken(f"{key}.settings.unit", "unit", device.settings.get("line"), device.settings["unit"])
        if "address" in device.settings:
            yield from taken(f"{key}.settings.address", "address", str(device.settings["address"]).upper())
    for number, door in enumerate(told.doors):
        yield from taken(f"doors.{number}.door", "door", door.door)
        if door.kind is not LockKind.DATA_ON_CARD:
            yield document.problem(f"doors.{number}.kind", "a door with a lock on the line is a device; expected data_on_card here")


def _bars(document: Document, told: GatewaySettings) -> Iterator[Problem]:
    """Only minibars have slots and a grace."""
    for number, device in enumerate(told.devices):
        if device.device_class != "minibar":
            for key in ("slots", "grace_s"):
                if getattr(device, key):
                    yield document.problem(f"devices.{number}.{key}", "only a minibar has this")


def _plain_http(document: Document, told: GatewaySettings) -> Iterator[Problem]:
    if told.central is not None:
        scheme, host = _address(told.central.url)
        if host is None or not (scheme == "https" or (scheme == "http" and host in LOOPBACK)):
            yield document.problem("central.url", "expected https://… (plain http only to this machine)")
    if told.clock is not None and (_address(told.clock.simulated)[0] != "http" or _address(told.clock.simulated)[1] is None):
        yield document.problem("clock.simulated", "expected the address of a clock server, such as http://127.0.0.1:8803")
    if told.listen.host not in LOOPBACK:
        yield document.problem("listen.host", "expected an address of this machine only, such as 127.0.0.1: the console has no TLS yet")


def _address(url: str) -> tuple[str, str | None]:
    """Return scheme and host of a URL; no host when it cannot be one."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname if parts.port != 0 else None
    except ValueError:  # no number as port, or one that no port has
        return "", None


def _driver(
    document: Document, told: GatewaySettings, number: int, device: DeviceSettings, modules: dict[str, DriverModule]
) -> Iterable[Problem]:
    key = f"devices.{number}"
    try:
        module = modules[device.kind] = modules.get(device.kind) or registry.load(device.kind)
    except UnknownKind:
        return [document.problem(f"{key}.kind", "expected the name of a driver", options=registry.kinds())]
    except ImportError as why:
        return [document.problem(f"{key}.kind", f"this driver cannot be loaded ({why})")]
    problems = list(_bus(document, told, number, device))
    try:
        document.at(f"{key}.settings").check(module.Settings)
    except ConfigurationError as found:
        problems += found.problems
    return problems


def _bus(document: Document, told: GatewaySettings, number: int, device: DeviceSettings) -> Iterator[Problem]:
    """The bus that a driver of ours stands on must be in the file, and the line that the device names."""
    way = device.kind.partition("_")[0]
    bus = {"mqtt": told.buses.mqtt, "modbus": told.buses.modbus, "ble": told.buses.ble, "bthome": told.buses.ble}
    if way in bus and bus[way] is None:
        yield document.problem(f"devices.{number}.kind", f"needs buses.{'ble' if way == 'bthome' else way}, and the file has none")
    elif way == "modbus" and told.buses.modbus is not None:
        lines = tuple(told.buses.modbus.lines)
        if device.settings.get("line") not in lines:
            yield document.problem(f"devices.{number}.settings.line", "expected the name of one of buses.modbus.lines", options=lines)


@settings_dataclass(frozen=True, slots=True, config=_FORBID)
class NoSettings:
    """The `settings:` block of a driver that has none."""
