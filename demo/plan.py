"""Which devices a demo hotel has and how its programs find one another: pure data, turned into each program's configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

BAR = ("water", "water", "cola", "beer", "beer", "wine", "chocolate", "nuts")  # slot by slot; priced in the property's file
LINES = ("east", "west")  # two Modbus lines, so that a fault on one is seen to spare the other


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated device and the driver that the box has for it; `kind` "" = the box has none (a card-only door)."""

    name: str
    cls: str  # lock, encoder, minibar, room, bthome
    binding: str  # mqtt, modbus, ble, none
    kind: str
    room: str | None = None
    door: int | None = None
    line: str | None = None
    unit: int | None = None
    address: str | None = None
    lock: str = "online"
    spare: bool = False  # it hangs on the wall, but the box is not told of it

    def on_box(self) -> dict[str, Any]:
        """Return its entry in gateway.yaml."""
        entry: dict[str, Any] = {"name": self.name, "kind": self.kind}
        entry |= {key: value for key, value in (("room", self.room), ("door", self.door)) if value is not None}
        if self.cls == "lock" and self.lock != "online":
            entry["lock"] = self.lock
        if self.binding == "modbus":
            entry["settings"] = {"line": self.line, "unit": self.unit}
        elif self.cls == "bthome":
            entry["settings"] = {"address": self.address, "key": True}
        elif self.binding == "ble":
            entry["settings"] = {"address": self.address}
        if self.cls == "minibar":
            entry["slots"] = dict(enumerate(BAR, 1))
        return entry

    def in_simulator(self) -> dict[str, Any]:
        """Return its entry in the simulator's hotel.yaml."""
        entry: dict[str, Any] = {"name": self.name, "class": self.cls, "binding": self.binding}
        found = {"door": self.door, "line": self.line, "unit": self.unit, "address": self.address}
        entry |= {key: value for key, value in found.items() if value is not None}
        if self.cls == "lock":
            entry["lock"] = self.lock
        if self.cls == "minibar":
            entry["slots"] = len(BAR)
        if self.cls == "bthome":
            entry["encrypted"] = True
        return entry


def _lock(number: int, binding: str, lock: str = "online") -> Device:
    line, unit = (LINES[number >= 300], number % 100 + 1) if binding == "modbus" else (None, None)
    kind = f"{binding}_lock" if binding != "none" else ""
    address = f"C4:00:00:00:{number // 100:02X}:{number % 100:02X}" if binding == "ble" else None
    return Device(f"lock-{number}", "lock", binding, kind, str(number), number, line, unit, address, lock)


def demo_hotel() -> tuple[Device, ...]:
    """Return the 24-room hotel: each class on each of its transports, a hybrid and a card-only door, and a BTHome pair in 210."""
    locks = [_lock(n, "mqtt") for n in (*range(201, 205), *range(301, 307))]
    locks += [_lock(n, "modbus") for n in (*range(205, 209), *range(307, 311))]
    locks += [_lock(n, "ble") for n in (209, 210, 311, 312)]
    locks += [_lock(211, "mqtt", "hybrid"), _lock(212, "none", "data_on_card")]
    encoders = [
        Device("encoder-1", "encoder", "modbus", "modbus_encoder", line="east", unit=101),
        Device("encoder-2", "encoder", "mqtt", "mqtt_encoder"),
    ]
    bars = [Device(f"bar-{n}", "minibar", "mqtt", "mqtt_minibar", str(n)) for n in (201, 202, 203)]
    bars += [Device(f"bar-{n}", "minibar", "modbus", "modbus_minibar", str(n), line="east", unit=n % 100 + 50) for n in (204, 205, 206)]
    rooms = [Device(f"room-{n}", "room", "modbus", "modbus_room", str(n), line="east", unit=n % 100 + 150) for n in range(201, 207)]
    rooms += [Device(f"room-{n}", "room", "mqtt", "mqtt_room", str(n)) for n in range(207, 213)]
    sensors = [
        Device("door-210", "bthome", "ble", "bthome_sensor", "210", address="A4:C1:38:00:02:10"),
        Device("motion-210", "bthome", "ble", "bthome_sensor", "210", address="A4:C1:38:00:02:11"),
    ]
    return tuple(sorted(locks, key=lambda d: d.name) + encoders + bars + rooms + sensors)


def spare_locks() -> tuple[Device, ...]:
    """Return locks for somebody else than the box to talk to: one on each wire, and four on the radio, which hangs up slowly."""
    ways = ((991, "mqtt"), (992, "modbus"), *((number, "ble") for number in range(993, 997)))
    return tuple(replace(_lock(number, way), spare=True) for number, way in ways)


def many_locks(count: int) -> tuple[Device, ...]:
    """Return the demo hotel with further MQTT locks and room controllers beside it until there are `count` devices."""

    def further() -> Iterator[Device]:
        for number in range(1001, 1001 + count):
            yield _lock(number, "mqtt")
            yield Device(f"room-{number}", "room", "mqtt", "mqtt_room", str(number))

    hotel = list(demo_hotel())
    more = further()
    while len(hotel) < count:
        hotel.append(next(more))
    return tuple(hotel[:count])


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens on loopback."""

    central: int
    box: int
    sim: int
    control: int
    relay: int
    broker: int
    lines: Mapping[str, int]
    host: str = "127.0.0.1"

    def url(self, port: int) -> str:
        return f"http://{self.host}:{port}"


def _lines(ports: Ports) -> dict[str, Any]:
    return {name: {"host": ports.host, "port": port} for name, port in ports.lines.items()}


def gateway_yaml(devices: tuple[Device, ...], ports: Ports, slug: str) -> dict[str, Any]:
    """Return the box's configuration: central is reached through the relay, and the clock is the simulator's."""
    return {
        "property": slug,
        "central": {"url": ports.url(ports.relay)},
        "clock": {"simulated": ports.url(ports.sim)},
        "listen": {"host": ports.host, "port": ports.box},
        "buses": {
            "mqtt": {"host": ports.host, "port": ports.broker, "username": "gateway"},
            "modbus": {"lines": _lines(ports)},
            "ble": {"adapter": "hci0"},
        },
        "devices": [d.on_box() for d in devices if d.kind and not d.spare],
        "doors": [{"door": d.door, "room": d.room, "kind": "data_on_card"} for d in devices if not d.kind],
    }


def simulator_yaml(devices: tuple[Device, ...], ports: Ports, slug: str, number: int, seed: int) -> dict[str, Any]:
    """Return the simulator's configuration."""
    return {
        "property": slug,
        "number": number,
        "seed": seed,
        "control": {"host": ports.host, "port": ports.sim},
        "clock": {"start": None, "rate": 1.0},
        "mqtt": {"host": ports.host, "port": ports.broker},
        "modbus": {"lines": _lines(ports)},
        "ble": {"socket": "bluez.sock"},
        "devices": [d.in_simulator() for d in devices],
    }


def central_yaml(ports: Ports) -> dict[str, Any]:
    """Return central's configuration: its own embedded database and the simulator's clock."""
    return {"listen": {"host": ports.host, "port": ports.central}, "clock": {"simulated": ports.url(ports.sim)}}
