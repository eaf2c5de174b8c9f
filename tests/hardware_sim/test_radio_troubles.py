"""A radio that fails: the box goes on, says so, and recovers."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from firmware_sim import ble_session
from firmware_sim.bluez.faults import FAILED, REFUSED
from gateway.buses.ble import BleBus, BleSettings
from gateway.buses.failures import LinkDown
from gateway.device import Code, Garbled, RaiseFloor, UnlockPulse, Unreachable
from tests.hardware_sim.conftest import MakeRig
from tests.hardware_sim.rig import ADDRESS, Counted, Rig


def faults(rig: Rig) -> object:
    return next(iter(rig.hotel.sides)).faults("lock-1")  # type: ignore[attr-defined]


async def test_a_box_without_bluetooth_runs_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody.sock")
    bus = BleBus(BleSettings(), Counted())
    running = asyncio.create_task(bus.run())
    await asyncio.sleep(0.5)
    assert not running.done()
    assert not bus.scanning
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_refused_connection_is_tried_again(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    await asyncio.sleep(0.8)  # the first visit has ended
    faults(rig).connect_errors += [REFUSED, (FAILED, "le-connection-timeout")]  # type: ignore[attr-defined]
    reply = await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))
    assert (reply.code, reply.confirmed and reply.confirmed.floor) == (Code.OK, 1 << 8)


async def test_a_link_that_drops_in_the_middle_opens_the_door_once(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    rig.device.faults.latency = {"const": 300}
    opening = asyncio.create_task(rig.driver.apply(rig.command(UnlockPulse(5), ttl_s=10)))
    await rig.log.until(lambda: [entry for entry in rig.hotel.world.trace.entries() if entry.get("op") == "UNLOCK_PULSE"])
    next(iter(rig.hotel.sides)).drop("lock-1")  # type: ignore[attr-defined]
    reply = await opening
    assert (reply.code, reply.replayed, len(rig.device.bolt.openings)) == (Code.OK, True, 1)


async def test_lost_notifications_are_asked_for_again(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    faults(rig).lose_notifications = 2  # type: ignore[attr-defined]
    assert (await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))).code is Code.OK


async def test_an_att_error_is_no_reason_to_crash(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    faults(rig).write_errors += [0x80, 0x80]  # type: ignore[attr-defined]
    assert (await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))).code is Code.OK


async def test_a_silent_lock_is_said_to_be_silent(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.drivers.ble_lock.MOMENTARY_S", 1.0)
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    await asyncio.sleep(0.8)
    faults(rig).silent = True  # type: ignore[attr-defined]
    with pytest.raises(Unreachable, match="no answer"):
        await rig.driver.apply(rig.command(UnlockPulse(5), ttl_s=10))
    assert rig.device.bolt.openings == []


async def test_a_device_that_nobody_hears_cannot_be_connected(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.buses.ble.HEARD_S", 0.5)
    rig = await make_rig("lock", "ble")
    assert rig.buses.ble is not None
    with pytest.raises(LinkDown, match="not heard"):
        async with rig.buses.ble.session("C4:00:00:00:FF:FF"):
            raise AssertionError("there is no such device")


async def test_what_an_earlier_life_left_connected_is_hung_up(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "ble", settings={"address": "C4:00:00:00:00:99"})  # this box does not look after the lock
    device = await BleakScanner.find_device_by_address(ADDRESS, timeout=5.0)
    assert device is not None
    left = BleakClient(device)
    await left.connect()
    bus = BleBus(BleSettings(), rig.drops)
    end = bus.watch(ADDRESS, lambda said: None)
    running = asyncio.create_task(bus.run())
    await rig.log.until(lambda: not left.is_connected)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    end()
    with contextlib.suppress(BleakError):
        await left.disconnect()


def forge_proofs(monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    """Let the next `left` greetings of the simulated lock carry a proof that somebody without its key made up."""
    real, forged = ble_session.hello_ack, iter(range(left))

    def said(*told: Any) -> bytes:
        ack = real(*told)
        return ack if next(forged, None) is None else ack[:-8] + bytes(8)

    monkeypatch.setattr("firmware_sim.ble_lock.hello_ack", said)


async def test_one_forged_greeting_is_counted_and_costs_one_more_try(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    await asyncio.sleep(0.8)  # the first visit has ended
    forge_proofs(monkeypatch, 1)
    assert (await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))).code is Code.OK
    assert rig.drops.reasons == [("ble", "lock-1", "bad_tag")]
    assert "fault" not in [one.health for one in rig.log.conditions]


async def test_five_bad_proofs_in_a_row_leave_the_lock_alone_for_a_while(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.drivers.ble_lock.RETRY_S", 0.01)
    monkeypatch.setattr("gateway.drivers.ble_lock.KEY_PAUSE_S", 3600.0)
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    await asyncio.sleep(0.8)
    forge_proofs(monkeypatch, 6)
    with pytest.raises(Garbled, match="does not hold our key"):
        await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))
    assert rig.drops.of("bad_tag") == 5
    with pytest.raises(Garbled, match="does not hold our key"):
        await rig.driver.apply(rig.command(RaiseFloor(2 << 8)))
    assert rig.drops.of("bad_tag") == 5  # it was not asked
