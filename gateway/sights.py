"""What the box knows of each room's occupancy, in the store, and what devices say about it in the words of the rules."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from gateway.device import Event
from gateway.ledger import instant, millis
from gateway.rules.discrepancies import Entry
from gateway.rules.occupancy import Door, Motion, Presence, Service, Sight, Signal, Temperature, Touch, Watches
from gateway.store import Tx

STAFF_FROM = 2  # roles of the device sheet: 1 is the guest
_SIGHT = TypeAdapter(Sight)


@dataclass(frozen=True, slots=True)
class Kept:
    """One room: what is seen, who went in last, which disagreements have been told, and up to when it was looked for them."""

    sight: Sight = field(default_factory=Sight)
    entry: Entry | None = None
    told: tuple[str, ...] = ()
    compared: datetime | None = None


def load(db: sqlite3.Connection, room: str) -> Kept:
    """Return what is known of a room; of a new one nothing."""
    row = db.execute("SELECT * FROM sight WHERE room = ?", (room,)).fetchone()
    if row is None:
        return Kept()
    entry = None if row["entry_at"] is None else Entry(instant(row["entry_at"]), bool(row["entry_staff"]))
    return Kept(_SIGHT.validate_json(row["body"]), entry, tuple(json.loads(row["told"])), _maybe(row["compared"]))


def save(tx: Tx, room: str, kept: Kept, due: datetime | None) -> None:
    """Write a room; touches `sight/<room>`."""
    entry = (millis(kept.entry.at), kept.entry.staff) if kept.entry else (None, None)
    times = (millis(kept.compared) if kept.compared else None, millis(due) if due else None)
    row = (room, _SIGHT.dump_json(kept.sight).decode(), *entry, json.dumps(kept.told), *times)
    tx.db.execute("INSERT OR REPLACE INTO sight VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    tx.touch(f"sight/{room}")


def _maybe(value: int | None) -> datetime | None:
    return None if value is None else instant(value)


def dues(db: sqlite3.Connection) -> list[tuple[str, datetime]]:
    """Return each room with something that time changes, and when."""
    return [(row["room"], instant(row["due"])) for row in db.execute("SELECT room, due FROM sight WHERE due IS NOT NULL")]


# ---------------------------------------------------------------- what devices say


def of_event(event: Event) -> tuple[Signal, ...]:
    """Return what an event of a room's device, or of its lock, says; nothing for most."""
    data = event.data
    match event.type:
        case "contact" if data.get("which") == "entry":
            return (Door(bool(data["open"]), event.device),)
        case "motion":
            return (Motion(bool(data.get("on", True)), event.device),)
        case "card_holder" if data.get("present"):
            return (Touch("card_holder"),)
        case "service":
            value = str(data.get("value"))
            return (Service(value), Touch("service")) if value != "none" else (Service(value),)
        case "occupancy" if data.get("state") == "occupied":
            return (Touch("device"),)  # a device that runs the rule itself
        case "climate" if isinstance(data.get("temp"), int):
            return (Temperature(data["temp"]),)
        case "deadbolt":
            return (Presence(event.device, bool(data.get("on"))),)
    return ()


def of_state(device: str, now: Mapping[str, Any]) -> tuple[Signal, ...]:
    """Return what a full state says: the events in between were lost, are still to come, or there are none (a radar)."""
    found: list[Signal] = []
    if isinstance(contact := now.get("contact_entry"), bool):
        found.append(Door(contact, device))
    if isinstance(motion := now.get("motion"), bool):
        found.append(Motion(motion, device, level=True))
    if "motion_count" in now:
        found.append(Watches())
    found += [Presence(device, on) for on in (now.get("presence"), now.get("deadbolt")) if isinstance(on, bool)]
    if isinstance(service := now.get("service"), str):
        found.append(Service(service))
    if isinstance(temp := now.get("temp"), int):
        found.append(Temperature(temp))
    return tuple(found)


def entered(kept: Kept, db: sqlite3.Connection, event: Event, at: datetime) -> Kept:
    """Return `kept` with who went in, when the event is an opening from outside."""
    data = event.data
    if event.type != "lock_operation" or data.get("op") != "unlock" or data.get("source") in {"manual_inside", "auto", None}:
        return kept
    role = data.get("role")
    if role is None and (ref := data.get("credential_ref")) is not None:
        row = db.execute("SELECT staff_id FROM credential WHERE credential_ref = ?", (ref,)).fetchone()
        staff = row is not None and row["staff_id"] is not None
    else:
        staff = data.get("source") == "mechanical_key" if role is None else int(role) >= STAFF_FROM
    return replace(kept, entry=Entry(at, staff))
