"""One remote device in BlueZ (org.bluez.Device1): heard, connected, resolved, disconnected, forgotten; signals in BlueZ's order."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Protocol

from dbus_fast import Variant

from firmware_sim.bluez.call import BusError, Call
from firmware_sim.bluez.characteristics import Characteristics
from firmware_sim.bluez.faults import ABORTED, FAILED, Faults, Timings
from firmware_sim.bluez.layout import laid_out
from firmware_sim.bluez.objects import ObjectTree
from firmware_sim.bluez.peripheral import Advertisement, AttError, Peripheral, assigned

DEVICE = "org.bluez.Device1"
BATTERY = "org.bluez.Battery1"
_BATTERY_SERVICE = assigned(0x180F)
_BATTERY_LEVEL = assigned(0x2A19)


class Surroundings(Protocol):
    """What a device asks of its adapter."""

    path: str
    timings: Timings
    tree: ObjectTree
    random: Random

    def listening(self, uuids: tuple[str, ...], rssi: int) -> bool:
        """Whether a scan is running whose filter lets such a report through."""

    def ready(self) -> None:
        """Raise BusError unless the adapter is on and has a free slot for one more connection."""


class Device:
    """BlueZ's side of one peripheral. `faults` may be changed at any time."""

    def __init__(self, peripheral: Peripheral, adapter: Surroundings, faults: Faults) -> None:
        self.peripheral = peripheral
        self.faults = faults
        self.path = f"{adapter.path}/dev_{peripheral.address.replace(':', '_')}"
        self.chars = Characteristics(peripheral, faults, adapter.tree, adapter.timings, self.drop)
        self._adapter = adapter
        self._tree = adapter.tree
        self._connecting: asyncio.Task[None] | None = None
        self._disconnects: list[Call] = []
        self._ending: asyncio.TimerHandle | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._forget_at = 0.0  # on the loop's clock
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        """Whether the link is up (it is until the end of a disconnect)."""
        return self.chars.link is not None

    # -- advertising

    def start_reports(self) -> None:
        """Report at the peripheral's interval from now on; the first one comes at a random point of it."""
        if self._ticking is None:
            self._tick_in(self._adapter.random.uniform(0.0, self.peripheral.interval_s))

    def stop_reports(self) -> None:
        """The scan has ended: no more reports, the signal strength is no longer known."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if self._tree.value(self.path, DEVICE, "RSSI") is not None:
            self._tree.change(self.path, DEVICE, {}, ("RSSI",))
        self._forget_later()

    def advertise(self) -> None:
        """Send one report now, if the device is on the air and somebody listens."""
        if self.connected or self.faults.silent or not self.peripheral.on_air:
            return
        report = self.peripheral.advertisement()
        rssi = report.rssi if self.faults.rssi is None else self.faults.rssi
        rssi += self._adapter.random.randint(-self.faults.rssi_jitter, self.faults.rssi_jitter)
        if self._adapter.listening(report.uuids, rssi):
            self._heard(report, rssi)

    def _tick_in(self, delay_s: float) -> None:
        self._ticking = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._tick_in(self.peripheral.interval_s)
        self.advertise()

    def _heard(self, report: Advertisement, rssi: int) -> None:
        """Every report signals RSSI, even an equal one; data is in the signal only when it has changed."""
        strength = {"RSSI": Variant("n", rssi)}
        if self.path not in self._tree:
            known = _first_seen(self.peripheral, self._adapter.path, report.name)
            self._tree.add(self.path, {DEVICE: known | _advertised(report, ()) | strength})
        else:
            known = self._tree.interfaces(self.path)[DEVICE]
            wanted = _advertised(report, known["UUIDs"].value)
            changed = {name: value for name, value in wanted.items() if known.get(name) != value}
            self._tree.change(self.path, DEVICE, strength | changed)
        self._forget_later()

    # -- the link

    async def connect(self, call: Call) -> None:
        """Device1.Connect. The reply comes a moment after Connected=true, the services after the reply."""
        if self.connected:
            call.reply()
            return
        if self._connecting is not None:
            raise BusError("org.bluez.Error.InProgress", "Operation already in progress")
        self._adapter.ready()
        task = asyncio.current_task()
        self._connecting = task
        try:
            await self._establish()
            await asyncio.sleep(self._adapter.timings.connect_gap_s)
            if not self.connected:
                raise BusError(*ABORTED)
            call.reply()
        except asyncio.CancelledError:
            raise BusError(FAILED, "br-connection-canceled") from None  # BlueZ says "br" for LE too
        finally:
            self._connecting = None
        await self._resolve()

    async def disconnect(self, call: Call) -> None:
        """Device1.Disconnect: also ends a Connect that is still waiting."""
        if self._connecting is not None and not self.connected:
            self._connecting.cancel()
            call.reply()
        elif not self.connected:
            call.reply()
        else:
            self._disconnects.append(call)
            if self._ending is None:
                self._unresolve()
                self._ending = asyncio.get_running_loop().call_later(self._adapter.timings.disconnect_s, self.drop)

    def drop(self) -> None:
        """The link is gone, now: asked for, out of range, or the peripheral's doing."""
        if not self.connected:
            return
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._unresolve()
        for call in self._disconnects:
            call.reply()
        self._disconnects.clear()
        self.chars.down()
        self._tree.change(self.path, DEVICE, {"Connected": Variant("b", False)})
        self.peripheral.on_disconnect()
        self._forget_later()

    def remove(self) -> None:
        """Adapter1.RemoveDevice, or forgotten: the objects go, the GATT tree first."""
        self.drop()
        self.chars.forget()
        self._tree.remove(self.path)

    def stop(self) -> None:
        """End every timer; nothing of this device runs any more."""
        for timer in (self._ticking, self._forgetting, self._ending):
            if timer is not None:
                timer.cancel()
        self._ticking = self._forgetting = self._ending = None

    async def _establish(self) -> None:
        """Return with the link up; raise BusError as the injected faults say; wait for ever if they say that."""
        faults = self.faults
        if faults.connect_errors:
            error = faults.connect_errors.pop(0)
            if error == ABORTED:  # the real stack has been connected for a moment by then
                self._tree.change(self.path, DEVICE, {"Connected": Variant("b", True)})
                self._tree.change(self.path, DEVICE, {"Connected": Variant("b", False)})
            raise BusError(*error)
        await asyncio.sleep(self._adapter.timings.connect_s + faults.connect_delay_s)
        if faults.silent or faults.connect_never or not (self.peripheral.on_air and self.peripheral.gatt):
            await asyncio.Event().wait()
        self._adapter.ready()
        link = self.chars.up()
        self._tree.change(self.path, DEVICE, {"Connected": Variant("b", True)})
        self.peripheral.on_connect(link)

    async def _resolve(self) -> None:
        """Announce the GATT tree (once per device), then ServicesResolved with the UUIDs in one signal, then the battery."""
        link = self.chars.link
        await asyncio.sleep(self._adapter.timings.resolve_s)
        if link is None or link is not self.chars.link or self._ending is not None or self.faults.services_never:
            return
        changed = {"ServicesResolved": Variant("b", True)}
        if not self.chars.known:
            for path, interfaces in laid_out(self.path, self.peripheral.gatt, self.peripheral.mtu):
                self._tree.add(path, interfaces)
                self.chars.learn(path, interfaces)
            changed["UUIDs"] = Variant("as", [service.uuid for service in self.peripheral.gatt])
        self._tree.change(self.path, DEVICE, changed)
        if any(service.uuid == _BATTERY_SERVICE for service in self.peripheral.gatt):
            await self._show_battery()

    async def _show_battery(self) -> None:
        try:
            level = await self.peripheral.read(_BATTERY_LEVEL)
        except AttError:
            return
        percentage = {"Percentage": Variant("y", level[0])}
        if BATTERY in self._tree.interfaces(self.path):
            self._tree.change(self.path, BATTERY, percentage)
        elif self.path in self._tree:
            self._tree.add(self.path, {BATTERY: percentage})

    def _unresolve(self) -> None:
        if self._tree.value(self.path, DEVICE, "ServicesResolved"):
            self._tree.change(self.path, DEVICE, {"ServicesResolved": Variant("b", False)})

    def _forget_later(self) -> None:
        """BlueZ removes a temporary device some time after it was last heard, scanned for or connected."""
        loop = asyncio.get_running_loop()
        self._forget_at = loop.time() + self._adapter.timings.forget_s
        if self._forgetting is None:
            self._forgetting = loop.call_at(self._forget_at, self._forget)

    def _forget(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._forget_at:
            self._forgetting = loop.call_at(self._forget_at, self._forget)
            return
        self._forgetting = None
        kept = self._tree.value(self.path, DEVICE, "Paired") or self._tree.value(self.path, DEVICE, "Trusted")
        if not (self.connected or self._connecting or kept):
            self.remove()


def _advertised(report: Advertisement, uuids: Sequence[str]) -> dict[str, Variant]:
    """The properties of Device1 that a report fills; its UUIDs join those already known."""
    properties: dict[str, Variant] = {}
    if report.manufacturer_data:
        data = {company: Variant("ay", bytes(value)) for company, value in report.manufacturer_data.items()}
        properties["ManufacturerData"] = Variant("a{qv}", data)
    if report.service_data:
        properties["ServiceData"] = Variant("a{sv}", {uuid: Variant("ay", bytes(value)) for uuid, value in report.service_data.items()})
    if report.uuids:
        properties["UUIDs"] = Variant("as", list(dict.fromkeys((*uuids, *report.uuids))))
    if report.name:
        properties |= {"Name": Variant("s", report.name), "Alias": Variant("s", report.name)}
    return properties


def _first_seen(peripheral: Peripheral, adapter: str, name: str | None) -> dict[str, Variant]:
    """What clients may index without asking; a device without a name is called by its address with dashes."""
    properties = {
        "Address": Variant("s", peripheral.address),
        "AddressType": Variant("s", peripheral.address_type),
        "Alias": Variant("s", name or peripheral.address.replace(":", "-")),
        "Adapter": Variant("o", adapter),
        "UUIDs": Variant("as", []),
    }
    for flag in ("Paired", "Bonded", "Trusted", "Blocked", "Connected", "ServicesResolved", "LegacyPairing"):
        properties[flag] = Variant("b", False)
    return properties
