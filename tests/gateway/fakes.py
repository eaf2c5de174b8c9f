"""A lock in memory that speaks the contract of drivers, with the faults that matter, and a small box around it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from gateway.device import (
    BlockCred,
    Code,
    Command,
    Confirmed,
    DelRight,
    LockKind,
    LockOp,
    PutRight,
    Reply,
    Transport,
    UnblockCred,
    Unreachable,
)
from gateway.planner import Planner
from gateway.reconcile import Reconciler
from gateway.rules.door import DoorState, after, guard_digest, rights_digest
from gateway.rules.hotel import Door
from gateway.store import Store, Tx
from gateway.sync import journal
from host.clock import ManualClock
from tests.gateway.houses import DOORS, NOON, ROOMS
from wire import codec
from wire.entities import Body
from wire.facts import Fact
from wire.messages import FeedRow


@dataclass
class FakeLock:
    """Holds a DoorState as the device sheet says. `log` = what it did, in order."""

    name: str
    transport: Transport = "mqtt"
    state: DoorState = field(default_factory=DoorState)
    generation: int = 0
    reachable: bool = True
    lose_replies: int = 0  # the next n commands are done, and the reply never comes
    lies: int = 0  # the next n commands are acknowledged and not done
    refuse: dict[type, Code] = field(default_factory=dict)
    capacity: int = 64
    log: list[LockOp] = field(default_factory=list)
    replies: dict[uuid.UUID, Reply] = field(default_factory=dict)
    versions: dict[tuple[str, int], int] = field(default_factory=dict)
    asked: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(self, command: Command) -> Reply:
        await asyncio.sleep(0)
        self.asked += 1
        self.heard.set()
        if not self.reachable:
            raise Unreachable(self.name, "no answer in 10 s", "Check its battery.")
        stored = self.replies.get(command.cmd_id)
        if stored is not None:
            return replace(stored, replayed=True)
        code = self._do(command.op)  # type: ignore[arg-type]
        reply = self.replies[command.cmd_id] = Reply(code, confirmed=self._confirmed())
        if self.lose_replies > 0:
            self.lose_replies -= 1
            raise Unreachable(self.name, "no answer in 10 s", "Check its battery.")
        return reply

    def _do(self, op: LockOp) -> Code:
        if type(op) in self.refuse:
            return self.refuse[type(op)]
        subject = _subject(op)
        if subject is not None and subject[1] <= self.versions.get(subject[0], 0):
            return Code.STALE_VERSION
        if isinstance(op, PutRight) and op.right.right_ref not in self.state.rights and len(self.state.rights) >= self.capacity:
            return Code.RESOURCE_EXHAUSTED
        if self.lies > 0:
            self.lies -= 1
            return Code.OK
        if subject is not None:
            self.versions[subject[0]] = subject[1]
        self.state = after(self.state, op)
        self.log.append(op)
        return Code.OK

    async def confirmed(self) -> Confirmed:
        await asyncio.sleep(0)
        self.asked += 1
        self.heard.set()
        if not self.reachable:
            raise Unreachable(self.name, "no answer in 10 s", "Check its battery.")
        return self._confirmed()

    def _confirmed(self) -> Confirmed:
        held = self.state
        return Confirmed(
            len(held.rights), rights_digest(held.rights.values()), guard_digest(held.floor, held.blocked), held.floor, self.generation
        )

    def wipe(self) -> None:
        """The memory is gone: no rights, no floor, no versions, no stored replies."""
        self.state, self.generation = DoorState(), 0
        self.replies.clear()
        self.versions.clear()

    def opens(self, credential_ref: int, now: datetime) -> bool:
        """Whether a tap with this credential moves the bolt (tests 3, 5, 7, 8, 10 of the device sheet); the generation follows."""
        right = next((right for right in self.state.rights.values() if right.credential_ref == credential_ref), None)
        if right is None or credential_ref in self.state.blocked:
            return False
        if now < right.start - timedelta(seconds=300) or now >= right.until:
            return False
        if not right.flags & 0x08:
            if right.generation < max(self.generation, self.state.floor):
                return False
            self.generation = right.generation
        return True


def _subject(op: LockOp) -> tuple[tuple[str, int], int] | None:
    match op:
        case PutRight(right):
            return ("right", right.right_ref), right.version
        case DelRight(ref, version):
            return ("right", ref), version
        case BlockCred(ref, version) | UnblockCred(ref, version):
            return ("block", ref), version
        case _:
            return None


@dataclass
class Box:
    """Store, planner and reconciler of a hotel whose locks are in memory. Put entities in with `put`, wait with `until`."""

    store: Store
    clock: ManualClock
    planner: Planner
    reconciler: Reconciler
    locks: Mapping[int, FakeLock]
    _seq: int = 0

    async def put(self, kind: str, name: str, body: Body) -> None:
        """Central puts one entity."""
        self._seq += 1
        row = FeedRow(self._seq, kind, name, "put", 0, json.loads(codec.canonical(body)))
        await self.store.write(lambda tx: journal.take_row(tx, row))

    def facts(self, kind: str) -> list[Fact]:
        """What the box told, oldest first."""
        rows = self.store.peek(lambda db: db.execute("SELECT seq, row FROM outbox ORDER BY at, seq").fetchall())
        read = [codec.read_row(row["seq"], bytes(row["row"])) for row in rows]
        return [codec.decode_fact(row.kind, row.body) for row in read if row.kind == kind]

    def states(self, key_id: str) -> dict[int, str]:
        rows = self.store.peek(
            lambda db: db.execute("SELECT door, state FROM door_right WHERE key_id = ? ORDER BY right_ref", (key_id,)).fetchall()
        )
        return {row["door"]: row["state"] for row in rows}

    async def until(self, true: Callable[[], bool], limit_s: float = 5.0) -> None:
        """Wait for a commit after which `true()` holds."""
        news = asyncio.Event()
        self.store.watch(lambda _: news.set())
        async with asyncio.timeout(limit_s):
            while not true():
                await news.wait()
                news.clear()


@asynccontextmanager
async def box(
    folder: Path, doors: Mapping[int, Door] | None = None, locks: Mapping[int, FakeLock] | None = None, *, now: datetime = NOON
) -> AsyncIterator[Box]:
    """A running box; the rooms are in its mirror."""
    known = DOORS if doors is None else doors
    made = locks or {n: FakeLock(f"lock-{n}") for n, door in known.items() if door.kind is not LockKind.DATA_ON_CARD}
    store = Store(folder / "box.db", journal.STEPS)
    store.open()
    clock = ManualClock(now)
    planner = Planner(store, clock, known)
    reconciler = Reconciler(store, clock, made)
    found = Box(store, clock, planner, reconciler, made)
    for name, room in ROOMS.items():
        await found.put("room", name, room)
    tasks = [asyncio.create_task(planner.run()), asyncio.create_task(reconciler.run())]
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


__all__ = ["Box", "FakeLock", "Tx", "box"]
