"""gateway.yaml: what is right is read, what is wrong is named with its line and column."""

import importlib.resources
import re
from pathlib import Path

import pytest

from gateway.configuration import Configuration, load
from gateway.device import LockKind
from host.configuration import ConfigurationError

GOOD = """\
property: demo
central: {url: http://127.0.0.1:8805}
buses:
  mqtt: {host: 127.0.0.1, port: 18830, username: gateway}
  modbus: {lines: {east: {host: 127.0.0.1, port: 15020}}}
devices:
  - {name: lock-201, kind: mqtt_lock, room: "201", door: 201}
  - {name: lock-205, kind: modbus_lock, room: "205", door: 205, settings: {line: east, unit: 5}}
  - {name: lock-211, kind: mqtt_lock, room: "211", door: 211, lock: hybrid}
doors:
  - {door: 212, room: "212", kind: data_on_card}
"""


def read(folder: Path, text: str) -> Configuration:
    file = folder / "gateway.yaml"
    file.write_text(text)
    return load(file)


def problem(folder: Path, old: str, new: str) -> str:
    """Return the problem lines of GOOD with one thing changed, without the folder."""
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        read(folder, GOOD.replace(old, new))
    return str(caught.value).replace(f"{folder}/", "")


def test_a_right_file_gives_doors_with_their_kinds_and_devices(tmp_path: Path) -> None:
    doors = read(tmp_path, GOOD).doors()
    assert {number: (door.kind, door.device) for number, door in doors.items()} == {
        201: (LockKind.ONLINE, "lock-201"),
        205: (LockKind.ONLINE, "lock-205"),
        211: (LockKind.HYBRID, "lock-211"),
        212: (LockKind.DATA_ON_CARD, None),
    }


def test_the_shipped_example_is_right(tmp_path: Path) -> None:
    text = importlib.resources.files("configs").joinpath("gateway.example.yaml").read_text(encoding="utf-8")
    assert len(read(tmp_path, text).told.devices) == 11


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind: mqtt_lock, room: "201"', 'kind: mqtt_lok, room: "201"', r"gateway.yaml:7:28: devices.0.kind: .*did you mean 'mqtt_lock'\?"),
        ("name: lock-205", "name: lock-201", r"gateway.yaml:8:12: devices.1.name: .*devices.0 has this one"),
        ("door: 205", "door: 201", r"gateway.yaml:8:\d+: devices.1.door: .*devices.0 has this one"),
        ("door: 212", "door: 211", r"gateway.yaml:11:\d+: doors.0.door: .*devices.2 has this one"),
        ("line: east, unit", "line: eest, unit", r"gateway.yaml:8:\d+: devices.1.settings.line: .*did you mean 'east'\?"),
        ("unit: 5", "unit: 300", r"gateway.yaml:8:\d+: devices.1.settings.unit: .*got 300"),
        ("unit: 5", "unitt: 5", r"gateway.yaml:8:\d+: devices.1.settings.unitt: unknown key; did you mean 'unit'\?"),
        ("name: lock-201", "name: Lock 201", r"gateway.yaml:7:12: devices.0.name: .*small letters"),
        ('room: "201", door: 201', 'room: "201"', r"devices.0.door: .*the door that this lock is on"),
        ("lock: hybrid", "lock: hybird", r"gateway.yaml:9:\d+: devices.2.lock: .*did you mean 'hybrid'\?"),
        ("  mqtt: {host: 127.0.0.1, port: 18830, username: gateway}\n", "", r"devices.0.kind: needs buses.mqtt"),
        ("http://127.0.0.1:8805", "http://central.example", r"gateway.yaml:2:\d+: central.url: .*https"),
        ("http://127.0.0.1:8805", "http://127.0.0.1:99999", r"gateway.yaml:2:\d+: central.url: .*https"),
        ("property: demo\n", "property: demo/#\n", r"gateway.yaml:1:\d+: property: .*slug"),
        (
            "property: demo\n",
            "property: demo\nclock: {simulated: 'http://127.0.0.1:99999'}\n",
            r"clock.simulated: .*address",
        ),
        ("property: demo\n", "property: demo\nclock: {simulated: nowhere}\n", r"gateway.yaml:2:\d+: clock.simulated: .*address"),
        ("property: demo", "property: demo\nlisten: {host: 0.0.0.0}", r"listen.host: .*this machine only"),
        ("property: demo\n", "propertty: demo\n", r"gateway.yaml:1:1: propertty: unknown key; did you mean 'property'\?"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_word(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert re.search(said, problem(tmp_path, old, new)), problem(tmp_path, old, new)


def test_two_units_on_one_line_cannot_have_the_same_number(tmp_path: Path) -> None:
    more = '  - {name: lock-206, kind: modbus_lock, room: "206", door: 206, settings: {line: east, unit: 5}}\ndoors:'
    assert "devices.3.settings.unit" in problem(tmp_path, "doors:", more)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, GOOD.replace('mqtt_lock, room: "201"', 'mqtt_lok, room: "201"').replace("unit: 5", "unit: 0"))
    assert [problem.line for problem in caught.value.problems] == [7, 8]
