"""What the box must tell central and what central told it: outbox, mirror, cursors, jobs. Functions of a transaction, nothing more.

`append` is called in the transaction of the state change that the fact speaks of, so both stand or fall together. The mirror holds
central's texts as they came; readers get them decoded with the box's own later changes on top (`wire.overlay`).
"""

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from sqlite_utils import Database, Migrations

from host.clock import Quality
from wire import codec
from wire.digest import digest
from wire.entities import Body, RoomBody
from wire.facts import LANES, URGENT, Fact, Lane, lane_of
from wire.ids import new_id
from wire.jobs import Job
from wire.messages import DigestReply, FeedReply, FeedRow
from wire.overlay import Doors, Subject, on_top, subjects

STEPS = Migrations("journal")
KEEP = timedelta(days=7)  # confirmed facts stay this long: evidence, and replay after central was restored
KEEP_JOBS = 1000  # ids rise with time; a job lives for seconds
DECODED = 4096  # entities of the mirror that are kept decoded; about 2 kB each, 90 µs to decode
_log = logging.getLogger(__name__)


class Tx(Protocol):
    """A transaction of the box's store."""

    @property
    def db(self) -> sqlite3.Connection: ...

    def touch(self, *what: str) -> None:
        """Name what was changed; watchers hear it after COMMIT."""


@STEPS(name="001 outbox, mirror, jobs")
def _tables(db: Database) -> None:
    for statement in _TABLES.split(";"):
        db.execute(statement)
    for lane in LANES:
        db.execute("INSERT INTO lane (lane) VALUES (?)", (lane,))


# lane: the highest number given out (or that of the newest row in the outbox, if it is higher) and the last that central has confirmed.
# own: the box's own changes that central's newest put does not show yet, in the order of the desk lane.
_TABLES = """
CREATE TABLE lane (lane TEXT PRIMARY KEY, top INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE outbox (
    lane TEXT NOT NULL, seq INTEGER NOT NULL, fact_id TEXT NOT NULL, row BLOB NOT NULL, at INTEGER NOT NULL, urgent INTEGER NOT NULL,
    PRIMARY KEY (lane, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_fact ON outbox (fact_id);
CREATE TABLE own (
    kind TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, fact TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id, seq)
) WITHOUT ROWID;
CREATE TABLE mirror (
    kind TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, seen INTEGER NOT NULL, gone INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE line (one INTEGER PRIMARY KEY CHECK (one = 1), cursor INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE job (job_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO line VALUES (1, 0, 1)
"""


# ---------------------------------------------------------------- facts, up

_TOP = "max(top, coalesce((SELECT max(seq) FROM outbox WHERE outbox.lane = lane.lane), 0))"
_APPEND = (
    f"INSERT INTO outbox (lane, seq, fact_id, row, at, urgent) SELECT lane, {_TOP} + 1, ?, ?, ?, ? FROM lane WHERE lane = ?"  # noqa: S608
    " ON CONFLICT (fact_id) DO NOTHING RETURNING seq"
)


def append(tx: Tx, fact: Fact, *, entity: str, at: datetime, clock: Quality, actor: str, fact_id: str | None = None) -> int:
    """Put `fact` into the outbox of its lane and return its number; a `fact_id` that is already there is a no-op and returns 0.

    Touches `outbox/<lane>`, for urgent kinds `outbox/urgent`, and every entity that looks different from now on.
    """
    db, lane, changed = tx.db, lane_of(fact), subjects(fact)
    base = _base(db, changed[0]) if changed else None
    head = codec.FactHead(fact_id or new_id(), entity, at, clock, actor, base)
    urgent = type(fact) in URGENT
    row = (head.fact_id, codec.encode_fact(fact, head), int(at.timestamp() * 1000), urgent, lane)
    made = db.execute(_APPEND, row).fetchall()
    if not made:
        return 0
    seq = made[0][0]
    for kind, entity_id in changed:
        db.execute("INSERT INTO own VALUES (?, ?, ?, ?, ?)", (kind, entity_id, seq, type(fact).__name__, codec.canonical(fact)))
        tx.touch(f"{kind}/{entity_id}")
    tx.touch(f"outbox/{lane}", *(("outbox/urgent",) if urgent else ()))
    return int(seq)


def _base(db: sqlite3.Connection, subject: Subject) -> int | None:
    row = db.execute("SELECT seq FROM mirror WHERE kind = ? AND id = ?", subject).fetchone()
    return None if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane: numbers given out, numbers confirmed, and the highest urgent one."""

    top: int
    acked: int
    urgent: int = 0


def lanes(db: sqlite3.Connection) -> dict[Lane, LaneState]:
    """Return where every lane stands; `urgent` is 0 when nothing unconfirmed is urgent."""
    rows = {row[0]: (row[1], row[2]) for row in db.execute(f"SELECT lane, {_TOP}, acked FROM lane")}  # noqa: S608
    return {lane: LaneState(*rows[lane], _urgent(db, lane, *rows[lane])) for lane in LANES}


def _urgent(db: sqlite3.Connection, lane: Lane, top: int, acked: int) -> int:
    if top <= acked or lane != "desk":  # every urgent kind travels in `desk`
        return 0
    newest = (
        "SELECT seq FROM outbox WHERE lane = ? AND seq > ? AND urgent ORDER BY seq DESC LIMIT 1"  # stops at the first: a backlog is long
    )
    found = db.execute(newest, (lane, acked)).fetchone()
    return 0 if found is None else int(found[0])


def batch(db: sqlite3.Connection, lane: Lane, after: int, rows: int, size: int) -> list[tuple[int, bytes]]:
    """Return the rows after `after` that fit `rows` and `size` bytes, rising by one, at least one if there is any; stops at a gap."""
    taken: list[tuple[int, bytes]] = []
    used = 0
    for seq, text in db.execute("SELECT seq, row FROM outbox WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?", (lane, after, rows)):
        if seq != after + 1 + len(taken) or (taken and used + len(text) > size):
            break
        taken.append((seq, text))
        used += len(text)
    return taken


def diverged(db: sqlite3.Connection, ack: Mapping[Lane, int], ack_id: Mapping[Lane, str]) -> frozenset[Lane]:
    """Return the lanes in which another fact than central's lies under the number that central names."""
    found = {
        lane: db.execute("SELECT fact_id FROM outbox WHERE lane = ? AND seq = ?", (lane, ack.get(lane, 0))).fetchone() for lane in ack_id
    }
    return frozenset(lane for lane, row in found.items() if row is not None and row[0] != ack_id[lane])


def confirm(tx: Tx, lane: Lane, ack: int) -> None:
    """Note that central holds the lane up to `ack` (also when that is less than it held before it was restored)."""
    tx.db.execute("UPDATE lane SET acked = ? WHERE lane = ? AND acked <> ?", (ack, lane, ack))


def renumber(tx: Tx, lane: Lane, ack: int) -> None:
    """Give everything that central has not confirmed numbers above `ack`, in the same order: it has seen others under the old ones.

    What it does hold after all is recognised by its fact_id.
    """
    db = tx.db
    (acked,) = db.execute("SELECT acked FROM lane WHERE lane = ?", (lane,)).fetchone()
    rows = db.execute("SELECT seq FROM outbox WHERE lane = ? AND seq > ? ORDER BY seq", (lane, min(acked, ack)))
    moved = [(ack + 1 + index, old) for index, (old,) in enumerate(rows)]
    upwards = bool(moved) and moved[0][0] > moved[0][1]
    for new, old in reversed(moved) if upwards else moved:  # no number is taken twice on the way
        db.execute("UPDATE outbox SET seq = ? WHERE lane = ? AND seq = ?", (new, lane, old))
        if lane == "desk":
            db.execute("UPDATE own SET seq = ? WHERE seq = ?", (new, old))
    db.execute("UPDATE lane SET top = ?, acked = ? WHERE lane = ?", (ack + len(moved), ack, lane))
    tx.touch(f"outbox/{lane}")


def trim(tx: Tx, now: datetime) -> int:
    """Delete confirmed facts older than KEEP and return how many; forget all but the newest KEEP_JOBS jobs."""
    tx.db.execute("DELETE FROM job WHERE job_id NOT IN (SELECT job_id FROM job ORDER BY job_id DESC LIMIT ?)", (KEEP_JOBS,))
    tx.db.execute(f"UPDATE lane SET top = {_TOP}")  # noqa: S608 - a number is never given out twice, also when its row is gone
    before = int((now - KEEP).timestamp() * 1000)
    gone = tx.db.execute("DELETE FROM outbox WHERE at < ? AND seq <= (SELECT acked FROM lane WHERE lane.lane = outbox.lane)", (before,))
    return gone.rowcount


def oldest_unconfirmed(db: sqlite3.Connection) -> int | None:
    """Return when the oldest fact that central does not hold yet was made, in ms since 1970."""
    ages = [
        db.execute("SELECT at FROM outbox WHERE lane = ? AND seq > ? ORDER BY seq LIMIT 1", (lane, state.acked)).fetchone()
        for lane, state in lanes(db).items()
    ]
    return min((int(row[0]) for row in ages if row), default=None)


# ---------------------------------------------------------------- the mirror, down


def cursor(db: sqlite3.Connection) -> tuple[int, int]:
    """Return the last feed number that the mirror holds, and the epoch."""
    row = db.execute("SELECT cursor, epoch FROM line").fetchone()
    return int(row[0]), int(row[1])


def set_epoch(tx: Tx, epoch: int) -> None:
    """Note the epoch that central named."""
    tx.db.execute("UPDATE line SET epoch = ? WHERE epoch <> ?", (epoch, epoch))


def apply_feed(tx: Tx, reply: FeedReply) -> tuple[int, tuple[Job, ...]]:
    """Take in rows, jobs and cursor; return the cursor and the jobs that were not known, which may be acted on after COMMIT.

    Rows at or below the cursor are passed over, so a reply may be applied again. Touches `<kind>/<id>` of each entity.
    """
    at, _ = cursor(tx.db)
    for row in reply.rows:
        if row.seq > at:
            take_row(tx, row)
            at = row.seq
    tx.db.execute("UPDATE line SET cursor = ? WHERE cursor < ?", (at, at))
    if at == reply.head:
        _let_go(tx, reply.seen)
    fresh = tuple(job for job in reply.jobs if _keep_job(tx, job))
    return at, fresh


def _let_go(tx: Tx, seen: int) -> None:
    """Drop what central has deleted and what nothing of our own, not yet judged, keeps in sight. The mirror must be at the feed's head."""
    judged = tx.db.execute(
        "SELECT kind, id FROM mirror WHERE gone AND NOT EXISTS"
        " (SELECT 1 FROM own WHERE own.kind = mirror.kind AND own.id = mirror.id AND own.seq > ?)",
        (seen,),
    ).fetchall()
    for kind, entity_id in judged:
        tx.db.execute("DELETE FROM own WHERE kind = ? AND id = ?", (kind, entity_id))
        lose(tx, kind, entity_id)


def _keep_job(tx: Tx, job: Job) -> bool:
    kept = tx.db.execute("INSERT OR IGNORE INTO job VALUES (?, ?)", (job.job_id, codec.canonical(job)))
    return kept.rowcount == 1


def take_row(tx: Tx, row: FeedRow) -> None:
    """Put or delete one entity of the mirror, and let go of own changes that central has seen."""
    key = (row.kind, row.id)
    tx.db.execute("DELETE FROM own WHERE kind = ? AND id = ? AND seq <= ?", (*key, row.seen))
    if row.op == "put" and row.body is not None:
        put = (*key, row.seq, row.seen, codec.canonical(row.body))
        tx.db.execute("INSERT OR REPLACE INTO mirror (kind, id, seq, seen, gone, body) VALUES (?, ?, ?, ?, 0, ?)", put)
    else:
        lose(tx, row.kind, row.id)
    tx.touch(f"{row.kind}/{row.id}")


def lose(tx: Tx, kind: str, entity_id: str) -> None:
    """Delete an entity of the mirror; one with own changes that central has not judged yet stays in sight until it has."""
    if tx.db.execute("SELECT 1 FROM own WHERE kind = ? AND id = ?", (kind, entity_id)).fetchone():
        tx.db.execute("UPDATE mirror SET gone = 1 WHERE kind = ? AND id = ?", (kind, entity_id))
    else:
        tx.db.execute("DELETE FROM mirror WHERE kind = ? AND id = ?", (kind, entity_id))
    tx.touch(f"{kind}/{entity_id}")


def body(db: sqlite3.Connection, kind: str, entity_id: str) -> Body | None:
    """Return one entity as the box must treat it, own changes on top; None when there is none or it is of a kind not known here."""
    row = db.execute("SELECT id, body FROM mirror WHERE kind = ? AND id = ?", (kind, entity_id)).fetchone()
    found = db.execute("SELECT fact, body FROM own WHERE kind = ? AND id = ? ORDER BY seq", (kind, entity_id)).fetchall()
    own = _facts(found)
    return on_top(kind, _decoded(kind, row), own, doors(db) if own and kind == "stay" else None)


def bodies(db: sqlite3.Connection, kind: str) -> dict[str, Body]:
    """Return all entities of `kind` as the box must treat them, own changes on top, by id."""
    found: dict[str, list[Any]] = {}
    for row in db.execute("SELECT id, fact, body FROM own WHERE kind = ? ORDER BY id, seq", (kind,)):
        found.setdefault(row[0], []).append((row[1], row[2]))
    puts = {row[0]: _decoded(kind, row) for row in db.execute("SELECT id, body FROM mirror WHERE kind = ? ORDER BY id", (kind,))}
    opened = doors(db) if found and kind == "stay" else None
    shown = {entity_id: on_top(kind, puts.get(entity_id), _facts(found.get(entity_id, ())), opened) for entity_id in {**puts, **found}}
    return {entity_id: seen for entity_id, seen in shown.items() if seen is not None}


def doors(db: sqlite3.Connection) -> Doors:
    """Return each room's doors, as central told."""
    rooms = ((row[0], _decoded("room", row)) for row in db.execute("SELECT id, body FROM mirror WHERE kind = 'room'"))
    return {number: room.doors for number, room in rooms if isinstance(room, RoomBody)}


def _decoded(kind: str, row: Any) -> Body | None:
    if row is None:
        return None
    try:
        return _read(kind, bytes(row[1]))
    except codec.CodecError as error:
        _log.error("sync: the mirror's %s %s cannot be read (%s); bring the box up to date", kind, row[0], error)
        return None


@lru_cache(maxsize=DECODED)
def _read(kind: str, text: bytes) -> Body:
    """Decode once what a board reads again after every change: bodies are frozen, so everybody may hold the same one."""
    return codec.decode_body(kind, text)


def _facts(rows: Iterable[Any]) -> list[Fact]:
    return [codec.decode_fact_text(kind, text) for kind, text in rows]


def agreement(db: sqlite3.Connection) -> DigestReply:
    """Return the digest over the mirror as central told it, at its feed number and the confirmed fact numbers."""
    rows = db.execute("SELECT kind, id, body FROM mirror WHERE NOT gone")
    confirmed: dict[Lane, int] = {lane: state.acked for lane, state in lanes(db).items()}
    return DigestReply(cursor(db)[0], confirmed, digest((kind, entity_id, text) for kind, entity_id, text in rows))
