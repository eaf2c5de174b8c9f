"""What devices report: stored once, in order, with the facts that follow, before the device is told to forget it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gateway.device import Condition, Confirmed, Event, LockKind, State
from gateway.engine import Engine, News, Unit, forget_old_events
from gateway.store import Store
from gateway.sync import journal
from host.clock import ManualClock
from tests.gateway.houses import DAY, NOON
from wire import codec
from wire.facts import DeviceHealth, DoorEvent, Fact, RoomService, TaskRaised

UNITS = {
    "lock-201": Unit("lock-201", "lock", "201", 201, LockKind.ONLINE),
    "lock-211": Unit("lock-211", "lock", "211", 211, LockKind.HYBRID),
    "room-201": Unit("room-201", "room", "201"),
}


class Box:
    def __init__(self, store: Store) -> None:
        self.store, self.news = store, list[News]()
        self.clock = ManualClock(NOON)
        self.engine = Engine(store, self.clock, UNITS, self.news.append)

    def facts(self) -> list[Fact]:
        rows = self.store.peek(_rows)
        return [codec.decode_fact(row.kind, row.body) for row in (codec.read_row(seq, raw) for seq, raw in rows)]

    def tasks(self) -> list[str]:
        return [fact.kind for fact in self.facts() if isinstance(fact, TaskRaised)]


def _rows(db: Any) -> list[tuple[int, bytes]]:
    return [(row["seq"], bytes(row["row"])) for row in db.execute("SELECT seq, row FROM outbox ORDER BY lane, seq")]


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    store = Store(tmp_path / "box.db", journal.STEPS)
    store.open()
    yield Box(store)
    await store.close()


def event(seq: int, kind: str = "door_state", data: Mapping[str, Any] | None = None, *, device: str = "lock-201", log: int = 7) -> Event:
    return Event(device, log, seq, NOON, "set", kind, data or {"state": "open"})


def condition(health: str = "online", *, boot: int = 1, log: int = 7, **more: Any) -> Condition:
    return Condition("lock-201", health, boot, log, **more)  # type: ignore[arg-type]


async def test_an_event_that_comes_again_counts_once(box: Box) -> None:
    for seq in (1, 2, 2, 1):
        await box.engine.emit(event(seq))
    assert [fact.seq for fact in box.facts() if isinstance(fact, DoorEvent)] == [1, 2]


async def test_the_same_number_in_a_new_log_is_another_event(box: Box) -> None:
    await box.engine.emit(event(1))
    await box.engine.emit(event(1, log=8))
    assert len([fact for fact in box.facts() if isinstance(fact, DoorEvent)]) == 2


async def test_an_event_is_committed_before_its_device_may_forget_it(box: Box) -> None:
    taken = box.engine.emit(event(1))
    assert not taken.done()
    await taken
    assert box.store.peek(lambda db: db.execute("SELECT count(*) FROM event").fetchone()[0]) == 1


async def test_the_order_of_many_open_reports_is_the_order_of_the_calls(box: Box) -> None:
    futures = [box.engine.emit(event(seq)) for seq in range(1, 400)]
    for future in futures:
        await future
    assert [fact.seq for fact in box.facts() if isinstance(fact, DoorEvent)] == list(range(1, 400))


async def test_a_gap_in_the_log_is_noticed_with_its_bounds(box: Box) -> None:
    for seq in (1, 2, 9):
        await box.engine.emit(event(seq))
    (task,) = [fact for fact in box.facts() if isinstance(fact, TaskRaised)]
    assert (task.kind, task.args["after"], task.args["before"]) == ("log_gap", 2, 9)


async def test_an_overflow_that_the_device_tells_of_is_a_gap_too(box: Box) -> None:
    await box.engine.emit(event(1, "log_overflow", {"lost": 31}))
    (task,) = [fact for fact in box.facts() if isinstance(fact, TaskRaised)]
    assert (task.kind, task.args["lost"]) == ("log_gap", 31)


async def test_a_door_event_says_whose_key_it_was(box: Box) -> None:
    await box.store.write(lambda tx: tx.db.execute("INSERT INTO credential VALUES ('k', 99, 's', NULL, 0)"))
    await box.engine.emit(event(1, "lock_operation", {"op": "unlock", "source": "rfid", "credential_ref": 99}))
    await box.engine.emit(event(2, "access_denied", {"reason": "expired", "credential_ref": 98, "count": 3}))
    first, second = [fact for fact in box.facts() if isinstance(fact, DoorEvent)]
    assert (first.key_id, first.stay_id, second.key_id) == ("k", "s", None)


async def test_an_alarm_at_a_door_is_a_task(box: Box) -> None:
    await box.engine.emit(event(1, "alarm", {"kind": "forced"}))
    assert box.tasks() == ["door_alarm"]


async def test_a_room_device_tells_the_panel_and_no_movement(box: Box) -> None:
    told: list[tuple[str, dict[str, Any]]] = [
        ("motion", {"on": True}),
        ("occupancy", {"state": "occupied", "cause": "motion"}),
        ("service", {"value": "dnd", "source": "panel"}),
    ]
    for seq, (kind, data) in enumerate(told, 1):
        await box.engine.emit(event(seq, kind, data, device="room-201"))
    assert {type(fact) for fact in box.facts()} == {RoomService}


async def test_a_state_that_differs_is_told_once(box: Box) -> None:
    for service in ("none", "none", "dnd"):
        await box.engine.emit(State("room-201", {"occupancy": "unknown", "service": service}))
    assert [fact.service for fact in box.facts() if isinstance(fact, RoomService)] == ["none", "dnd"]


async def test_health_is_told_when_it_changes_and_not_with_each_heartbeat(box: Box) -> None:
    for said in (condition(), condition(), condition(flags=("low_battery",)), condition("offline"), condition("offline")):
        await box.engine.emit(said)
    told = [(fact.health, fact.flags) for fact in box.facts() if isinstance(fact, DeviceHealth)]
    assert told == [("online", ()), ("online", ("low_battery",)), ("offline", ())]


async def test_a_clock_that_runs_wrong_is_a_flag(box: Box) -> None:
    await box.engine.emit(condition(clock_offset_s=-121))
    (fact,) = [fact for fact in box.facts() if isinstance(fact, DeviceHealth)]
    assert fact.flags == ("clock_drift",)


async def test_a_restart_and_a_foreign_digest_are_news_and_a_heartbeat_is_none(box: Box) -> None:
    for said in (condition(), condition(), condition(boot=2), condition(boot=2, confirmed=Confirmed(1, 2, 3, 4, 5))):
        await box.engine.emit(said)
    assert [(news.came_up, news.restarted, news.disagrees) for news in box.news] == [
        (True, True, False),
        (False, False, False),
        (False, True, False),
        (False, False, True),
    ]


async def test_what_a_driver_remembers_is_committed_with_its_next_report(box: Box) -> None:
    memory = box.engine.memory("lock-201")
    memory.put("cmd_seq", "17")
    assert memory.get("cmd_seq") == "17"
    await box.engine.emit(event(1))
    again = Engine(box.store, box.clock, UNITS, box.news.append)
    assert again.memory("lock-201").get("cmd_seq") == "17"


async def test_what_no_report_carried_is_committed_by_the_sweep(box: Box) -> None:
    box.engine.memory("lock-201").put("cmd_seq", "18")
    await box.engine.flush()
    again = Engine(box.store, box.clock, UNITS, box.news.append)
    assert again.memory("lock-201").get("cmd_seq") == "18"


async def test_events_are_forgotten_after_a_week_and_still_recognised_by_their_number(box: Box) -> None:
    await box.engine.emit(event(1))
    await box.store.write(lambda tx: forget_old_events(tx, NOON + 8 * DAY))
    await box.engine.emit(event(1))
    assert len([fact for fact in box.facts() if isinstance(fact, DoorEvent)]) == 1
    assert box.tasks() == []


async def test_a_lost_driver_makes_its_device_offline(box: Box) -> None:
    await box.engine.emit(condition())
    box.engine.lost("lock-201")
    box.clock.move(timedelta(seconds=1))
    await box.engine.emit(event(1))
    assert [fact.health for fact in box.facts() if isinstance(fact, DeviceHealth)] == ["online", "offline"]


async def test_an_event_that_cannot_be_worked_off_is_kept_and_holds_up_nobody(box: Box) -> None:
    before_time = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))  # no instant in UTC: no fact can be made of it
    first, second = box.engine.emit(replace(event(1), at=before_time)), box.engine.emit(event(2))
    await first
    await second
    kept = box.store.peek(lambda db: [(row["seq"], row["type"]) for row in db.execute("SELECT seq, type FROM event ORDER BY seq")])
    assert kept == [(1, "unreadable"), (2, "door_state")]
    assert [fact.type for fact in box.facts() if isinstance(fact, DoorEvent)] == ["unreadable", "door_state"]
    await box.engine.emit(replace(event(1), at=before_time))
    assert len([fact for fact in box.facts() if isinstance(fact, DoorEvent)]) == 2
