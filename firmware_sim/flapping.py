"""Sensors with a loose contact: they report open and shut in turn, whatever is true."""

import asyncio
from typing import Any

from firmware_sim.codes import DoorState
from firmware_sim.device import Device, Draft
from firmware_sim.lock import Lock
from firmware_sim.minibar import Minibar
from firmware_sim.sensor import SensorPair


def flap(device: Device, sensor: str, hz: float) -> None:
    """Let `sensor` change its mind `hz` times a second, in real time, until `still`."""
    _stop(device, sensor)
    present = isinstance(device, Minibar) and sensor.startswith("slot-") and device.seen(int(sensor[5:]))
    _turn(device, sensor, 1 / hz, shown=not present)


def still(device: Device) -> None:
    """End all flapping of the device."""
    for sensor in list(device.faults.flapping):
        _stop(device, sensor)


def _stop(device: Device, sensor: str) -> None:
    timer = device.faults.flapping.pop(sensor, None)
    if timer is not None:
        timer.cancel()


def _turn(device: Device, sensor: str, period: float, shown: bool) -> None:
    """Show one value and come back with the other."""
    device.faults.stuck[sensor] = int(DoorState.OPEN if shown else DoorState.CLOSED) if _leaf(device, sensor) else shown
    if device.powered:
        _report(device, sensor, shown)
    loop = asyncio.get_running_loop()
    device.faults.flapping[sensor] = loop.call_later(period, _turn, device, sensor, period, not shown)


def _leaf(device: Device, sensor: str) -> bool:
    return isinstance(device, Lock) and sensor == "door"


def _report(device: Device, sensor: str, on: bool) -> None:
    if isinstance(device, Minibar) and sensor.startswith("slot-"):
        device.slot_changed(int(sensor[5:]), present=on)
        return
    drafts: dict[str, tuple[str, dict[str, Any]]] = {
        "motion": ("motion", {"on": on}),
        "contact_entry": ("contact", {"which": 0, "open": on}),
        "contact_window": ("contact", {"which": 1, "open": on}),
        "card_holder": ("card_holder", {"present": on}),
        "deadbolt": ("deadbolt", {"on": on}),
        "door": ("contact", {"which": 0, "open": on}),
    }
    if isinstance(device, Lock):
        drafts["door"] = ("door_state", {"state": int(DoorState.OPEN if on else DoorState.CLOSED)})
    if isinstance(device, Minibar):
        drafts["door"] = ("bar_door", {"open": on})
    device.note((Draft(*drafts[sensor]),))
    if isinstance(device, SensorPair):
        device.acknowledge(device.log_id, device.log.newest)  # it keeps no log for anybody
