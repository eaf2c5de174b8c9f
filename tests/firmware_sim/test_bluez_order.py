"""The order in which BlueZ says things, seen by a plain bus client that gets signals and replies on one socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bleak.backends.bluezdbus import manager
from bleak.exc import BleakError
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from firmware_sim.bluez.air import Air, start_air
from firmware_sim.bluez.faults import QUICK, Timings
from tests.firmware_sim.radio import ADDRESS, ANSWER, ASK, Echo, client, found, radio

ADAPTER = "/org/bluez/hci0"
DEVICE = f"{ADAPTER}/dev_C4_00_00_00_00_01"
GATT = "org.bluez.GattCharacteristic1"


class Witness:
    """A client that writes down what it hears."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.heard: list[str] = []
        self.messages: list[Message] = []
        self._news = asyncio.Event()
        bus.add_message_handler(self._hear)

    def _hear(self, message: Message) -> None:
        if message.interface == "org.freedesktop.DBus":
            return
        self.messages.append(message)
        self.heard.append(words(message))
        self._news.set()

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Message:
        message = Message("org.bluez", path, interface, member, signature=signature, body=list(body))
        reply = await asyncio.wait_for(self.bus.call(message), 5.0)
        assert reply is not None
        return reply

    async def until(self, word: str) -> None:
        """Wait until something with `word` in it has been heard."""
        async with asyncio.timeout(5.0):
            while not any(word in line for line in self.heard):
                self._news.clear()
                await self._news.wait()

    def forget(self) -> None:
        self.heard.clear()
        self.messages.clear()


def words(message: Message) -> str:
    """One line for one message: the tail of the path, what happened, the plain values of properties."""
    if message.message_type is MessageType.METHOD_RETURN:
        return "reply"
    if message.message_type is MessageType.ERROR:
        return f"error {message.error_name}"
    where = (message.path or "").removeprefix(DEVICE).removeprefix("/org/bluez") or "device"
    if message.member != "PropertiesChanged":
        return f"{message.member} {str(message.body[0]).removeprefix(DEVICE) or 'device'} {'+'.join(message.body[1])}"
    _, changed, gone = message.body
    return f"{where} {' '.join([*(f'{k}={v.value}' if k != 'UUIDs' else k for k, v in changed.items()), *(f'-{name}' for name in gone)])}"


@contextlib.asynccontextmanager
async def witness(folder: Path, *devices: Echo, timings: Timings = QUICK) -> AsyncIterator[tuple[Air, Witness]]:
    air = await start_air(folder / "bus", devices, timings=timings)
    bus = await MessageBus(bus_address=air.address, negotiate_unix_fd=True).connect()
    seen = Witness(bus)
    for rule in ("type='signal',path_namespace='/org/bluez'", "type=signal,arg0path=/org/bluez/"):
        match = Message("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "AddMatch", signature="s", body=[rule])
        await bus.call(match)
    try:
        yield air, seen
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        await air.stop()


async def discovered(seen: Witness) -> None:
    """Scan until the device is known, stop, forget what was said."""
    await seen.call(ADAPTER, "org.bluez.Adapter1", "StartDiscovery")
    await seen.until("InterfacesAdded device")
    await seen.call(ADAPTER, "org.bluez.Adapter1", "StopDiscovery")
    await seen.until("Discovering=False")
    seen.forget()


async def connected(seen: Witness) -> None:
    """Connected, services resolved, what was said forgotten."""
    await discovered(seen)
    await seen.call(DEVICE, "org.bluez.Device1", "Connect")
    await seen.until("InterfacesAdded device org.bluez.Battery1")
    seen.forget()


async def test_a_connection_is_signalled_before_its_reply_and_its_services_after(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo()) as (_, seen):
        await discovered(seen)
        await seen.call(DEVICE, "org.bluez.Device1", "Connect")
        await seen.until("Battery1")
        assert seen.heard == [
            "device Connected=True",
            "reply",
            "InterfacesAdded /service0010 org.bluez.GattService1",
            "InterfacesAdded /service0010/char0011 org.bluez.GattCharacteristic1",
            "InterfacesAdded /service0010/char0013 org.bluez.GattCharacteristic1",
            "InterfacesAdded /service0010/char0013/desc0015 org.bluez.GattDescriptor1",
            "InterfacesAdded /service0016 org.bluez.GattService1",
            "InterfacesAdded /service0016/char0017 org.bluez.GattCharacteristic1",
            "InterfacesAdded /service0016/char0017/desc0019 org.bluez.GattDescriptor1",
            "device ServicesResolved=True UUIDs",
            "InterfacesAdded device org.bluez.Battery1",
        ]


async def test_the_reply_to_a_connect_is_held_back_behind_the_signal(tmp_path: Path) -> None:
    assert Timings().connect_gap_s == 0.1  # without a gap bleak, which hears the two on two sockets, fails when it is busy
    async with witness(tmp_path, Echo(), timings=Timings(connect_s=0.0, connect_gap_s=3600.0)) as (_, seen):
        await discovered(seen)
        calling = asyncio.ensure_future(seen.call(DEVICE, "org.bluez.Device1", "Connect"))
        await seen.until("Connected=True")
        await seen.call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")  # a whole round trip later
        assert not calling.done()
        calling.cancel()


async def test_a_disconnect_ends_the_services_replies_and_then_ends_the_link(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo()) as (_, seen):
        await connected(seen)
        await seen.call(DEVICE, "org.bluez.Device1", "Disconnect")
        await seen.until("Connected=False")
        assert seen.heard == ["device ServicesResolved=False", "reply", "device Connected=False"]


async def test_a_second_connection_only_resolves_the_services_again(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo()) as (_, seen):
        await connected(seen)
        await seen.call(DEVICE, "org.bluez.Device1", "Disconnect")
        await seen.until("Connected=False")
        seen.forget()
        await seen.call(DEVICE, "org.bluez.Device1", "Connect")
        await seen.until("Percentage")
        assert seen.heard == ["device Connected=True", "reply", "device ServicesResolved=True", "device Percentage=87"]


async def test_a_subscription_is_signalled_before_its_reply_and_a_value_after_the_reply_to_the_write(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo()) as (_, seen):
        await connected(seen)
        await seen.call(f"{DEVICE}/service0010/char0013", GATT, "StartNotify")
        await seen.call(f"{DEVICE}/service0010/char0011", GATT, "WriteValue", "aya{sv}", b"hi", {"type": Variant("s", "request")})
        await seen.until("Value=")
        assert seen.heard == ["/service0010/char0013 Notifying=True", "reply", "reply", "/service0010/char0013 Value=b'hi'"]


async def test_a_value_that_is_read_is_signalled_too(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo()) as (_, seen):
        await connected(seen)
        reply = await seen.call(f"{DEVICE}/service0010/char0011", GATT, "ReadValue", "a{sv}", {})
        assert reply.body == [b"value"]
        assert seen.heard == ["/service0010/char0011 Value=b'value'", "reply"]


async def test_the_end_of_a_scan_takes_the_signal_strength_away(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo()) as (_, seen):
        await seen.call(ADAPTER, "org.bluez.Adapter1", "StartDiscovery")
        await seen.until("InterfacesAdded device")
        seen.forget()
        await seen.call(ADAPTER, "org.bluez.Adapter1", "StopDiscovery")
        await seen.until("Discovering=False")
        assert [line for line in seen.heard if "RSSI=" not in line] == ["reply", "device -RSSI", "/hci0 Discovering=False"]


async def test_every_report_repeats_the_strength_but_only_new_data_is_told(tmp_path: Path) -> None:
    sensor = Echo(manufacturer_data={0xFFFF: b"one"}, interval_s=3600.0)
    async with witness(tmp_path, sensor) as (_, seen):
        await seen.call(ADAPTER, "org.bluez.Adapter1", "StartDiscovery")
        assert sensor.radio is not None
        for data in (b"one", b"one", b"two"):
            sensor.manufacturer_data = {0xFFFF: data}
            sensor.radio.advertise()
        await seen.until("ManufacturerData")
        added, same, new = (m for m in seen.messages if m.message_type is MessageType.SIGNAL and (m.path or "")[-4:] != "hci0")
        assert added.member == "InterfacesAdded"
        assert set(same.body[1]) == {"RSSI"}
        assert set(new.body[1]) == {"RSSI", "ManufacturerData"}


async def test_a_device_not_heard_for_long_is_forgotten_children_first(tmp_path: Path) -> None:
    async with witness(tmp_path, Echo(), timings=Timings(0.0, 0.0, 0.0, 0.0, 0.0, forget_s=0.2)) as (_, seen):
        await connected(seen)
        await seen.call(DEVICE, "org.bluez.Device1", "Disconnect")
        await seen.until("InterfacesRemoved device")
        gone = [line.split()[1] for line in seen.heard if line.startswith("InterfacesRemoved")]
        assert gone[-1] == "device"
        assert gone.index("/service0010/char0013/desc0015") < gone.index("/service0010/char0013") < gone.index("/service0010")


async def test_a_trusted_device_is_not_forgotten(tmp_path: Path) -> None:
    timings = Timings(0.0, 0.0, 0.0, 0.0, 0.0, forget_s=0.1)
    other = Echo("C4:00:00:00:00:02")
    async with witness(tmp_path, Echo(), other, timings=timings) as (air, seen):
        await seen.call(ADAPTER, "org.bluez.Adapter1", "StartDiscovery")
        await seen.until("InterfacesAdded device")
        await seen.until("00_02")
        trusted = ("org.bluez.Device1", "Trusted", Variant("b", True))
        await seen.call(DEVICE, "org.freedesktop.DBus.Properties", "Set", "ssv", *trusted)
        await seen.call(ADAPTER, "org.bluez.Adapter1", "StopDiscovery")
        await seen.until("InterfacesRemoved")
        assert DEVICE in air.bluez.tree
        assert air.device(other.address).path not in air.bluez.tree
        assert air.device(ADDRESS).path == DEVICE


async def test_subscriptions_end_with_the_bus_connection_but_the_link_stays(tmp_path: Path) -> None:
    door = Echo()
    async with witness(tmp_path, door) as (air, seen):
        await connected(seen)
        second = await MessageBus(bus_address=air.address).connect()
        path = f"{DEVICE}/service0010/char0013"
        await second.call(Message("org.bluez", path, GATT, "StartNotify"))
        second.disconnect()
        await second.wait_for_disconnect()  # type: ignore[no-untyped-call]
        await seen.until("Notifying=False")
        assert door.link is not None
        door.link.notify(ANSWER, b"to nobody")
        reply = await seen.call(path.replace("13", "11"), GATT, "ReadValue", "a{sv}", {})
        assert reply.message_type is MessageType.METHOD_RETURN
        assert not any("to nobody" in line for line in seen.heard)
        assert air.bluez.tree.value(path.replace("13", "11"), GATT, "UUID") == ASK


async def test_without_the_gap_behind_the_signal_bleak_gives_up_a_good_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The guard of the test above taken away: bleak's signal socket a little slower than its reply socket, as on a busy machine."""
    seen = manager.BlueZManager._parse_msg

    def later(self: manager.BlueZManager, message: Message) -> None:
        asyncio.get_running_loop().call_later(0.02, seen, self, message)

    monkeypatch.setattr(manager.BlueZManager, "_parse_msg", later)
    outcomes: list[str] = []
    for gap_s in (0.0, 0.1):
        timings = Timings(connect_s=0.0, connect_gap_s=gap_s, resolve_s=0.1, operation_s=0.0, disconnect_s=0.05)
        async with radio(monkeypatch, tmp_path, Echo(), timings=timings):
            try:
                async with client(await found()):
                    outcomes.append("connected")
            except BleakError as error:
                outcomes.append(str(error))
    assert outcomes == ["failed to discover services, device disconnected", "connected"]
