"""SQLite for one process: one writer thread with group commit, a file lock against a second process, readers of their own."""

import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool, StaticPool

from central.store.wakeups import Wakeup, collected

Queued = tuple[Callable[[Connection], Any], "Future[Any]"]
GROUP = 16  # use cases in one commit; more only lengthen the wait of the first
BUSY_MS = 5000  # a second process that ignores the file lock: wait this long for SQLite's own


def _settings(dbapi: sqlite3.Connection, *pragmas: str) -> None:
    dbapi.isolation_level = None  # we say BEGIN ourselves: the driver's is deferred and fails half-way under contention
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_MS}", *pragmas):
        dbapi.execute(f"PRAGMA {pragma}")


def engine(url: URL, begin: str, **options: Any) -> Engine:
    """Return an engine whose transactions start with the words `begin`."""
    made = create_engine(url, connect_args={"check_same_thread": False}, hide_parameters=True, **options)
    event.listen(made, "begin", lambda conn: conn.exec_driver_sql(begin))
    return made


def reader(url: URL, size: int) -> Engine:
    """Return an engine for reading only; a transaction is one snapshot."""
    made = engine(url, "BEGIN", poolclass=QueuePool, pool_size=size, max_overflow=0)
    event.listen(made, "connect", lambda dbapi, _record: _settings(dbapi, "query_only = ON"))
    return made


def writer(url: URL) -> Engine:
    """Return the engine that changes things; the one connection is kept for as long as the engine."""
    made = engine(url, "BEGIN IMMEDIATE", poolclass=StaticPool)
    event.listen(made, "connect", lambda dbapi, _record: _settings(dbapi))
    return made


class FileLock:
    """The lock file beside the database; one object a writer, used by one thread at a time. Raises OSError when it cannot be made.

    A program that writes without it starves the others for seconds: SQLite's own wait is a lottery.
    """

    def __init__(self, url: URL) -> None:
        self._handle = os.open(Path(f"{url.database}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


class GroupWriter:
    """The one writer thread: what is queued while a commit is under way forms the next group."""

    def __init__(self, url: URL, publish: Callable[[tuple[Wakeup, ...]], None]) -> None:
        self._engine, self._lock, self._publish = writer(url), FileLock(url), publish
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-write", daemon=True)
        self._thread.start()

    def submit(self, use_case: Callable[[Connection], Any]) -> "Future[Any]":
        if not self._thread.is_alive():
            raise RuntimeError("the store is closed")
        future: Future[Any] = Future()
        self._queue.put((use_case, future))
        return future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            if group:
                self._commit(group)
        self._engine.dispose()
        self._lock.close()

    def _next_group(self) -> tuple[list[Queued], bool]:
        group: list[Queued] = []
        while len(group) < GROUP:
            try:
                item = self._queue.get(block=not group)
            except queue.Empty:
                break
            if item is None:
                return group, True
            if item[1].set_running_or_notify_cancel():
                group.append(item)
        return group, False

    def _commit(self, group: list[Queued]) -> None:
        outcomes: list[tuple[Any, BaseException | None]] = []
        woken: list[Wakeup] = []
        try:
            with self._lock, self._engine.connect() as conn, conn.begin():
                outcomes += [_alone(conn, use_case, woken) for use_case, _ in group]
        except Exception as error:  # noqa: BLE001 - BEGIN or COMMIT itself: nobody's change is there, and everybody must know
            outcomes = [(None, error)] * len(group)
        else:
            self._publish(tuple(woken))
        for (_, future), (answer, refusal) in zip(group, outcomes, strict=True):
            if refusal is None:
                future.set_result(answer)
            else:
                future.set_exception(refusal)


def _alone(conn: Connection, use_case: Callable[[Connection], Any], woken: list[Wakeup]) -> tuple[Any, BaseException | None]:
    """Run one use case in a savepoint; one that raises undoes itself and its wake-ups, not its neighbours."""
    try:
        with conn.begin_nested():
            answer = use_case(conn)
    except Exception as error:  # it belongs to the caller, whose future it fails
        collected(conn)
        if not conn.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr] # full disk: SQLite undid the whole group
            raise
        return None, error
    woken += collected(conn)
    return answer, None
