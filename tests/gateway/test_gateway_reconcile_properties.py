"""Random evenings of the box and its locks: lost replies, lies, silence, wiped memories, a box that dies. In the end all agree."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import ledger, reconcile
from gateway.device import LockKind
from gateway.rules import progress
from gateway.rules.door import steps
from gateway.rules.hotel import Door
from tests.gateway.fakes import Box, FakeLock, box
from tests.gateway.houses import ARRIVE, DAY, DEPART, key, left, stay
from wire.entities import KeyBody, KeyStatus, StayBody, StayStatus

DOORS = {number: Door(number, LockKind.ONLINE, f"lock-{number}") for number in (201, 202, 203)}


class Evening:
    """Central's view, and the box and locks that must follow it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.locks = {number: FakeLock(f"lock-{number}") for number in DOORS}
        self.stays: dict[str, StayBody] = {}
        self.keys: dict[str, KeyBody] = {}
        self.seq = 0

    def here(self) -> list[str]:
        return [name for name, body in self.stays.items() if body.status is StayStatus.IN_HOUSE]

    def free(self) -> list[int]:
        return [number for number in DOORS if not any(number in self.stays[name].doors for name in self.here())]

    async def happen(self, house: Box, what: str, pick: int) -> None:
        """One thing happens; central puts what it changes."""
        here, free, lock = self.here(), self.free(), self.locks[201 + pick % 3]
        name = here[pick % len(here)] if here else ""
        if what == "check in" and free:
            name = f"s{len(self.stays)}"
            self.stays[name] = stay(free[pick % len(free)])
            self.keys[f"{name}-k"] = key(name)
        elif what == "check out" and here:
            self.stays[name] = left(self.stays[name])
        elif what == "move" and here and free:
            door = free[pick % len(free)]
            self.stays[name] = replace(self.stays[name], doors=(door,), rooms=(str(door),), moved_at=house.clock.now())
        elif what == "extend" and here:
            self.keys[f"{name}-k"] = replace(self.keys[f"{name}-k"], until=DEPART + DAY * (pick % 3))
        elif what == "lose" and here:
            self.keys[f"{name}-k"] = replace(self.keys[f"{name}-k"], status=KeyStatus.LOST)
        elif what == "silence":
            lock.reachable = not lock.reachable
        elif what == "wipe":
            lock.wipe()
            house.reconciler.look(201 + pick % 3)
        elif what == "lost replies":
            lock.lose_replies = 1 + pick % 2
        elif what == "lies":
            lock.lies = 1 + pick % 2
        elif what == "a moment":
            for _ in range(pick * 5):
                await asyncio.sleep(0)
        await self.told(house, name)

    async def told(self, house: Box, name: str) -> None:
        house._seq = self.seq
        if name in self.stays:
            await house.put("stay", name, self.stays[name])
            await house.put("key", f"{name}-k", self.keys[f"{name}-k"])
        self.seq = house._seq

    async def live(self, story: list[tuple[str, int]]) -> None:
        rest = story
        while True:
            async with box(self.folder, DOORS, self.locks, now=ARRIVE) as house:
                house._seq = max(self.seq, house._seq)
                while rest and rest[0][0] != "the box dies":
                    await self.happen(house, *rest[0])
                    rest = rest[1:]
                if not rest:
                    await self.heal(house)
                    self.judge(house)
                    return
                rest = rest[1:]

    async def heal(self, house: Box) -> None:
        for number, lock in self.locks.items():
            lock.reachable, lock.lies, lock.lose_replies = True, 0, 0
            house.reconciler.look(number)
        for _ in range(3):  # a move is planned in two steps: the old door follows when the new one opens
            await house.planner.caught_up()
            await house.until(lambda: self.at_peace(house), 20)

    def at_peace(self, house: Box) -> bool:
        for number, lock in self.locks.items():
            page = house.store.peek(lambda db, number=number: ledger.page(db, number))  # type: ignore[misc]
            if steps(page.wanted, lock.state) != () or any(progress.under_way(right) for right in page.rights):
                return False
        return True

    def judge(self, house: Box) -> None:
        book = house.store.peek(ledger.load)
        for key_id, body in self.keys.items():
            owner, credential = self.stays[body.stay_id or ""], book.credentials.get(key_id)
            entitled = owner.status is StayStatus.IN_HOUSE and body.status is KeyStatus.WANTED
            for number, lock in self.locks.items():
                opens = credential is not None and lock.opens(credential.ref, ARRIVE)
                assert opens == (entitled and number in owner.doors), f"{key_id} at {number}: {opens}"


HAPPENINGS = (
    "check in",
    "check in",
    "check out",
    "move",
    "extend",
    "lose",
    "silence",
    "wipe",
    "lost replies",
    "lies",
    "a moment",
    "the box dies",
)
stories = st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 8)), max_size=14)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(stories)
def test_whatever_the_line_and_the_locks_do_the_right_keys_open_in_the_end(
    monkeypatch: pytest.MonkeyPatch, story: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(reconcile, "FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(reconcile, "LONGEST_WAIT_S", 0.02)
    monkeypatch.setattr(reconcile, "SETTLE_S", 0.005)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(Evening(Path(folder)).live(story))
