"""Unmodified bleak against the simulated BlueZ: what works when nothing is wrong."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.assigned_numbers import AdvertisementDataType
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError
from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

from firmware_sim.bluez.air import start_air
from firmware_sim.bluez.faults import QUICK
from tests.firmware_sim.radio import ADDRESS, ANSWER, ASK, BATTERY, SERVICE, Echo, Heard, client, found, radio


async def test_a_device_is_found_asked_and_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door):
        heard = Heard()
        async with client(await found()) as connected:
            await connected.start_notify(ANSWER, heard)
            await connected.write_gatt_char(ASK, b"open", response=True)
            assert await heard.next() == b"open"
            assert await connected.read_gatt_char(BATTERY) == b"\x57"
            assert connected.is_connected
        assert not connected.is_connected
        assert door.link is None
    assert door.written == [b"open"]


async def test_notifications_can_be_had_through_a_socket_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door):
        heard = Heard()
        async with client(await found()) as connected:
            await connected.start_notify(ANSWER, heard, bluez={"use_start_notify": False})
            for data in (b"one", b"two"):
                await connected.write_gatt_char(ASK, data, response=True)
                assert await heard.next() == data
            await connected.stop_notify(ANSWER)
            await connected.start_notify(ANSWER, heard)
            await connected.write_gatt_char(ASK, b"three", response=True)
            assert await heard.next() == b"three"


async def test_nobody_hears_what_nobody_subscribed_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()):
        heard = Heard()
        async with client(await found()) as connected:
            await connected.start_notify(ANSWER, heard)
            await connected.stop_notify(ANSWER)
            await connected.write_gatt_char(ASK, b"one", response=True)
            await connected.start_notify(ANSWER, heard)
            await connected.write_gatt_char(ASK, b"two", response=True)
            assert await heard.next() == b"two"


async def test_a_write_without_response_arrives_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door), client(await found()) as connected:
        await connected.write_gatt_char(ASK, b"quick", response=False)
    assert door.written == [b"quick"]


async def test_writes_at_the_same_time_arrive_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door), client(await found()) as connected:
        await asyncio.gather(*(connected.write_gatt_char(ASK, bytes((n,)), response=True) for n in range(5)))
    assert sorted(door.written) == [bytes((n,)) for n in range(5)]


async def test_the_size_of_a_write_follows_the_size_of_the_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo(mtu=103)), client(await found()) as connected:
        characteristic = connected.services.get_characteristic(ASK)
        assert characteristic is not None
        assert characteristic.max_write_without_response_size == 100


async def test_what_is_not_offered_is_refused_with_the_protocols_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()), client(await found()) as connected:
        with pytest.raises(BleakGATTProtocolError) as answered:
            await connected.read_gatt_char(ANSWER)
        assert answered.value.code == 2
        with pytest.raises(BleakGATTProtocolError) as answered:
            await connected.write_gatt_char(BATTERY, b"x", response=True)
        assert answered.value.code == 3


async def test_a_device_without_a_name_has_none_and_one_with_a_name_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    second = "C4:00:00:00:00:02"
    async with radio(monkeypatch, tmp_path, Echo(), Echo(second, name="door 12")):
        assert (await found()).name is None
        assert (await found(second)).name == "door 12"


async def test_a_scan_for_a_service_hears_only_those_who_offer_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = Echo("C4:00:00:00:00:02", uuids=(SERVICE,))
    async with radio(monkeypatch, tmp_path, Echo(), lock):
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with BleakScanner(lambda device, _: heard.put_nowait(device.address), service_uuids=[SERVICE]):
            assert {await heard.get() for _ in range(5)} == {lock.address}


async def test_two_scans_of_one_program_are_one_too_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()), BleakScanner():
        with pytest.raises(BleakDBusError, match="InProgress"):
            await BleakScanner().start()


async def test_a_scan_goes_on_while_a_door_is_worked_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sensor = Echo("C4:00:00:00:00:02")
    async with radio(monkeypatch, tmp_path, Echo(), sensor):
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with BleakScanner(lambda device, _: heard.put_nowait(device.address)) as scanner:
            while ADDRESS not in {device.address for device in scanner.discovered_devices}:
                await heard.get()
            door = next(device for device in scanner.discovered_devices if device.address == ADDRESS)
            async with client(door) as connected:
                while not heard.empty():
                    heard.get_nowait()
                assert {await heard.get() for _ in range(3)} == {sensor.address}  # who is connected does not advertise
                await connected.write_gatt_char(ASK, b"open", response=True)
            while await heard.get() != ADDRESS:
                pass


async def test_a_link_left_open_by_a_dead_program_is_taken_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door) as air:
        device = await found()
        dead = await MessageBus(bus_address=air.address).connect()
        await dead.call(Message("org.bluez", device.details["path"], "org.bluez.Device1", "Connect"))
        dead.disconnect()
        assert door.link is not None
        async with client(device) as connected:  # bleak finds it connected and goes on from there
            await connected.write_gatt_char(ASK, b"mine", response=True)
        assert door.link is None
    assert door.written == [b"mine"]


async def test_passive_scanning_is_not_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()):
        patterns: BlueZScannerArgs = {"or_patterns": [(0, AdvertisementDataType.FLAGS, b"\x06")]}
        with pytest.raises(BleakError, match="experimental"):
            await BleakScanner(scanning_mode="passive", bluez=patterns).start()


ANOTHER_PROGRAM = f"""
import asyncio
from bleak import BleakClient, BleakScanner

async def main():
    device = await BleakScanner.find_device_by_address("{ADDRESS}", timeout=5.0)
    async with BleakClient(device) as client:
        print((await client.read_gatt_char("2a19"))[0])

asyncio.run(main())
"""


async def test_another_program_needs_nothing_but_the_address_of_the_bus(tmp_path: Path) -> None:
    air = await start_air(tmp_path / "bluez.sock", [Echo()], timings=QUICK)
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": air.address}
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", ANOTHER_PROGRAM, stdout=asyncio.subprocess.PIPE, env=environment)
    out, _ = await asyncio.wait_for(program.communicate(), 30.0)
    await air.stop()
    assert (program.returncode, out) == (0, b"87\n")


async def test_a_filter_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    air = await start_air(tmp_path / "bluez.sock", [], timings=QUICK)
    caller = await MessageBus(bus_address=air.address).connect()
    for options in ({"UUIDs": Variant("s", SERVICE)}, {"RSSI": Variant("s", "loud")}):
        call = Message("org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1", "SetDiscoveryFilter", signature="a{sv}", body=[options])
        reply = await caller.call(call)
        assert reply is not None
        assert reply.error_name == "org.bluez.Error.InvalidArguments"
    caller.disconnect()
    await caller.wait_for_disconnect()  # type: ignore[no-untyped-call]
    await air.stop()


async def test_two_devices_cannot_have_one_address(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give each its own"):
        await start_air(tmp_path / "bluez.sock", [Echo(), Echo()], timings=QUICK)
    assert not (tmp_path / "bluez.sock").exists()
