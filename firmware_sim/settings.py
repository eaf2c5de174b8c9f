"""The configuration of a simulated hotel (hotel.yaml): its form, and what only all of it together can tell to be wrong."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from host.configuration import ConfigurationError, Document, Problem, Section, read

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
PAIRS = {  # device sheet 4.0, and doors that have no link at all
    "lock": ("mqtt", "modbus", "ble", "none"),
    "encoder": ("mqtt", "modbus"),
    "minibar": ("mqtt", "modbus"),
    "room": ("mqtt", "modbus"),
    "bthome": ("ble",),
}


class Control(Section):
    """Where hands, knobs and the clock are served."""

    host: str = "127.0.0.1"
    port: Port = 8803


class Time(Section):
    """How the hotel's time begins; without a start it is the machine's."""

    start: AwareDatetime | None = None
    rate: Annotated[float, Field(ge=0, le=3600)] = 1.0


class Broker(Section):
    """Where the MQTT broker is."""

    host: str = "127.0.0.1"
    port: Port = 18830


class Line(Section):
    """One Modbus line: a TCP port that is served here, or a serial port (RTU)."""

    host: str = "127.0.0.1"
    port: Port = 15020
    serial: str | None = None
    baud: Annotated[int, Field(ge=1200, le=921600)] = 19200
    parity: Literal["N", "E", "O"] = "E"


class Modbus(Section):
    """All lines by name."""

    lines: dict[Slug, Line] = Field(default_factory=dict)


class Ble(Section):
    """The simulated Bluetooth adapter; a path that is not absolute lies in LATCHKEY_HOME."""

    socket: str = "bluez.sock"


class DeviceLine(Section):
    """One device."""

    name: Slug
    kind: Literal["lock", "encoder", "minibar", "room", "bthome"] = Field(alias="class")
    binding: Literal["mqtt", "modbus", "ble", "none"]
    line: str | None = None
    unit: Annotated[int, Field(ge=1, le=247)] | None = None
    address: Annotated[str, Field(pattern=r"^([0-9A-F]{2}:){5}[0-9A-F]{2}$")] | None = None
    door: Annotated[int, Field(ge=0, le=65535)] | None = None
    lock: Literal["online", "hybrid", "data_on_card"] = "online"
    areas: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] = 0
    slots: Annotated[int, Field(ge=1, le=32)] = 8
    encrypted: bool = False
    mains: bool | None = None


class HotelSettings(Section):
    """The whole file."""

    property: Slug
    number: Annotated[int, Field(ge=1, le=65535)]
    seed: int = 1
    control: Control = Control()
    clock: Time = Time()
    mqtt: Broker = Broker()
    modbus: Modbus = Modbus()
    ble: Ble = Ble()
    devices: list[DeviceLine]


def load(path: Path) -> HotelSettings:
    """Read and check a hotel file. Raises ConfigurationError with every problem."""
    document = read(path)
    settings = document.check(HotelSettings)
    problems = [*_control(document, settings), *_devices(document, settings)]
    if problems:
        raise ConfigurationError(problems)
    return settings


def _control(document: Document, settings: HotelSettings) -> Iterator[Problem]:
    try:
        inside = ipaddress.ip_address(settings.control.host).is_loopback
    except ValueError:
        inside = settings.control.host == "localhost"
    if not inside:
        yield document.problem("control.host", "expected an address of this machine only (127.0.0.1): whoever reaches it opens every door")


def _devices(document: Document, settings: HotelSettings) -> Iterator[Problem]:
    names: dict[str, int] = {}
    places: dict[object, int] = {}
    for at, device in enumerate(settings.devices):
        if device.name in names:
            yield document.problem(f"devices.{at}.name", f"expected a name of its own; devices.{names[device.name]} has this one")
        names.setdefault(device.name, at)
        yield from _device(document, settings, at, device)
        place = (device.line, device.unit) if device.binding == "modbus" else device.address if device.binding == "ble" else None
        if place is not None and place in places:
            key = "unit" if device.binding == "modbus" else "address"
            yield document.problem(f"devices.{at}.{key}", f"expected one of its own; devices.{places[place]} has this one")
        places.setdefault(place, at)


def _device(document: Document, settings: HotelSettings, at: int, device: DeviceLine) -> Iterator[Problem]:
    here = f"devices.{at}"
    if device.binding not in PAIRS[device.kind]:
        yield document.problem(f"{here}.binding", f"expected a binding that a {device.kind} has", options=PAIRS[device.kind])
    if device.kind == "lock" and device.door is None:
        yield document.problem(f"{here}.door", "expected the number of the door", got=None)
    if (device.lock == "data_on_card") != (device.binding == "none") and device.kind == "lock":
        yield document.problem(f"{here}.binding", "expected none exactly for a data_on_card lock, which has no link")
    if device.binding == "modbus" and device.line not in settings.modbus.lines:
        yield document.problem(f"{here}.line", "expected a line of modbus.lines", options=settings.modbus.lines, got=device.line)
    if device.binding == "modbus" and device.unit is None:
        yield document.problem(f"{here}.unit", "expected a unit id from 1 to 247", got=None)
    if device.binding == "ble" and device.address is None:
        yield document.problem(f"{here}.address", "expected a Bluetooth address such as C4:00:00:00:02:09", got=None)
