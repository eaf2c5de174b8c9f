"""The promises of the driver contract, for every class on every binding it has."""

import asyncio

import pytest

from firmware_sim.faults import ReplyFault
from gateway.device import BarLock, Code, Condition, Op, Ping, RaiseFloor, SetClock, SetProfile, Transport, Unreachable
from tests.hardware_sim.conftest import LOCKS, OTHERS, MakeRig, pairs
from tests.hardware_sim.rig import Rig, strictly_rising

ALL = LOCKS + OTHERS


def happen(rig: Rig) -> str:
    """Let hands cause one event; return its type."""
    device = rig.device
    if rig.kind == "lock":
        device.throw_deadbolt(not device.attributes()["deadbolt"])
        return "deadbolt"
    if rig.kind == "encoder":
        device.lay_card(rig.hotel.drawer.make())
        return "card_presented"
    if rig.kind == "minibar":
        device.open_door()
        return "bar_door"
    device.card_holder(not device.attributes()["card_holder"])
    return "card_holder"


def change(rig: Rig, version: int = 1) -> Op:
    """An op that changes something on this class."""
    if rig.kind == "lock":
        return RaiseFloor(389130496)
    if rig.kind == "minibar":
        return BarLock(version)
    if rig.kind == "room":
        return SetProfile("unsold")
    return SetClock(rig.hotel.clock.now(), version)


@pairs(ALL)
async def test_a_driver_begins_with_condition_state_and_the_log(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    await rig.log.until(lambda: rig.log.types()[:1] == ["boot"])
    condition = rig.log.conditions[-1]
    assert (condition.boot_counter, condition.log_id) == (rig.device.boot_counter, rig.device.log_id)
    await rig.log.until(lambda: rig.log.conditions[-1].clock_offset_s is not None)
    assert abs(rig.log.conditions[-1].clock_offset_s or 0) <= 2
    assert isinstance(rig.log.reports[0], Condition)
    assert rig.drops.reasons == []


@pairs(ALL)
async def test_what_happens_at_a_device_arrives_once_and_in_order(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    wanted = [happen(rig) for _ in range(1 if kind in ("encoder", "minibar") else 5)]
    await rig.log.until(lambda: [kind for kind in rig.log.types() if kind in wanted][-len(wanted) :] == wanted)
    await rig.quiet()
    assert strictly_rising(rig.log.committed)
    assert rig.log.committed[-1].seq == rig.device.log.newest


@pairs(ALL)
async def test_a_device_may_forget_only_what_is_committed(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    rig.log.close()
    happened = happen(rig)
    await rig.log.until(lambda: rig.log.events and rig.log.events[-1].type == happened)
    await asyncio.sleep(0.3)  # time enough for an acknowledgement that must not come
    assert rig.device.unacknowledged()
    rig.log.open()
    await rig.log.until(lambda: not rig.device.unacknowledged())


@pairs(ALL)
async def test_the_same_command_twice_is_the_same_state(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    command = rig.command(change(rig))
    first = await rig.driver.apply(command)
    state = rig.device.state()
    again = await rig.driver.apply(command)
    assert (first.code, again.code) == (Code.OK, Code.OK)
    assert first.confirmed == again.confirmed
    assert {**rig.device.state(), "seq": 0} == {**state, "seq": 0}


@pairs(ALL)
async def test_a_lost_answer_does_not_do_it_twice(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    before = rig.device.log.newest
    rig.device.faults.reply = ReplyFault("did_without_reply", count=1)
    reply = await rig.driver.apply(rig.command(change(rig)))
    assert reply.code is Code.OK
    done = [
        entry for entry in rig.hotel.world.trace.entries() if entry["what"] == "command" and not entry["replayed"] and entry["op"] != "PING"
    ]
    assert len(done) == 1, done
    assert rig.device.log.newest - before <= 2


@pairs(ALL)
async def test_a_refusal_is_an_answer_with_its_code(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    rig.device.faults.reply = ReplyFault("error", code="STORAGE_FAULT", count=1)
    reply = await rig.driver.apply(rig.command(change(rig)))
    assert reply.code is Code.STORAGE_FAULT


@pairs(ALL)
@pytest.mark.parametrize("phase", ["before_persist", "after_persist"])
async def test_a_power_cut_in_the_middle_of_a_command_is_survived(kind: str, binding: Transport, phase: str, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    boot = rig.device.boot_counter
    rig.device.faults.crash_phase = phase
    reply = await rig.driver.apply(rig.command(change(rig)))
    assert reply.code is Code.OK
    assert rig.device.boot_counter == boot + 1
    await rig.log.until(lambda: rig.log.conditions[-1].boot_counter == boot + 1)
    await rig.quiet()
    assert strictly_rising(rig.log.committed)


@pairs(ALL)
async def test_a_device_that_is_gone_is_reported_and_comes_back(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding, settings={"silent_s": 1.0} if binding == "ble" else None)
    await rig.quiet()
    if kind == "encoder":
        happen(rig)
    rig.device.power_off()
    await rig.log.until(lambda: rig.log.conditions[-1].health == "offline")
    with pytest.raises(Unreachable):
        async with asyncio.timeout(3):
            await rig.driver.apply(rig.command(Ping()))
