"""How a simulated device takes commands: once, in order of version, across power cuts, and how it tells what it holds."""

from pathlib import Path

import pytest

from firmware_sim.faults import ReplyFault
from firmware_sim.unit import Unit
from tests.firmware_sim.sim_builders import NOON, T, card, command, data, do, events, later, lock, right

READBACK = {"rights_count", "rights_digest", "guard_digest", "floor", "generation"}


async def test_a_repeated_command_is_answered_from_memory_and_does_nothing() -> None:
    door = lock()
    pulse = command("UNLOCK_PULSE", {"s": 5}, expires_at=T + 10)
    first, second = await door.execute(pulse), await door.execute(pulse)
    assert first is not None
    assert second is not None
    assert (first.status, first.replayed, second.status, second.replayed) == ("done", False, "done", True)
    assert len(door.bolt.openings) == 1


async def test_the_memory_of_commands_outlives_a_reboot_of_device_and_simulator(tmp_path: Path) -> None:
    door = lock(path=tmp_path / "lock")
    pulse = command("UNLOCK_PULSE", {"s": 5}, expires_at=T + 10)
    await door.execute(pulse)
    door.nvram.close()
    again = lock(path=tmp_path / "lock")
    reply = await again.execute(pulse)
    assert reply is not None
    assert reply.replayed
    assert again.bolt.openings == []
    again.nvram.close()
    assert (again.boot_counter, again.log_id) == (door.boot_counter + 1, door.log_id)


async def test_the_sixty_fifth_command_pushes_out_the_first() -> None:
    door = lock()
    first = command("PING")
    await door.execute(first)
    for _ in range(64):
        await do(door, "PING")
    reply = await door.execute(first)
    assert reply is not None
    assert not reply.replayed


async def test_a_pulse_never_acts_after_its_expiry_nor_without_one() -> None:
    door = lock()
    assert (await do(door, "UNLOCK_PULSE", {"s": 5}, T)).status == "expired"
    assert (await do(door, "UNLOCK_PULSE", {"s": 5})).code == "BAD_REQUEST"
    late = command("UNLOCK_PULSE", {"s": 5}, expires_at=T + 10)
    later(door, 10)
    expired = await door.execute(late)
    assert expired is not None
    assert expired.status == "expired"
    door.clock.offset -= 3600
    revived = await door.execute(late)
    assert revived is not None
    assert revived.status == "expired", "a clock that is turned back revives nothing"
    door.clock.valid = False
    assert (await do(door, "UNLOCK_PULSE", {"s": 5}, T + 99)).status == "expired"
    assert door.bolt.openings == []


async def test_every_answer_about_rights_reads_back_what_is_held() -> None:
    door = lock()
    for op, args in (
        ("PUT_RIGHT", right()),
        ("DEL_RIGHT", {"right_ref": 71, "version": 2}),
        ("RAISE_FLOOR", {"floor": 9}),
        ("BLOCK_CRED", {"credential_ref": 3, "version": 1}),
        ("UNBLOCK_CRED", {"credential_ref": 3, "version": 2}),
        ("SET_MODE", {"mode": 3, "version": 1}),
        ("PING", {}),
        ("PUT_RIGHT", right()),
    ):
        reply = await do(door, op, args)
        assert {name: reply.result[name] for name in READBACK} == door.memory.readback()
    assert reply.code == "STALE_VERSION"


@pytest.mark.parametrize(
    ("op", "args", "code"),
    [
        ("NONSENSE", {}, "UNSUPPORTED"),
        ("PUT_RIGHT", {}, "BAD_REQUEST"),
        ("PUT_RIGHT", right(role=9), "BAD_REQUEST"),
        ("PUT_RIGHT", right(until=-1), "BAD_REQUEST"),
        ("PUT_RIGHT", right(until=2**32), "BAD_REQUEST"),
        ("PUT_RIGHT", right(cred_hash="zz"), "BAD_REQUEST"),
        ("PUT_RIGHT", right(door_first=True), "BAD_REQUEST"),
        ("SET_MODE", {"mode": 1, "version": 1}, "BAD_REQUEST"),
        ("SET_CLOCK", {"epoch": T}, "BAD_REQUEST"),
        ("ENCODE", {}, "UNSUPPORTED"),
    ],
)
async def test_a_bad_command_is_refused_and_changes_nothing(op: str, args: dict[str, object], code: str) -> None:
    door = lock()
    before = door.memory
    reply = await do(door, op, args)
    assert (reply.status, reply.code) == ("error", code)
    assert door.memory == before
    assert events(door) == []


async def test_the_list_of_rights_holds_all_but_the_hashes() -> None:
    door = lock()
    hours = {"days": 62, "start": 360, "end": 1080}
    await do(door, "PUT_RIGHT", put := right(role=3, schedule=hours))
    await do(door, "PUT_RIGHT", right(70))
    listed = (await do(door, "LIST_RIGHTS")).result["rights"]
    assert [one["right_ref"] for one in listed] == [70, 71]
    assert {name: listed[1][name] for name in put if name != "cred_hash"} == {name: put[name] for name in put if name != "cred_hash"}
    assert "cred_hash" not in listed[0]


async def test_a_late_put_finds_the_tombstone() -> None:
    door = lock()
    assert (await do(door, "DEL_RIGHT", {"right_ref": 71, "version": 5})).status == "done"
    assert (await do(door, "PUT_RIGHT", right(version=4))).code == "STALE_VERSION"
    assert (await do(door, "PUT_RIGHT", right(version=6))).status == "done"


async def test_a_full_table_evicts_what_is_over_and_says_so() -> None:
    door = lock(rights_capacity=2)
    await do(door, "PUT_RIGHT", right(1, from_=T - 99, until=T - 9))
    await do(door, "PUT_RIGHT", right(2))
    assert (await do(door, "PUT_RIGHT", right(3))).status == "done"
    assert {"right_ref": 1, "op": "evict", "version": 1} in data(door, "rights_changed")
    assert (await do(door, "PUT_RIGHT", right(4))).code == "RESOURCE_EXHAUSTED"
    assert sorted(door.memory.rights) == [2, 3]


async def test_a_hybrid_lock_takes_no_rights_but_floor_blocks_and_mode() -> None:
    door = lock("hybrid")
    assert (await do(door, "PUT_RIGHT", right())).code == "UNSUPPORTED"
    assert (await do(door, "RAISE_FLOOR", {"floor": 7})).status == "done"
    assert (await do(door, "BLOCK_CRED", {"credential_ref": 0xBEEF, "version": 1})).status == "done"
    assert door.tap(card())["reason"] == "blocked"
    assert (await do(door, "UNBLOCK_CRED", {"credential_ref": 0xBEEF, "version": 1})).code == "STALE_VERSION"
    assert (await do(door, "UNBLOCK_CRED", {"credential_ref": 0xBEEF, "version": 2})).status == "done"
    assert door.tap(card())["opened"]


async def test_the_block_list_has_an_end() -> None:
    door = lock("hybrid", block_capacity=2)
    for ref in (1, 2):
        await do(door, "BLOCK_CRED", {"credential_ref": ref, "version": 1})
    assert (await do(door, "BLOCK_CRED", {"credential_ref": 3, "version": 1})).code == "RESOURCE_EXHAUSTED"


async def test_remote_opening_respects_whoever_is_inside() -> None:
    door = lock()
    door.throw_deadbolt()
    assert (await do(door, "UNLOCK_PULSE", {"s": 5}, T + 9)).code == "PRIVACY_ACTIVE"
    door.throw_deadbolt(on=False)
    await do(door, "SET_MODE", {"mode": 3, "version": 1})
    assert (await do(door, "UNLOCK_PULSE", {"s": 5}, T + 9)).code == "CONFLICT"
    assert door.bolt.openings == []


async def test_passage_holds_the_bolt_back_until_it_ends() -> None:
    door = lock()
    await do(door, "SET_MODE", {"mode": 4, "version": 1})
    later(door, 600)
    assert not door.bolt.locked
    await do(door, "SET_MODE", {"mode": 0, "version": 2})
    assert door.bolt.locked


async def test_the_clock_is_set_by_version_and_a_step_back_is_an_alarm() -> None:
    door = lock()
    assert (await do(door, "SET_CLOCK", {"epoch": T + 100, "version": 2})).status == "done"
    assert int(door.now()) == T + 100
    assert (await do(door, "SET_CLOCK", {"epoch": T, "version": 2})).code == "STALE_VERSION"
    await do(door, "SET_CLOCK", {"epoch": T - 4000, "version": 3})
    assert data(door, "clock_set") == [{"delta_s": 100}, {"delta_s": -4100}]
    assert data(door, "alarm") == [{"kind": 5}]
    door.reboot()
    assert int(door.now()) == T - 4000


@pytest.mark.parametrize(
    ("phase", "moved", "replayed"), [("before_persist", 0, False), ("after_persist", 0, True), ("after_bolt", 1, True)]
)
async def test_a_power_cut_in_a_command_leaves_the_old_or_the_new(phase: str, moved: int, replayed: bool) -> None:
    door = lock()
    door.faults.crash_phase = phase
    pulse = command("UNLOCK_PULSE", {"s": 5}, expires_at=T + 10)
    assert await door.execute(pulse) is None
    assert len(door.bolt.openings) == moved
    logged = events(door).count("lock_operation")
    assert logged >= moved, "never an opening without its log entry"
    again = await door.execute(pulse)
    assert again is not None
    assert again.replayed is replayed
    assert len(door.bolt.openings) == (moved if replayed else 1), "an opening is never made twice"


@pytest.mark.parametrize(("phase", "advanced"), [("before_persist", False), ("after_persist", True), ("after_bolt", True)])
async def test_a_power_cut_in_a_tap_leaves_the_old_or_the_new_generation(phase: str, advanced: bool) -> None:
    door = lock()
    await do(door, "PUT_RIGHT", right())
    door.faults.crash_phase = phase
    door.tap(card())
    assert (door.memory.generation > 0) is advanced
    assert ("lock_operation" in events(door)) is advanced
    assert len(door.bolt.openings) <= events(door).count("lock_operation")


async def test_a_memory_that_takes_nothing_opens_nothing() -> None:
    door = lock()
    await do(door, "PUT_RIGHT", right())
    door.nvram.fail_writes = 1
    assert not door.tap(card())["opened"]
    assert door.bolt.openings == []
    door.nvram.fail_writes = 1
    assert (await do(door, "RAISE_FLOOR", {"floor": 5})).code == "STORAGE_FAULT"
    assert door.memory.floor == 0
    door.nvram.full = True
    assert (await do(door, "RAISE_FLOOR", {"floor": 5})).code == "RESOURCE_EXHAUSTED"


async def test_a_jammed_bolt_is_said_and_not_counted_as_an_opening() -> None:
    door = lock()
    door.faults.jam = 1
    reply = await do(door, "UNLOCK_PULSE", {"s": 5}, T + 9)
    assert (reply.status, reply.code) == ("error", "ACTUATOR_JAM")
    assert door.bolt.openings == []
    assert "actuator_jam" in door.flags()
    assert data(door, "alarm") == [{"kind": 0}]


@pytest.mark.parametrize(
    ("kind", "done", "answered"),
    [("none", False, False), ("did_without_reply", True, False), ("done_without_doing", False, True), ("error", False, True)],
)
async def test_a_broken_answer_is_broken_as_asked(kind: str, done: bool, answered: bool) -> None:
    door = lock()
    door.faults.reply = ReplyFault(kind, count=1)
    reply = await door.execute(command("RAISE_FLOOR", {"floor": 5}))
    assert (door.memory.floor == 5) is done
    assert (reply is not None) is answered
    assert door.faults.reply is None
    if kind == "done_without_doing":
        assert reply is not None
        assert (reply.status, reply.result["floor"]) == ("done", 0), "the digests give the liar away"


async def test_events_are_kept_until_acknowledged_and_an_overflow_is_told() -> None:
    door = lock()
    door.log.ring = 4
    for _ in range(6):
        door.throw_deadbolt(on=not door.bolt.deadbolt)
    kept = door.unacknowledged()
    assert [event.seq for event in kept] == [4, 5, 6, 7]
    assert not door.acknowledge(door.log_id + 1, 7)
    assert door.acknowledge(door.log_id, 99), "a number that was never given frees nothing"
    assert len(door.unacknowledged()) == 4
    assert data(door, "log_overflow") == [], "there is no room to tell yet"
    assert door.acknowledge(door.log_id, 5)
    assert data(door, "log_overflow") == [{"lost": 3}]
    door.reboot()
    assert [event.seq for event in door.unacknowledged()] == [6, 7, 8, 9]


def test_a_wiped_memory_is_another_log() -> None:
    door = lock()
    before = door.log_id
    door.wipe()
    assert door.log_id != before
    assert [event.seq for event in door.unacknowledged()] == [1, 2]
    assert events(door) == ["nvram_reset"]
    assert "nvram_reset" in door.flags()


def test_the_hands_at_a_door_tell_what_the_contact_sees() -> None:
    door = lock()
    assert not door.open_door()["opened"]
    assert door.inside_handle()["opened"]
    door.open_door()
    later(door, 61)
    door.close_door()
    assert [d["state"] for d in data(door, "door_state")] == [0, 5, 1]
    assert door.bolt.locked, "the bolt whose time had passed locks when the door is shut"
    door.open_door(force=True)
    assert data(door, "alarm") == [{"kind": 7}, {"kind": 6}]


def test_new_batteries_after_a_long_gap_cost_the_time() -> None:
    door = lock()
    door.change_batteries(10)
    assert door.clock.valid
    door.change_batteries(3600)
    assert not door.clock.valid
    assert events(door) == ["battery", "clock_invalid", "battery"]
    door.reboot()
    assert not door.clock.valid


def test_a_unit_has_a_serial_of_its_own() -> None:
    door = lock()
    assert isinstance(door, Unit)
    assert door.serial == lock().serial
    assert door.world.clock.now() == NOON
