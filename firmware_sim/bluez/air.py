"""A simulated BlueZ running on its own socket, with devices within range; what tests and the hotel start."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.bluez.bus import MiniBus
from firmware_sim.bluez.device import Device
from firmware_sim.bluez.faults import Faults, Timings
from firmware_sim.bluez.peripheral import Peripheral
from firmware_sim.bluez.service import BlueZ


@dataclass(slots=True)
class Air:
    """A running one. `address` is the value for DBUS_SYSTEM_BUS_ADDRESS of the program that uses it."""

    bus: MiniBus
    bluez: BlueZ
    faults: dict[str, Faults]  # by device address; to be changed at any time

    @property
    def address(self) -> str:
        return self.bus.address

    def place(self, device: Peripheral) -> Faults:
        """Put one more device within range. Raises ValueError if its address is taken."""
        self.faults[device.address] = self.bluez.place(device)
        return self.faults[device.address]

    def drop(self, address: str) -> None:
        """Cut the radio link to the device at `address`, if it is up. Raises KeyError."""
        self.device(address).drop()

    def device(self, address: str) -> Device:
        """BlueZ's side of the device at `address`. Raises KeyError."""
        return {device.peripheral.address: device for device in self.bluez.adapter.devices}[address]

    async def stop(self) -> None:
        """Take everything down and remove the socket. May be repeated."""
        self.bluez.stop()
        self.bus.stop()


async def start_air(socket_path: Path, devices: Iterable[Peripheral], *, timings: Timings | None = None, seed: int = 0) -> Air:
    """Listen at `socket_path` with `devices` within range; runs on the loop of the caller until `stop`.

    Raises OSError when the socket cannot be made, ValueError when two devices have one address.
    """
    bus = MiniBus(socket_path)
    bus.start()
    bluez = BlueZ(bus, timings or Timings(), seed)
    side = Air(bus, bluez, {})
    try:
        for device in devices:
            side.place(device)
    except ValueError:
        bus.stop()
        raise
    bluez.start()
    return side
