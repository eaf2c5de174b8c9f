"""The real journal and link against the real central application, over loopback HTTP with a relay in between."""

import asyncio
from pathlib import Path

import httpx
import pytest

from central.problems import Conflict
from central.store.database import Store
from central.store.turn import Turn
from central.sync import feed, jobs
from central.sync.intake import Rules
from tests.sync.hotel import NOON, SLUG, Central, Hotel, box, hotel, stay, until
from wire.entities import StayBody, StayStatus
from wire.facts import Fact, JobDone, JobStarted, Reading, StayCheckedIn, StayCheckedOut
from wire.messages import DigestReply, FactRow


def checked_in(stay_id: str = "s1") -> StayCheckedIn:
    return StayCheckedIn(stay_id, ("201",), NOON)


def status(there: Hotel, stay_id: str = "s1") -> StayStatus | None:
    seen = there.box.sees("stay", stay_id)
    return seen.status if isinstance(seen, StayBody) else None


async def agreed(there: Hotel) -> tuple[DigestReply, DigestReply]:
    """Both ends' digests, once the box has come to central's newest number."""
    await until(lambda: there.box.backlog == 0)
    async with httpx.AsyncClient(base_url=there.relay.url, headers={"authorization": f"Bearer {there.enrolment['token']}"}) as web:
        answer = DigestReply(**(await web.get("/sync/v1/digest")).raise_for_status().json())
    await until(lambda: there.box.link.health().cursor == answer.feed_seq)
    return answer, there.box.link.agreement()


async def test_an_order_taken_at_central_is_known_at_the_box(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.central.put("stay", "s1", stay())
        await until(lambda: status(there) is StayStatus.DUE_IN)
        assert there.box.sees("stay", "s1") == stay()


async def test_a_cancelled_entity_leaves_the_box(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.central.put("stay", "s1", stay())
        await until(lambda: status(there) is StayStatus.DUE_IN)
        await there.central.do(feed.remove, "stay", "s1")
        await until(lambda: status(there) is None)


async def test_a_fact_of_the_box_is_counted_once(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.box.tell(checked_in())
        await until(lambda: there.box.backlog == 0)
        assert [fact for _, fact in there.central.heard] == [checked_in()]
        assert there.central.heard[0][0].actor == "staff/7"


async def test_lost_answers_and_cut_lines_count_each_fact_once(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        for number in range(30):
            if number in {3, 17}:
                await until(lambda: there.box.backlog == 0)
                there.relay.lose = 2  # the answer, and the answer to the repeat
            if number == 10:
                there.relay.cut()
            await there.box.tell(Reading(f"room-{number}", NOON, {"t": number}), f"device/room-{number}")
            await there.box.tell(checked_in(f"s{number}"), f"stay/s{number}")
        await until(lambda: there.box.backlog == 0)
        assert there.relay.lose == 0
        checkins = [fact.stay_id for _, fact in there.central.heard if isinstance(fact, StayCheckedIn)]
        readings = [fact.device for _, fact in there.central.heard if isinstance(fact, Reading)]
        assert checkins == [f"s{number}" for number in range(30)]
        assert readings == [f"room-{number}" for number in range(30)]


async def test_what_happened_without_a_line_arrives_when_it_returns(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.central.put("stay", "s1", stay())
        await until(lambda: status(there) is StayStatus.DUE_IN)
        there.relay.up = False
        there.relay.cut()
        await there.box.tell(checked_in())
        await until(lambda: there.box.link.health().state == "waiting")
        assert status(there) is StayStatus.IN_HOUSE
        there.relay.up = True
        await until(lambda: there.box.backlog == 0)
        assert len(there.central.heard) == 1


def refuses_check_ins(here: Central) -> Rules:
    """Central's books cannot hold any check-in."""

    def refuse(turn: Turn, row: FactRow, fact: Fact) -> None:
        raise Conflict("room_taken", "The room was given to another.")

    def hear(turn: Turn, row: FactRow, fact: Fact) -> None:
        here.heard.append((row, fact))

    return Rules({StayCheckedIn: refuse, Reading: hear})


async def test_a_guest_keeps_the_room_until_a_person_has_decided_the_conflict(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path, refuses_check_ins) as there:
        await there.central.put("stay", "s1", stay())
        await until(lambda: status(there) is StayStatus.DUE_IN)
        await there.box.tell(checked_in())
        await until(lambda: there.box.backlog == 0)
        late = await there.central.put("stay", "s1", stay(number="1002"))
        await until(lambda: there.box.link.health().cursor == late)
        assert status(there) is StayStatus.IN_HOUSE
        assert await there.central.do(feed.settle, "stay", "s1")
        await until(lambda: status(there) is StayStatus.DUE_IN)


async def test_both_ends_agree_to_the_byte(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        for number in range(40):
            await there.central.put("stay", f"s{number}", stay(number=f"{1000 + number}"))
        await there.central.do(feed.remove, "stay", "s3")
        await there.box.tell(checked_in("s1"), "stay/s1")
        central, here = await agreed(there)
        assert central == here
        assert central.kinds["stay"].count == 39


async def test_a_box_that_was_killed_goes_on_where_it_was(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.box.tell(checked_in("s1"), "stay/s1")
        await until(lambda: len(there.central.heard) == 1)
        there.relay.up = False
        there.relay.cut()
        await there.box.tell(checked_in("s2"), "stay/s2")
        await there.box.link.stop()
        await there.box.store.close()
        there.relay.up = True
        async with box(tmp_path, there.relay.url, there.enrolment["token"], there.enrolment["box_id"]):
            await until(lambda: len(there.central.heard) == 2)
        assert [row.seq for row, _ in there.central.heard] == [1, 2]


async def test_a_box_with_an_empty_store_takes_the_snapshot_and_loses_no_new_fact(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.central.put("stay", "s1", stay())
        await there.box.tell(checked_in("s1"), "stay/s1")
        await until(lambda: there.box.backlog == 0)
        await there.box.link.stop()
        (tmp_path / "new").mkdir()
        async with box(tmp_path / "new", there.relay.url, there.enrolment["token"], there.enrolment["box_id"]) as fresh:
            await fresh.tell(StayCheckedOut("s1", NOON), "stay/s1")
            await until(lambda: len(there.central.heard) == 2)
            await until(lambda: fresh.sees("stay", "s1") is not None)
        assert [row.seq for row, _ in there.central.heard] == [1, 2]


async def test_deletions_that_are_forgotten_are_taken_by_snapshot(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await there.central.put("stay", "s1", stay())
        await there.central.put("stay", "s2", stay())
        await until(lambda: status(there, "s2") is not None)
        there.relay.up = False
        there.relay.cut()
        gone = await there.central.do(feed.remove, "stay", "s1")
        assert gone is not None
        await there.central.do(feed.forget_deletions, gone)
        there.relay.up = True
        there.box.link.wake()
        await until(lambda: status(there, "s1") is None)
        assert status(there, "s2") is StayStatus.DUE_IN


async def test_a_job_is_done_once_and_its_end_is_known(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        await until(lambda: there.box.link.health().state == "live")
        job_id = await there.central.do(jobs.ask, "cut_key", "encoder-1", {"key_id": "k1", "purpose": "new"})
        waiting = asyncio.create_task(jobs.wait_outcome(store, SLUG, job_id))
        await until(lambda: len(there.box.jobs) == 1)
        await there.box.tell(JobStarted(job_id), f"job/{job_id}")
        await there.box.tell(JobDone(job_id, "done", "OK", {"uid_hash": "ab"}), f"job/{job_id}")
        ended = await waiting
        assert ended is not None
        assert (ended.status, ended.code, ended.result) == ("done", "OK", {"uid_hash": "ab"})
        assert len(there.box.jobs) == 1


async def test_a_box_that_does_not_answer_has_the_job_taken_back(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path) as there:
        there.relay.up = False
        there.relay.cut()
        job_id = await there.central.do(jobs.ask, "cut_key", "encoder-1", {"key_id": "k1", "purpose": "new"})
        ended = await jobs.wait_outcome(store, SLUG, job_id)
        assert ended is not None
        assert ended.status == "withdrawn"
        there.relay.up = True
        there.box.link.wake()
        await there.central.put("stay", "s1", stay())
        await until(lambda: status(there) is not None)
        assert there.box.jobs == []


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer lkb_demo.wrong"}, {"cookie": "session=x"}, {"authorization": "Bearer x"}]
)
async def test_nobody_but_the_box_opens_the_line(store: Store, tmp_path: Path, headers: dict[str, str]) -> None:
    async with hotel(store, tmp_path) as there, httpx.AsyncClient(base_url=there.relay.url, headers=headers) as web:
        answers = [await web.get(f"/sync/v1/{path}") for path in ("feed?after=0&wait=0", "snapshot", "digest")]
        assert {answer.status_code for answer in answers} == {403 if headers else 401}


async def test_a_box_whose_right_was_taken_away_says_so(store: Store, tmp_path: Path) -> None:
    from central.sync.enrolment import end_box

    async with hotel(store, tmp_path) as there:
        await there.central.do(end_box, there.enrolment["box_id"])
        await there.box.tell(checked_in())
        await until(lambda: there.box.link.health().state == "refused")
        assert "enrol the box again" in there.box.link.health().why
        assert there.central.heard == []
