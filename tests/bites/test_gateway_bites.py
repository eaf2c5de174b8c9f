"""The guards of the box bite: with one taken away, what it guards against happens.

Each test here stands beside a promise that is kept in tests/gateway; here the guard is removed and the promise must break.
"""

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import reconcile
from gateway.device import Confirmed, LockOp
from gateway.engine import Engine
from gateway.jobs import Jobs
from gateway.rules import access, dialogue, grants, progress
from gateway.rules.book import Book
from gateway.rules.door import DoorState, after
from gateway.store import Store, StoreError, Tx
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import ManualClock
from tests.gateway.fakes import box
from tests.gateway.houses import ARRIVE, DAY, DEPART, NOON, hotel, key, left, stay
from tests.gateway.test_gateway_access_properties import House, happen
from tests.gateway.test_gateway_engine import UNITS, event
from tests.gateway.test_gateway_jobs import FakeDevice
from wire.jobs import Job, JobKind


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(reconcile, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(reconcile, "SETTLE_S", 0.01)


def lived(*story: tuple[str, int]) -> House:
    house = House()
    for what, pick in story:
        happen(house, what, pick)
    house.settle()
    return house


LEFT_A_HYBRID_ROOM = (("check in", 2), ("cut", 0), ("check out", 0))  # of four free doors the third is the hybrid one


def test_without_the_floor_a_card_of_a_guest_who_has_left_still_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not lived(*LEFT_A_HYBRID_ROOM).opens("s1-0", 211)
    monkeypatch.setattr(grants, "_raise_past", lambda draft, door: None)
    monkeypatch.setattr("gateway.rules.draft.Draft.block", lambda self, right: None)
    assert lived(*LEFT_A_HYBRID_ROOM).opens("s1-0", 211)


def test_without_the_block_a_lost_card_still_opens_its_hybrid_door(monkeypatch: pytest.MonkeyPatch) -> None:
    story = (("check in", 2), ("cut", 0), ("lose", 0))
    assert not lived(*story).opens("s1-0", 211)
    monkeypatch.setattr("gateway.rules.draft.Draft.block", lambda self, right: None)
    assert lived(*story).opens("s1-0", 211)


def test_without_a_minute_of_its_own_the_next_guest_is_shut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    story = (("check in", 1), ("check out", 0), ("check in", 1))  # both by the agreed arrival, at the same door
    house = lived(*story)
    door = house.stays["s2"].doors[0]
    assert house.opens("s2-0", door)

    def arrival(draft: Any, stay_id: str, doors: Any, start: datetime, *, begins: bool) -> datetime:
        return start

    monkeypatch.setattr(grants, "_free_minute", arrival)
    assert not lived(*story).opens("s2-0", door)


def test_without_the_wait_a_guest_who_moves_stands_before_two_closed_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved() -> DoorState:
        first = access.plan(hotel({"a": stay(202)}), Book(), ARRIVE, "synced")
        rights = {ref: progress.seen(right, ARRIVE) for ref, right in first.book.rights.items()}
        book = replace(first.book, rights=rights)
        return access.plan(hotel({"a": stay(204, moved_at=ARRIVE + DAY)}), book, ARRIVE + DAY, "synced").wanted[202]

    assert moved().rights
    monkeypatch.setattr(grants, "_new_doors_open", lambda draft, old, body: True)
    assert not moved().rights


def test_without_mistrust_a_clock_years_ahead_ends_everybodys_right() -> None:
    book = access.plan(hotel({"a": stay(201)}), Book(), ARRIVE, "synced").book
    future = DEPART + 400 * DAY
    assert access.plan(hotel({"a": stay(201)}), book, future, "untrusted").wanted[201].rights
    assert not access.plan(hotel({"a": stay(201)}), book, future, "synced").wanted[201].rights


async def test_without_comparing_digests_a_lock_that_lies_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(wanted: DoorState, known: DoorState | None, asked: LockOp | None, said: Confirmed) -> DoorState:
        return after(known or DoorState(), asked) if asked is not None else known or DoorState()

    monkeypatch.setattr(dialogue, "_learnt", believe)
    async with box(tmp_path) as house:
        house.locks[201].lies = 99
        await house.put("stay", "a", stay(201))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: house.states("a-k") == {201: "active"})
        assert house.locks[201].state.rights == {}


async def test_without_the_read_back_a_revoked_key_would_be_told_while_it_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_gone", lambda right, wanted, known: True)
    async with box(tmp_path) as house:
        await house.put("stay", "a", stay(201))
        await house.put("key", "a-k", key("a"))
        await house.until(lambda: house.states("a-k") == {201: "active"})
        house.locks[201].lies = 99
        await house.put("stay", "a", left(stay(201)))
        await house.until(lambda: house.states("a-k") == {201: "revoked"})
        assert house.locks[201].state.rights


async def test_without_its_row_a_job_that_comes_twice_opens_the_door_twice(tmp_path: Path) -> None:
    async with box(tmp_path) as house:
        lock = FakeDevice("lock-201")
        jobs = Jobs(house.store, house.clock, house.planner, {"lock-201": lock}, UNITS)  # type: ignore[dict-item]
        job = Job("j", JobKind.OPEN_DOOR, "lock-201", "staff/1", 10_000, {"door": 201})
        await jobs.do(job, time.monotonic() + 10)
        await jobs.do(job, time.monotonic() + 10)
        assert len(lock.done) == 1
        await house.store.write(lambda tx: tx.db.execute("DELETE FROM job_run"))
        await jobs.do(job, time.monotonic() + 10)
        assert len(lock.done) == 2


async def test_a_device_touched_before_the_commit_is_touched_again_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses: with the commit first nothing happens at the door; the other way round the door has opened and nobody knows."""

    async def refused(self: Store, *_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    async with box(tmp_path) as house:
        lock = FakeDevice("lock-201")
        jobs = Jobs(house.store, house.clock, house.planner, {"lock-201": lock}, UNITS)  # type: ignore[dict-item]
        job = Job("j", JobKind.OPEN_DOOR, "lock-201", "staff/1", 10_000, {"door": 201})
        monkeypatch.setattr(jobs, "_begin", refused)
        await jobs.do(job, time.monotonic() + 10)
        assert lock.done == []

        async def touch_first(self: Jobs, job: Job, deadline: float) -> None:
            target = jobs._target(job)
            assert target is not None
            errand = await house.store.write(lambda tx: jobs._errand(tx, job, target, Witness.at(house.clock)))
            await jobs._ask(job, errand)
            await jobs._begin(job, target, deadline, busy=False)

        for _ in range(2):  # the power fails before the commit, central asks again
            with pytest.raises(StoreError):
                await touch_first(jobs, job, time.monotonic() + 10)
        assert len(lock.done) == 2


async def test_without_its_identity_a_repeated_event_is_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "box.db", journal.STEPS)
    store.open()
    engine = Engine(store, ManualClock(NOON), UNITS, lambda _: None)
    monkeypatch.setattr("gateway.witness.caused_by", lambda *_: None)

    async def told() -> int:
        await engine.emit(event(1))
        return store.peek(lambda db: len(db.execute("SELECT row FROM outbox WHERE lane = 'log'").fetchall()))

    assert [await told(), await told()] == [1, 1]
    await store.write(lambda tx: tx.db.execute("DELETE FROM event"))
    assert await told() == 2
    await store.close()


async def test_without_savepoints_a_change_that_fails_leaves_its_half_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(tx: Tx) -> None:
        tx.db.execute("INSERT INTO memory VALUES ('lock', 'half', 'x')")
        raise ValueError("no")

    def all_in_one(self: Store, group: list[Any]) -> None:
        self._writer_db.execute("BEGIN IMMEDIATE")
        for one in group:
            try:
                one.result = one.decide(Tx(self._writer_db))
            except ValueError as why:
                one.error = why
        self._writer_db.execute("COMMIT")

    async def halves(folder: Path) -> int:
        store = Store(folder / "box.db")
        store.open()
        await asyncio.gather(store.write(half), store.write(lambda tx: None), return_exceptions=True)
        found = store.peek(lambda db: db.execute("SELECT count(*) FROM memory").fetchone()[0])
        await store.close()
        return int(found)

    assert await halves(tmp_path / "with") == 0
    monkeypatch.setattr(Store, "_commit", all_in_one)
    assert await halves(tmp_path / "without") == 1
