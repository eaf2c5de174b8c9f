"""How old central's word is: the line's state for people, and when central was last heard, kept across restarts."""

import asyncio
import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.ledger import instant, millis
from gateway.store import Store, StoreError
from gateway.sync import journal
from gateway.sync.link import LinkHealth
from host.clock import Clock
from wire.facts import LANES

LOOK_S = 5.0
KEEP_S = 60.0  # of real time between two writes while central answers; after a power cut the age is at most this much too great

_log = logging.getLogger(__name__)


class HasHealth(Protocol):
    """The line to central, as far as the desk looks at it."""

    def health(self) -> LinkHealth: ...


@dataclass(frozen=True, slots=True)
class Word:
    """`state` live, connecting, waiting, refused or alone (not enrolled); `heard_at` None when central was never heard."""

    state: str
    heard_at: datetime | None


class Line:
    """`link` None = the box works alone."""

    def __init__(self, store: Store, clock: Clock, link: HasHealth | None) -> None:
        self._store, self._clock, self._link = store, clock, link
        self._heard: datetime | None = None
        self._kept: float | None = None

    def word(self) -> Word:
        """Return the line as people should see it now."""
        if self._link is None:
            return Word("alone", self._last())
        state = self._link.health().state
        if state == "live":
            self._heard = self._clock.now()
        return Word(state, self._last())

    def _last(self) -> datetime | None:
        if self._heard is None:
            self._heard = self._store.peek(_kept)
        return self._heard

    async def run(self) -> None:
        """Keep when central was last heard, until cancelled."""
        was = "connecting"
        while True:
            word = self.word()
            now = self._clock.monotonic()
            due = self._kept is None or now - self._kept >= KEEP_S or word.state != was
            if word.heard_at is not None and due and "live" in {word.state, was}:
                try:
                    await self.keep(word.heard_at)
                    self._kept = now
                except StoreError as why:
                    _log.error("the time of central's last word is not kept: %s", why)
            was = word.state
            await asyncio.sleep(LOOK_S)

    async def keep(self, at: datetime) -> None:
        """Write down when central was last heard."""
        await self._store.write(lambda tx: tx.db.execute("INSERT OR REPLACE INTO desk_heard VALUES (1, ?)", (millis(at),)).rowcount)


def _kept(db: sqlite3.Connection) -> datetime | None:
    row = db.execute("SELECT at FROM desk_heard").fetchone()
    return None if row is None else instant(row["at"])


def unsent(db: sqlite3.Connection, now: datetime) -> dict[str, float | int | None]:
    """Return how many facts of each lane central does not hold yet, and the age of the oldest in seconds."""
    waiting = {lane: state.top - state.acked for lane, state in journal.lanes(db).items()}
    oldest = journal.oldest_unconfirmed(db) if any(waiting.values()) else None
    age = None if oldest is None else max(0.0, (now - instant(oldest)).total_seconds())
    return {**{lane: waiting[lane] for lane in LANES}, "oldest_age_s": age}
