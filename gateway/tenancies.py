"""Who lived in which room when, kept in the store from the stays of the mirror: for what is found out only afterwards.

Touches `tenancy/<room>` whenever a room's guest changes.
"""

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.followers import Follower
from gateway.ledger import instant, millis
from gateway.rules.tenancy import Tenancy, followed, tenant
from gateway.store import Store, Tx
from gateway.sync import journal
from host.clock import Clock
from wire.entities import StayBody

KEEP = timedelta(days=90)  # longer than a bar keeps an event to itself, and than prices are kept


class Tenancies:
    """Follows the stays from commit to commit."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._follower = Follower(self._follow)
        store.watch(self._heard)

    async def run(self) -> None:
        """Follow until cancelled; first everything that the mirror holds."""
        self._follower.add(*self._store.peek(_stay_ids))
        await self._follower.run()

    async def caught_up(self) -> None:
        """Return when every stay that has changed up to now has been followed."""
        await self._follower.caught_up()

    async def _follow(self, stays: frozenset[str]) -> None:
        now = self._clock.now()
        await self._store.write(lambda tx: follow(tx, stays, now))

    def _heard(self, touched: frozenset[str]) -> None:
        if stays := [name for kind, _, name in (what.partition("/") for what in touched) if kind == "stay"]:
            self._follower.add(*stays)


def follow(tx: Tx, stays: Iterable[str], now: datetime) -> None:
    """Bring the tenancies of these stays to what the mirror, own changes on top, says. Repeatable."""
    for stay_id in stays:
        before = _read(tx.db.execute("SELECT * FROM tenancy WHERE stay_id = ?", (stay_id,)))
        body = journal.body(tx.db, "stay", stay_id)
        for one in followed(before, stay_id, body if isinstance(body, StayBody) else None, now):
            if one not in before:
                tx.db.execute("INSERT OR REPLACE INTO tenancy VALUES (?, ?, ?, ?)", _row(one))
                tx.touch(f"tenancy/{one.room}")
    tx.db.execute("DELETE FROM tenancy WHERE end < ?", (millis(now - KEEP),))


def follow_room(tx: Tx, room: str, now: datetime) -> None:
    """Bring one room's tenancies up to this very transaction: a stay may have changed in it, or just before."""
    named = tx.db.execute("SELECT id FROM mirror WHERE kind = 'stay' AND instr(body, CAST(? AS BLOB)) > 0", (f'"{room}"',))
    own = tx.db.execute("SELECT DISTINCT id FROM own WHERE kind = 'stay'")
    there = tx.db.execute("SELECT stay_id FROM tenancy WHERE room = ? AND end IS NULL", (room,))
    follow(tx, {row[0] for rows in (named, own, there) for row in rows.fetchall()}, now)


def tenant_at(db: sqlite3.Connection, room: str, at: datetime) -> Tenancy | None:
    """Return who lived in the room at that moment, None when nobody did."""
    rows = db.execute("SELECT * FROM tenancy WHERE room = ? AND start <= ? AND (end IS NULL OR end > ?)", (room, millis(at), millis(at)))
    return tenant(_read(rows), room, at)


def newest(db: sqlite3.Connection, room: str) -> Tenancy | None:
    """Return the tenancy that lasts, else the one that ended last."""
    row = db.execute("SELECT * FROM tenancy WHERE room = ? ORDER BY end IS NOT NULL, end DESC, start DESC LIMIT 1", (room,)).fetchone()
    return _one(row) if row else None


def rooms_of(db: sqlite3.Connection, stay_id: str) -> tuple[str, ...]:
    """Return the rooms in which the stay lives, or has lived."""
    return tuple(row[0] for row in db.execute("SELECT DISTINCT room FROM tenancy WHERE stay_id = ? ORDER BY room", (stay_id,)))


def _stay_ids(db: sqlite3.Connection) -> list[str]:
    found = (
        "SELECT id FROM mirror WHERE kind = 'stay' UNION SELECT id FROM own WHERE kind = 'stay'"
        " UNION SELECT stay_id FROM tenancy WHERE end IS NULL"
    )
    return [row[0] for row in db.execute(found)]


def _read(rows: Iterable[Any]) -> tuple[Tenancy, ...]:
    return tuple(_one(row) for row in rows)


def _one(row: Any) -> Tenancy:
    return Tenancy(row["room"], row["stay_id"], instant(row["start"]), None if row["end"] is None else instant(row["end"]))


def _row(one: Tenancy) -> tuple[str, str, int, int | None]:
    return one.room, one.stay_id, millis(one.start), None if one.end is None else millis(one.end)
