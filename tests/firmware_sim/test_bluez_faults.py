"""What bleak makes of each injected fault: the table that the lock driver is written against."""

import asyncio
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from firmware_sim.bluez.faults import ABORTED, REFUSED
from tests.firmware_sim.radio import ADDRESS, ANSWER, ASK, Echo, Heard, Stuck, client, found, radio

SHORT = 0.3  # seconds until bleak gives up, where it has to


async def test_a_refused_connection_is_reported_and_the_next_attempt_connects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        air.faults[ADDRESS].connect_errors.append(REFUSED)
        device = await found()
        with pytest.raises(BleakDBusError, match="le-connection-refused"):
            await client(device).connect()
        async with client(device) as connected:
            assert connected.is_connected


async def test_an_attempt_aborted_by_our_own_side_is_repeated_by_bleak_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        air.faults[ADDRESS].connect_errors += [ABORTED, ABORTED]
        async with client(await found()) as connected:
            assert connected.is_connected
        assert not air.faults[ADDRESS].connect_errors


async def test_a_lock_that_never_answers_ends_only_by_the_time_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        device = await found()
        air.faults[ADDRESS].connect_never = True
        with pytest.raises(TimeoutError):
            await client(device, SHORT).connect()
        air.faults[ADDRESS].connect_never = False
        async with client(device) as connected:
            assert connected.is_connected


async def test_a_lock_that_falls_silent_is_not_heard_and_not_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        device = await found()
        air.faults[ADDRESS].silent = True
        with pytest.raises(TimeoutError):
            await client(device, SHORT).connect()
        assert await BleakScanner.find_device_by_address(ADDRESS, timeout=SHORT) is None


async def test_services_that_never_resolve_end_by_the_time_limit_and_as_a_disconnect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = asyncio.Event()
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        air.faults[ADDRESS].services_never = True
        with pytest.raises(TimeoutError):
            await BleakClient(await found(), disconnected_callback=lambda _: gone.set(), timeout=SHORT).connect()
        await asyncio.wait_for(gone.wait(), 5.0)


@pytest.mark.parametrize("code", [0x05, 0x80])
async def test_a_lock_that_answers_no_to_a_write_stays_connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door) as air:
        air.faults[ADDRESS].write_errors.append(code)
        async with client(await found()) as connected:
            with pytest.raises(BleakGATTProtocolError) as answered:
                await connected.write_gatt_char(ASK, b"one", response=True)
            assert answered.value.code == code
            await connected.write_gatt_char(ASK, b"two", response=True)
    assert door.written == [b"two"]


async def test_a_link_that_drops_during_a_write_says_so_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = asyncio.Event()
    door = Echo()
    async with radio(monkeypatch, tmp_path, door) as air:
        connected = BleakClient(await found(), disconnected_callback=lambda _: gone.set())
        await connected.connect()
        air.faults[ADDRESS].drop_on_write = 1
        with pytest.raises(BleakDBusError, match="Not connected"):
            await connected.write_gatt_char(ASK, b"lost", response=True)
        await asyncio.wait_for(gone.wait(), 5.0)
        await connected.disconnect()
    assert door.written == []


async def test_a_link_that_drops_in_the_middle_of_a_write_ends_the_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Stuck()
    async with radio(monkeypatch, tmp_path, door) as air, client(await found()) as connected:
        writing = asyncio.ensure_future(connected.write_gatt_char(ASK, b"slow", response=True))
        await door.reached.wait()
        air.drop(ADDRESS)
        with pytest.raises(BleakDBusError, match="Not connected"):
            await writing


async def test_a_link_that_drops_while_idle_is_told_by_the_callback_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = asyncio.Event()
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        connected = BleakClient(await found(), disconnected_callback=lambda _: gone.set())
        await connected.connect()
        air.drop(ADDRESS)
        await asyncio.wait_for(gone.wait(), 5.0)
        assert not connected.is_connected
        with pytest.raises(BleakError, match=r"Not connected|Service Discovery"):
            await connected.write_gatt_char(ASK, b"late", response=True)
        await connected.disconnect()


async def test_a_lost_notification_is_noticed_by_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heard = Heard()
    async with radio(monkeypatch, tmp_path, Echo()) as air, client(await found()) as connected:
        await connected.start_notify(ANSWER, heard)
        air.faults[ADDRESS].lose_notifications = 1
        await connected.write_gatt_char(ASK, b"one", response=True)
        await connected.write_gatt_char(ASK, b"two", response=True)
        assert await heard.next() == b"two"


async def test_an_adapter_without_power_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        air.bluez.adapter.power(False)
        with pytest.raises(BleakBluetoothNotAvailableError) as answered:
            await BleakScanner.find_device_by_address(ADDRESS, timeout=SHORT)
        assert answered.value.reason is BleakBluetoothNotAvailableReason.POWERED_OFF


async def test_an_adapter_that_loses_power_drops_its_links(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = asyncio.Event()
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        connected = BleakClient(await found(), disconnected_callback=lambda _: gone.set())
        await connected.connect()
        air.bluez.adapter.power(False)
        await asyncio.wait_for(gone.wait(), 5.0)
        await connected.disconnect()


async def test_an_adapter_with_all_slots_taken_refuses_one_more_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    second = "C4:00:00:00:00:02"
    async with radio(monkeypatch, tmp_path, Echo(), Echo(second)) as air:
        air.bluez.adapter.slots = 1
        async with client(await found()):
            with pytest.raises(BleakDBusError, match="limit"):
                await client(await found(second)).connect()
        async with client(await found(second)) as connected:
            assert connected.is_connected


async def test_a_device_removed_from_bluez_must_be_heard_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()):
        stale = await found()
        await client(stale).unpair()
        with pytest.raises(BleakError, match="not found"):
            await client(stale).connect()
        async with client(await found()) as connected:
            assert connected.is_connected


async def test_an_address_that_nobody_has_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()):
        with pytest.raises(BleakDeviceNotFoundError):
            await BleakClient("C4:00:00:00:0F:0F", timeout=SHORT).connect()


async def test_when_bluez_dies_open_calls_end_and_its_return_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Stuck()
    async with radio(monkeypatch, tmp_path, door) as air:
        connected = BleakClient(await found())
        await connected.connect()
        writing = asyncio.ensure_future(connected.write_gatt_char(ASK, b"x", response=True))
        await door.reached.wait()
        air.bluez.stop()
        with pytest.raises(BleakDBusError, match="NoReply"):
            await writing
        with pytest.raises(BleakDBusError, match="ServiceUnknown"):
            await connected.write_gatt_char(ASK, b"y", response=True)
        air.bluez.restart()
        with pytest.raises(BleakDBusError, match="UnknownObject"):  # the new BlueZ has not heard the lock yet
            await connected.disconnect()
        async with client(await found()) as again:
            assert again.is_connected


async def test_a_slow_lock_has_nothing_until_its_time_has_come(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door) as air, client(await found()) as connected:
        air.faults[ADDRESS].slow_s = 3600.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connected.write_gatt_char(ASK, b"slow", response=True)
        assert door.written == []


async def test_a_connection_may_take_longer_than_the_caller_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with radio(monkeypatch, tmp_path, Echo()) as air:
        device = await found()
        air.faults[ADDRESS].connect_delay_s = 3600.0
        with pytest.raises(TimeoutError):
            await client(device, SHORT).connect()
        air.faults[ADDRESS].connect_delay_s = 0.01
        async with client(device) as connected:
            assert connected.is_connected


async def test_the_strength_of_a_signal_can_be_set_and_wavers_within_its_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()
    async with radio(monkeypatch, tmp_path, Echo(interval_s=0.005)) as air:
        air.faults[ADDRESS].rssi, air.faults[ADDRESS].rssi_jitter = -85, 5
        async with BleakScanner(lambda _, data: heard.put_nowait(data.rssi)):
            strengths = {await heard.get() for _ in range(50)}
    assert min(strengths) >= -90
    assert max(strengths) <= -80
    assert len(strengths) > 1
