"""The Bluetooth adapter (org.bluez.Adapter1) and the air around it: power, discovery and its filters, which devices exist."""

from dataclasses import dataclass
from random import Random

from dbus_fast import Variant

from firmware_sim.bluez.call import BusError, Call
from firmware_sim.bluez.device import Device
from firmware_sim.bluez.faults import FAILED, Faults, Timings
from firmware_sim.bluez.objects import ObjectTree
from firmware_sim.bluez.peripheral import Peripheral

ADAPTER = "org.bluez.Adapter1"
PATH = "/org/bluez/hci0"
_NOT_READY = ("org.bluez.Error.NotReady", "Resource Not Ready")


@dataclass(frozen=True, slots=True)
class Filter:
    """One client's discovery filter: any of `uuids`, at least `rssi` dBm."""

    uuids: frozenset[str] = frozenset()
    rssi: int = -128

    def passes(self, uuids: tuple[str, ...], rssi: int) -> bool:
        """Return whether a report with these service UUIDs and this strength is wanted."""
        return rssi >= self.rssi and (not self.uuids or not self.uuids.isdisjoint(uuids))


@dataclass(slots=True)
class _Nearby:
    """A device's handle on the air."""

    device: Device

    def advertise(self) -> None:
        self.device.advertise()


class Adapter:
    """hci0. `slots` = how many connections it can hold, None = no limit."""

    def __init__(self, tree: ObjectTree, timings: Timings, random: Random) -> None:
        self.path = PATH
        self.tree = tree
        self.timings = timings
        self.random = random
        self.slots: int | None = None
        self._by_path: dict[str, Device] = {}
        self._filters: dict[str, Filter] = {}  # unique bus name -> filter, kept while no discovery runs
        self._discovering: set[str] = set()  # unique bus names

    def show(self) -> None:
        """Put the adapter's object on the bus."""
        self.tree.add(self.path, {ADAPTER: _first_properties()})

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device within range, known to BlueZ or not."""
        return tuple(self._by_path.values())

    def device(self, path: str) -> Device | None:
        """The device that the object at `path` is or belongs to."""
        return self._by_path.get("/".join(path.split("/")[:5]))

    def place(self, peripheral: Peripheral, faults: Faults | None = None) -> Device:
        """Put a peripheral within range; raise ValueError if its address is taken."""
        device = Device(peripheral, self, faults or Faults())
        if device.path in self._by_path:
            raise ValueError(f"two devices with the address {peripheral.address}: give each its own in the hotel file")
        self._by_path[device.path] = device
        peripheral.placed(_Nearby(device))
        if self._discovering:
            device.start_reports()
        return device

    def take_away(self, peripheral: Peripheral) -> None:
        """Put a peripheral out of range for good."""
        for path, device in tuple(self._by_path.items()):
            if device.peripheral is peripheral:
                device.drop()
                device.stop()
                del self._by_path[path]

    def listening(self, uuids: tuple[str, ...], rssi: int) -> bool:
        return any(self._filters.get(unique, Filter()).passes(uuids, rssi) for unique in self._discovering)

    def ready(self) -> None:
        if not self.tree.value(self.path, ADAPTER, "Powered"):
            raise BusError(*_NOT_READY)
        if self.slots is not None and sum(device.connected for device in self.devices) >= self.slots:
            raise BusError(FAILED, "le-connection-concurrent-connection-limit")

    def power(self, on: bool) -> None:
        """Switch the radio: off ends discovery and every link."""
        if not on:
            self._discovering.clear()
            self._quiet()
            for device in self.devices:
                device.drop()
        self.tree.change(self.path, ADAPTER, {"Powered": Variant("b", on)})

    def client_gone(self, unique: str) -> None:
        """A bus connection has closed: its discovery and its subscriptions end, its links stay (as in BlueZ)."""
        self._filters.pop(unique, None)
        if unique in self._discovering:
            self._discovering.discard(unique)
            self._quiet()
        for device in self.devices:
            device.chars.subscriptions.client_gone(unique)

    def stop(self) -> None:
        """End everything that runs."""
        for device in self.devices:
            device.stop()

    async def set_filter(self, call: Call) -> None:
        """SetDiscoveryFilter: an empty dict takes the filter away."""
        (options,) = call.message.body
        uuids, rssi = options.get("UUIDs", Variant("as", [])), options.get("RSSI", Variant("n", -128))
        if (uuids.signature, rssi.signature) != ("as", "n"):
            raise BusError("org.bluez.Error.InvalidArguments", "Invalid arguments in method call")
        self._filters[call.message.sender or ""] = Filter(frozenset(uuid.lower() for uuid in uuids.value), rssi.value)
        call.reply()

    async def start_discovery(self, call: Call) -> None:
        """StartDiscovery, once per client."""
        if not self.tree.value(self.path, ADAPTER, "Powered"):
            raise BusError(*_NOT_READY)
        if call.message.sender in self._discovering:
            raise BusError("org.bluez.Error.InProgress", "Operation already in progress")
        self._discovering.add(call.message.sender or "")
        call.reply()
        if not self.tree.value(self.path, ADAPTER, "Discovering"):
            self.tree.change(self.path, ADAPTER, {"Discovering": Variant("b", True)})
        for device in self.devices:
            device.start_reports()

    async def stop_discovery(self, call: Call) -> None:
        """StopDiscovery: reply, RSSI invalidated on every device, Discovering=false."""
        if not self.tree.value(self.path, ADAPTER, "Powered"):
            raise BusError(*_NOT_READY)
        if call.message.sender not in self._discovering:
            raise BusError(FAILED, "No discovery started")
        self._discovering.discard(call.message.sender)
        call.reply()
        self._quiet()

    async def remove_device(self, call: Call) -> None:
        """RemoveDevice."""
        (path,) = call.message.body
        device = self._by_path.get(path)
        if device is None or path not in self.tree:
            raise BusError("org.bluez.Error.DoesNotExist", "Does Not Exist")
        device.remove()
        call.reply()

    def _quiet(self) -> None:
        """If nobody scans any more, the reports end."""
        if self._discovering or not self.tree.value(self.path, ADAPTER, "Discovering"):
            return
        for device in self.devices:
            device.stop_reports()
        self.tree.change(self.path, ADAPTER, {"Discovering": Variant("b", False)})


def _first_properties() -> dict[str, Variant]:
    return {
        "Address": Variant("s", "00:00:5E:00:53:01"),  # from the block reserved for documentation
        "AddressType": Variant("s", "public"),
        "Name": Variant("s", "hotel"),
        "Alias": Variant("s", "hotel"),
        "Class": Variant("u", 0),
        "Powered": Variant("b", True),
        "Discoverable": Variant("b", False),
        "Pairable": Variant("b", False),
        "Discovering": Variant("b", False),
        "Roles": Variant("as", ["central", "peripheral"]),
        "UUIDs": Variant("as", []),
    }
