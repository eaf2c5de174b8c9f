"""PostgreSQL for one process: a few threads, a transaction each; the property's turn keeps them in order."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL

from central.store.wakeups import Wakeup, collected

PATIENCE = {"connect_timeout": 10}  # seconds; without it a server behind a dead line is waited for by the kernel's rule, two minutes
WRITERS = 4  # threads; those of one property wait for one another at its feed head


def reader(url: URL, size: int) -> Engine:
    """Return an engine for reading only; a transaction is one snapshot."""
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=size,
        max_overflow=0,
        connect_args=PATIENCE,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
    )


def writer(url: URL) -> Engine:
    """Return the engine that changes things."""
    return create_engine(url, hide_parameters=True, pool_size=WRITERS, max_overflow=0, pool_pre_ping=True, connect_args=PATIENCE)


class PoolWriter:
    """Runs each use case in a transaction of its own."""

    def __init__(self, url: URL, publish: Callable[[tuple[Wakeup, ...]], None]) -> None:
        self._engine, self._publish = writer(url), publish
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="store-write")

    def submit(self, use_case: Callable[[Connection], Any]) -> "Future[Any]":
        return self._threads.submit(self._run, use_case)

    def close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    def _run(self, use_case: Callable[[Connection], Any]) -> Any:
        with self._engine.connect() as conn:
            try:
                with conn.begin():
                    answer = use_case(conn)
            finally:
                woken = collected(conn)
        self._publish(woken)
        return answer
