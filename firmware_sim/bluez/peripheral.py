"""What a simulated Bluetooth device is to the simulated BlueZ: it advertises, may be connected to, and has a GATT tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

BLUETOOTH_BASE = "0000{:04x}-0000-1000-8000-00805f9b34fb"


def assigned(number: int) -> str:
    """Return the full UUID of a 16-bit number that the Bluetooth SIG has assigned."""
    return BLUETOOTH_BASE.format(number)


class AttError(Exception):
    """The peripheral's answer "no" to a read or write.

    `code` is the ATT error (Bluetooth Core, Vol 3 Part F 3.4.1.1; 0x80 to 0x9F are the device's own).
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"ATT error {code:#04x}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What one advertising report carries."""

    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)  # company number -> data
    service_data: Mapping[str, bytes] = field(default_factory=dict)  # full UUID -> data
    uuids: tuple[str, ...] = ()
    rssi: int = -60  # dBm
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Characteristic:
    """A characteristic; `flags` in BlueZ's words: read, write, write-without-response, notify, indicate."""

    uuid: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GattService:
    """A primary service."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


class Link(Protocol):
    """One connection, as the peripheral sees it. Of no effect once the connection has ended."""

    mtu: int  # ATT_MTU, bytes; one notification or write carries mtu - 3

    def notify(self, char: str, data: bytes) -> None:
        """Notify the value of the characteristic with UUID `char`; lost unless the other side has subscribed."""

    def drop(self) -> None:
        """End the connection at once, from the peripheral's side."""


class Radio(Protocol):
    """The air, as a peripheral sees it."""

    def advertise(self) -> None:
        """Send one advertising report now, beside the regular ones."""


class Peripheral(Protocol):
    """A device within radio range."""

    address: str  # "C4:00:00:00:02:09", upper case
    address_type: str  # public | random
    interval_s: float  # between two advertising reports
    mtu: int  # ATT_MTU that it agrees to
    gatt: Sequence[GattService]  # empty = cannot be connected to

    @property
    def on_air(self) -> bool:
        """Whether its radio works: without it there is no report and no answer to a connect."""

    def placed(self, radio: Radio) -> None:
        """Called once, when the device is put within range."""

    def advertisement(self) -> Advertisement:
        """What the next report carries."""

    async def read(self, char: str) -> bytes:
        """The value of the characteristic with UUID `char`; raises AttError."""

    async def write(self, char: str, data: bytes) -> None:
        """Take a written value; return when the link layer would acknowledge it. Raises AttError."""

    def on_connect(self, link: Link) -> None:
        """A central has connected; `link` holds until `on_disconnect`."""

    def on_disconnect(self) -> None:
        """The connection has ended, whoever ended it."""
