"""Reading, writing and notifying on one connected device (org.bluez.GattCharacteristic1), with the faults of its radio."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import Variant

from firmware_sim.bluez.call import BusError, Call
from firmware_sim.bluez.faults import FAILED, Faults, Timings
from firmware_sim.bluez.layout import CHARACTERISTIC, DESCRIPTOR
from firmware_sim.bluez.objects import Interfaces, ObjectTree
from firmware_sim.bluez.peripheral import AttError, Link, Peripheral
from firmware_sim.bluez.subscriptions import Subscriptions

_NOT_CONNECTED = (FAILED, "Not connected")
_ATT_ERRORS = {  # what BlueZ calls these codes instead of naming the number
    0x02: ("org.bluez.Error.NotPermitted", "Read not permitted"),
    0x03: ("org.bluez.Error.NotPermitted", "Write not permitted"),
    0x06: ("org.bluez.Error.NotSupported", "Operation is not supported"),
    0x08: ("org.bluez.Error.NotAuthorized", "Operation Not Authorized"),
}


@dataclass(slots=True)
class _Up:
    """The link while it is up; given to the peripheral."""

    mtu: int
    _notify: Callable[["_Up", str, bytes], None]
    _drop: Callable[["_Up"], None]
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self, char: str, data: bytes) -> None:
        self._notify(self, char, data)

    def drop(self) -> None:
        self._drop(self)


class Characteristics:
    """The GATT tree of one device at work."""

    def __init__(self, peripheral: Peripheral, faults: Faults, tree: ObjectTree, timings: Timings, drop: Callable[[], None]) -> None:
        self.link: _Up | None = None
        self.subscriptions = Subscriptions(tree, timings, peripheral.mtu)
        self._peripheral = peripheral
        self._faults = faults
        self._tree = tree
        self._timings = timings
        self._drop = drop
        self._paths: dict[str, str] = {}  # characteristic UUID -> path
        self._busy: set[str] = set()  # paths with an operation under way
        self._held: list[tuple[str, bytes]] = []  # notifications that wait for the reply of a write
        self._writing = 0

    @property
    def known(self) -> bool:
        """Whether the tree has been announced."""
        return bool(self._paths)

    def learn(self, path: str, interfaces: Interfaces) -> None:
        """Note one object of the announced tree."""
        if CHARACTERISTIC in interfaces:
            self._paths[interfaces[CHARACTERISTIC]["UUID"].value] = path

    def forget(self) -> None:
        """The tree has left the bus."""
        self._paths.clear()
        self.subscriptions.forget()

    def up(self) -> Link:
        """The link is established; return the peripheral's end of it."""
        self.link = _Up(self._peripheral.mtu, self._notified, lambda link: self._drop() if link is self.link else None)
        self.subscriptions.open = True
        return self.link

    def down(self) -> None:
        """The link is gone: what is under way fails, sockets close."""
        if self.link is not None:
            self.link.lost.set()
            self.link = None
        self._held.clear()
        self.subscriptions.link_gone()

    async def read(self, path: str, call: Call) -> None:
        """ReadValue: signals the value, as BlueZ does, then replies."""
        uuid = self._uuid(path, "read", 0x02)
        value = await self._operation(path, lambda: self._peripheral.read(uuid))
        self._tree.change(path, CHARACTERISTIC, {"Value": Variant("ay", bytes(value))})
        call.reply("ay", [bytes(value)])

    async def write(self, path: str, call: Call) -> None:
        """WriteValue. What the peripheral notifies meanwhile goes out after the reply, as on the real stack."""
        data, options = call.message.body
        command = "type" in options and options["type"].value == "command"
        uuid = self._uuid(path, "write-without-response" if command else "write", 0x03)
        self._writing += 1
        try:
            await self._operation(path, lambda: self._write(uuid, bytes(data)))
            call.reply()
        finally:
            self._writing -= 1
            if not self._writing:
                held, self._held = self._held, []
                for char, value in held:
                    self.subscriptions.deliver(self._paths.get(char, ""), value)

    async def acquire_write(self, path: str, call: Call) -> None:
        """AcquireWrite: answers a socket and the MTU. Clients use it to learn the MTU; what is written to it is not read."""
        self._uuid(path, "write-without-response", 0x06)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.close()
        call.reply("hq", [0, self._peripheral.mtu], [theirs.detach()])

    async def descriptor(self, path: str, call: Call) -> None:
        """ReadValue of the client configuration: 1 when anybody is subscribed. Writing it is refused, as by BlueZ."""
        if call.message.member == "WriteValue":
            raise BusError("org.bluez.Error.NotPermitted", "Write not permitted")
        parent = str(self._tree.value(path, DESCRIPTOR, "Characteristic"))
        call.reply("ay", [bytes((self.subscriptions.on(parent), 0))])

    def _uuid(self, path: str, flag: str, refusal: int) -> str:
        if self.link is None:
            raise BusError(*_NOT_CONNECTED)
        if flag not in (self._tree.value(path, CHARACTERISTIC, "Flags") or ()):
            raise _refused(refusal)
        return str(self._tree.value(path, CHARACTERISTIC, "UUID"))

    async def _write(self, uuid: str, data: bytes) -> None:
        if self._faults.drop_on_write:
            self._faults.drop_on_write -= 1
            self._drop()
            raise BusError(*_NOT_CONNECTED)
        if self._faults.write_errors:
            raise AttError(self._faults.write_errors.pop(0))
        await self._peripheral.write(uuid, data)

    async def _operation(self, path: str, act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run one ATT operation; a second one on the same characteristic is InProgress; a lost link ends it."""
        if path in self._busy:
            raise BusError("org.bluez.Error.InProgress", "In Progress")
        if self.link is None:
            raise BusError(*_NOT_CONNECTED)
        self._busy.add(path)
        lost = asyncio.ensure_future(self.link.lost.wait())
        acting = asyncio.ensure_future(self._acted(act))
        try:
            await asyncio.wait((lost, acting), return_when=asyncio.FIRST_COMPLETED)
            if not acting.done():
                raise BusError(*_NOT_CONNECTED)
            return acting.result()
        except AttError as error:
            raise _refused(error.code) from None
        finally:
            lost.cancel()
            acting.cancel()
            self._busy.discard(path)

    async def _acted(self, act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await asyncio.sleep(self._timings.operation_s + self._faults.slow_s)
        return await act()

    def _notified(self, link: _Up, char: str, data: bytes) -> None:
        if link is not self.link:
            return
        if self._faults.lose_notifications:
            self._faults.lose_notifications -= 1
        elif self._writing:
            self._held.append((char, data))
        else:
            self.subscriptions.deliver(self._paths.get(char, ""), data)


def _refused(code: int) -> BusError:
    name, text = _ATT_ERRORS.get(code, (FAILED, f"Operation failed with ATT error: {code:#04x}"))
    return BusError(name, text)
