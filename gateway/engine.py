"""Takes what devices report: one transaction for each report, state and facts together; the device is acknowledged after it.

The order of the calls is the order of the log. An event that comes again is recognised by (device, log_id, seq) and changes nothing.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from gateway import ledger, roomfacts
from gateway.device import Condition, DelRight, Event, LockKind, Report, State
from gateway.memory import DeviceMemory
from gateway.rules import progress
from gateway.rules.door import after
from gateway.store import Store, StoreError, Tx
from gateway.witness import Witness
from host.clock import Clock
from wire.facts import DeviceHealth, DoorEvent, RightState

KEEP_EVENTS = timedelta(days=7)
RING = 512  # device sheet: the events that a device keeps
BATTERY_STEP = 5  # percent; a smaller change is no news
_QUIET = frozenset({"card_presented", "card_removed", "motion", "climate"})  # nobody outside the box needs them

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unit:
    """One configured device as the core knows it. `device_class` lock, encoder, minibar, room or sensor."""

    name: str
    device_class: str
    room: str | None = None
    door: int | None = None
    lock: LockKind | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a Condition told that somebody must act on."""

    unit: Unit
    condition: Condition
    came_up: bool
    restarted: bool
    disagrees: bool


class Listener(Protocol):
    """What follows from reports: each is called in the report's own transaction, and writes there or nowhere."""

    def event(self, tx: Tx, unit: Unit, event: Event, witness: Witness) -> None:
        """A device's event, the first time that it comes."""

    def state(self, tx: Tx, unit: Unit, before: Mapping[str, Any], now: Mapping[str, Any], witness: Witness) -> None:
        """A device's full state, when it differs from what was known."""

    def condition(self, tx: Tx, unit: Unit, news: News, witness: Witness) -> None:
        """How a device is; also when that is no news."""


class Engine:
    """One for the box. `on_news` is called in the loop after the commit of a Condition that needs an answer."""

    def __init__(self, store: Store, clock: Clock, units: Mapping[str, Unit], on_news: Callable[[News], None]) -> None:
        self._store, self._clock, self._units, self._on_news = store, clock, units, on_news
        self.listeners: tuple[Listener, ...] = ()
        self._memories: dict[str, DeviceMemory] = {}
        self.heard: dict[str, datetime] = {}  # when each device last reported anything; a heartbeat is not worth a write

    def memory(self, device: str) -> DeviceMemory:
        """Return the memory of one device's driver, as it was last committed; the same object for each call."""
        if device not in self._memories:
            self._memories[device] = DeviceMemory.load(self._store, device)
        return self._memories[device]

    def emit(self, report: Report) -> "asyncio.Future[None]":
        """See device.Emit."""
        self.heard[report.device] = self._clock.now()
        return self._queue(report)

    def _queue(self, report: Report) -> "asyncio.Future[None]":
        witness = Witness.at(self._clock, f"device/{report.device}")
        pending = self.memory(report.device).taken()
        done = self._store.write(lambda tx: self._take_or_keep(tx, report, witness, pending))
        if isinstance(report, Condition):
            done.add_done_callback(self._news)
        return done  # type: ignore[return-value]  # nobody but `_news` reads the result

    def lost(self, device: str) -> None:
        """The device's driver has ended: nobody knows how it is."""
        known = self._store.peek(lambda db: db.execute("SELECT boot_counter, log_id FROM device WHERE name = ?", (device,)).fetchone())
        boot, log = (known["boot_counter"], known["log_id"]) if known else (0, 0)
        self._queue(Condition(device, "offline", boot or 0, log or 0)).add_done_callback(_look)

    async def flush(self) -> None:
        """Commit what drivers asked to remember and no report has carried yet."""
        for memory in self._memories.values():
            if pending := memory.taken():
                await self._store.write(pending)

    def _news(self, done: "asyncio.Future[Any]") -> None:
        if not done.cancelled() and done.exception() is None and (news := done.result()) is not None:
            self._on_news(news)

    # ------------------------------------------------------------ one transaction

    def _take_or_keep(self, tx: Tx, report: Report, witness: Witness, pending: Callable[[Tx], None] | None) -> News | None:
        """Take `report`. One that cannot be worked off is kept as `unreadable`: refused, its device would repeat it for ever."""
        try:
            return self._take(tx, report, witness, pending)
        except (StoreError, sqlite3.Error):
            raise  # the medium: the device sends it again
        except Exception as fault:  # noqa: BLE001 - whatever one report does to us, the others go on
            tx.undo()
            _log.error("%s: a report (%s) could not be worked off: %s", report.device, type(report).__name__, type(fault).__name__)
        if pending is not None:
            pending(tx)
        if isinstance(report, Event):
            said = {"type": report.type, "why": "could not be worked off"}
            kept = Event(report.device, report.log_id, report.seq, witness.now, "invalid", "unreadable", said)
            return self._take(tx, kept, witness, None)
        return None

    def _take(self, tx: Tx, report: Report, witness: Witness, pending: Callable[[Tx], None] | None) -> News | None:
        if pending is not None:
            pending(tx)
        unit = self._units.get(report.device) or Unit(report.device, "sensor")
        tx.db.execute("INSERT OR IGNORE INTO device (name) VALUES (?)", (unit.name,))
        match report:
            case Event():
                self._event(tx, unit, report, witness)
            case State():
                self._state(tx, unit, report, witness)
            case Condition():
                return self._condition(tx, unit, report, witness)
        return None

    def _event(self, tx: Tx, unit: Unit, event: Event, witness: Witness) -> None:
        row = (
            event.device,
            event.log_id,
            event.seq,
            ledger.millis(event.at),
            event.tq,
            event.type,
            json.dumps(dict(event.data), default=str),
        )
        if tx.db.execute("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", row).rowcount == 0:
            return
        self._order(tx, unit, event, witness)
        for listener in self.listeners:
            listener.event(tx, unit, event, witness)
        if event.type in _QUIET:
            return
        if event.type == "log_overflow":
            witness.raise_task(tx, "log_gap", room=unit.room, device=unit.name, lost=event.data.get("lost"))
        if event.type == "tamper" and event.data.get("on"):
            witness.raise_task(tx, "device_tamper", room=unit.room, device=unit.name)
        if unit.device_class == "lock":
            self._lock_event(tx, unit, event, witness)
        elif unit.room is not None:
            roomfacts.from_event(tx, unit.room, event, witness)
        tx.touch(f"device/{unit.name}")

    def _order(self, tx: Tx, unit: Unit, event: Event, witness: Witness) -> None:
        """Move the device's place in its log; a number that is missing now is missing for good (drivers wait for it)."""
        known = tx.db.execute("SELECT log_id, top_seq FROM device WHERE name = ?", (unit.name,)).fetchone()
        top = known["top_seq"] if known["log_id"] == event.log_id else 0
        if 0 < top < event.seq - 1:
            gap = (unit.name, event.log_id, top, event.seq, ledger.millis(witness.now))
            tx.db.execute("INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?)", gap)
            witness.raise_task(tx, "log_gap", room=unit.room, device=unit.name, after=top, before=event.seq)
        row = (event.log_id, max(top, event.seq), ledger.millis(witness.now), unit.name)
        tx.db.execute("UPDATE device SET log_id = ?, top_seq = ?, known_at = ? WHERE name = ?", row)

    def _lock_event(self, tx: Tx, unit: Unit, event: Event, witness: Witness) -> None:
        ref = event.data.get("credential_ref")
        key = tx.db.execute("SELECT key_id, stay_id FROM credential WHERE credential_ref = ?", (ref,)).fetchone() if ref else None
        fact = DoorEvent(
            device=unit.name,
            door=unit.door or 0,
            log_id=event.log_id,
            seq=event.seq,
            type=event.type,
            at=event.at,
            tq=event.tq,
            data=dict(event.data),
            key_id=key["key_id"] if key else None,
            stay_id=key["stay_id"] if key else None,
        )
        witness.tell_event(tx, fact, event, entity=f"device/{unit.name}")
        if unit.door is None:
            return
        if event.type == "alarm":
            witness.raise_task(tx, "door_alarm", room=unit.room, device=unit.name, door=unit.door, alarm=event.data.get("kind"))
        elif event.type == "rights_changed" and event.data.get("op") == "evict":
            _evicted(tx, unit.door, event.data.get("right_ref"), witness)
        elif event.type == "lock_operation" and key is not None and unit.lock is LockKind.HYBRID:
            _seen_at_door(tx, unit.door, key["key_id"], witness)

    def _state(self, tx: Tx, unit: Unit, state: State, witness: Witness) -> None:
        before = json.loads(tx.db.execute("SELECT attributes FROM device WHERE name = ?", (unit.name,)).fetchone()["attributes"])
        now = json.loads(json.dumps(dict(state.attributes), default=str))
        if now == before:
            return
        row = (json.dumps(now), ledger.millis(witness.now), unit.name)
        tx.db.execute("UPDATE device SET attributes = ?, known_at = ? WHERE name = ?", row)
        if unit.room is not None and unit.device_class != "lock":
            roomfacts.from_state(tx, unit.room, before, now, witness)
        for listener in self.listeners:
            listener.state(tx, unit, before, now, witness)
        tx.touch(f"device/{unit.name}")

    def _condition(self, tx: Tx, unit: Unit, said: Condition, witness: Witness) -> News | None:
        before = tx.db.execute("SELECT * FROM device WHERE name = ?", (unit.name,)).fetchone()
        flags = sorted({*said.flags, *(("clock_drift",) if abs(said.clock_offset_s or 0) > 120 else ())})
        up = said.health in {"online", "degraded"}
        restarted = up and (before["boot_counter"], before["log_id"]) != (said.boot_counter, said.log_id)
        news = (before["health"], json.loads(before["flags"])) != (said.health, flags) or _moved(before["battery_percent"], said)
        battery = said.battery_percent if said.battery_percent is not None else before["battery_percent"]
        if news or restarted:
            row = (said.health, said.boot_counter, said.log_id, json.dumps(flags), battery, ledger.millis(witness.now), unit.name)
            tx.db.execute(
                "UPDATE device SET health = ?, boot_counter = ?, log_id = ?, flags = ?, battery_percent = ?, changed_at = ? WHERE name = ?",
                row,
            )
            if said.log_id != before["log_id"]:
                tx.db.execute("UPDATE device SET top_seq = 0 WHERE name = ?", (unit.name,))
        if news:
            fact = DeviceHealth(unit.name, said.health, tuple(flags), witness.now, battery, unit.room, unit.device_class)
            witness.tell(tx, fact, entity=f"device/{unit.name}")
            tx.touch(f"device/{unit.name}")
        disagrees = False
        if up and unit.door is not None:
            disagrees = _disagrees(tx, unit.door, said)
            if restarted:
                _ask_again(tx, unit.door, witness)
        came_up = up and before["health"] not in {"online", "degraded"}
        found = News(unit, said, came_up, restarted, disagrees)
        for listener in self.listeners:
            listener.condition(tx, unit, found, witness)
        return found


def _moved(before: int | None, said: Condition) -> bool:
    now = said.battery_percent
    return now is not None and (before is None or abs(now - before) >= BATTERY_STEP)


def _disagrees(tx: Tx, door: int, said: Condition) -> bool:
    """Whether the device's own digests differ from what it is known to hold."""
    if said.confirmed is None:
        return False
    page = ledger.page(tx.db, door)
    return page.said is None or (page.said.rights_digest, page.said.guard_digest, page.said.floor) != (
        said.confirmed.rights_digest,
        said.confirmed.guard_digest,
        said.confirmed.floor,
    )


def _ask_again(tx: Tx, door: int, witness: Witness) -> None:
    """A door that was restarted or replaced is asked again for what it had refused."""
    page = ledger.page(tx.db, door)
    again = progress.retried(page.rights)
    if again:
        ledger.save_rights(tx, {right.right_ref: right for right in page.rights}, again, witness)
        tx.touch(f"door/{door}")


def _evicted(tx: Tx, door: int, right_ref: object, witness: Witness) -> None:
    """The lock was full and dropped a right that had expired: the box drops it too."""
    if not isinstance(right_ref, int):
        return
    page = ledger.page(tx.db, door)
    gone = progress.evicted(page.rights, right_ref)
    ledger.save_rights(tx, {right.right_ref: right for right in page.rights}, gone, witness)
    if page.known is not None:
        known = after(page.known, DelRight(right_ref, 0))
        ledger.save_known(tx, door, known, page.said, witness.now, agrees=False)
    tx.touch(f"door/{door}")


def _seen_at_door(tx: Tx, door: int, key_id: str, witness: Witness) -> None:
    """A card has opened its hybrid door: it is active there."""
    page = ledger.page(tx.db, door)
    before = {right.right_ref: right for right in page.rights}
    seen = [
        progress.seen(right, witness.now)
        for right in page.rights
        if right.key_id == key_id and right.wanted and right.state is RightState.ENCODED
    ]
    ledger.save_rights(tx, before, seen, witness)


def _look(done: "asyncio.Future[None]") -> None:
    """Whether a device is offline is found again at the next start."""
    if not done.cancelled() and done.exception() is not None:
        _log.warning("a device's loss could not be stored: %s", done.exception())


def forget_old_events(tx: Tx, now: datetime) -> None:
    """Delete events older than KEEP_EVENTS (they have long been told), and commands that ended as long ago.

    What a device could still repeat out of its ring stays, whatever date its clock gave to it.
    """
    before = ledger.millis(now - KEEP_EVENTS)
    ring = "SELECT 1 FROM device WHERE name = event.device AND log_id = event.log_id AND event.seq > top_seq - ?"
    tx.db.execute(f"DELETE FROM event WHERE at < ? AND NOT EXISTS ({ring})", (before, RING))  # noqa: S608 - no value in the text
    tx.db.execute("DELETE FROM command WHERE ended_at < ?", (before,))
    tx.db.execute("DELETE FROM job_run WHERE ended_at < ?", (before,))
