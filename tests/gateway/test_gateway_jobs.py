"""What a person waits for: started at once, done at most once, and ended with exactly one answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.device import Code, Command, Encode, LockKind, ReadCard, Reply, UnlockPulse, Unreachable, VerifyCard
from gateway.engine import Unit
from gateway.jobs import Jobs
from gateway.reconcile import LONGEST_WAIT_S
from tests.gateway.fakes import Box, box
from tests.gateway.houses import ARRIVE, DAY, due, key, left, stay
from wire.facts import JobDone, JobStarted, RightChanged
from wire.jobs import Job, JobKind


@dataclass
class FakeDevice:
    """An encoder, a lock or a bar: answers with `code`, or does not answer at all."""

    name: str
    code: Code = Code.OK
    silent: bool = False
    fault: Exception | None = None
    result: dict[str, object] = field(default_factory=dict)
    done: list[Command] = field(default_factory=list)
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    async def apply(self, command: Command) -> Reply:
        self.going_on.set()
        await self.go.wait()
        self.done.append(command)
        if self.fault is not None:
            raise self.fault
        if self.silent:
            raise Unreachable(self.name, "no answer", "Look at its cable.")
        return Reply(self.code, dict(self.result))


@dataclass
class Desk:
    house: Box
    jobs: Jobs
    devices: dict[str, FakeDevice]

    async def ask(self, kind: JobKind, target: str, *, ttl_s: float = 10, job_id: str = "j", **args: object) -> JobDone | None:
        await self.jobs.do(Job(job_id, kind, target, "staff/1", int(ttl_s * 1000), dict(args)), time.monotonic() + ttl_s)
        return self.answer(job_id)

    def answer(self, job_id: str) -> JobDone | None:
        found = [fact for fact in self.house.facts("JobDone") if isinstance(fact, JobDone) and fact.job_id == job_id]
        assert len(found) <= 1
        return found[0] if found else None

    def started(self) -> list[str]:
        return [fact.job_id for fact in self.house.facts("JobStarted") if isinstance(fact, JobStarted)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with box(tmp_path) as house:
        names = {"encoder-1": "encoder", "encoder-2": "encoder", "lock-201": "lock", "bar-201": "minibar"}
        devices = {name: FakeDevice(name) for name in names}
        units = {name: Unit(name, kind, "201" if "201" in name else None) for name, kind in names.items()}
        units["lock-201"] = Unit("lock-201", "lock", "201", 201, LockKind.ONLINE)
        yield Desk(house, Jobs(house.store, house.clock, house.planner, devices, units), devices)  # type: ignore[arg-type]


async def at_home(desk: Desk, door: int = 201, name: str = "a") -> None:
    await desk.house.put("stay", name, stay(door))
    await desk.house.put("key", f"{name}-k", key(name))


async def test_a_key_is_cut_with_the_stays_own_numbers(desk: Desk) -> None:
    await at_home(desk)
    ended = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new")
    assert ended is not None
    assert (ended.outcome, ended.code) == ("done", "OK")
    (command,) = desk.devices["encoder-1"].done
    assert isinstance(command.op, Encode)
    assert (command.op.card.door_first, command.op.card.door_count, command.op.card.start) == (201, 1, ARRIVE)
    assert desk.started() == ["j"]


async def test_a_job_that_comes_twice_is_done_once(desk: Desk) -> None:
    for _ in range(2):
        await desk.ask(JobKind.OPEN_DOOR, "lock-201", door=201, seconds=5)
    assert len(desk.devices["lock-201"].done) == 1


async def test_the_job_is_on_the_disk_before_its_device_is_touched(desk: Desk) -> None:
    lock = desk.devices["lock-201"]
    lock.go.clear()
    asked = asyncio.create_task(desk.ask(JobKind.OPEN_DOOR, "lock-201", door=201))
    await lock.going_on.wait()
    rows = desk.house.store.peek(lambda db: db.execute("SELECT job_id FROM job_run").fetchall())
    assert [row["job_id"] for row in rows] == ["j"]
    assert desk.started() == ["j"]
    lock.go.set()
    await asked


async def test_a_job_too_late_touches_nothing_and_says_so(desk: Desk) -> None:
    ended = await desk.ask(JobKind.OPEN_DOOR, "lock-201", ttl_s=-1, door=201)
    assert ended is not None
    assert (ended.outcome, desk.devices["lock-201"].done, desk.started()) == ("expired", [], [])


async def test_an_opening_expires_in_ten_seconds_and_holds_for_a_sane_time(desk: Desk) -> None:
    await desk.ask(JobKind.OPEN_DOOR, "lock-201", door=201, seconds=4000)
    (command,) = desk.devices["lock-201"].done
    assert command.op == UnlockPulse(30)
    assert command.expires_at is not None
    assert (command.expires_at - command.issued_at).total_seconds() == 10


async def test_a_door_and_a_bar_are_found_by_their_numbers(desk: Desk) -> None:
    await desk.ask(JobKind.OPEN_DOOR, "door", door=201)
    await desk.ask(JobKind.BAR_UNLOCK, "bar", job_id="b", room="201")
    assert (len(desk.devices["lock-201"].done), len(desk.devices["bar-201"].done)) == (1, 1)


async def test_an_encoder_at_work_is_busy_and_the_other_is_not(desk: Desk) -> None:
    await at_home(desk)
    await at_home(desk, 202, "b")
    first, second = desk.devices["encoder-1"], desk.devices["encoder-2"]
    first.go.clear()
    running = asyncio.create_task(desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new"))
    await first.going_on.wait()
    busy = await desk.ask(JobKind.READ_CARD, "encoder-1", job_id="busy")
    same_stay = await desk.ask(JobKind.CUT_KEY, "encoder-2", job_id="same", key_id="a-k", purpose="copy")
    other = await desk.ask(JobKind.CUT_KEY, "encoder-2", job_id="other", key_id="b-k", purpose="new")
    assert [ended and ended.code for ended in (busy, same_stay, other)] == ["BUSY", "BUSY", "OK"]
    assert len(second.done) == 1
    first.go.set()
    await running
    assert (await desk.ask(JobKind.READ_CARD, "encoder-1", job_id="free")).code == "OK"  # type: ignore[union-attr]


@pytest.mark.parametrize("code", [Code.CARD_REMOVED, Code.TIMEOUT])
async def test_after_an_unknown_outcome_the_identical_image_is_written(desk: Desk, code: Code) -> None:
    await at_home(desk, 212)
    encoder = desk.devices["encoder-1"]
    encoder.code = code
    first = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new")
    assert first is not None
    assert (first.outcome, first.code) == ("unknown", code.name)
    encoder.code = Code.OK
    desk.house.clock.move(DAY / 48)
    await desk.ask(JobKind.CUT_KEY, "encoder-1", job_id="again", key_id="a-k", purpose="new")
    one, two = [command.op for command in encoder.done]
    assert isinstance(one, Encode)
    assert isinstance(two, Encode)
    assert one.card == two.card
    assert two.version > one.version
    assert desk.house.states("a-k") == {212: "encoded"}


async def test_a_card_that_may_exist_is_shown_as_exposed_when_the_guest_leaves(desk: Desk) -> None:
    await at_home(desk, 212)
    desk.devices["encoder-1"].silent = True
    ended = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new")
    assert ended is not None
    assert (ended.outcome, ended.code) == ("unknown", "LINK_DOWN")
    await desk.house.put("stay", "a", left(stay(212)))
    await desk.house.until(lambda: desk.house.states("a-k") == {212: "released"})
    told = [fact for fact in desk.house.facts("RightChanged") if isinstance(fact, RightChanged)]
    assert told[-1].exposure_until == stay(212).depart


async def test_a_card_on_the_plate_that_may_not_be_written_is_a_failure_with_its_code(desk: Desk) -> None:
    await at_home(desk, 211)
    desk.devices["encoder-1"].code = Code.FOREIGN_CARD
    ended = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new")
    assert ended is not None
    assert (ended.outcome, ended.code) == ("failed", "FOREIGN_CARD")
    assert desk.house.states("a-k") == {211: "planned"}


async def test_a_new_key_for_a_room_with_somebody_else_in_it_is_a_conflict(desk: Desk) -> None:
    await at_home(desk)
    await desk.house.put("stay", "b", due(201, arrive=ARRIVE + DAY))
    await desk.house.put("key", "b-k", key("b", ARRIVE + 3 * DAY))
    ended = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="b-k", purpose="new")
    assert ended is not None
    assert (ended.outcome, ended.code) == ("failed", "CONFLICT")
    assert desk.devices["encoder-1"].done == []


async def test_a_card_cut_ahead_for_a_guest_who_has_not_come_carries_the_agreed_arrival(desk: Desk) -> None:
    await desk.house.put("stay", "b", due(202, arrive=ARRIVE + DAY))
    await desk.house.put("key", "b-k", key("b", ARRIVE + 3 * DAY))
    ended = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="b-k", purpose="new")
    assert ended is not None
    assert ended.outcome == "done"
    (command,) = desk.devices["encoder-1"].done
    assert isinstance(command.op, Encode)
    assert command.op.card.start == ARRIVE + DAY
    assert desk.house.locks[202].state.rights == {}


async def test_a_key_that_nobody_knows_and_a_device_that_is_not_there_are_not_found(desk: Desk) -> None:
    one = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="x", purpose="new")
    two = await desk.ask(JobKind.READ_CARD, "encoder-9", job_id="k")
    assert [ended and ended.code for ended in (one, two)] == ["NOT_FOUND", "NOT_FOUND"]


async def test_reading_a_card_says_whose_it_is_and_never_shows_its_image(desk: Desk) -> None:
    await at_home(desk)
    await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new")
    encoder = desk.devices["encoder-1"]
    card = encoder.done[0].op
    assert isinstance(card, Encode)
    encoder.result = {"credential_ref": card.card.credential_ref, "door_first": 201, "mac": "00", "uid": "04", "image": "01"}
    ended = await desk.ask(JobKind.READ_CARD, "encoder-1", job_id="r")
    assert ended is not None
    assert ended.result == {"credential_ref": card.card.credential_ref, "door_first": 201, "key_id": "a-k", "stay_id": "a"}
    await desk.ask(JobKind.VERIFY_CARD, "encoder-1", job_id="v", key_id="a-k")
    assert [type(command.op) for command in encoder.done] == [Encode, ReadCard, VerifyCard]


async def test_a_fault_in_a_driver_ends_the_job_as_unknown_and_frees_the_encoder(desk: Desk) -> None:
    await at_home(desk)
    encoder = desk.devices["encoder-1"]
    encoder.fault = ZeroDivisionError()
    ended = await desk.ask(JobKind.CUT_KEY, "encoder-1", key_id="a-k", purpose="new")
    assert ended is not None
    assert (ended.outcome, ended.code) == ("unknown", "LINK_DOWN")
    encoder.fault = None
    assert (await desk.ask(JobKind.READ_CARD, "encoder-1", job_id="r")).outcome == "done"  # type: ignore[union-attr]


async def test_what_was_under_way_when_the_box_died_is_unknown_and_not_done_again(desk: Desk) -> None:
    lock = desk.devices["lock-201"]
    lock.go.clear()
    desk.jobs.take(Job("j", JobKind.OPEN_DOOR, "lock-201", "staff/1", 10_000, {"door": 201}), time.monotonic() + LONGEST_WAIT_S)
    await lock.going_on.wait()
    await desk.jobs.stop()
    lock.go.set()
    again = Jobs(desk.house.store, desk.house.clock, desk.house.planner, desk.devices, {})  # type: ignore[arg-type]
    await again.recover()
    ended = desk.answer("j")
    assert ended is not None
    assert (ended.outcome, ended.code, lock.done) == ("unknown", "LINK_DOWN", [])
