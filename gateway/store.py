"""The box's only durable memory: one SQLite file, one writer thread with group commit, readers with connections of their own.

StoreError
 - StoreFull       too much is waiting already: acknowledge nothing, the device sends it again
 - StoreFailed     the medium refused the commit: nothing of that group is stored, acknowledge nothing
 - StoreClosed     the program is going down

Only the writer's connection writes and checkpoints: SQLite before 3.51.3 can lose a WAL reset when two connections do.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlite_utils

from gateway.ballast import Ballast
from gateway.schema import CORE, ROOMS

T = TypeVar("T")
Watcher = Callable[[frozenset[str]], None]

GROUP_LIMIT = 300  # functions in one commit; measured: 100 to 500 are equal, 2,000 is a third slower
QUEUE_LIMIT = 20_000  # functions that may wait; a burst of 20,000 readings fits
CHECKPOINT_BYTES = 4 * 1024 * 1024  # the WAL is folded back when it has grown past this
READERS = 2
OWN_FILE = 0o600  # guests' names and the hashes of PINs lie in it

_log = logging.getLogger(__name__)


class StoreError(Exception):
    """The store could not do it; the text says what to do."""


class StoreFull(StoreError):
    """The queue is at its limit."""


class StoreFailed(StoreError):
    """The medium refused: nothing of the group is stored."""


class StoreClosed(StoreError):
    """No more is taken."""


class Tx:
    """One function's part of the write transaction. Its changes stand or fall together; others in the same commit are not touched.

    `db` is the writer's sqlite3 connection: `execute` and `executemany`, never `commit`, `rollback`, `executescript`.
    """

    __slots__ = ("db", "touched")

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.touched: set[str] = set()

    def undo(self) -> None:
        """Take back all that this function has written so far; what it writes from here on stands."""
        self.db.execute("ROLLBACK TO one")
        self.touched.clear()

    def touch(self, *what: str) -> None:
        """Name what this function changed (`stay/<id>`, `outbox/desk`); watchers hear it after COMMIT, or never."""
        self.touched.update(what)


@dataclass(slots=True)
class _Waiting:
    decide: Callable[[Tx], Any]
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None
    touched: set[str] = field(default_factory=set)


class Store:
    """One file and its writer. `open()` first, inside the running loop; `close()` last."""

    def __init__(self, path: Path, *steps: sqlite_utils.Migrations) -> None:
        """`steps` = migration sets of other modules (journal), applied after the core's own, each in its own order."""
        self.path = path
        self.set_aside: Path | None = None  # where a damaged file went at this boot
        self.ballast = Ballast(path.with_name(f"{path.name}.ballast"))
        self._steps = (CORE, ROOMS, *steps)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._watchers: list[Watcher] = []
        self._open = False
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    # ------------------------------------------------------------ open, close

    def open(self) -> None:
        """Check the file, set a damaged one aside, bring the schema up to date, start the writer. Repeatable after `close`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writer_db = self._sound()
        migrate(self._writer_db, self._steps)
        self._thread = threading.Thread(target=self._write_for_ever, name="store-write", daemon=True)
        self._open = True
        self._thread.start()

    async def close(self) -> None:
        """Commit what is queued, fold the WAL back, close every connection; the writer's last, so that only it checkpoints."""
        if not self._open:
            return
        self._open = False
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        await asyncio.sleep(0)  # the last group's futures resolve
        self._pool.shutdown(wait=True)
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()
        self._writer_db.close()

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` in the loop after each commit that touched something, with all that the group touched."""
        self._watchers.append(watcher)

    # ------------------------------------------------------------ write

    def write(self, decide: Callable[[Tx], T]) -> "asyncio.Future[T]":
        """Queue `decide` now, in the order of the calls; the future is done after COMMIT, with what `decide` returned.

        A `decide` that raises undoes only itself and its future raises the same. Called in the loop's thread only.
        Raises (through the future) StoreFull, StoreClosed or StoreFailed: then nothing is stored.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if not self._open:
            future.set_exception(StoreClosed("the store is closed: the program is going down"))
        elif self._queue.qsize() >= QUEUE_LIMIT:
            future.set_exception(StoreFull(f"{QUEUE_LIMIT} changes are waiting for the disk: look at the disk's health"))
        else:
            self._queue.put(_Waiting(decide, future))
        return future

    @property
    def backlog(self) -> int:
        """How many functions wait for the writer."""
        return self._queue.qsize()

    def _write_for_ever(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._gather(first)
            try:
                self._commit(group)
            except Exception as why:  # noqa: BLE001 - whatever the medium says, those who wait must hear it
                self._undo()
                if any(_full(error) for error in (why, why.__cause__, *(one.error for one in group))):
                    self.ballast.drop()
                failed = StoreFailed(f"{self.path.name}: {why}. Nothing of this group is stored; check the disk")
                for one in group:
                    one.result, one.error, one.touched = None, failed, set()
                _log.error("store: %s", failed)
            self._tell(group)
            self._fold(CHECKPOINT_BYTES)
            if last:
                break
        self._fold(0)

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Take what is queued without waiting for more: the next group forms while this one is written."""
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                one = self._queue.get_nowait()
            except queue.Empty:
                break
            if one is None:
                return group, True
            group.append(one)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        db = self._writer_db
        db.execute("BEGIN IMMEDIATE")
        for one in group:
            db.execute("SAVEPOINT one")
            tx = Tx(db)
            try:
                one.result = one.decide(tx)
                one.touched = tx.touched
            except Exception as why:  # noqa: BLE001 - it belongs to the caller, who gets it through the future
                one.error = why
                if db.in_transaction:
                    db.execute("ROLLBACK TO one")
            if not db.in_transaction:  # a full disk, or a function that committed: what came before it in the group is unsure
                raise StoreFailed(f"the transaction was lost ({one.error or 'a function ended it'})")
            if _full(one.error):  # nobody else in the group would fare better
                raise StoreFailed(str(one.error))
            db.execute("RELEASE one")
        db.execute("COMMIT")

    def _undo(self) -> None:
        try:
            if self._writer_db.in_transaction:
                self._writer_db.execute("ROLLBACK")
        except sqlite3.Error as why:
            _log.error("store: roll-back failed: %s", why)

    def _tell(self, group: list[_Waiting]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._resolve, group)
        except RuntimeError:  # the loop is gone: what is committed is committed, nobody waits for it
            return

    def _resolve(self, group: list[_Waiting]) -> None:
        touched: set[str] = set()
        for one in group:
            touched |= one.touched
            if one.future.done():
                continue
            if one.error is None:
                one.future.set_result(one.result)
            else:
                one.future.set_exception(one.error)
        if touched:
            for watcher in self._watchers:
                watcher(frozenset(touched))

    def _fold(self, above: int) -> None:
        """Checkpoint when the WAL is larger than `above` bytes; a reader in its way only postpones it."""
        wal = self.path.with_name(self.path.name + "-wal")
        try:
            if wal.exists() and wal.stat().st_size > above:
                self._writer_db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (OSError, sqlite3.Error) as why:
            _log.warning("store: checkpoint postponed: %s", why)

    # ------------------------------------------------------------ read

    async def read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """Run `look` in a reader thread on one committed state of the store; for lists and exports."""
        return await self._loop.run_in_executor(self._pool, self._look, look)

    def peek(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """Run `look` here and now; for one row by its key (well under a millisecond)."""
        return self._look(look)

    def _look(self, look: Callable[[sqlite3.Connection], T]) -> T:
        db = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = connect(self.path)
            db.execute("PRAGMA query_only = ON")
            with self._guard:
                self._connections.append(db)
        db.execute("BEGIN")
        try:
            return look(db)
        finally:
            db.execute("COMMIT")

    # ------------------------------------------------------------ damage

    def _sound(self) -> sqlite3.Connection:
        """Open the file; when it is damaged set it aside, say so, and begin a new one."""
        if self.path.exists() and (why := damage(self.path)):
            self.set_aside = _move_away(self.path)
            _log.error("store: %s is damaged (%s): set aside as %s, a new one is filled from central", self.path, why, self.set_aside.name)
        self.path.touch(mode=OWN_FILE)
        for suffix in ("", "-wal", "-shm"):  # the last two are made by SQLite with the first one's mode
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).chmod(OWN_FILE)
        return connect(self.path)


def _full(error: BaseException | None) -> bool:
    """Whether SQLite found no room."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"


def connect(path: Path) -> sqlite3.Connection:
    """Open `path` as the box does: WAL, every commit on the medium, foreign keys, nobody checkpoints by himself."""
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.row_factory = sqlite3.Row
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "wal_autocheckpoint = 0", "temp_store = MEMORY"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    return db


def migrate(db: sqlite3.Connection, steps: Iterable[sqlite_utils.Migrations]) -> None:
    """Apply each set's steps that this file has not had; each step and its record are one transaction."""
    wrapped = sqlite_utils.Database(db)
    for migrations in steps:
        migrations.apply(wrapped)


def damage(path: Path) -> str | None:
    """Return what SQLite finds wrong with the file, None when it is sound."""
    try:
        db = connect(path)
        try:
            said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            db.close()
    except sqlite3.DatabaseError as why:
        return str(why)
    return None if said == "ok" else said


def _move_away(path: Path) -> Path:
    """Rename the file and its WAL to the first free `.damaged-N`; nothing is deleted."""
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(target.with_name(target.name + suffix))
    return target
