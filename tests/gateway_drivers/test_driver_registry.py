"""Which drivers there are, and what their settings say when they are wrong."""

from dataclasses import fields
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.buses.modbus import LineSettings
from gateway.buses.mqtt import MqttSettings
from gateway.buses.open import BusesSettings
from gateway.drivers.registry import OURS, UnknownKind, kinds, load


@pytest.mark.parametrize("kind", OURS)
def test_every_driver_has_settings_and_connect(kind: str) -> None:
    module = load(kind)
    assert fields(module.Settings)
    assert callable(module.connect)
    assert kind in kinds()


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownKind, match="zigbee_lock"):
        load("zigbee_lock")


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("modbus_lock", {"line": "east", "unit": 0}),
        ("modbus_lock", {"unit": 5}),
        ("modbus_lock", {"line": "east", "unit": 5, "pol_s": 1}),
        ("ble_lock", {"address": "C4:00:00:00:02"}),
        ("bthome_sensor", {"address": 5}),
        ("mqtt_lock", {"heartbeat_s": -1}),
    ],
)
def test_wrong_settings_are_refused(kind: str, block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(load(kind).Settings).validate_python(block)


@pytest.mark.parametrize("host", ["192.168.1.7", "broker.hotel", "10.0.0.1"])
def test_a_broker_off_this_machine_needs_tls(host: str) -> None:
    with pytest.raises(ValidationError, match="tls"):
        TypeAdapter(MqttSettings).validate_python({"host": host})
    assert TypeAdapter(MqttSettings).validate_python({"host": host, "tls": {"ca": "ca.pem"}}).tls


@pytest.mark.parametrize("block", [{}, {"host": "a", "serial": "/dev/ttyUSB0"}, {"host": "a", "port": 0}])
def test_a_line_is_a_host_or_a_serial_port(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(LineSettings).validate_python(block)


def test_the_buses_block_of_the_example_is_read() -> None:
    block = {
        "mqtt": {"host": "127.0.0.1", "port": 18830, "username": "gateway"},
        "modbus": {
            "lines": {"east": {"host": "127.0.0.1", "port": 15020}, "roof": {"serial": "/dev/ttyUSB0", "baud": 19200, "parity": "E"}}
        },
        "ble": {"adapter": "hci0"},
    }
    settings = TypeAdapter(BusesSettings).validate_python(block)
    assert settings.modbus is not None
    assert set(settings.modbus.lines) == {"east", "roof"}
