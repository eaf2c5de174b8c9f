"""The box's one radio: a scanner that never stops and short GATT sessions, by bleak, unmodified. No device is known here.

Measured on the real stack: a connect takes 0.1 s and up, a disconnect 2-3 s, and a radio bears few connections. So there is one connect at
a time, a few connections, and hanging up happens behind the caller's back. A callback of the scanner is no fresh measurement: BlueZ repeats
old data with each RSSI report, so what is said is handed on only when it differs from what the address said last.
"""

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.failures import LinkDown, SaidNo
from gateway.buses.turns import Turns
from gateway.device import Drops

COMPANY = 0xFFFF  # manufacturer data of our locks' advertisements (device sheet, BLE binding)
LOCK_SERVICE = "5ffa0001-8d15-4636-9f8a-8f504c4613ab"
BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"
CONNECT_S = 20.0
HEARD_S = 10.0  # how long a session waits for a device to be heard
RESTART_CAP_S = 15.0
STRANGERS = 256  # remembered, so that each is told once for what it says
TRANSPORT = (BleakError, TimeoutError, EOFError, OSError)  # bleak's own time-out is no BleakError


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class BleSettings:
    """The `buses.ble` block."""

    adapter: str = "hci0"
    connections: int = Field(default=3, ge=1, le=5)  # at once; radios bear 2 to 7
    stale_s: float = Field(default=60.0, gt=0)  # without any advertisement from anybody: the scanner is started anew


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What one address said, as far as it differs from what it said before."""

    address: str
    manufacturer: Mapping[int, bytes]
    service: Mapping[str, bytes]
    rssi: int


Heard = Callable[[Advertisement], None]


class GattLink:
    """One open connection. Calls raise LinkDown for any transport error (outcome unknown) and SaidNo for an ATT error."""

    def __init__(self, client: BleakClient, lost: "asyncio.Future[None]") -> None:
        self._client = client
        self._lost = lost

    def when_lost(self, told: Callable[[], None]) -> None:
        """Have `told` called once, when the connection has ended."""
        self._lost.add_done_callback(lambda _: told())

    def room(self, characteristic: str) -> int:
        """How many bytes one write without response to `characteristic` carries."""
        found = self._client.services.get_characteristic(characteristic)
        if found is None:
            raise LinkDown(f"it has no characteristic {characteristic}")
        return found.max_write_without_response_size

    async def read(self, characteristic: str) -> bytes:
        """Read a value."""
        with _translated():
            return bytes(await self._client.read_gatt_char(characteristic))

    async def write(self, characteristic: str, data: bytes) -> None:
        """Write with response: done when the device has it."""
        with _translated():
            await self._client.write_gatt_char(characteristic, data, response=True)

    async def notify(self, characteristic: str, callback: Callable[[bytes], None]) -> None:
        """Have every notification handed to `callback`."""

        def heard(_characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
            callback(bytes(data))

        with _translated():
            await self._client.start_notify(characteristic, heard)


class BleBus:
    """One adapter. `run()` scans; `watch` and `session` may be called at any time."""

    def __init__(self, settings: BleSettings, drops: Drops) -> None:
        self._settings = settings
        self._drops = drops
        self._watchers: dict[str, Heard] = {}
        self._devices: dict[str, BLEDevice] = {}
        self._said: dict[str, tuple[object, object]] = {}
        self._heard_at: dict[str, float] = {}
        self._last_heard = 0.0
        self._anybody = asyncio.Event()
        self._strangers: OrderedDict[str, None] = OrderedDict()
        self._connecting = Turns(1)
        self._slots = Turns(settings.connections)
        self._hanging_up: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}
        self._left_open: dict[str, BLEDevice] | None = None  # links that an earlier life of the box left behind
        self.scanning = False

    async def run(self) -> None:
        """Scan until cancelled; start the scanner again with back-off when the stack fails or falls silent."""
        tries = 0
        try:
            while True:
                try:
                    await self._scan()
                    tries = 0
                except TRANSPORT:
                    tries += 1
                self.scanning = False
                await asyncio.sleep(random.uniform(0.1, min(RESTART_CAP_S, 0.25 * 2**tries)))  # noqa: S311 - jitter, not a secret
        finally:
            self.scanning = False
            for task in tuple(self._hanging_up.values()):
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def watch(self, address: str, heard: Heard) -> Callable[[], None]:
        """Hand on what `address` says, when it says something new; return what ends it. One watcher per address."""
        address = address.upper()
        self._watchers[address] = heard
        self._said.pop(address, None)  # whatever was said before is new to this watcher
        self._close_left_open(address)

        def end() -> None:
            if self._watchers.get(address) is heard:
                del self._watchers[address]

        return end

    def heard_at(self, address: str) -> float | None:
        """When (loop time) `address` was last heard, new or not; None if never."""
        return self._heard_at.get(address.upper())

    @property
    def trouble(self) -> str | None:
        """What is wrong with the bus itself, in words; None while it stands."""
        return None if self.scanning else f"the BLE adapter {self._settings.adapter} does not scan"

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a connection: then nobody should linger on one."""
        return self._slots.wanted

    @asynccontextmanager
    async def session(self, address: str, *, urgent: bool = False) -> AsyncIterator[GattLink]:
        """One connection for the length of the block. Raises LinkDown when it cannot be made.

        One session per address at a time is the caller's business. Hanging up goes on after the block, and holds a connection's place but
        nobody who works with another device.
        """
        address = address.upper()
        if (earlier := self._hanging_up.get(address)) is not None:
            await asyncio.wait((earlier,))
        await self._slots.take(urgent=urgent)
        try:
            async with self._connecting.mine(urgent=urgent):
                link, client = await self._connect(address)
        except BaseException:
            self._slots.give_back()
            raise
        try:
            yield link
        finally:
            self._hanging_up[address] = asyncio.create_task(self._hang_up(address, client), name=f"hang up {address}")

    # ------------------------------------------------------------ connecting

    async def _connect(self, address: str) -> tuple[GattLink, BleakClient]:
        """One try with a new client. Raises LinkDown."""
        device = await self._device(address)
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def ended(_client: BleakClient) -> None:
            if not lost.done():
                lost.set_result(None)

        client = BleakClient(device, ended, timeout=CONNECT_S, bluez={"adapter": self._settings.adapter})
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect()
        except TRANSPORT as failure:
            await self._failed(address, client, failure)
            raise LinkDown(f"{address} cannot be connected: {_told(failure)}") from failure
        self._failures.pop(address, None)
        return GattLink(client, lost), client

    async def _device(self, address: str) -> BLEDevice:
        """The latest that the scanner knows of `address`. Raises LinkDown when it is not heard in time."""
        try:
            async with asyncio.timeout(HEARD_S):
                while address not in self._devices:
                    self._anybody.clear()
                    await self._anybody.wait()
        except TimeoutError:
            raise LinkDown(f"{address} is not heard") from None
        return self._devices[address]

    async def _failed(self, address: str, client: BleakClient, failure: BaseException) -> None:
        """Forget a device that the stack has forgotten; remove one whose connect hangs in the stack for the third time."""
        failures = self._failures[address] = self._failures.get(address, 0) + 1
        if not isinstance(failure, TimeoutError):
            self._devices.pop(address, None)  # the next advertisement brings a fresh one
        if failures >= 3 and isinstance(failure, BleakDBusError) and failure.dbus_error.endswith("InProgress"):
            with contextlib.suppress(*TRANSPORT):
                await client.unpair()
        with contextlib.suppress(*TRANSPORT):
            await client.disconnect()

    async def _hang_up(self, address: str, client: BleakClient) -> None:
        try:
            with contextlib.suppress(*TRANSPORT):
                await client.disconnect()
        finally:
            self._hanging_up.pop(address, None)
            self._slots.give_back()

    # ------------------------------------------------------------ scanning

    async def _scan(self) -> None:
        """Scan until the scanner falls silent. Raises what bleak raises."""
        loop = asyncio.get_running_loop()
        self._said.clear()
        await self._find_left_open()
        scanner = BleakScanner(self._detected, bluez={"adapter": self._settings.adapter})
        await scanner.start()
        self.scanning, self._last_heard = True, loop.time()
        try:
            while loop.time() - self._last_heard < self._settings.stale_s:
                await asyncio.sleep(min(1.0, self._settings.stale_s / 4))
        finally:
            with contextlib.suppress(*TRANSPORT):
                await scanner.stop()

    def _detected(self, device: BLEDevice, said: AdvertisementData) -> None:
        """One report of the scanner: remember the device, hand on what is new, count strangers of our kind."""
        address = device.address.upper()
        self._last_heard = asyncio.get_running_loop().time()
        self._devices[address] = device
        self._heard_at[address] = self._last_heard
        self._anybody.set()
        heard = self._watchers.get(address)
        if heard is None:
            self._stranger(address, said)
            return
        content = (said.manufacturer_data, said.service_data)
        if self._said.get(address) != content:
            self._said[address] = content
            heard(Advertisement(address, said.manufacturer_data, said.service_data, said.rssi))

    async def _find_left_open(self) -> None:
        """Once: BlueZ keeps links open when their owner dies, and a lock that is held does not advertise."""
        if self._left_open is not None:
            return
        adapter = await BleakAdapter.get(bluez={"adapter": self._settings.adapter})
        found = await adapter.get_connected_devices([LOCK_SERVICE])
        self._left_open = {device.address.upper(): device for device in found}
        for address in tuple(self._left_open):
            self._close_left_open(address)

    def _close_left_open(self, address: str) -> None:
        """Hang up on a known address that an earlier life left connected."""
        if not self._left_open or address not in self._watchers or address in self._hanging_up:
            return
        device = self._left_open.pop(address, None)
        if device is not None:
            self._hanging_up[address] = asyncio.create_task(self._adopt_and_hang_up(address, device), name=f"hang up {address}")

    async def _adopt_and_hang_up(self, address: str, device: BLEDevice) -> None:
        await self._slots.take()
        client = BleakClient(device, timeout=CONNECT_S, bluez={"adapter": self._settings.adapter})
        with contextlib.suppress(*TRANSPORT):
            await client.connect()
        await self._hang_up(address, client)

    def _stranger(self, address: str, said: AdvertisementData) -> None:
        """Tell once of an unknown device that speaks one of our languages."""
        ours = said.manufacturer_data.get(COMPANY) or said.service_data.get(BTHOME)
        if ours is None or address in self._strangers:
            return
        self._strangers[address] = None
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)
        self._drops.stranger("ble", address, ours.hex()[:64])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what bleak raises in the words of failures.py: an ATT error is the device saying no, anything else is the transport."""
    try:
        yield
    except BleakGATTProtocolError as no:
        raise SaidNo(int(no.code), str(no)) from no
    except TRANSPORT as broken:
        raise LinkDown(_told(broken)) from broken


def _told(failure: BaseException) -> str:
    """What bleak said; its time-outs say nothing."""
    return str(failure) or "no answer in time"
