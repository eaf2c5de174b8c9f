"""Closes the gap between what each door must hold and what it holds: one task per door, for ever.

Every pass is: one transaction that takes the last answer in and decides (`rules/dialogue.py`), then one command to the door. The
command's row is committed before the command is sent; while nobody knows its outcome it keeps its cmd_id.
"""

import asyncio
import contextlib
import logging
import random
import sqlite3
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from gateway import ledger
from gateway.device import Code, Command, Confirmed, DeviceError, LockOp, Ping, Reply, Transport, Unreachable
from gateway.ledger import DoorPage
from gateway.rules import progress
from gateway.rules.book import ORIGIN, Right
from gateway.rules.dialogue import Answer, Decision, Talk, agrees, decide
from gateway.rules.door import steps
from gateway.store import Store, StoreError, Tx
from gateway.turns import Turns
from gateway.witness import Witness
from host.clock import Clock

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # device sheet: exponential 1 s to 60 s, jitter
COMPARE_S = 45.0  # a door in transition is asked at least so often
HOURLY_S = 3600.0
ALARM_S = 60.0
SETTLE_S = 3.0
FAR = timedelta(days=400)  # a floor beyond this is no floor of ours

_log = logging.getLogger(__name__)


class Port(Protocol):
    """One lock as the core may use it."""

    name: str
    transport: Transport

    async def apply(self, command: Command) -> Reply:
        """As Driver.apply; also raises Unreachable while the driver is being started again."""

    async def confirmed(self) -> Confirmed:
        """As Driver.confirmed."""


@dataclass(slots=True)
class _Door:
    """One door's running state; a fresh one only costs a comparison."""

    number: int
    port: Port
    talk: Talk = field(default_factory=Talk)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    compare: bool = True
    pause_s: float = FIRST_WAIT_S
    trouble_since: float | None = None
    told: set[str] = field(default_factory=set)  # alarms of this time of trouble
    at_rest: bool = False


class Reconciler:
    """All doors that have a device. `ports` by door number."""

    def __init__(self, store: Store, clock: Clock, ports: Mapping[int, Port]) -> None:
        self._store, self._clock = store, clock
        self._doors = {number: _Door(number, port) for number, port in ports.items()}
        self._radio = Turns(2)  # of three BLE connections one stays free for events
        self._rested = asyncio.Event()
        store.watch(self._heard)

    async def run(self) -> None:
        """Keep every door as it must be, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for door in self._doors.values():
                tasks.create_task(self._keep(door), name=f"door {door.number}")

    def look(self, number: int) -> None:
        """Ask the door what it holds, soon: it was rebooted, replaced, or said something else than we believe."""
        if door := self._doors.get(number):
            door.compare, door.pause_s = True, FIRST_WAIT_S
            door.wake.set()

    def troubled(self) -> dict[int, float]:
        """Return the doors that do not answer or do not agree, with seconds since when."""
        now = self._clock.monotonic()
        return {door.number: now - door.trouble_since for door in self._doors.values() if door.trouble_since is not None}

    async def settled(self, limit_s: float) -> None:
        """Return when every door holds what it must or is in trouble, or when `limit_s` is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while any(door.wake.is_set() or not door.at_rest for door in self._doors.values()):
                    self._rested.clear()
                    await self._rested.wait()

    def _heard(self, touched: frozenset[str]) -> None:
        for what in touched:
            kind, _, name = what.partition("/")
            if kind == "door" and (door := self._doors.get(int(name))):
                door.wake.set()

    # ------------------------------------------------------------ one door

    async def _keep(self, door: _Door) -> None:
        with contextlib.suppress(TimeoutError):  # drivers start beside us; a first try before them would only fail
            async with asyncio.timeout(SETTLE_S):
                await door.wake.wait()
        while True:
            door.wake.clear()
            try:
                done = await self._tried(door)
            except StoreError as why:
                _log.error("door %s: %s", door.number, why)
                done = False
            await self._rest(door, done=done)

    async def _tried(self, door: _Door) -> bool:
        """One try to close the gap. A lock or a driver that fails is this door's trouble and nobody else's."""
        try:
            return await self._close(door)
        except DeviceError as why:
            if door.trouble_since is None:
                _log.info("door %s: %s", door.number, why)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - one driver's fault must not stop the hotel
            _log.exception("door %s: its driver has a fault", door.number)
        door.compare = True  # the outcome is unknown: read back first
        await self._in_trouble(door, "door_unreachable")
        return False

    async def _rest(self, door: _Door, *, done: bool) -> None:
        """Wait until something is wanted, or the door's next comparison (try) is due."""
        wait_s = HOURLY_S * random.uniform(0.9, 1.0)  # noqa: S311 - spreads comparisons, guards nothing
        if done:
            door.pause_s, door.trouble_since = FIRST_WAIT_S, None
            door.told.clear()
        else:
            wait_s = min(door.pause_s * random.uniform(0.5, 1.0), COMPARE_S)  # noqa: S311 - spreads tries, guards nothing
            door.pause_s = min(door.pause_s * 2, LONGEST_WAIT_S)
        door.at_rest = True
        self._rested.set()
        try:
            async with asyncio.timeout(wait_s):
                await door.wake.wait()
        except TimeoutError:
            door.compare = True
        door.at_rest = False

    async def _close(self, door: _Door) -> bool:
        """Send what is missing until the door agrees; False when it is to be tried again later. Raises DeviceError."""
        async with self._turn(door):
            answer = Answer()
            if door.compare:
                answer = Answer(said=await door.port.confirmed())
                door.compare = False
            while True:
                command, decision = await self._advance(door, answer)
                if command is not None and decision.ask is not None:
                    answer = await self._ask(door, decision.ask, command)
                elif decision.ask is not None:  # a ping: never from a stored reply, so it has no row and no cmd_id of its own
                    answer = Answer(said=await door.port.confirmed())
                else:
                    if decision.later is not None:
                        await self._in_trouble(door, None)
                    return decision.later is None

    @contextlib.asynccontextmanager
    async def _turn(self, door: _Door) -> AsyncIterator[None]:
        if door.port.transport != "ble":
            yield
            return
        rank = 2 if door.compare else 0 if self._store.peek(lambda db: _arriving(db, door.number)) else 1
        async with self._radio.mine(rank):
            yield

    async def _ask(self, door: _Door, op: LockOp, command: Command) -> Answer:
        """Send one command; when its outcome is unknown, read back before anything is decided."""
        try:
            reply = await door.port.apply(command)
        except Unreachable:
            return Answer(op, None, await door.port.confirmed())
        said = reply.confirmed
        if said is None or reply.replayed:  # a stored reply tells of the time when it was stored
            said = await door.port.confirmed()
        return Answer(op, reply.code, said)

    # ------------------------------------------------------------ the transaction

    async def _advance(self, door: _Door, answer: Answer) -> tuple[Command | None, Decision]:
        witness = Witness.at(self._clock)
        command, decision, alarm = await self._store.write(lambda tx: self._decide(tx, door, answer, witness))
        door.talk = decision.talk
        if alarm is not None:
            door.told.add(alarm)
        return command, decision

    def _decide(self, tx: Tx, door: _Door, answer: Answer, witness: Witness) -> tuple[Command | None, Decision, str | None]:
        page = ledger.page(tx.db, door.number)
        if answer.said is not None and witness.now + FAR > _floor_time(answer.said.floor) and answer.said.floor > page.wanted.floor:
            ledger.raise_floor(tx, door.number, answer.said.floor)  # the door has been told more than this box remembers
            page = ledger.page(tx.db, door.number)
        _answered(tx, door.port.name, answer, witness)
        decision = decide(page.wanted, page.known, door.talk, answer)
        if decision.renumber or decision.refused:
            _apply_judgement(tx, page, decision, witness)
            page = ledger.page(tx.db, door.number)
            if decision.later is None:
                alarm = decision.alarm
                decision = replace(decide(page.wanted, decision.known, decision.talk, Answer(said=answer.said)), alarm=alarm)
        said = answer.said or page.said
        agreed = answer.said is not None and agrees(page.wanted, decision.known, answer.said)
        if answer.said is not None or decision.known != page.known:
            ledger.save_known(tx, door.number, decision.known, said, witness.now, agrees=agreed)
        command = None
        if agreed:  # what a box that was killed had asked is done, or no longer wanted
            _close_open(tx, door.port.name, witness)
        if decision.ask is not None and not isinstance(decision.ask, Ping):
            command = _command(tx, door.port.name, decision.ask, witness)
        _save_progress(tx, page, decision, witness)
        alarm = decision.alarm if decision.alarm and decision.alarm not in door.told else None
        if alarm:
            witness.raise_task(tx, alarm, door=door.number, device=door.port.name, code=decision.later.name if decision.later else None)
        return command, decision, alarm

    async def _in_trouble(self, door: _Door, kind: str | None) -> None:
        """Show that the door is being retried; after ALARM_S tell a person, once."""
        now = self._clock.monotonic()
        door.trouble_since = door.trouble_since if door.trouble_since is not None else now
        late = kind is not None and now - door.trouble_since >= ALARM_S and kind not in door.told
        witness = Witness.at(self._clock)
        raised = await self._store.write(lambda tx: _struggle(tx, door, kind if late else None, witness))
        if raised and kind:
            door.told.add(kind)


def _command(tx: Tx, device: str, op: LockOp, witness: Witness) -> Command:
    """Return the command for `op`: the open row's when its outcome is still unknown, else a new row's."""
    text = repr(op)
    tx.db.execute(
        "UPDATE command SET ended_at = ?, code = 'SUPERSEDED' WHERE device = ? AND ended_at IS NULL AND op <> ?",
        (ledger.millis(witness.now), device, text),
    )
    row = tx.db.execute("SELECT * FROM command WHERE device = ? AND ended_at IS NULL", (device,)).fetchone()
    if row is not None:
        tx.db.execute("UPDATE command SET tries = tries + 1 WHERE cmd_id = ?", (row["cmd_id"],))
        return Command(uuid.UUID(row["cmd_id"]), op, ledger.instant(row["issued_at"]))
    cmd_id = uuid.uuid4()
    issued = (str(cmd_id), device, text, ledger.millis(witness.now))
    tx.db.execute("INSERT INTO command (cmd_id, device, op, issued_at, tries) VALUES (?, ?, ?, ?, 1)", issued)
    return Command(cmd_id, op, witness.now)


def _close_open(tx: Tx, device: str, witness: Witness) -> None:
    """Close rows whose answer never came: the door holds what it must."""
    row = (ledger.millis(witness.now), device)
    tx.db.execute("UPDATE command SET ended_at = ?, code = 'READ_BACK' WHERE device = ? AND ended_at IS NULL", row)


def _floor_time(floor: int) -> datetime:
    return ORIGIN + timedelta(minutes=floor >> 8)


def _arriving(db: sqlite3.Connection, door: int) -> bool:
    """Whether a guest waits at this door for a key that does not open yet."""
    row = db.execute("SELECT 1 FROM door_right WHERE door = ? AND wanted = 1 AND state IN ('planned', 'pushing', 'retrying')", (door,))
    return row.fetchone() is not None


def _answered(tx: Tx, device: str, answer: Answer, witness: Witness) -> None:
    """Close the row of a command that has its final answer."""
    if answer.asked is None or answer.code is None:
        return
    said = answer.said and [answer.said.rights_count, answer.said.rights_digest, answer.said.guard_digest, answer.said.floor]
    tx.db.execute(
        "UPDATE command SET ended_at = ?, code = ?, confirmed = ? WHERE device = ? AND ended_at IS NULL AND op = ?",
        (ledger.millis(witness.now), answer.code.name, str(said), device, repr(answer.asked)),
    )


def _apply_judgement(tx: Tx, page: DoorPage, decision: Decision, witness: Witness) -> None:
    """Give subjects a higher version, or note that the door will not take a right."""
    before = {right.right_ref: right for right in page.rights}
    changed: tuple[Right, ...] = ()
    if decision.refused is not None:
        changed = progress.refused(page.rights, *decision.refused, witness.now)
    for op in decision.renumber:
        version = ledger.issue(tx)
        changed += progress.renumbered(page.rights, op, version)
        ledger.renumber_block(tx, page.door, op, version)
    ledger.save_rights(tx, before, changed, witness)


def _save_progress(tx: Tx, page: DoorPage, decision: Decision, witness: Witness) -> None:
    before = {right.right_ref: right for right in page.rights}
    changed = {right.right_ref: right for right in progress.lost(page.rights, decision.known, witness.now)}
    if decision.known is not None:
        changed |= {right.right_ref: right for right in progress.reached(page.rights, page.wanted, decision.known, witness.now)}
    rest = [right for right in page.rights if right.right_ref not in changed]
    if decision.later is not None:
        changed |= {right.right_ref: right for right in progress.struggling(rest)}
    elif decision.ask is not None:
        changed |= {right.right_ref: right for right in progress.pushed(rest, decision.ask)}
    if any(right.state is right.final and not right.wanted for right in changed.values()):
        freed = progress.retried(rest, only=Code.RESOURCE_EXHAUSTED)
        changed |= {right.right_ref: right for right in freed}
        if freed:
            tx.touch(f"door/{page.door}")
    ledger.save_rights(tx, before, changed.values(), witness)


def _struggle(tx: Tx, door: _Door, alarm: str | None, witness: Witness) -> bool:
    page = ledger.page(tx.db, door.number)
    before = {right.right_ref: right for right in page.rights}
    changed = {right.right_ref: right for right in progress.struggling(page.rights)}
    waiting = [changed.get(right.right_ref, right) for right in page.rights if progress.under_way(right)]
    behind = not waiting and page.known is not None and steps(page.wanted, page.known) != ()  # a floor that a card door has not got
    raised = False
    if alarm is not None and (behind or any(not right.alarmed for right in waiting)):
        stay_id = next((right.stay_id for right in waiting if right.stay_id), None)
        witness.raise_task(tx, alarm, stay_id=stay_id, door=door.number, device=door.port.name, rights=len(waiting))
        changed |= {right.right_ref: replace(right, alarmed=True) for right in waiting}
        raised = True
    ledger.save_rights(tx, before, changed.values(), witness)
    return raised
