"""The simulated BlueZ: which method of which object does what. It owns the name org.bluez on the mini bus."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from dbus_fast import Message, Variant

from firmware_sim.bluez.adapter import ADAPTER, Adapter
from firmware_sim.bluez.bus import MiniBus
from firmware_sim.bluez.call import ERROR, BusError, Call
from firmware_sim.bluez.device import DEVICE, Device
from firmware_sim.bluez.faults import Faults, Timings
from firmware_sim.bluez.layout import CHARACTERISTIC, DESCRIPTOR
from firmware_sim.bluez.objects import OBJECT_MANAGER, PROPERTIES, ObjectTree
from firmware_sim.bluez.peripheral import Peripheral

NAME = "org.bluez"
_SETTABLE = {(ADAPTER, "Powered"), (ADAPTER, "Alias"), (DEVICE, "Trusted"), (DEVICE, "Alias"), (DEVICE, "Blocked")}

Handler = Callable[[Call], Awaitable[None]]


class BlueZ:
    """bluetoothd with one adapter and the devices around it."""

    def __init__(self, bus: MiniBus, timings: Timings, seed: int = 0) -> None:
        self._bus = bus
        self._timings = timings
        self._seed = seed
        self._tasks: set[asyncio.Task[None]] = set()
        self.trace: Callable[[Message], None] | None = None  # sees every signal, for tests
        self._begin()

    def start(self) -> None:
        """Appear on the bus."""
        self._bus.offer(NAME, self)
        self.tree.add("/org/bluez", {"org.bluez.AgentManager1": {}})
        self.adapter.show()

    def stop(self) -> None:
        """Disappear as if killed: open calls get NoReply, then the name is unknown; links and objects are gone."""
        self._bus.withdraw(NAME)  # first, so that nothing of what follows is signalled: a killed daemon says nothing
        for device in self.adapter.devices:
            device.drop()
        self.adapter.stop()
        for task in tuple(self._tasks):
            task.cancel()

    def restart(self) -> None:
        """Come back after `stop` knowing no device; what was within range still is."""
        peripherals = [(device.peripheral, device.faults) for device in self.adapter.devices]
        self._begin()
        for peripheral, faults in peripherals:
            self.adapter.place(peripheral, faults)
        self.start()

    def place(self, peripheral: Peripheral) -> Faults:
        """Put a peripheral within range; return the faults of its radio, all off."""
        return self.adapter.place(peripheral).faults

    def called(self, call: Call) -> None:
        """Answer one method call in a task of its own; calls start in the order of their arrival."""
        task = asyncio.get_running_loop().create_task(self._answer(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def client_gone(self, unique: str) -> None:
        """A client's bus connection has closed."""
        self.adapter.client_gone(unique)

    def _begin(self) -> None:
        self.tree = ObjectTree(self._emit)
        self.adapter = Adapter(self.tree, self._timings, Random(self._seed))

    def _emit(self, signal: Message) -> None:
        if self.trace is not None:
            self.trace(signal)
        self._bus.emit(NAME, signal)

    async def _answer(self, call: Call) -> None:
        try:
            await self._handler(call.message)(call)
        except BusError as error:
            call.fail(error)

    def _handler(self, message: Message) -> Handler:
        """Return what answers `message`; raise BusError when the object or the method does not exist."""
        path, interface, member = message.path or "", message.interface or "", message.member or ""
        if interface == OBJECT_MANAGER and path == "/" and member == "GetManagedObjects":
            return self._managed_objects
        if path not in self.tree:
            raise BusError(f"{ERROR}.UnknownObject", f'Method "{member}" on interface "{interface}": no object {path}')
        handler: Handler | None = None
        if interface == PROPERTIES:
            handler = {"Get": self._get, "GetAll": self._get_all, "Set": self._set}.get(member)
        elif interface in self.tree.interfaces(path):
            handler = self._adapter_method(member) if interface == ADAPTER else self._device_method(path, interface, member)
        if handler is None or message.signature not in _SIGNATURES.get(member, ("",)):
            text = f'Method "{member}" with signature "{message.signature}" on interface "{interface}" doesn\'t exist'
            raise BusError(f"{ERROR}.UnknownMethod", text)
        return handler

    def _adapter_method(self, member: str) -> Handler | None:
        return {
            "SetDiscoveryFilter": self.adapter.set_filter,
            "StartDiscovery": self.adapter.start_discovery,
            "StopDiscovery": self.adapter.stop_discovery,
            "RemoveDevice": self.adapter.remove_device,
        }.get(member)

    def _device_method(self, path: str, interface: str, member: str) -> Handler | None:
        device = self.adapter.device(path)
        if device is None:
            return None
        if interface == DEVICE:
            return _device_methods(device).get(member)
        if interface == CHARACTERISTIC:
            chars = device.chars
            handler = {
                "ReadValue": chars.read,
                "WriteValue": chars.write,
                "StartNotify": chars.subscriptions.start,
                "StopNotify": chars.subscriptions.stop,
                "AcquireNotify": chars.subscriptions.acquire,
                "AcquireWrite": chars.acquire_write,
            }.get(member)
            return None if handler is None else lambda call: handler(path, call)
        if interface == DESCRIPTOR and member in ("ReadValue", "WriteValue"):
            return lambda call: device.chars.descriptor(path, call)
        return None

    async def _managed_objects(self, call: Call) -> None:
        call.reply("a{oa{sa{sv}}}", [dict(self.tree.all)])

    async def _get(self, call: Call) -> None:
        interface, name = call.message.body
        value = self.tree.interfaces(call.message.path or "").get(interface, {}).get(name)
        if value is None:
            raise BusError(f"{ERROR}.InvalidArgs", f"No such property '{name}'")
        call.reply("v", [value])

    async def _get_all(self, call: Call) -> None:
        (interface,) = call.message.body
        call.reply("a{sv}", [self.tree.interfaces(call.message.path or "").get(interface, {})])

    async def _set(self, call: Call) -> None:
        interface, name, value = call.message.body
        path = call.message.path or ""
        known = self.tree.interfaces(path).get(interface, {}).get(name)
        if known is None or (interface, name) not in _SETTABLE or known.signature != value.signature:
            raise BusError(f"{ERROR}.PropertyReadOnly", f"Property '{name}' is not writable")
        if (interface, name) == (ADAPTER, "Powered"):
            self.adapter.power(bool(value.value))
        else:
            self.tree.change(path, interface, {name: Variant(value.signature, value.value)})
        call.reply()


_SIGNATURES = {
    "SetDiscoveryFilter": ("a{sv}",),
    "RemoveDevice": ("o",),
    "ReadValue": ("a{sv}",),
    "WriteValue": ("aya{sv}",),
    "AcquireNotify": ("a{sv}",),
    "AcquireWrite": ("a{sv}",),
    "Get": ("ss",),
    "GetAll": ("s",),
    "Set": ("ssv",),
}


def _device_methods(device: Device) -> dict[str, Handler]:
    return {"Connect": device.connect, "Disconnect": device.disconnect, "Pair": _pair, "CancelPairing": _cancel_pairing}


async def _pair(_call: Call) -> None:
    """The devices of this hotel prove themselves in their own protocol; none of them pairs."""
    raise BusError("org.bluez.Error.AuthenticationRejected", "Authentication Rejected")


async def _cancel_pairing(_call: Call) -> None:
    raise BusError("org.bluez.Error.DoesNotExist", "Does Not Exist")
