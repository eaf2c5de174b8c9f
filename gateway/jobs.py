"""Jobs: what a person waits for now. Each is committed before its device is touched, so it is done at most once; none is replayed.

Every job ends with exactly one JobDone: done, failed (with a code), unknown (nobody knows whether the device did it) or expired.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from gateway import ledger
from gateway.device import (
    BarUnlock,
    CardFields,
    CardOp,
    Code,
    Command,
    Encode,
    EraseCard,
    ReadCard,
    Refused,
    Reply,
    UnlockPulse,
    Unreachable,
    VerifyCard,
)
from gateway.engine import Unit
from gateway.planner import Planner
from gateway.rules.book import Right
from gateway.rules.cards import NoCard, card
from gateway.store import Store, StoreError, Tx
from gateway.supervisor import Handle
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import Clock
from wire.entities import KeyBody
from wire.facts import JobDone, JobStarted, RightState
from wire.jobs import CARD_LIMIT_S, OPEN_LIMIT_S, Job, JobKind

UNSURE = frozenset({Code.CARD_REMOVED, Code.TIMEOUT, Code.LINK_DOWN})  # device sheet: what is on the card is not known
LONGEST_PULSE_S = 30
CARD_JOBS = frozenset({JobKind.CUT_KEY, JobKind.READ_CARD, JobKind.VERIFY_CARD, JobKind.ERASE_CARD})
_KEPT_BACK = frozenset({"mac", "uid", "image", "cred_hash"})  # never leaves the box

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a job ended. `written` = the card that was, or may have been, written for `key_id`."""

    outcome: str
    code: str
    result: Mapping[str, Any] = field(default_factory=dict)
    key_id: str | None = None
    written: CardFields | None = None


@dataclass(frozen=True, slots=True)
class _Errand:
    """What is left to do once the job is committed; `expires_s` after that the device must not act any more."""

    handle: Handle
    command: Command
    key_id: str | None = None
    written: CardFields | None = None


class Jobs:
    """Takes jobs as they come; different devices work at the same time, one job each."""

    def __init__(self, store: Store, clock: Clock, planner: Planner, handles: Mapping[str, Handle], units: Mapping[str, Unit]) -> None:
        self._store, self._clock, self._planner = store, clock, planner
        self._handles, self._units = handles, units
        self._busy: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def take(self, job: Job, deadline: float) -> None:
        """Begin a job and return at once; after `deadline` (monotonic) its device is not touched any more."""
        task = asyncio.get_running_loop().create_task(self.do(job, deadline), name=f"job {job.kind}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """Wait for nothing: what is under way ends as unknown at the next start."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def recover(self) -> None:
        """End what was under way when the program died: nobody knows how it went, and it is not done again."""
        witness = Witness.at(self._clock)
        ended = _Ended("unknown", Code.LINK_DOWN.name)

        def end_all(tx: Tx) -> None:
            for row in tx.db.execute("SELECT job_id, kind, args FROM job_run WHERE ended_at IS NULL").fetchall():
                _end(tx, row["job_id"], ended, witness)

        await self._store.write(end_all)

    async def do(self, job: Job, deadline: float) -> None:
        """Do one job to its JobDone; a job that was taken before is passed over."""
        target = self._target(job)
        places = self._places(job, target)
        busy = not self._busy.isdisjoint(places)
        if not busy:
            self._busy |= places
        try:
            errand = await self._begin(job, target, deadline, busy=busy)
            if errand is not None:
                await self._finish(job, await self._ask(job, errand))
        except StoreError as why:
            _log.error("job %s (%s): %s", job.job_id, job.kind, why)
        finally:
            if not busy:
                self._busy -= places

    def _places(self, job: Job, target: Handle | None) -> set[str]:
        """What a job needs for itself: a card job its encoder and the keys of its stay; an opening nothing."""
        if job.kind not in CARD_JOBS or target is None:
            return set()
        key_id = job.args.get("key_id")
        key = self._store.peek(lambda db: journal.body(db, "key", str(key_id))) if key_id else None
        return {target.name, f"stay/{key.stay_id}"} if isinstance(key, KeyBody) and key.stay_id else {target.name}

    # ------------------------------------------------------------ before the device

    def _target(self, job: Job) -> Handle | None:
        """The device that the job names, or the one of its door or room."""
        if job.target in self._handles:
            return self._handles[job.target]
        for unit in self._units.values():
            door = job.kind is JobKind.OPEN_DOOR and unit.door is not None and unit.door == job.args.get("door")
            bar = job.kind is JobKind.BAR_UNLOCK and unit.device_class == "minibar" and unit.room == job.args.get("room")
            if door or bar:
                return self._handles.get(unit.name)
        return None

    async def _begin(self, job: Job, target: Handle | None, deadline: float, *, busy: bool) -> _Errand | None:
        """Commit the job; return what to do, None when it ended at once or is not new."""
        witness = Witness.at(self._clock, job.by)
        late = self._clock.monotonic() >= deadline
        return await self._store.write(lambda tx: self._begun(tx, job, target, witness, late=late, busy=busy))

    def _begun(self, tx: Tx, job: Job, target: Handle | None, witness: Witness, *, late: bool, busy: bool) -> _Errand | None:
        row = (job.job_id, job.kind, job.target, json.dumps(job.args, default=str), job.by, ledger.millis(witness.now))
        if (
            tx.db.execute(
                "INSERT OR IGNORE INTO job_run (job_id, kind, target, args, by, taken_at, state) VALUES (?,?,?,?,?,?,'taken')", row
            ).rowcount
            == 0
        ):
            return None
        if late:
            _end(tx, job.job_id, _Ended("expired", Code.EXPIRED.name), witness)
            return None
        witness.tell(tx, JobStarted(job.job_id), entity=f"job/{job.job_id}")
        try:
            if busy:
                raise NoCard(Code.BUSY, f"{job.target} is at work, or another key of the stay is being cut")
            return self._errand(tx, job, target, witness)
        except NoCard as why:
            _log.info("job %s: %s", job.job_id, why.why)
            _end(tx, job.job_id, _Ended("failed", why.code.name), witness)
            return None

    def _errand(self, tx: Tx, job: Job, target: Handle | None, witness: Witness) -> _Errand:
        """Return the command of the job; raise NoCard (also for what is no card) with the code of its failure."""
        if target is None:
            raise NoCard(Code.NOT_FOUND, f"there is no device {job.target}")
        if job.kind in CARD_JOBS:
            return self._card_errand(tx, job, target, witness)
        expires = witness.now + timedelta(seconds=OPEN_LIMIT_S)
        seconds = job.args.get("seconds", 5)
        pulse = UnlockPulse(min(max(int(seconds), 1), LONGEST_PULSE_S) if isinstance(seconds, int | float) else 5)
        op = pulse if job.kind is JobKind.OPEN_DOOR else BarUnlock()
        return _Errand(target, Command(uuid.uuid4(), op, witness.now, expires))

    def _card_errand(self, tx: Tx, job: Job, target: Handle, witness: Witness) -> _Errand:
        key_id, fields = None, None
        op: CardOp
        if job.kind is JobKind.READ_CARD:
            op = ReadCard()
        elif job.kind is JobKind.ERASE_CARD:
            op = EraseCard(ledger.issue(tx))
        else:
            key_id = str(job.args.get("key_id"))
            fields = self._fields(tx, key_id, witness, new=job.args.get("purpose") == "new")
            if job.kind is JobKind.VERIFY_CARD:
                op, fields = VerifyCard(fields), None
            else:
                op = Encode(fields, _purpose(job), ledger.issue(tx))
        expires = witness.now + timedelta(seconds=CARD_LIMIT_S)
        return _Errand(target, Command(uuid.uuid4(), op, witness.now, expires), key_id, fields)

    def _fields(self, tx: Tx, key_id: str, witness: Witness, *, new: bool) -> CardFields:
        """Return the card of a key; a stay that has not come yet gets its generation here."""
        hotel = self._planner.hotel(tx)
        key: KeyBody | None = hotel.keys.get(key_id)
        preparing = frozenset({key.stay_id}) if key is not None and key.stay_id is not None else frozenset()
        book = self._planner.plan(tx, witness, preparing).book
        return card(hotel, book, key_id, new=new)

    # ------------------------------------------------------------ the device, and after it

    async def _ask(self, job: Job, errand: _Errand) -> _Ended:
        writes = errand.written is not None
        try:
            reply = await errand.handle.apply(errand.command)
        except Unreachable as why:
            _log.info("job %s: %s", job.job_id, why)
            sure = job.kind in {JobKind.READ_CARD, JobKind.VERIFY_CARD}
            return _Ended("failed" if sure else "unknown", Code.LINK_DOWN.name, {}, errand.key_id, errand.written)
        except Refused as why:
            return _Ended("failed", why.code.name)
        except Exception as why:  # noqa: BLE001 - nonsense from the device or a fault in its driver: the person must hear of it
            _log.warning("job %s: %s: %s", job.job_id, type(why).__name__, why)
            return _Ended("unknown", Code.LINK_DOWN.name, {}, errand.key_id, errand.written)
        if reply.code is Code.OK:
            return _Ended("done", Code.OK.name, self._told(reply), errand.key_id, errand.written)
        if reply.code is Code.EXPIRED:
            return _Ended("expired", Code.EXPIRED.name)
        unsure = writes and reply.code in UNSURE
        return _Ended("unknown" if unsure else "failed", reply.code.name, {}, errand.key_id, errand.written if unsure else None)

    def _told(self, reply: Reply) -> dict[str, Any]:
        """What the desk may see of an answer; whose card it is where the box knows."""
        told = {name: value for name, value in reply.result.items() if name not in _KEPT_BACK}
        ref = told.get("credential_ref")
        row = self._store.peek(lambda db: db.execute("SELECT key_id, stay_id FROM credential WHERE credential_ref = ?", (ref,)).fetchone())
        return {**told, "key_id": row["key_id"], "stay_id": row["stay_id"]} if row else told

    async def _finish(self, job: Job, ended: _Ended) -> None:
        witness = Witness.at(self._clock, job.by)
        await self._store.write(lambda tx: _end(tx, job.job_id, ended, witness))


def _purpose(job: Job) -> Any:
    purpose = job.args.get("purpose", "new")
    if purpose not in {"new", "copy", "extend"}:
        raise NoCard(Code.BAD_REQUEST, "purpose is new, copy or extend")
    return purpose


def _end(tx: Tx, job_id: str, ended: _Ended, witness: Witness) -> None:
    """Write the end of a job, tell it, and note the card that exists, or may exist, from now on."""
    row = (ended.outcome, ended.code, json.dumps(dict(ended.result), default=str), ledger.millis(witness.now), job_id)
    tx.db.execute("UPDATE job_run SET state = ?, code = ?, result = ?, ended_at = ? WHERE job_id = ?", row)
    done = JobDone(job_id, ended.outcome, ended.code, dict(ended.result))  # type: ignore[arg-type]  # one of the four words
    witness.tell(tx, done, entity=f"job/{job_id}")
    if ended.key_id is not None and ended.written is not None:
        rights = ledger.rights_of(tx.db, ended.key_id)
        changed = [_cut(right, ended.written, witness, sure=ended.outcome == "done") for right in rights if _reads_cards(right)]
        ledger.save_rights(tx, {right.right_ref: right for right in rights}, changed, witness)
        tx.touch(*(f"moving/{right.stay_id}" for right in changed if right.stay_id))


def _reads_cards(right: Right) -> bool:
    return right.wanted and right.lock.value != "online"


def _cut(right: Right, fields: CardFields, witness: Witness, *, sure: bool) -> Right:
    """The card-reading door's right after its card was, or may have been, written."""
    exposed = max(right.exposed_until or fields.until, fields.until)
    if not sure:
        return replace(right, exposed_until=exposed)
    fresh = fields.generation == right.body.generation and fields.until == right.body.until
    state = RightState.ENCODED if fresh and right.state is not RightState.ACTIVE else right.state
    return replace(right, encoded=fields.generation, exposed_until=exposed, state=state, changed_at=witness.now)
