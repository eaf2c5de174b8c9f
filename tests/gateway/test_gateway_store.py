"""What the box's store promises: acknowledged means on the medium, and one bad change spoils no other."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from gateway.ballast import SIZE
from gateway.store import Store, StoreClosed, StoreFailed, StoreFull, Tx, connect


def keep(key: str) -> Callable[[Tx], str]:
    def decide(tx: Tx) -> str:
        tx.db.execute("INSERT INTO memory VALUES ('lock', ?, 'x')", (key,))
        tx.touch(f"memory/{key}")
        return key

    return decide


def note(order: list[int], n: int, _tx: Tx) -> None:
    order.append(n)


def keys(db: sqlite3.Connection) -> list[str]:
    return [row["key"] for row in db.execute("SELECT key FROM memory ORDER BY key")]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "box.db")
    made.open()
    yield made
    await made.close()


async def test_a_write_that_was_awaited_is_seen_by_a_stranger_to_the_process(store: Store) -> None:
    assert await store.write(keep("a")) == "a"
    other = connect(store.path)
    assert keys(other) == ["a"]
    other.close()


async def test_writes_are_done_in_the_order_of_the_calls(store: Store) -> None:
    order: list[int] = []
    await asyncio.gather(*[store.write(partial(note, order, n)) for n in range(1000)])
    assert order == list(range(1000))


async def test_a_change_that_fails_undoes_only_itself(store: Store) -> None:
    def half(tx: Tx) -> None:
        tx.db.execute("INSERT INTO memory VALUES ('lock', 'half', 'x')")
        tx.touch("memory/half")
        raise ValueError("no")

    heard: list[frozenset[str]] = []
    store.watch(heard.append)
    first, bad, last = store.write(keep("a")), store.write(half), store.write(keep("b"))
    assert (await first, await last) == ("a", "b")
    with pytest.raises(ValueError, match="no"):
        await bad
    assert store.peek(keys) == ["a", "b"]
    assert frozenset().union(*heard) == {"memory/a", "memory/b"}


async def test_many_waiting_changes_share_a_commit(store: Store) -> None:
    commits: list[str] = []
    store._writer_db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*[store.write(keep(f"{n:04}")) for n in range(900)])
    store._writer_db.set_trace_callback(None)
    assert 3 <= len(commits) < 450
    assert len(store.peek(keys)) == 900


async def test_nobody_goes_on_before_the_commit(store: Store) -> None:
    trace: list[str] = []
    store._writer_db.set_trace_callback(trace.append)
    future = store.write(keep("a"))
    future.add_done_callback(lambda _: trace.append("done"))
    await future
    store._writer_db.set_trace_callback(None)
    assert trace.index("COMMIT") < trace.index("done")


async def test_readers_see_whole_commits_while_the_writer_works(store: Store) -> None:
    def pair(n: int, tx: Tx) -> None:
        tx.db.execute("INSERT INTO memory VALUES ('left', ?, 'x')", (str(n),))
        tx.db.execute("INSERT INTO memory VALUES ('right', ?, 'x')", (str(n),))

    def sides(db: sqlite3.Connection) -> tuple[int, int]:
        left = db.execute("SELECT count(*) FROM memory WHERE device = 'left'").fetchone()[0]
        return left, db.execute("SELECT count(*) FROM memory WHERE device = 'right'").fetchone()[0]

    writes = asyncio.gather(*[store.write(partial(pair, n)) for n in range(500)])
    while not writes.done():
        left, right = await store.read(sides)
        assert left == right
    await writes
    assert await store.read(sides) == (500, 500)


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(lambda db: db.execute("DELETE FROM memory"))


async def test_a_refused_commit_fails_everybody_in_the_group_and_the_next_group_goes_on(store: Store) -> None:
    def ends_it(tx: Tx) -> None:
        tx.db.execute("COMMIT")

    first, second = store.write(keep("a")), store.write(ends_it)
    with pytest.raises(StoreFailed):
        await second
    await asyncio.wait([first])
    assert await store.write(keep("b")) == "b"


async def test_a_queue_that_is_full_says_so_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.QUEUE_LIMIT", 0)
    with pytest.raises(StoreFull, match="look at the disk"):
        await store.write(keep("a"))


async def test_what_was_queued_at_the_end_is_kept_and_nothing_after_it_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path / "box.db")
    store.open()
    queued = [store.write(keep(f"{n:03}")) for n in range(50)]
    await store.close()
    assert all(future.done() and future.exception() is None for future in queued)
    with pytest.raises(StoreClosed):
        await store.write(keep("late"))
    again = Store(tmp_path / "box.db")
    again.open()
    assert len(again.peek(keys)) == 50
    assert again.set_aside is None
    await again.close()


@pytest.mark.parametrize("where", ["header", "middle"])
async def test_a_damaged_file_is_set_aside_and_the_box_begins_anew(tmp_path: Path, where: str) -> None:
    path = tmp_path / "box.db"
    store = Store(path)
    store.open()
    await asyncio.gather(*[store.write(keep(f"{n:05}")) for n in range(2000)])
    await store.close()
    raw = bytearray(path.read_bytes())
    start = 0 if where == "header" else 4096
    raw[start : start + 20_000] = b"\xa5" * 20_000
    path.write_bytes(raw)
    again = Store(path)
    again.open()
    assert again.set_aside is not None
    assert again.set_aside.read_bytes() == bytes(raw)
    assert again.peek(keys) == []
    await again.write(keep("new"))
    await again.close()


async def test_a_full_disk_fails_what_it_must_lets_the_ballast_go_and_goes_on(store: Store) -> None:
    store.ballast.load()
    ballast = store.ballast.path
    assert ballast.stat().st_size == SIZE
    assert ballast.stat().st_blocks * 512 >= SIZE
    db = store._writer_db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()  # SQLite's own word for a full disk, without filling one
    big = "x" * 50_000

    def swell(tx: Tx) -> None:
        tx.db.execute("INSERT INTO memory VALUES ('lock', 'big', ?)", (big,))

    small, large = store.write(keep("a")), store.write(swell)
    with pytest.raises(StoreFailed, match="full"):
        await large
    with pytest.raises(StoreFailed):
        await small  # the same group: nothing of it is stored, so nothing of it is acknowledged
    assert (store.ballast.dropped, ballast.exists()) == (True, False)
    assert store.peek(keys) == []
    db.execute("PRAGMA max_page_count = 1000000").fetchall()
    await store.write(swell)
    assert store.peek(keys) == ["big"]


CHILD = """
import asyncio, sys
from pathlib import Path
from gateway.store import Store

async def main():
    store = Store(Path(sys.argv[1]))
    store.open()
    async def one(n):
        await store.write(lambda tx: tx.db.execute("INSERT INTO memory VALUES ('lock', ?, 'x')", (f"{n:07}",)))
        print(n, flush=True)
    n = 0
    while True:
        await asyncio.gather(*[one(n + i) for i in range(20)])
        n += 20

asyncio.run(main())
"""


def test_nothing_acknowledged_is_lost_when_the_power_goes(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    for round_no in range(3):
        path.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(100 + 77 * round_no)]
        os.kill(child.pid, signal.SIGKILL)
        said += [int(line) for line in child.stdout.read().splitlines() if line.strip().isdigit()]
        child.stdout.close()
        child.wait()
        db = connect(path)
        assert {f"{n:07}" for n in said[:-1]} <= set(keys(db))
        db.close()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


async def test_the_store_is_readable_by_the_boxs_account_only(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    path.touch(mode=0o644)
    path.chmod(0o644)  # a file of an earlier version
    store = Store(path)
    store.open()
    await store.write(lambda tx: tx.db.execute("INSERT INTO device (name) VALUES ('lock-201')").rowcount)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("box.db*") if "ballast" not in file.name}
    await store.close()
    assert modes == {"box.db": 0o600, "box.db-wal": 0o600, "box.db-shm": 0o600}
