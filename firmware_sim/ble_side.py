"""The hotel's Bluetooth side: its BLE locks and BTHome sensors in the air of one simulated BlueZ, behind one socket."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firmware_sim.ble_bthome import BthomeSensor
from firmware_sim.ble_lock import BleLock
from firmware_sim.bluez.air import Air, start_air
from firmware_sim.bluez.faults import Faults, Timings
from firmware_sim.bluez.peripheral import Peripheral
from firmware_sim.device import Device
from firmware_sim.lock import Lock
from firmware_sim.sensor import SensorPair


class BleSide:
    """All BLE devices of one hotel. Build, then `start` in the loop in which the devices live."""

    def __init__(
        self, devices: Sequence[Device], address_of: Mapping[str, str], socket: Path, *, timings: Timings | None = None, seed: int = 0
    ) -> None:
        """`address_of` gives each device's Bluetooth address by the device's name.

        Raises KeyError when one is missing, ValueError for a device of a class that Bluetooth does not carry.
        """
        self.socket = socket
        self.peripherals = {device.name: peripheral(device, address_of[device.name]) for device in devices}
        self._timings = timings
        self._seed = seed
        self._air: Air | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the socket cannot be made, ValueError when two devices share an address."""
        self._air = await start_air(self.socket, self.peripherals.values(), timings=self._timings, seed=self._seed)

    async def stop(self) -> None:
        """Drop every link and remove the socket. May be repeated."""
        if self._air is not None:
            await self._air.stop()
            self._air = None

    @property
    def air(self) -> Air:
        """The running radio. Raises RuntimeError before `start`."""
        if self._air is None:
            raise RuntimeError("the Bluetooth side has not been started")
        return self._air

    @property
    def address(self) -> str:
        """The value for DBUS_SYSTEM_BUS_ADDRESS of the program that uses these devices."""
        return self.air.address

    def faults(self, name: str) -> Faults:
        """The faults of one device's radio, to be changed at any time. Raises KeyError."""
        return self.air.faults[self.peripherals[name].address]

    def drop(self, name: str) -> None:
        """Cut the radio link to a device. Raises KeyError."""
        self.air.drop(self.peripherals[name].address)


def peripheral(device: Device, address: str) -> Peripheral:
    """What `device` is on the air. Raises ValueError for a class that has no Bluetooth binding."""
    if isinstance(device, SensorPair):
        return BthomeSensor(device, address)
    if isinstance(device, Lock):
        return BleLock(device, address)
    raise ValueError(f"{device.name}: there is no {device.device_class} with Bluetooth; choose mqtt or modbus as its binding")
