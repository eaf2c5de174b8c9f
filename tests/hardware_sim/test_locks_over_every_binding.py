"""What the desk relies on at a door, the same over MQTT, Modbus and BLE."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from firmware_sim.faults import ReplyFault
from gateway.device import (
    AccessRight,
    BlockCred,
    Code,
    DelRight,
    DeviceError,
    Identify,
    Mode,
    PutRight,
    RaiseFloor,
    SetClock,
    SetMode,
    Transport,
    UnblockCred,
    UnlockPulse,
)
from gateway.rules.door import guard_digest, rights_digest
from tests.hardware_sim.conftest import LOCKS, MakeRig, pairs
from tests.hardware_sim.rig import Rig, strictly_rising

GENERATION = 389130241
FLOOR = 389130496


def right(rig: Rig, ref: int = 71, version: int = 3) -> AccessRight:
    """A guest's right at door 205 from an hour ago until tomorrow."""
    now = rig.hotel.clock.now().replace(microsecond=0)
    return AccessRight(ref, version, 0xBEEF + ref, 205, 1, GENERATION, now - timedelta(hours=1), now + timedelta(days=1))


@pairs(LOCKS)
async def test_a_put_right_is_confirmed_by_the_lock_s_own_digest(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    one, two = right(rig), right(rig, 72)
    first = await rig.driver.apply(rig.command(PutRight(one)))
    second = await rig.driver.apply(rig.command(PutRight(two)))
    assert first.confirmed is not None
    assert second.confirmed is not None
    assert (first.confirmed.rights_digest, second.confirmed.rights_digest) == (rights_digest([one]), rights_digest([one, two]))
    deleted = await rig.driver.apply(rig.command(DelRight(one.right_ref, 4)))
    assert deleted.confirmed is not None
    assert (deleted.confirmed.rights_count, deleted.confirmed.rights_digest) == (1, rights_digest([two]))
    assert await rig.driver.confirmed() == deleted.confirmed


@pairs(LOCKS)
async def test_floor_and_blocks_are_confirmed_by_the_guard_digest(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    raised = await rig.driver.apply(rig.command(RaiseFloor(FLOOR)))
    blocked = await rig.driver.apply(rig.command(BlockCred(0xBEEF, 3)))
    freed = await rig.driver.apply(rig.command(UnblockCred(0xBEEF, 4)))
    digests = [reply.confirmed.guard_digest for reply in (raised, blocked, freed) if reply.confirmed is not None]
    assert digests == [guard_digest(FLOOR, {}), guard_digest(FLOOR, {0xBEEF: 3}), guard_digest(FLOOR, {})]
    stale = await rig.driver.apply(rig.command(BlockCred(0xBEEF, 2)))
    assert stale.code is Code.STALE_VERSION


@pairs(LOCKS)
async def test_the_other_ops_of_a_lock_reach_it(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    mode = await rig.driver.apply(rig.command(SetMode(Mode.NO_REMOTE, 1)))
    clock = await rig.driver.apply(rig.command(SetClock(rig.hotel.clock.now() + timedelta(seconds=300), 1)))
    await rig.driver.apply(rig.command(Identify()))
    assert (mode.code, clock.code, rig.device.identified) == (Code.OK, Code.OK, 1)
    assert int(rig.device.memory.mode) == Mode.NO_REMOTE
    await rig.log.until(lambda: (rig.log.conditions[-1].clock_offset_s or 0) > 250 or binding != "modbus")
    moved = await rig.log.until(lambda: [event for event in rig.log.committed if event.type == "clock_set"])
    assert abs(moved[0].data["delta_s"] - 300) <= 2


@pairs(LOCKS)
async def test_a_door_opens_from_afar_once(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    rig.device.faults.reply = ReplyFault("did_without_reply", count=1)
    reply = await rig.driver.apply(rig.command(UnlockPulse(5), ttl_s=10))
    assert reply.code is Code.OK
    assert len(rig.device.bolt.openings) == 1
    opened = await rig.log.until(lambda: [event for event in rig.log.committed if event.type == "lock_operation"])
    assert (opened[0].data["op"], opened[0].data["source"]) == ("unlock", "remote")


@pairs(LOCKS)
async def test_an_expired_unlock_never_leaves_the_box(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    reply = await rig.driver.apply(rig.command(UnlockPulse(5), ttl_s=-1))
    assert reply.code is Code.EXPIRED
    assert not [entry for entry in rig.hotel.world.trace.entries() if entry.get("op") == "UNLOCK_PULSE"]


@pairs(LOCKS)
async def test_a_lock_with_another_key_takes_nothing_from_us(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    def other_key(device: object) -> None:
        device.faults.wrong_key = True  # type: ignore[attr-defined]

    rig = await make_rig(kind, binding, prepare=other_key)
    code: Code | None = None
    with contextlib.suppress(DeviceError, TimeoutError):
        async with asyncio.timeout(1.5):
            code = (await rig.driver.apply(rig.command(RaiseFloor(FLOOR)))).code
    assert code in (None, Code.UNAUTHENTICATED)
    assert rig.device.memory.floor == 0
    if binding != "modbus":  # there the device alone checks tags
        assert rig.drops.of("bad_tag") > 0
        assert rig.log.events == []


@pairs(LOCKS)
async def test_denials_and_openings_come_in_the_same_words(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    rig.device.tap(rig.hotel.drawer.make())
    rig.device.mechanical_key()
    rig.device.open_door()
    rig.device.close_door()
    wanted = {
        ("access_denied", "reason", "foreign"),
        ("lock_operation", "source", "mechanical_key"),
        ("door_state", "state", "open"),
        ("door_state", "state", "closed"),
    }
    await rig.log.until(
        lambda: wanted <= {(e.type, key, e.data[key]) for e in rig.log.committed for key in e.data if isinstance(e.data[key], str)}
    )
    assert strictly_rising(rig.log.committed)


@pairs(LOCKS)
async def test_events_of_a_broken_link_arrive_when_it_is_back(kind: str, binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig(kind, binding)
    await rig.quiet()
    rig.device.power_off()
    rig.device.power_on()
    rig.device.mechanical_key()
    await rig.log.until(lambda: rig.log.types().count("boot") == 2 and "lock_operation" in rig.log.types())
    await rig.quiet()
    assert strictly_rising(rig.log.committed)


@pytest.fixture
def noisy(make_rig: MakeRig) -> MakeRig:
    """A rig whose line loses, doubles and re-orders messages in both directions."""

    async def start(kind: str, binding: Transport, **more: object) -> Rig:
        rig = await make_rig(kind, binding, **more)
        faults = rig.device.faults
        lost = 0.04 if binding == "ble" else 0.1  # there a lost message costs a connection
        faults.drop, faults.dup, faults.reorder = {"in": lost, "out": lost}, {"in": 0.2, "out": 0.2}, {"in": 0.2, "out": 0.2}
        return rig

    return start


@pairs(LOCKS)
async def test_on_a_bad_line_the_door_still_holds_what_it_should(
    kind: str, binding: Transport, noisy: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await noisy(kind, binding)
    wanted = [right(rig, ref) for ref in range(71, 75)]
    for one in wanted:
        command = rig.command(PutRight(one))
        for _ in range(10):
            with contextlib.suppress(DeviceError):
                if (await rig.driver.apply(command)).code is Code.OK:
                    break
            await asyncio.sleep(0.5)  # the core would wait as well
    rig.device.faults.drop = rig.device.faults.dup = rig.device.faults.reorder = {}
    assert (await rig.driver.confirmed()).rights_digest == rights_digest(wanted)
    await rig.log.until(lambda: rig.log.types().count("rights_changed") == 4, 40)
    put = [event for event in rig.log.committed if event.type == "rights_changed"]
    assert sorted(event.data["right_ref"] for event in put) == [71, 72, 73, 74]
    assert {(event.data["op"], event.data["version"]) for event in put} == {("put", 3)}
