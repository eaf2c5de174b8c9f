"""One minibar's posting machine in the store: its takes as rows, its slots and marks beside them, and its events as the rules want them."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway import ledger
from gateway.device import Event
from gateway.rules import minibar
from gateway.rules.minibar import Back, Bar, Effect, Fate, Identity, Mark, Slot, Take
from gateway.store import Tx

KEEP = timedelta(days=400)  # longer than any bar or line repeats itself
MARKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "bar_door": lambda data: "open" if data.get("open") else "shut",
    "restock": lambda data: "begin" if data.get("state") == "begin" else "end",
}
EVENTS = frozenset({"slot_removed", "slot_returned", "slot_fault", *MARKS})


def identity(event: Event) -> Identity | None:
    """Return which removal an event is about; None when it is about none."""
    if event.type not in {"slot_removed", "slot_returned"}:
        return None
    return minibar.identity(event.log_id, event.data["slot"], event.data["removal_no"])


def heard(bar: Bar, event: Event, at: datetime, grace: timedelta) -> tuple[Bar, tuple[Effect, ...]]:
    """Let the rules take in one event, one of EVENTS."""
    key, data = identity(event), event.data
    if event.type == "slot_removed" and key is not None:
        return minibar.removed(bar, Take(*key, at, event.seq))
    if event.type == "slot_returned" and key is not None:
        return minibar.returned(bar, key, Back(event.seq, timedelta(seconds=data["after_s"])), at, grace)
    if event.type == "slot_fault":
        return minibar.faulted(bar, data["slot"], (event.log_id, event.seq))
    mark = Mark(event.log_id, event.seq, MARKS[event.type](data), at, str(data.get("attendant") or ""))  # type: ignore[arg-type]
    return minibar.marked(bar, mark), ()


def load(db: sqlite3.Connection, device: str, key: Identity | None = None) -> Bar:
    """Return the bar with its pending takes, and the one that `key` names."""
    rows = db.execute("SELECT * FROM bar_take WHERE device = ? AND fate = 'pending'", (device,)).fetchall()
    if key is not None:
        named = "SELECT * FROM bar_take WHERE device = ? AND log_id = ? AND slot = ? AND removal_no = ?"
        rows += db.execute(named, (device, *key)).fetchall()
    takes = [_take(row) for row in rows]
    body = db.execute("SELECT slots, marks FROM bar WHERE device = ?", (device,)).fetchone()
    slots = {int(number): _slot(held) for number, held in json.loads(body["slots"]).items()} if body else {}
    marks = tuple(_mark(held) for held in json.loads(body["marks"])) if body else ()
    return Bar({take.identity: take for take in takes}, slots, marks)


def save(tx: Tx, device: str, before: Bar, after: Bar, grace: timedelta) -> None:
    """Write what has changed, and when the bar is to be looked at next; touches `bar/<device>`."""
    changed = [take for key, take in after.takes.items() if before.takes.get(key) != take]
    tx.db.executemany("INSERT OR REPLACE INTO bar_take VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [_row(device, take) for take in changed])
    slots = {number: [[list(place), ledger.millis(at)] for place, at in slot.changes] for number, slot in after.slots.items()}
    held = json.dumps({number: [slots[number], slot.suspended] for number, slot in after.slots.items()})
    marks = json.dumps([[m.log_id, m.seq, m.kind, ledger.millis(m.at), m.attendant, m.told] for m in after.marks])
    due = minibar.due(after, grace)
    row = (device, held, marks, ledger.millis(due) if due else None)
    tx.db.execute("INSERT OR REPLACE INTO bar VALUES (?, ?, ?, ?)", row)
    tx.touch(f"bar/{device}")


def dues(db: sqlite3.Connection) -> list[tuple[str, datetime, str]]:
    """Each bar with something to settle: when, and how the device is."""
    rows = db.execute("SELECT bar.device, due, health FROM bar LEFT JOIN device ON device.name = bar.device WHERE due IS NOT NULL")
    return [(row["device"], ledger.instant(row["due"]), row["health"] or "offline") for row in rows]


def _take(row: Any) -> Take:
    back = None if row["back_seq"] is None else Back(row["back_seq"], timedelta(milliseconds=row["back_after"]))
    return Take(row["log_id"], row["slot"], row["removal_no"], ledger.instant(row["at"]), row["seq"], back, Fate(row["fate"]))


def _row(device: str, take: Take) -> tuple[Any, ...]:
    back = (take.back.seq, take.back.after // timedelta(milliseconds=1)) if take.back else (None, None)
    return device, *take.identity, ledger.millis(take.at), take.seq, *back, take.fate


def _slot(held: Any) -> Slot:
    changes, suspended = held
    return Slot(
        tuple(((place[0], place[1]), ledger.instant(at)) for place, at in changes), (suspended[0], suspended[1]) if suspended else None
    )


def _mark(held: Any) -> Mark:
    log_id, seq, kind, at, attendant, told = held
    return Mark(log_id, seq, kind, ledger.instant(at), attendant, told)


def forget_old_takes(tx: Tx, now: datetime) -> None:
    """Delete takes older than KEEP; nobody repeats an event for so long."""
    tx.db.execute("DELETE FROM bar_take WHERE at < ? AND fate <> 'pending'", (ledger.millis(now - KEEP),))
