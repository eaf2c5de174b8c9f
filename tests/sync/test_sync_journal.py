"""The box's journal: a fact stands or falls with the change it speaks of, and readers see own changes on top."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.store import Store, Tx
from gateway.sync import journal
from gateway.sync.channel import Channel, PlainHttp
from gateway.sync.snapshot import swap
from tests.sync.hotel import NOON, stay
from wire import codec
from wire.entities import Care, RoomBody, StayBody, StayStatus
from wire.facts import LANES, DoorEvent, Fact, KeyIssued, Reading, StayCheckedIn, StayCheckedOut, StayMoved, WalkInTaken
from wire.jobs import Job, JobKind
from wire.messages import FeedReply, FeedRow, SnapshotReply

T = TypeVar("T")


class Box:
    """The journal on a store of its own; `heard` is what watchers were told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.heard: list[frozenset[str]] = []
        store.watch(self.heard.append)

    async def do(self, decide: Callable[..., T], *args: Any) -> T:
        return await self.store.write(lambda tx: decide(tx, *args))

    async def tell(self, fact: Fact, fact_id: str | None = None) -> int:
        def append(tx: Tx) -> int:
            return journal.append(tx, fact, entity="stay/s1", at=NOON, clock="synced", actor="staff/1", fact_id=fact_id)

        return await self.store.write(append)

    def look(self, reader: Callable[..., T], *args: Any) -> T:
        return self.store.peek(lambda db: reader(db, *args))

    def stay(self, stay_id: str = "s1") -> StayBody:
        seen = self.look(journal.body, "stay", stay_id)
        assert isinstance(seen, StayBody)
        return seen


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    store = Store(tmp_path / "box.db", journal.STEPS)
    store.open()
    yield Box(store)
    await store.close()


def put(seq: int, body: Any, kind: str = "stay", entity_id: str = "s1", seen: int = 0) -> FeedRow:
    return FeedRow(seq, kind, entity_id, "put", seen, codec_dict(body))


def codec_dict(body: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(codec.canonical(body))
    return told


def gone(seq: int, seen: int = 0) -> FeedRow:
    return FeedRow(seq, "stay", "s1", "del", seen)


def feed(*rows: FeedRow, jobs: tuple[Job, ...] = (), seen: int = 0) -> FeedReply:
    return FeedReply(rows[-1].seq if rows else 0, rows, jobs, seen=seen)


def arrived(room: str = "201") -> StayCheckedIn:
    return StayCheckedIn("s1", (room,), NOON)


async def test_a_fact_whose_change_fails_is_not_told(box: Box) -> None:
    def change(tx: Tx) -> None:
        journal.append(tx, arrived(), entity="stay/s1", at=NOON, clock="synced", actor="staff/1")
        raise KeyError("the change failed")

    with pytest.raises(KeyError):
        await box.do(change)
    assert box.look(journal.lanes)["desk"].top == 0
    assert await box.tell(arrived()) == 1


async def test_the_same_fact_made_again_is_a_no_op(box: Box) -> None:
    assert [await box.tell(arrived(), "f1"), await box.tell(arrived(), "f1"), await box.tell(arrived(), "f2")] == [1, 0, 2]


async def test_each_lane_counts_for_itself_and_watchers_hear(box: Box) -> None:
    await box.tell(arrived())
    await box.tell(DoorEvent("lock-201", 201, 7, 1, "lock_operation", NOON, "good"))
    await box.tell(Reading("room-201", NOON, {}))
    assert {lane: state.top for lane, state in box.look(journal.lanes).items()} == dict.fromkeys(LANES, 1)
    assert box.look(journal.lanes)["desk"].urgent == 1
    assert frozenset().union(*box.heard) == {"outbox/desk", "outbox/log", "outbox/last", "outbox/urgent", "stay/s1"}


async def test_a_batch_keeps_to_rows_and_bytes_but_carries_at_least_one(box: Box) -> None:
    for number in range(10):
        await box.tell(arrived(str(number)))
    assert [seq for seq, _ in box.look(journal.batch, "desk", 2, 3, 10**6)] == [3, 4, 5]
    assert [seq for seq, _ in box.look(journal.batch, "desk", 0, 10, 1)] == [1]
    assert box.look(journal.batch, "desk", 10, 5, 10**6) == []


async def test_the_mirror_shows_what_central_told_with_own_changes_on_top(box: Box) -> None:
    room = RoomBody("A", 2, (202, 902), Care.CLEAN)
    await box.do(journal.apply_feed, feed(put(1, room, "room", "202"), put(2, stay())))
    await box.tell(arrived("202"))
    assert (box.stay().status, box.stay().doors) == (StayStatus.IN_HOUSE, (202, 902))
    assert box.look(journal.bodies, "stay") == {"s1": box.stay()}
    await box.do(journal.apply_feed, feed(put(3, stay(StayStatus.IN_HOUSE), seen=1)))
    assert box.stay() == stay(StayStatus.IN_HOUSE)


async def test_a_late_put_does_not_undo_a_check_out(box: Box) -> None:
    await box.do(journal.apply_feed, feed(put(1, stay())))
    await box.tell(arrived())
    await box.tell(StayCheckedOut("s1", NOON))
    await box.do(journal.apply_feed, feed(put(2, stay(StayStatus.IN_HOUSE), seen=1)))
    assert box.stay().status is StayStatus.CHECKED_OUT


async def test_a_reply_that_comes_twice_or_late_changes_nothing(box: Box) -> None:
    await box.do(journal.apply_feed, feed(put(1, stay()), put(5, stay(number="1005"))))
    cursor, _ = await box.do(journal.apply_feed, feed(put(3, stay(number="1003"))))
    assert cursor == 5
    assert box.stay().number == "1005"


async def test_a_stay_deleted_at_central_stays_in_sight_until_central_has_judged(box: Box) -> None:
    await box.do(journal.apply_feed, feed(put(1, stay())))
    await box.tell(arrived())
    await box.do(journal.apply_feed, feed(gone(2)))
    assert box.stay().status is StayStatus.IN_HOUSE
    assert box.look(journal.agreement).kinds == {}
    await box.do(journal.apply_feed, FeedReply(2, (), seen=1))
    assert box.look(journal.body, "stay", "s1") is None


async def test_a_walk_in_and_its_key_exist_before_central_knows(box: Box) -> None:
    night = NOON.date()
    await box.tell(WalkInTaken("s9", "201", "A", NOON, NOON + timedelta(days=1), (night,), "Bo", "zh", 1, (9900,), ("h1",)))
    await box.tell(StayCheckedIn("s9", ("201",), NOON))
    await box.tell(KeyIssued("k9", "rfid", NOON + timedelta(days=1), stay_id="s9"))
    assert box.stay("s9").status is StayStatus.IN_HOUSE
    assert set(box.look(journal.bodies, "key")) == {"k9"}


async def test_a_fact_names_the_put_that_the_person_saw(box: Box) -> None:
    await box.do(journal.apply_feed, feed(put(7, stay())))
    seq = await box.tell(StayMoved("s1", "201", "202", NOON))
    ((_, tail),) = box.look(journal.batch, "desk", seq - 1, 1, 10**6)
    assert codec.read_row(seq, tail).base_ver == 7


async def test_an_entity_of_an_unknown_kind_is_kept_for_a_newer_box(box: Box) -> None:
    spa = FeedRow(1, "spa", "x", "put", 0, {"name": "Sauna"})
    await box.do(journal.apply_feed, feed(spa, put(2, stay())))
    assert box.look(journal.agreement).kinds["spa"].count == 1
    assert box.look(journal.bodies, "spa") == {}
    assert box.stay() == stay()


async def test_a_job_is_known_by_its_id_and_comes_once(box: Box) -> None:
    job = Job("j1", JobKind.CUT_KEY, "encoder-1", "staff/1", 18000)
    assert (await box.do(journal.apply_feed, feed(jobs=(job,))))[1] == (job,)
    assert (await box.do(journal.apply_feed, feed(jobs=(replace(job, ttl_ms=9000),))))[1] == ()


async def test_a_snapshot_replaces_all_but_what_is_still_our_own(box: Box) -> None:
    await box.do(journal.apply_feed, feed(put(1, stay(), entity_id="s1"), put(2, stay(), entity_id="s2"), put(3, stay(), entity_id="s3")))
    await box.tell(arrived())
    reply = SnapshotReply(9, (put(8, stay(number="8"), entity_id="s2"),), seen=0)
    assert await box.do(swap, reply) == 9
    assert set(box.look(journal.bodies, "stay")) == {"s1", "s2"}
    assert box.stay("s2").number == "8"
    await box.do(swap, replace(reply, seen=1))
    assert set(box.look(journal.bodies, "stay")) == {"s2"}
    assert box.look(journal.cursor)[0] == 9


@pytest.mark.parametrize("ack", [2, 5, 9])
async def test_numbers_that_central_has_seen_are_left_to_it(box: Box, ack: int) -> None:
    for number in range(5):
        await box.tell(arrived(), f"f{number}")
    await box.do(journal.renumber, "desk", ack)
    rows = box.look(journal.batch, "desk", ack, 100, 10**6)
    assert [seq for seq, _ in rows] == list(range(ack + 1, ack + 6))
    assert [codec.read_row(seq, tail).fact_id for seq, tail in rows] == [f"f{number}" for number in range(5)]
    assert await box.tell(arrived()) == ack + 6
    await box.do(journal.apply_feed, feed(put(1, stay(), seen=ack)))
    assert box.stay().status is StayStatus.IN_HOUSE


async def test_another_fact_under_centrals_number_is_noticed(box: Box) -> None:
    await box.tell(arrived(), "f1")
    assert box.look(journal.diverged, {"desk": 1}, {"desk": "f1"}) == frozenset()
    assert box.look(journal.diverged, {"desk": 1}, {"desk": "other"}) == {"desk"}
    assert box.look(journal.diverged, {"desk": 7}, {"desk": "other"}) == frozenset()


async def test_only_confirmed_facts_are_trimmed_and_only_when_old(box: Box) -> None:
    await box.tell(arrived())
    await box.tell(arrived())
    await box.do(journal.confirm, "desk", 1)
    assert await box.do(journal.trim, NOON + timedelta(days=6)) == 0
    assert await box.do(journal.trim, NOON + timedelta(days=8)) == 1
    assert [seq for seq, _ in box.look(journal.batch, "desk", 1, 10, 10**6)] == [2]
    await box.do(journal.confirm, "desk", 2)
    assert await box.do(journal.trim, NOON + timedelta(days=8)) == 1
    assert box.look(journal.lanes)["desk"].top == 2
    assert await box.tell(arrived()) == 3


@pytest.mark.parametrize("url", ["http://central.example", "http://192.168.1.5:8800", "ftp://central.example", "central.example"])
def test_an_address_that_would_send_names_in_clear_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Channel(url, "t", "a")


def test_this_machine_itself_may_be_called_in_clear() -> None:
    for url in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://central.example"):
        Channel(url, "t", "a")
    with pytest.raises(PlainHttp):
        Channel("http://127.0.0.1.example", "t", "a")
