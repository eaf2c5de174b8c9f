"""The one way to the database: `await store.write(use_case)` and `await store.read(query)`, the same on SQLite and PostgreSQL.

A use case is a plain function of a connection. It takes the property's turn first (`turn.take_turn`), raises to undo itself, and
holds no transaction of its own. The future of a write is done after COMMIT.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from central.configuration import database_url
from central.store import postgresql, sqlite
from central.store.wakeups import Hub
from host.exits import HostError, Unreachable

T = TypeVar("T")
READERS = 4  # threads; more only queue at the interpreter's lock


class Writer(Protocol):
    """Runs use cases in transactions, off the event loop."""

    def submit(self, use_case: Callable[[Connection], Any]) -> "Future[Any]":
        """Queue one use case; the future is done after its COMMIT, or failed when it raised and was undone."""

    def close(self) -> None:
        """Finish what is queued, then end."""


@contextmanager
def opening(address: URL) -> Iterator[None]:
    """Turn what goes wrong while a database is opened into Unreachable (PostgreSQL) or HostError (SQLite), in words for a person."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if address.get_backend_name() == "sqlite":
            raise HostError(
                f"{address.database} cannot be used as a database: {said}", "Restore it from a copy, or name another"
            ) from error
        if getattr(error, "statement", None) is not None:  # it answers; what it says is about one statement
            raise
        where = f"{address.host or 'its socket'}{f':{address.port}' if address.port else ''}"
        raise Unreachable(
            f"PostgreSQL at {where} cannot be reached: {said}", "Start it, or correct `database` in central.yaml; then try again"
        ) from error


class Store:
    """Central's database. Open it once a process; `close` waits for what is queued."""

    def __init__(self, url: str | URL) -> None:
        address = database_url(str(url) if isinstance(url, str) else url.render_as_string(hide_password=False))
        self.hub = Hub()
        self._reader: Engine
        self._writer: Writer
        if address.get_backend_name() == "sqlite":
            self._writer = sqlite.GroupWriter(address, self.hub.publish)
            self._reader = sqlite.reader(address, READERS)
        else:
            self._writer = postgresql.PoolWriter(address, self.hub.publish)
            self._reader = postgresql.reader(address, READERS)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")

    async def write(self, use_case: Callable[[Connection], T]) -> T:
        """Run `use_case` in a transaction and return its answer after COMMIT. What it raises is raised here, and it is undone alone.

        SQLite: one writer thread, up to 16 use cases in one BEGIN IMMEDIATE, a savepoint each. PostgreSQL: a transaction each.
        """
        answer: T = await asyncio.wrap_future(self._writer.submit(use_case))
        return answer

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on one consistent picture of the database; it cannot write."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self._reader.connect() as conn:
            return query(conn)

    def close(self) -> None:
        """Finish queued writes and close every connection."""
        self._writer.close()
        self._threads.shutdown()
        self._reader.dispose()
