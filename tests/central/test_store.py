"""Central's store: one way to read and to write, the same promises on both databases."""

import asyncio
import shutil
import threading
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

import central.app  # noqa: F401 - whatever has a table is part of it
from central.configuration import database_url
from central.problems import NotFound
from central.store import migrations
from central.store.database import Store
from central.store.metadata import metadata
from central.store.tables import feed_head, property_
from central.store.turn import take_turn
from central.store.wakeups import Wakeup, announce
from tests.stores import CHOSEN_FROM

HOUSE = {
    "property_id": "demo", "number": 42, "name": "Demo", "time_zone": "Europe/Paris", "currency": "EUR", "check_in": "15:00",
    "check_out": "11:00", "business_date": date(2026, 7, 1), "languages": ["en"], "simulated": True,
}  # fmt: skip


def found(conn: Connection) -> None:
    conn.execute(insert(property_), HOUSE)
    conn.execute(insert(feed_head), {"property_id": "demo"})


def count_up(conn: Connection) -> int:
    take_turn(conn, "demo")
    now = conn.execute(select(property_.c.last_number)).scalar_one()
    conn.execute(update(property_).values(last_number=now + 1))
    return int(now) + 1


async def test_many_writers_of_one_property_lose_no_step(store: Store) -> None:
    await store.write(found)
    numbers = await asyncio.gather(*(store.write(count_up) for _ in range(60)))
    assert sorted(numbers) == list(range(1001, 1061))


async def test_a_use_case_that_fails_undoes_itself_and_not_its_neighbours(store: Store) -> None:
    await store.write(found)

    def fails(conn: Connection) -> None:
        count_up(conn)
        raise ValueError("changed my mind")

    outcomes = await asyncio.gather(*(store.write(fails if n % 3 == 0 else count_up) for n in range(30)), return_exceptions=True)
    assert Counter(type(outcome) for outcome in outcomes) == {ValueError: 10, int: 20}
    assert await store.read(lambda conn: conn.execute(select(property_.c.last_number)).scalar_one()) == 1020


async def test_a_refused_row_leaves_the_next_change_possible(store: Store) -> None:
    await store.write(found)
    with pytest.raises(IntegrityError):
        await store.write(found)
    assert await store.write(count_up) == 1001


async def test_reading_cannot_write(store: Store) -> None:
    await store.write(found)
    with pytest.raises(DBAPIError):
        await store.read(count_up_without_turn)


def count_up_without_turn(conn: Connection) -> None:
    conn.execute(update(property_).values(last_number=1))


async def test_a_wake_up_comes_after_the_commit_and_only_then(store: Store) -> None:
    await store.write(found)

    def tells(conn: Connection) -> None:
        announce(conn, "demo", "room", "201")
        announce(conn, "demo", "room", "201")

    def fails(conn: Connection) -> None:
        announce(conn, "demo", "room", "999")
        raise ValueError

    with store.hub.subscribe("demo") as mine, store.hub.subscribe("other") as others:
        with pytest.raises(ValueError):  # noqa: PT011 - the one raised above
            await store.write(fails)
        await store.write(tells)
        assert await mine.get() == (Wakeup("demo", "room", "201"),)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(others.get(), 0.05)


async def test_a_property_that_is_not_there_has_no_turn(store: Store) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await store.write(lambda conn: take_turn(conn, "nowhere"))


async def test_the_migrations_make_exactly_the_tables_that_the_program_knows(store: Store, address: URL) -> None:
    def differences(conn: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata))

    assert await store.read(differences) == []
    assert migrations.upgrade(address) == (migrations.newest(), migrations.newest())


@pytest.mark.parametrize("wrong", ["mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_a_database_of_another_kind_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///FILE or postgresql"):
        database_url(wrong)


def test_every_key_starts_with_the_property() -> None:
    assert [table.name for table in metadata.tables.values() if next(iter(table.primary_key.columns)).name != "property_id"] == []


def test_no_whole_number_is_too_small_for_a_device() -> None:
    small = [str(column) for table in metadata.tables.values() for column in table.columns if str(column.type) == "INTEGER"]
    assert small == []


def test_the_suite_runs_as_often_on_postgresql_as_on_sqlite(request: pytest.FixtureRequest) -> None:
    ran = request.config.stash[CHOSEN_FROM]
    assert ran["sqlite"] == ran["postgresql"] > 0


async def test_a_second_process_waits_for_the_lock_file_instead_of_failing(store: Store, address: URL) -> None:
    await store.write(found)
    second = Store(address)
    try:
        await asyncio.gather(*(one.write(count_up) for one in (store, second) for _ in range(20)))
    finally:
        second.close()
    assert await store.read(lambda conn: conn.execute(text("SELECT last_number FROM property")).scalar_one()) == 1040


async def test_a_commit_that_fails_is_known_to_everybody_in_its_group(tmp_path: Path, sqlite_template: Path) -> None:
    store = Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'central.db')}")
    await store.write(found)
    began, ready = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        began.set()
        ready.wait()

    def breaks(conn: Connection) -> None:
        conn.exec_driver_sql("ROLLBACK")  # as SQLite itself does when the disk is full
        raise ValueError("the disk is full")

    first = asyncio.ensure_future(store.write(slow))
    await asyncio.to_thread(began.wait)
    rest = [asyncio.ensure_future(store.write(one)) for one in (count_up, breaks, count_up)]
    await asyncio.sleep(0)
    ready.set()
    await first
    outcomes = await asyncio.gather(*rest, return_exceptions=True)
    assert all(isinstance(one, Exception) for one in outcomes), outcomes
    assert await store.write(count_up) == 1001
    store.close()


def test_a_database_in_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Store(f"sqlite:///{tmp_path / 'nowhere' / 'central.db'}")
