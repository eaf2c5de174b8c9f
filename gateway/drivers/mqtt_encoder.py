"""A key-card encoder over MQTT.

Source: device sheet, MQTT binding (docs/devices).
In gateway.yaml: `{name: encoder-2, kind: mqtt_encoder}`.
"""

from collections.abc import Callable
from datetime import datetime

from gateway.buses.open import Buses
from gateway.device import Driver, Drops, Memory, Setting
from gateway.drivers.mqtt_session import MqttDeviceSettings as Settings
from gateway.drivers.mqtt_session import connect_mqtt

__all__ = ["Settings", "connect"]


def connect(setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> Driver:
    """The driver of one encoder; nothing is sent before `run`."""
    return connect_mqtt(setting, buses, memory, drops, now, "encoder")
