"""The main job on real protocols: check-in to open door, card on the encoder, check-out to closed door."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firmware_sim.knobs import turn
from tests.gateway.houses import key, left, stay
from tests.gateway.whole import House, house
from wire.facts import DoorEvent, JobDone, RightChanged, RoomOccupancy, TaskRaised
from wire.jobs import Job, JobKind

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
UNTIL = NOW + timedelta(days=2)


async def checked_in(hotel: House, door: int) -> str:
    name = f"stay-{door}"
    await hotel.put("stay", name, stay(door, arrive=NOW, depart=UNTIL))
    await hotel.put("key", f"{name}-k", key(name, UNTIL))
    return f"{name}-k"


def job(kind: JobKind, target: str, **args: object) -> Job:
    return Job(f"job-{kind}-{target}-{len(args)}", kind, target, "staff/1", 10_000, dict(args))


def done(hotel: House, job_id: str) -> JobDone | None:
    return next((fact for fact in hotel.facts("JobDone") if isinstance(fact, JobDone) and fact.job_id == job_id), None)


@pytest.mark.parametrize(("lock", "door"), [("lock-201", 201), ("lock-205", 205), ("lock-209", 209)])
async def test_a_check_in_opens_a_real_protocol_door_and_a_check_out_closes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, door: int
) -> None:
    async with house(tmp_path, [lock, "encoder-2"], monkeypatch) as hotel:
        key_id = await checked_in(hotel, door)
        await hotel.until(lambda: hotel.states(key_id) == {door: "active"}, 30)
        held = hotel.parts.store.peek(lambda db: db.execute("SELECT agrees FROM door_known").fetchone())
        assert held["agrees"] == 1
        await hotel.put("stay", f"stay-{door}", left(stay(door, arrive=NOW, depart=UNTIL)))
        await hotel.until(lambda: hotel.states(key_id) == {door: "revoked"}, 30)


async def cut(hotel: House, encoder: str, key_id: str, purpose: str = "new") -> JobDone:
    order = Job(f"cut-{encoder}-{key_id}", JobKind.CUT_KEY, encoder, "staff/1", 20_000, {"key_id": key_id, "purpose": purpose})
    await hotel.parts.jobs.do(order, time.monotonic() + 20)
    ended = done(hotel, order.job_id)
    assert ended is not None
    return ended


@pytest.mark.parametrize(("lock", "door", "encoder"), [("lock-201", 201, "encoder-1"), ("lock-211", 211, "encoder-2")])
async def test_a_card_cut_at_the_desk_opens_its_door_and_its_use_is_told_once(tmp_path: Path, lock: str, door: int, encoder: str) -> None:
    async with house(tmp_path, [lock, encoder]) as hotel:
        key_id = await checked_in(hotel, door)
        card = hotel.devices.drawer.make()
        hotel.devices.devices[encoder].lay_card(card)  # type: ignore[attr-defined]
        await hotel.until(lambda: hotel.parts.supervisor.handles[encoder].driver is not None and online(hotel, encoder))
        ended = await cut(hotel, encoder, key_id)
        assert (ended.outcome, ended.code) == ("done", "OK")
        if door == 211:
            assert hotel.states(key_id) == {211: "encoded"}
            await hotel.until(lambda: agrees(hotel, door))
        else:
            await hotel.until(lambda: hotel.states(key_id) == {door: "active"})
        hotel.devices.devices[lock].tap(card)  # type: ignore[attr-defined]
        await hotel.until(lambda: opened(hotel, key_id) == 1)
        assert hotel.states(key_id) == {door: "active"}


def online(hotel: House, device: str) -> bool:
    row = hotel.parts.store.peek(lambda db: db.execute("SELECT health FROM device WHERE name = ?", (device,)).fetchone())
    return row is not None and row["health"] == "online"


def agrees(hotel: House, door: int) -> bool:
    row = hotel.parts.store.peek(lambda db: db.execute("SELECT agrees FROM door_known WHERE door = ?", (door,)).fetchone())
    return row is not None and bool(row["agrees"])


def opened(hotel: House, key_id: str) -> int:
    events = [fact for fact in hotel.facts("DoorEvent") if isinstance(fact, DoorEvent) and fact.type == "lock_operation"]
    return sum(1 for event in events if event.data["op"] == "unlock" and event.key_id == key_id)


async def test_a_door_is_opened_from_the_desk_and_a_room_tells_who_is_in(tmp_path: Path) -> None:
    async with house(tmp_path, ["lock-201", "lock-205", "room-207"]) as hotel:
        await hotel.until(lambda: online(hotel, "lock-201") and online(hotel, "lock-205") and online(hotel, "room-207"))
        for door in (201, 205):
            order = Job(f"open-{door}", JobKind.OPEN_DOOR, f"lock-{door}", "staff/1", 10_000, {"door": door, "seconds": 5})
            await hotel.parts.jobs.do(order, time.monotonic() + 10)
            ended = done(hotel, order.job_id)
            assert ended is not None
            assert (ended.outcome, ended.code) == ("done", "OK")
        room = hotel.devices.devices["room-207"]
        room.contact(0, True)  # type: ignore[attr-defined]
        room.contact(0, False)  # type: ignore[attr-defined]
        await hotel.until(lambda: any(isinstance(fact, RoomOccupancy) for fact in hotel.facts("RoomOccupancy")))


@pytest.mark.parametrize(("lock", "door"), [("lock-201", 201), ("lock-205", 205)])
async def test_a_real_protocol_lock_that_lies_is_found_told_and_healed(tmp_path: Path, lock: str, door: int) -> None:
    async with house(tmp_path, [lock, "encoder-2"]) as hotel:
        await hotel.until(lambda: agrees(hotel, door))
        turn(hotel.devices.devices[lock], {"reply": "done_without_doing"})
        key_id = await checked_in(hotel, door)
        await hotel.until(lambda: "door_does_not_act" in tasks(hotel))
        assert hotel.states(key_id) == {door: "retrying"}
        turn(hotel.devices.devices[lock], {"reply": None})
        await hotel.until(lambda: hotel.states(key_id) == {door: "active"})


@pytest.mark.parametrize(("lock", "door"), [("lock-201", 201), ("lock-205", 205)])
async def test_a_wiped_lock_is_filled_again_without_anybody_asking(tmp_path: Path, lock: str, door: int) -> None:
    async with house(tmp_path, [lock, "encoder-2"]) as hotel:
        key_id = await checked_in(hotel, door)
        await hotel.until(lambda: hotel.states(key_id) == {door: "active"})
        turn(hotel.devices.devices[lock], {"nvram": "wipe"})
        await hotel.until(lambda: told(hotel, key_id) == ["planned", "pushing", "active", "pushing", "active"])


def tasks(hotel: House) -> list[str]:
    return [fact.kind for fact in hotel.facts("TaskRaised") if isinstance(fact, TaskRaised)]


def told(hotel: House, key_id: str) -> list[str]:
    return [str(fact.state) for fact in hotel.facts("RightChanged") if isinstance(fact, RightChanged) and fact.key_id == key_id]
