"""Jobs: what a person at the desk waits for. Asked, offered to the box with the time that is left, started, ended, or withdrawn.

    waiting ──JobStarted──► started ──JobDone──► done, failed, unknown, expired
       └── no JobStarted in 2 s: withdrawn (offered no more; a late JobStarted still counts: the box did do it)

Real time, not business time: a card is not cut quicker because a simulated day runs fast. A state that only time changes is computed
when it is asked for, so nothing has to sweep.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from central.problems import Conflict
from central.store.database import Store
from central.store.turn import Turn
from central.store.wakeups import announce
from central.sync.tables import job
from wire.facts import JobDone, JobStarted
from wire.ids import new_id
from wire.jobs import CARD_LIMIT_S, DESK_WAIT_S, OPEN_LIMIT_S, START_LIMIT_S, Job, JobKind

TOPIC = "job"
START_MS = int(START_LIMIT_S * 1000)
REOFFER_MS = 700  # the answer that carried it may have been lost; the box knows a job by its id
END_GRACE_MS = 2000  # for the last JobDone to cross after the time is over
TTL_MS = {JobKind.OPEN_DOOR: int(OPEN_LIMIT_S * 1000), JobKind.BAR_UNLOCK: int(OPEN_LIMIT_S * 1000)}
CARD_TTL_MS = int(CARD_LIMIT_S * 1000)
OPEN = frozenset({"waiting", "started"})


@dataclass(frozen=True, slots=True)
class JobState:
    """One job as a page shows it. `status`: waiting, started, done, failed, unknown, expired, withdrawn; `code` a device code's name."""

    job_id: str
    kind: str
    target: str
    reservation_id: str | None
    status: str
    code: str | None
    result: dict[str, Any] | None
    asked_at: datetime
    left_ms: int  # until the status changes by time alone; 0 when it no longer does

    @property
    def ended(self) -> bool:
        return self.status not in OPEN


_COLUMNS = (job.c.job_id, job.c.kind, job.c.target, job.c.reservation_id, job.c.status, job.c.code, job.c.result, job.c.asked_at)
_GET = select(*_COLUMNS, job.c.asked_ms, job.c.ttl_ms).where(
    job.c.property_id == bindparam("property_id"), job.c.job_id == bindparam("job_id")
)
_OF_RESERVATION = (
    select(*_COLUMNS, job.c.asked_ms, job.c.ttl_ms)
    .where(job.c.property_id == bindparam("property_id"), job.c.reservation_id == bindparam("reservation_id"))
    .order_by(job.c.job_id.desc())
    .limit(20)
)
_BUSY = select(job.c.job_id).where(
    job.c.property_id == bindparam("property_id"),
    job.c.target == bindparam("target"),
    or_(
        and_(job.c.status == "waiting", job.c.asked_ms > bindparam("started_by")),
        and_(job.c.status == "started", job.c.asked_ms + job.c.ttl_ms > bindparam("now_ms")),
    ),
)
_WAITING = select(job.c.offered_ms).where(
    job.c.property_id == bindparam("property_id"), job.c.status == "waiting", job.c.asked_ms > bindparam("started_by")
)
_OFFERABLE = (
    select(job.c.job_id, job.c.kind, job.c.target, job.c.actor, job.c.args, job.c.ttl_ms, job.c.asked_ms)
    .where(
        job.c.property_id == bindparam("property_id"),
        job.c.status == "waiting",
        job.c.asked_ms > bindparam("started_by"),
        or_(job.c.offered_ms.is_(None), job.c.offered_ms < bindparam("offered_before")),
    )
    .order_by(job.c.job_id)
)
_OFFERED = update(job).where(job.c.property_id == bindparam("p"), job.c.job_id == bindparam("j")).values(offered_ms=bindparam("now_ms"))
_STARTED = (
    update(job)
    .where(job.c.property_id == bindparam("p"), job.c.job_id == bindparam("j"), job.c.status == "waiting")
    .values(status="started")
)
_DONE = (
    update(job)
    .where(job.c.property_id == bindparam("p"), job.c.job_id == bindparam("j"), job.c.status.in_(sorted(OPEN)))
    .values(status=bindparam("outcome"), code=bindparam("answer"), result=bindparam("details"))
)


def real_ms() -> int:
    """Milliseconds since 1970 by the machine's clock."""
    return time.time_ns() // 1_000_000


def ask(
    turn: Turn, kind: JobKind | str, target: str, args: dict[str, Any], *, ttl_ms: int | None = None, reservation_id: str | None = None
) -> str:
    """Ask the box for something now and return the job's id. Raise Conflict `busy` while another job has the same target.

    `ttl_ms` is how long the person waits; by default what the kind of job needs. Who asks is `turn.actor`.
    """
    now_ms = real_ms()
    wanted = JobKind(kind)
    if turn.conn.execute(
        _BUSY, {"property_id": turn.property_id, "target": target, "now_ms": now_ms, "started_by": now_ms - START_MS}
    ).first():
        raise Conflict("busy", f"{target} is busy with another job.", "Wait until it has ended, or choose another one.")
    row = {
        "property_id": turn.property_id, "job_id": new_id(), "kind": wanted.value, "target": target, "actor": turn.actor, "args": args,
        "reservation_id": reservation_id, "ttl_ms": TTL_MS.get(wanted, CARD_TTL_MS) if ttl_ms is None else ttl_ms,
        "asked_at": turn.now, "asked_ms": now_ms, "status": "waiting",
    }  # fmt: skip
    turn.conn.execute(insert(job), row)
    announce(turn.conn, turn.property_id, TOPIC, str(row["job_id"]))
    return str(row["job_id"])


def due_ms(conn: Connection, property_id: str, now_ms: int) -> int | None:
    """Return in how many milliseconds there is a job to offer to the box: 0 now, None as long as nobody asks for one."""
    offered = conn.execute(_WAITING, {"property_id": property_id, "started_by": now_ms - START_MS}).scalars().all()
    return min((0 if at is None else max(0, int(at) + REOFFER_MS + 1 - now_ms) for at in offered), default=None)


def offer(turn: Turn, now_ms: int) -> tuple[Job, ...]:
    """Return the jobs that the box should do, with the time that is left of each, oldest first; what has expired is not among them.

    A job that was offered is offered again only after REOFFER_MS without a JobStarted.
    """
    rows = turn.conn.execute(_OFFERABLE, _due(turn.property_id, now_ms)).all()
    jobs = []
    for row in rows:
        gone_ms = max(0, now_ms - row.asked_ms)
        turn.conn.execute(_OFFERED, {"p": turn.property_id, "j": row.job_id, "now_ms": now_ms})
        left = row.ttl_ms - gone_ms
        jobs.append(Job(row.job_id, JobKind(row.kind), row.target, row.actor, left, row.args, min(left, START_MS - gone_ms)))
    return tuple(jobs)


def _due(property_id: str, now_ms: int) -> dict[str, Any]:
    return {"property_id": property_id, "started_by": now_ms - START_MS, "offered_before": now_ms - REOFFER_MS}


def started(turn: Turn, fact: JobStarted) -> None:
    """Take in that the box has begun. A job that is not known, or has ended, is passed over."""
    turn.conn.execute(_STARTED, {"p": turn.property_id, "j": fact.job_id})
    announce(turn.conn, turn.property_id, TOPIC, fact.job_id)


def done(turn: Turn, fact: JobDone) -> None:
    """Take in how a job has ended; the first word counts."""
    turn.conn.execute(
        _DONE, {"p": turn.property_id, "j": fact.job_id, "outcome": fact.outcome, "answer": fact.code, "details": dict(fact.result)}
    )
    announce(turn.conn, turn.property_id, TOPIC, fact.job_id)


def get(conn: Connection, property_id: str, job_id: str) -> JobState | None:
    """Return one job as it stands at this moment."""
    row = conn.execute(_GET, {"property_id": property_id, "job_id": job_id}).one_or_none()
    return None if row is None else _state(row, real_ms())


def of_reservation(conn: Connection, property_id: str, reservation_id: str) -> list[JobState]:
    """Return the jobs of one reservation, newest first, at most 20."""
    now_ms = real_ms()
    rows = conn.execute(_OF_RESERVATION, {"property_id": property_id, "reservation_id": reservation_id})
    return [_state(row, now_ms) for row in rows]


def _state(row: Any, now_ms: int) -> JobState:
    status, left = _now(row.status, row.asked_ms, row.ttl_ms, now_ms)
    return JobState(row.job_id, row.kind, row.target, row.reservation_id, status, row.code, row.result, row.asked_at, left)


def _now(status: str, asked_ms: int, ttl_ms: int, now_ms: int) -> tuple[str, int]:
    """Return the status as time has made it, and the milliseconds until time changes it next."""
    if status not in OPEN:
        return status, 0
    late = status == "waiting"
    left = asked_ms + (START_MS if late else ttl_ms + END_GRACE_MS) - now_ms
    if left > 0:
        return status, left
    return ("withdrawn" if late else "unknown"), 0


async def wait_outcome(store: Store, property_id: str, job_id: str, limit_s: float = DESK_WAIT_S) -> JobState | None:
    """Return the job once it has ended or been withdrawn, or as it stands after `limit_s`; None when there is no such job."""
    ends = time.monotonic() + limit_s
    with store.hub.subscribe(property_id) as news:
        while True:
            state = await store.read(lambda conn: get(conn, property_id, job_id))
            left = ends - time.monotonic()
            if state is None or state.ended or left <= 0:
                return state
            try:
                async with asyncio.timeout(min(left, state.left_ms / 1000 + 0.005)):
                    while not any(wakeup.topic in {TOPIC, "resync"} for wakeup in await news.get()):
                        pass
            except TimeoutError:
                continue
