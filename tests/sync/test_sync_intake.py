"""Facts at central's store: each counted once, and none that cannot be taken stops the line or is dropped in silence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import event, select, text

from central.problems import Conflict, Problem
from central.services import Services
from central.store.database import Store
from central.store.turn import Turn
from central.store.vault import Vault
from central.sync import feed, intake
from central.sync.enrolment import add_box
from central.sync.intake import Rules
from central.sync.tables import fact as fact_table
from host.clock import ManualClock
from tests.sync.hotel import NOON, SLUG, make_property, stay
from wire import codec
from wire.codec import FactHead
from wire.entities import StayStatus
from wire.facts import DoorEvent, Fact, Lane, Reading, StayCheckedIn, StayCheckedOut
from wire.messages import FactRow, FactsReply


@dataclass
class Desk:
    """Central's side alone, with what its rules were told."""

    services: Services
    box_id: str = ""
    heard: list[Fact] = field(default_factory=list)
    bulk: list[int] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    @property
    def rules(self) -> Rules:
        return Rules({StayCheckedIn: self.check_in, StayCheckedOut: self.check_out}, {Reading: self.measure}, self.refuse, self.alarm)

    def check_in(self, turn: Turn, row: FactRow, fact: Fact) -> None:
        assert isinstance(fact, StayCheckedIn)
        feed.put(turn, "stay", fact.stay_id, stay(StayStatus.IN_HOUSE))
        if fact.rooms == ("666",):
            raise Conflict("room_taken", "The room was given to another.")
        if fact.rooms == ("0",):
            raise KeyError("a fault of ours")
        self.heard.append(fact)

    def check_out(self, turn: Turn, row: FactRow, fact: Fact) -> None:
        self.heard.append(fact)

    def measure(self, turn: Turn, rows: Sequence[tuple[FactRow, Fact]]) -> None:
        if any(row.entity == "device/bad" for row, _ in rows):
            raise ValueError("bad device")
        self.bulk.append(len(rows))

    def refuse(self, turn: Turn, row: FactRow, fact: Fact, problem: Problem) -> None:
        self.tasks.append(problem.code)

    def alarm(self, turn: Turn, kind: str, args: Mapping[str, Any]) -> None:
        self.alarms.append(kind)

    async def push(self, *facts: Fact | bytes, first: int = 1, lane: Lane = "desk", entity: str = "stay/s1") -> FactsReply:
        tails = [_tail(fact, f"{lane}-{first + i}", entity) for i, fact in enumerate(facts)]
        raw = codec.splice(self.box_id, 1, lane, [(first + i, tail) for i, tail in enumerate(tails)])
        return await self.services.change(SLUG, "box", intake.take, self.box_id, codec.decode_push(raw), self.rules)

    async def kept(self) -> list[tuple[int, str, str | None]]:
        columns = (fact_table.c.seq, fact_table.c.outcome, fact_table.c.code)
        query = select(*columns).order_by(fact_table.c.lane, fact_table.c.seq)
        return await self.services.store.read(lambda conn: [tuple(row) for row in conn.execute(query)])

    async def entries(self) -> dict[str, feed.Entry]:
        rows = await self.services.store.read(lambda conn: feed.read(conn, self.services.vault, SLUG, 0, 100))
        return {row.id: row for row in rows}


def _tail(fact: Fact | bytes, fact_id: str, entity: str) -> bytes:
    return fact if isinstance(fact, bytes) else codec.encode_fact(fact, FactHead(fact_id, entity, NOON, "synced", "staff/7"))


@pytest.fixture
async def desk(store: Store) -> Desk:
    await store.write(make_property)
    services = Services(store, Vault(bytes(32)), ManualClock(NOON))
    box = await services.change(SLUG, "staff/1", add_box, "http://127.0.0.1:1")
    return Desk(services, box["box_id"])


def arrived(room: str = "201", stay_id: str = "s1") -> StayCheckedIn:
    return StayCheckedIn(stay_id, (room,), NOON)


def left() -> StayCheckedOut:
    return StayCheckedOut("s1", NOON)


def reading(device: str = "room-201") -> Reading:
    return Reading(device, NOON, {"t": 21.5})


async def test_a_push_repeated_in_whole_or_in_part_counts_once(desk: Desk) -> None:
    assert (await desk.push(arrived(), left())).ack == 2
    assert (await desk.push(arrived(), left())).ack == 2
    assert (await desk.push(left(), first=2)).ack == 2
    assert desk.heard == [arrived(), left()]


async def test_a_gap_stops_until_it_is_filled(desk: Desk) -> None:
    assert (await desk.push(left(), first=2)).ack == 0
    assert desk.heard == []
    assert (await desk.push(arrived(), left())).ack == 2


async def test_a_fact_that_comes_under_another_number_uses_it_up(desk: Desk) -> None:
    await desk.push(arrived())
    again = codec.encode_fact(arrived(), FactHead("desk-1", "stay/s1", NOON, "synced", "staff/7"))
    assert (await desk.push(again, first=2)).ack == 2
    assert len(desk.heard) == 1


async def test_a_refused_fact_is_acknowledged_undone_and_becomes_a_task(desk: Desk) -> None:
    reply = await desk.push(arrived("666"), left())
    assert (reply.ack, reply.refused) == (2, (1,))
    assert desk.tasks == ["room_taken"]
    assert await desk.kept() == [(1, "refused", "room_taken"), (2, "applied", None)]
    assert await desk.entries() == {}


async def test_a_fault_in_a_handler_is_alarmed_and_stops_nothing(desk: Desk) -> None:
    assert (await desk.push(arrived("0"), left())).ack == 2
    assert desk.alarms == ["fact_failed"]
    assert desk.heard == [left()]


async def test_unknown_and_unreadable_facts_are_kept_and_alarmed(desk: Desk) -> None:
    newer = codec.encode_fact(left(), FactHead("f-new", "stay/s1", NOON, "synced", "box")).replace(b"StayCheckedOut", b"SpaBooked")
    assert (await desk.push(newer, b'"nonsense":true}', left())).ack == 3
    assert desk.alarms == ["fact_parked", "fact_unreadable"]
    assert [outcome for _, outcome, _ in await desk.kept()] == ["parked", "unreadable", "applied"]
    assert (await desk.push(newer, b'"nonsense":true}', left())).ack == 3


async def test_readings_are_taken_together_and_a_bad_one_is_found_among_them(desk: Desk) -> None:
    await desk.push(*[reading()] * 20, lane="last", entity="device/room-201")
    assert desk.bulk == [20]
    good = [codec.encode_fact(reading(), FactHead(f"g{i}", "device/x", NOON, "synced", "box")) for i in range(3)]
    bad = codec.encode_fact(reading(), FactHead("b", "device/bad", NOON, "synced", "box"))
    assert (await desk.push(good[0], bad, good[1], good[2], first=21, lane="last")).ack == 24
    assert desk.bulk == [20, 1, 1, 1]
    assert desk.alarms == ["fact_failed"]


async def test_each_lane_has_its_own_numbers(desk: Desk) -> None:
    door = DoorEvent("lock-201", 201, 7, 1, "lock_operation", NOON, "good")
    assert (await desk.push(door, lane="log", entity="device/lock-201")).ack == 1
    assert (await desk.push(arrived())).ack == 1


async def test_a_put_carries_the_desk_fact_that_made_it(desk: Desk) -> None:
    await desk.push(left(), left(), arrived())
    assert (await desk.entries())["s1"].seen == 3


async def test_a_fact_that_changes_nothing_moves_seen_on_all_the_same(desk: Desk) -> None:
    await desk.services.change(SLUG, "staff/1", feed.put, "stay", "s1", stay())
    before = (await desk.entries())["s1"]
    await desk.push(left())
    after = (await desk.entries())["s1"]
    assert (before.seen, after.seen) == (0, 1)
    assert after.seq == before.seq + 1
    assert after.body == before.body


async def test_what_a_person_must_decide_stays_the_boxs_own_until_then(desk: Desk) -> None:
    change = desk.services.change
    await change(SLUG, "staff/1", feed.put, "stay", "s1", stay())
    await desk.push(arrived("666"), left())
    await change(SLUG, "staff/1", feed.put, "stay", "s1", stay())
    assert (await desk.entries())["s1"].seen == 0
    assert await desk.services.store.read(lambda conn: feed.settled_seen(conn, SLUG, 2)) == 0
    assert await change(SLUG, "staff/1", feed.settle, "stay", "s1") is True
    assert (await desk.entries())["s1"].seen == 2
    assert await change(SLUG, "staff/1", feed.settle, "stay", "s1") is False
    assert await desk.services.store.read(lambda conn: feed.settled_seen(conn, SLUG, 2)) == 2


async def test_a_use_case_that_fails_takes_its_number_back(desk: Desk) -> None:
    def fails(turn: Turn) -> None:
        feed.put(turn, "stay", "s1", stay())
        raise Conflict("no", "No.")

    with pytest.raises(Conflict):
        await desk.services.change(SLUG, "staff/1", fails)
    assert await desk.services.change(SLUG, "staff/1", feed.put, "stay", "s2", stay()) == 1


async def test_an_entity_that_was_never_told_needs_no_tombstone(desk: Desk) -> None:
    assert await desk.services.change(SLUG, "staff/1", feed.remove, "stay", "s1") is None
    await desk.services.change(SLUG, "staff/1", feed.put, "stay", "s1", stay())
    assert await desk.services.change(SLUG, "staff/1", feed.remove, "stay", "s1") == 2
    assert await desk.services.change(SLUG, "staff/1", feed.remove, "stay", "s1") is None


async def test_no_guest_is_named_in_the_database(desk: Desk) -> None:
    body = replace(stay(), guest=replace(stay().guest, display_name="Xanthippe"))
    await desk.services.change(SLUG, "staff/1", feed.put, "stay", "s1", body)
    await desk.push(arrived())

    def all_bytes(conn: Any) -> str:
        sealed = text("SELECT body_sealed FROM feed UNION ALL SELECT body_sealed FROM fact")
        return "".join(str(bytes(row[0])) for row in conn.execute(sealed))

    assert "Xanthippe" not in await desk.services.store.read(all_bytes)


async def test_a_token_is_kept_only_as_its_hash(desk: Desk) -> None:
    made = await desk.services.change(SLUG, "staff/1", add_box, "https://central")

    def columns(conn: Any) -> str:
        return str(conn.execute(text("SELECT * FROM box")).all())

    assert made["token"] not in await desk.services.store.read(columns)
    assert len(made["k_pin"]) == len(made["central_public"]) == len(made["recovery_public"]) == 64
    again = await desk.services.change(SLUG, "staff/1", add_box, "https://central")
    assert (again["k_pin"], again["central_public"]) == (made["k_pin"], made["central_public"])
    assert again["token"] != made["token"]


async def test_the_statements_of_a_push_do_not_grow_with_its_readings(desk: Desk) -> None:
    counted: list[str] = []

    def count(*about: Any) -> None:
        counted.append(about[2])

    def push(size: int, first: int) -> Any:
        def run(turn: Turn) -> int:
            counted.clear()
            event.listen(turn.conn, "before_cursor_execute", count)
            tails = [_tail(reading(), f"r{first + i}", "device/x") for i in range(size)]
            raw = codec.splice(desk.box_id, 1, "last", [(first + i, tail) for i, tail in enumerate(tails)])
            intake.take(turn, desk.box_id, codec.decode_push(raw), desk.rules)
            event.remove(turn.conn, "before_cursor_execute", count)
            return len(counted)

        return desk.services.change(SLUG, "box", run)

    assert await push(2, 1) == await push(400, 3) <= 6
