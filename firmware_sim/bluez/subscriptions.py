"""Who wants to hear a characteristic's notifications: over the bus (StartNotify) or through a socket (AcquireNotify)."""

import asyncio
import contextlib
import socket

from dbus_fast import Variant

from firmware_sim.bluez.call import BusError, Call
from firmware_sim.bluez.faults import FAILED, Timings
from firmware_sim.bluez.layout import CHARACTERISTIC
from firmware_sim.bluez.objects import ObjectTree

_NOT_PERMITTED = ("org.bluez.Error.NotPermitted", "Notify acquired")


class Subscriptions:
    """The subscriptions of one device, by path. They outlive the link, as in BlueZ, but not the subscriber's bus connection."""

    def __init__(self, tree: ObjectTree, timings: Timings, mtu: int) -> None:
        self.open = False  # whether the link is up
        self._tree = tree
        self._timings = timings
        self._mtu = mtu
        self._subscribers: dict[str, set[str]] = {}  # path -> unique bus names
        self._sockets: dict[str, socket.socket] = {}  # path -> where the values go instead of the bus

    def on(self, path: str) -> bool:
        """Whether anybody listens to the characteristic at `path`."""
        return bool(self._subscribers.get(path)) or path in self._sockets

    async def start(self, path: str, call: Call) -> None:
        """StartNotify: the signal Notifying=true, then the reply."""
        self._may(path)
        if path in self._sockets:
            raise BusError(*_NOT_PERMITTED)
        subscribers = self._subscribers.setdefault(path, set())
        if not subscribers:
            await asyncio.sleep(self._timings.operation_s)
            self._tree.change(path, CHARACTERISTIC, {"Notifying": Variant("b", True)})
        subscribers.add(call.message.sender or "")
        call.reply()

    async def stop(self, path: str, call: Call) -> None:
        """StopNotify by one of the subscribers."""
        if call.message.sender not in self._subscribers.get(path, ()):
            raise BusError(FAILED, "No notify session started")
        self._unsubscribe(path, call.message.sender or "")
        call.reply()

    async def acquire(self, path: str, call: Call) -> None:
        """AcquireNotify: values go through a socket, one datagram each, until the caller closes it or the link ends."""
        self._may(path)
        if self.on(path):
            raise BusError(*_NOT_PERMITTED)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._sockets[path] = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._release, path)  # readable = closed by the caller
        self._tree.change(path, CHARACTERISTIC, {"NotifyAcquired": Variant("b", True)})
        call.reply("hq", [0, self._mtu], [theirs.detach()])

    def deliver(self, path: str, data: bytes) -> None:
        """Pass a notified value on; nobody hears it when nobody has subscribed."""
        if path in self._sockets:
            with contextlib.suppress(OSError):  # full or closed: the radio does not wait for the reader either
                self._sockets[path].send(data)
        elif self._subscribers.get(path):
            self._tree.change(path, CHARACTERISTIC, {"Value": Variant("ay", bytes(data))})

    def client_gone(self, unique: str) -> None:
        """Drop the subscriptions of a bus connection that has closed."""
        for path in tuple(self._subscribers):
            self._unsubscribe(path, unique)

    def link_gone(self) -> None:
        """Close the sockets."""
        self.open = False
        for path in tuple(self._sockets):
            self._release(path)

    def forget(self) -> None:
        """The characteristics have left the bus."""
        self._subscribers.clear()

    def _may(self, path: str) -> None:
        if not self.open:
            raise BusError(FAILED, "Not connected")
        if self._tree.value(path, CHARACTERISTIC, "Notifying") is None:
            raise BusError("org.bluez.Error.NotSupported", "Operation is not supported")

    def _unsubscribe(self, path: str, unique: str) -> None:
        subscribers = self._subscribers.get(path, set())
        if unique in subscribers:
            subscribers.discard(unique)
            if not subscribers:
                self._tree.change(path, CHARACTERISTIC, {"Notifying": Variant("b", False)})

    def _release(self, path: str) -> None:
        sock = self._sockets.pop(path, None)
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
            self._tree.change(path, CHARACTERISTIC, {"NotifyAcquired": Variant("b", False)})
