"""BTHome v2 broadcasts of a door and motion sensor pair (bthome.io, device sheet 4.5): plain, or sealed with AES-CCM.

Service data 0xFCD2: info byte (bit 0 encrypted, bit 2 sends on a trigger, bits 5-7 version 2), then objects: id, value.
Sealed: nonce = address (6, as printed) | D2 FC | info | counter u32 LE; after the info byte come the ciphertext, the counter
and a tag of 4 bytes.
"""

import struct
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from firmware_sim.bluez.peripheral import Advertisement, AttError, GattService, Link, Radio, assigned
from firmware_sim.sensor import SensorPair

SERVICE_DATA: Final = assigned(0xFCD2)
PLAIN, SEALED = 0x44, 0x45  # version 2, trigger based
BURST: Final = 3  # reports of a fresh packet, because the air loses some
_NOT_FOUND: Final = 0x0A  # ATT: attribute not found
_PACKET, _BATTERY, _DOOR, _MOTION = 0x00, 0x01, 0x1A, 0x21


def objects(packet: int, battery: int, door_open: bool, motion: bool) -> bytes:
    """What one packet measures, ids ascending."""
    return bytes((_PACKET, packet, _BATTERY, battery, _DOOR, door_open, _MOTION, motion))


def plain(measured: bytes) -> bytes:
    """The service data of an open packet."""
    return bytes((PLAIN,)) + measured


def sealed(measured: bytes, key: bytes, address: str, counter: int, info: int = SEALED) -> bytes:
    """The service data of an encrypted packet; `key` has 16 bytes."""
    count = struct.pack("<I", counter)
    nonce = bytes.fromhex(address.replace(":", "")) + bytes.fromhex("d2fc") + bytes((info,)) + count
    out = AESCCM(key, tag_length=4).encrypt(nonce, measured, None)
    return bytes((info,)) + out[:-4] + count + out[-4:]


class BthomeSensor:
    """A sensor pair on the air. A change is sent at once, a few times over; then the same packet at the regular interval."""

    address_type = "public"
    mtu = 23
    gatt: Sequence[GattService] = ()  # it only broadcasts

    def __init__(self, device: SensorPair, address: str, *, interval_s: float = 1.0) -> None:
        self.device = device
        self.address = address
        self.interval_s = interval_s
        self._radio: Radio | None = None
        self._measured: tuple[int, bool, bool] | None = None  # battery, door, motion of the present packet
        self._packets = 0
        self._data = b""
        self._boot = 0
        self._renew()
        device.on_change(self._changed)

    @property
    def on_air(self) -> bool:
        return self.device.reachable

    def placed(self, radio: Radio) -> None:
        self._radio = radio

    def advertisement(self) -> Advertisement:
        self._renew()
        return Advertisement(service_data={SERVICE_DATA: self._data}, rssi=-58)

    async def read(self, char: str) -> bytes:
        raise AttError(_NOT_FOUND)

    async def write(self, char: str, data: bytes) -> None:
        raise AttError(_NOT_FOUND)

    def on_connect(self, link: Link) -> None:
        """Never: there is nothing to connect to."""

    def on_disconnect(self) -> None:
        """Never either."""

    def _changed(self) -> None:
        if self._renew() and self._radio is not None and self.on_air:
            for _ in range(BURST):
                if self.device.faults.fate("out").copies:
                    self._radio.advertise()

    def _renew(self) -> bool:
        """Make a new packet when something has changed; tell whether it did."""
        state = self.device.state()
        measured = (self.device.battery.percent, bool(state["door_open"]), bool(state["motion"]))
        if measured == self._measured and self._boot == self.device.boot_counter:
            return False
        if self._boot != self.device.boot_counter:
            self._boot, self._packets = self.device.boot_counter, 0
        self._measured = measured
        self._packets += 1
        data = objects(self._packets & 0xFF, *measured)
        if self.device.encrypted:
            self._data = sealed(data, self.device.k_dev[:16], self.address, counter(self._boot, self._packets))
        else:
            self._data = plain(data)
        return True


def counter(boot: int, packets: int) -> int:
    """The encryption counter: it must rise through every reboot, and only the number of boots outlives one."""
    return (boot << 16 | packets & 0xFFFF) & 0xFFFFFFFF
