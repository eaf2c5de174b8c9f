"""How the box is: frames that had no effect, strangers, devices, doors, the line to central, the store. Numbers for pages and tools."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway import ledger
from gateway.device import Transport
from gateway.store import Store, Tx
from host.clock import Clock

MOST_STRANGERS = 200  # the list is for people; more than that is an attack or a fault, and counted
SAID_LIMIT = 200  # characters of what a stranger said

Drop = tuple[str, str, str]


class DropCounts:
    """The `Drops` of all buses and drivers: counts since the start, and the quarantine list of strangers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.counts: Counter[Drop] = Counter()
        self.turned_away = 0  # strangers beyond MOST_STRANGERS
        self._fresh: dict[tuple[str, str], tuple[str, int]] = {}

    def drop(self, transport: Transport, device: str | None, reason: str, count: int = 1) -> None:
        """Count frames that were dropped."""
        self.counts[transport, device or "", reason] += count

    def stranger(self, transport: Transport, address: str, said: str) -> None:
        """Put somebody unknown on the quarantine list; repeats are counted."""
        place = transport, address[:80]
        if place not in self._fresh and len(self._fresh) >= MOST_STRANGERS:
            self.turned_away += 1
            return
        count = self._fresh.get(place, ("", 0))[1] + 1
        self._fresh[place] = said[:SAID_LIMIT], count

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the counts as rows: transport, device or null, reason, count."""
        return [
            {"transport": transport, "device": device or None, "reason": reason, "count": count}
            for (transport, device, reason), count in sorted(self.counts.items())
        ]

    async def flush(self, store: Store) -> None:
        """Commit the strangers met since the last flush."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        now = ledger.millis(self._clock.now())
        await store.write(lambda tx: _keep_strangers(tx, fresh, now))


def _keep_strangers(tx: Tx, fresh: Mapping[tuple[str, str], tuple[str, int]], now: int) -> None:
    known = {(row["transport"], row["address"]) for row in tx.db.execute("SELECT transport, address FROM stranger")}
    for place, (said, count) in fresh.items():
        if place in known or len(known) < MOST_STRANGERS:
            known.add(place)
            tx.db.execute(
                "INSERT INTO stranger VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (transport, address) "
                "DO UPDATE SET said = excluded.said, count = count + excluded.count, last_at = excluded.last_at",
                (*place, said, count, now, now),
            )


def strangers(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return the quarantine list, newest first."""
    rows = db.execute("SELECT * FROM stranger ORDER BY last_at DESC")
    return [
        {
            "transport": row["transport"],
            "address": row["address"],
            "said": row["said"],
            "count": row["count"],
            "first_at": ledger.instant(row["first_at"]),
            "last_at": ledger.instant(row["last_at"]),
        }
        for row in rows
    ]


def devices(db: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Return how each device is, by name."""
    return {
        row["name"]: {
            "health": row["health"],
            "flags": json.loads(row["flags"]),
            "battery_percent": row["battery_percent"],
            "boot_counter": row["boot_counter"],
            "log_id": row["log_id"],
            "top_seq": row["top_seq"],
            "attributes": json.loads(row["attributes"]),
            "changed_at": ledger.instant(row["changed_at"]) if row["changed_at"] is not None else None,
            "known_at": ledger.instant(row["known_at"]) if row["known_at"] is not None else None,
        }
        for row in db.execute("SELECT * FROM device ORDER BY name")
    }


def open_work(db: sqlite3.Connection) -> dict[str, int]:
    """Return what is under way and survives a restart: commands without an answer, bottles within their grace."""
    commands = db.execute("SELECT count(*) FROM command WHERE ended_at IS NULL").fetchone()[0]
    bottles = db.execute("SELECT count(*) FROM bar_take WHERE fate = 'pending'").fetchone()[0]
    return {"commands_unanswered": commands, "bottles_in_grace": bottles}
