"""From the mirror to the lock and back: what is wanted reaches the door, and only the door's own answer makes it so."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import ledger, planner, reconcile
from gateway.device import Code, DelRight, PutRight, RaiseFloor
from gateway.rules.access import LAST
from gateway.rules.book import generation_at, past
from gateway.rules.door import DoorState
from tests.gateway.fakes import Box, FakeLock, box
from tests.gateway.houses import DAY, DEPART, key, left, stay
from wire.entities import KeyStatus
from wire.facts import RightChanged, TaskRaised


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(reconcile, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(reconcile, "SETTLE_S", 0.01)


def told(house: Box, key_id: str) -> list[str]:
    return [str(fact.state) for fact in house.facts("RightChanged") if isinstance(fact, RightChanged) and fact.key_id == key_id]


def tasks(house: Box) -> list[str]:
    return [fact.kind for fact in house.facts("TaskRaised") if isinstance(fact, TaskRaised)]


async def checked_in(house: Box, door: int = 201, name: str = "a") -> None:
    await house.put("stay", name, stay(door))
    await house.put("key", f"{name}-k", key(name))
    await house.until(lambda: house.states(f"{name}-k").get(door) == "active")


async def test_a_check_in_opens_the_door_and_a_check_out_closes_it(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        lock = house.locks[201]
        assert [type(op) for op in lock.log] == [RaiseFloor, PutRight]
        ref = next(iter(lock.state.rights.values())).credential_ref
        assert lock.opens(ref, stay(201).arrive)
        await house.put("stay", "a", left(stay(201)))
        await house.until(lambda: house.states("a-k") == {201: "revoked"})
        assert lock.state == DoorState(floor=past(lock.generation))
        assert not lock.opens(ref, stay(201).arrive)
        assert told(house, "a-k") == ["planned", "pushing", "active", "revoking", "revoked"]


async def test_a_key_that_comes_after_the_check_in_opens_too(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        await house.put("key", "l", key("a", copy=1))
        await house.until(lambda: house.states("l") == {201: "active"})
        assert len(house.locks[201].state.rights) == 2


async def test_a_lost_reply_is_read_back_and_nothing_is_done_twice(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        house.locks[201].lose_replies = 2
        await checked_in(house)
        assert [type(op) for op in house.locks[201].log] == [RaiseFloor, PutRight]
        assert house.store.peek(lambda db: db.execute("SELECT count(*) FROM command WHERE ended_at IS NULL").fetchone()[0]) == 0


async def test_a_lock_that_acknowledges_without_acting_is_found_and_told(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        house.locks[201].lies = 1
        await checked_in(house)
        assert house.locks[201].state.floor > 0
        assert tasks(house) == ["door_does_not_act"]
        assert "retrying" in told(house, "a-k")


async def test_a_door_that_is_silent_is_retried_shown_and_told_to_a_person_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "ALARM_S", 0.05)
    async with box(tmp_path) as house:
        lock = house.locks[201]
        lock.reachable = False
        await house.put("stay", "a", stay(201))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: tasks(house) == ["door_unreachable"])
        assert house.states("a-k") == {201: "retrying"}
        assert set(house.reconciler.troubled()) == {201}
        before = lock.asked
        while lock.asked < before + 3:
            lock.heard.clear()
            await lock.heard.wait()
        lock.reachable = True
        await house.until(lambda: house.states("a-k") == {201: "active"})
        assert tasks(house) == ["door_unreachable"]


async def test_a_silent_door_holds_up_no_other(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        house.locks[201].reachable = False
        await house.put("stay", "b", stay(201))
        await house.put("key", "b-k", key("b"))
        await checked_in(house, 202)


async def test_a_lock_that_lost_its_memory_gets_everything_again(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        before = house.locks[201].state
        house.locks[201].wipe()
        house.reconciler.look(201)
        await house.until(lambda: house.locks[201].state == before)


async def test_a_lock_with_rights_that_nobody_knows_is_told_everything_and_a_person_hears_of_it(tmp_path: Path) -> None:
    foreign = FakeLock("lock-201")
    async with box(tmp_path) as house:
        await checked_in(house, 202, "b")
        stranger = next(iter(house.locks[202].state.rights.values()))
        foreign.state = DoorState(rights={7: replace(stranger, right_ref=7)})
        house.locks[201].state = foreign.state
        house.reconciler.look(201)
        await house.put("stay", "a", stay(201))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: "door_disagrees" in tasks(house))
        assert house.states("a-k") == {201: "retrying"}
        assert any(right.credential_ref == ledger_ref(house, "a-k") for right in house.locks[201].state.rights.values())
        told, lock = len(house.locks[201].log), house.locks[201]
        for _ in range(5):
            lock.heard.clear()
            await lock.heard.wait()
        assert len(lock.log) == told  # it is asked again, and not told the same for ever
        await house.put("stay", "a", left(stay(201)))
        await house.until(lambda: all(right.right_ref == 7 for right in lock.state.rights.values()))
        assert lock.state.floor == past(stay_generation())


def stay_generation() -> int:
    return generation_at(stay(201).arrive)


def ledger_ref(house: Box, key_id: str) -> int:
    return house.store.peek(ledger.load).credentials[key_id].ref


async def test_a_stale_version_that_the_door_does_not_hold_is_sent_again_with_a_higher_one(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        first_ref = (1 << 24) + 2  # credential, then right, then version
        house.locks[201].versions["right", first_ref] = first_ref + 4
        await checked_in(house)
        (right,) = house.locks[201].state.rights.values()
        assert (right.right_ref, right.version) == (first_ref, first_ref + 5)
        assert tasks(house) == []


async def test_a_door_that_calls_everything_stale_is_left_in_peace_and_told_to_a_person(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        house.locks[201].versions["right", (1 << 24) + 2] = 1 << 31
        await house.put("stay", "a", stay(201))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: tasks(house) == ["door_refuses"])
        assert house.states("a-k") == {201: "retrying"}


async def test_a_full_lock_refuses_with_its_code_and_is_asked_again_when_there_is_room(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        house.locks[201].capacity = 1
        await checked_in(house)
        await house.put("key", "l", key("a", copy=1))
        await house.until(lambda: house.states("l") == {201: "refused"})
        codes = [fact.code for fact in house.facts("RightChanged") if isinstance(fact, RightChanged) and fact.key_id == "l"]
        assert codes[-1] == Code.RESOURCE_EXHAUSTED.name
        await house.put("key", "a-k", key("a", status=KeyStatus.LOST))
        await house.until(lambda: house.states("l") == {201: "active"})
        assert isinstance(house.locks[201].log[-2], DelRight)


async def test_a_move_is_done_when_the_new_door_opens_and_the_old_one_no_longer_does(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house, 202)
        ref = ledger_ref(house, "a-k")
        moved = stay(204, moved_at=stay(202).arrive + DAY / 24)
        house.locks[204].reachable = False
        await house.put("stay", "a", moved)
        await house.until(lambda: house.states("a-k").get(204) == "retrying")
        assert house.locks[202].opens(ref, stay(202).arrive)
        house.locks[204].reachable = True
        await house.until(lambda: house.states("a-k") == {202: "revoked", 204: "active"})
        assert not house.locks[202].opens(ref, stay(202).arrive)


async def test_an_extension_and_its_withdrawal_end_at_the_first_date(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        house.locks[201].lose_replies = 1
        await house.put("key", "a-k", key("a", DEPART + DAY))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: house.states("a-k") == {201: "active"})
        (right,) = house.locks[201].state.rights.values()
        assert right.until == DEPART
        assert tasks(house) == []


async def test_what_was_under_way_when_the_box_died_is_finished_by_the_next_start(tmp_path: Path) -> None:
    locks = {201: FakeLock("lock-201", reachable=False)}
    async with box(tmp_path, locks=locks) as house:
        await house.put("stay", "a", stay(201))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: house.states("a-k") == {201: "retrying"})
    locks[201].reachable = True
    async with box(tmp_path, locks=locks) as house:
        await house.until(lambda: house.states("a-k") == {201: "active"})
        assert [type(op) for op in locks[201].log] == [RaiseFloor, PutRight]


async def test_a_right_is_deleted_ten_minutes_after_it_has_run_out(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        house.clock.move(DEPART - house.clock.now() + DAY / 144)
        await house.until(lambda: house.states("a-k") == {201: "expired"})
        assert house.locks[201].state.rights == {}


async def test_an_untrusted_clock_ends_nothing(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        house.clock.quality = "untrusted"
        house.clock.move(DAY * 30)
        await house.planner.caught_up()
        assert house.states("a-k") == {201: "active"}


async def test_a_key_without_end_ends_where_device_time_ends(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        endless = datetime.max.replace(tzinfo=UTC)
        await house.put("stay", "a", stay(201, depart=endless))
        await house.put("key", "a-k", key("a", endless))
        await house.until(lambda: house.states("a-k") == {201: "active"})
        (right,) = house.locks[201].state.rights.values()
        assert right.until == LAST


async def test_what_cannot_be_planned_is_told_and_the_next_change_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with box(tmp_path) as house:
        await checked_in(house)
        with monkeypatch.context() as broken:
            broken.setattr(planner, "plan", lambda *_: 1 // 0)
            await house.put("stay", "b", stay(202))
            await house.until(lambda: tasks(house) == ["rights_not_planned"])
        await house.put("key", "b-k", key("b"))
        await house.until(lambda: house.states("b-k") == {202: "active"})
        assert house.states("a-k") == {201: "active"}
