"""Who is at the box's desk: PINs looked at one by one, throttled per person, and sessions that end with the program or after a shift."""

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from gateway.desk import throttle
from gateway.desk.problems import Forbidden, NotReady, SignedOut, Throttled
from gateway.desk.roles import Permission, granted
from gateway.desk.throttle import Tries
from gateway.ledger import instant, millis
from gateway.store import Store, Tx
from gateway.sync import journal
from host.clock import Clock
from wire.entities import StaffBody

SHIFT_S = 12 * 3600.0  # real time: a session ends even when the hotel's clock stands still
QUEUE = 8  # PINs that may wait for their turn; more is somebody who plays
MOST_SESSIONS = 200
_HASHER = PasswordHasher(time_cost=4, memory_cost=16 * 1024, parallelism=1, type=Type.ID)  # as central makes them


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff who has given the right PIN, as the mirror knows them now."""

    staff_id: str
    name: str
    roles: tuple[str, ...]
    language: str
    permissions: frozenset[Permission]
    csrf: str = ""

    @property
    def actor(self) -> str:
        """As facts name them."""
        return f"staff/{self.staff_id}"

    def must(self, permission: Permission) -> "Person":
        """Return the person; raise Forbidden without `permission`."""
        if permission not in self.permissions:
            raise Forbidden("not_permitted", f"This needs the permission {permission}.", "Ask somebody who may.")
        return self


@dataclass(frozen=True, slots=True)
class _Session:
    staff_id: str
    csrf: str
    ends: float


class People:
    """`k_pin` makes PINs worthless without this box's keys folder; None before it is enrolled."""

    def __init__(self, store: Store, clock: Clock, k_pin: bytes | None) -> None:
        self._store, self._clock, self._k_pin = store, clock, k_pin
        self._one = asyncio.Lock()
        self._waiting = 0
        self._thread: ThreadPoolExecutor | None = None
        self._sessions: dict[str, _Session] = {}
        self._nobody: str | None = None

    # ------------------------------------------------------------ signing in

    async def sign_in(self, who: str, pin: str) -> tuple[str, Person]:
        """Return (token, person) for a staff id or name and a PIN. Raises SignedOut (counted) or Throttled."""
        person = await self.check(who, pin)
        token = secrets.token_urlsafe(32)
        now = self._clock.monotonic()
        self._sessions = {name: one for name, one in self._sessions.items() if one.ends > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = _Session(person.staff_id, secrets.token_urlsafe(24), now + SHIFT_S)
        self._sessions[_hash(token)] = session
        return token, replace(person, csrf=session.csrf)

    async def check(self, who: str, pin: str) -> Person:
        """Return whose PIN this is. The try is on the medium before the PIN is looked at; one PIN at a time, off the event loop.

        Raises SignedOut for a wrong PIN or an unknown person, Throttled while nothing is looked at, NotReady before enrolment.
        """
        if self._k_pin is None:
            raise NotReady("not_enrolled", "This box is not enrolled: it cannot check a PIN.", "Enrol it: latchkey-gateway enrol FILE")
        if self._waiting >= QUEUE:
            raise Throttled(5)
        self._waiting += 1
        try:
            async with self._one:
                return await self._checked(self._k_pin, who, pin)
        finally:
            self._waiting -= 1

    async def _checked(self, k_pin: bytes, who: str, pin: str) -> Person:
        found = self._store.peek(lambda db: find(db, who))
        if found is not None:
            await self._count(found[0])
        kept = found[1].pin_hash if found else None
        if not await asyncio.get_running_loop().run_in_executor(self._executor(), self._matches, k_pin, kept, pin) or found is None:
            raise SignedOut("wrong_pin", "Name or PIN is wrong.", "Try again, carefully: after five mistakes you must wait.")
        staff_id, body = found
        await self._store.write(lambda tx: tx.db.execute("DELETE FROM desk_tries WHERE staff_id = ?", (staff_id,)).rowcount)
        return _person(staff_id, body)

    async def _count(self, staff_id: str) -> None:
        """Write down one more try; raise Throttled, and count nothing, while the person must wait."""
        now = self._clock.now()

        def count(tx: Tx) -> int:
            row = tx.db.execute("SELECT failures, last FROM desk_tries WHERE staff_id = ?", (staff_id,)).fetchone()
            tries = Tries(row["failures"], instant(row["last"])) if row else Tries()
            if (wait := throttle.wait_s(tries, now)) > 0:
                return wait
            after = throttle.failed(tries, now)
            tx.db.execute("INSERT OR REPLACE INTO desk_tries VALUES (?, ?, ?)", (staff_id, after.failures, millis(now)))
            return 0

        if (wait := await self._store.write(count)) > 0:
            raise Throttled(wait)

    def _matches(self, k_pin: bytes, kept: str | None, pin: str) -> bool:
        """Whether the PIN belongs to the hash; somebody unknown takes as long."""
        if self._nobody is None:
            self._nobody = _HASHER.hash(secrets.token_bytes(32))
        try:
            return _HASHER.verify(kept or self._nobody, hmac.digest(k_pin, pin.encode(), "sha256")) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def _executor(self) -> ThreadPoolExecutor:
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="pin")
        return self._thread

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    # ------------------------------------------------------------ being signed in

    def of_token(self, token: str | None) -> Person | None:
        """Return who holds the token; None when it opens nothing (any more), also when the person left meanwhile."""
        session = self._sessions.get(_hash(token)) if token else None
        if session is None or session.ends <= self._clock.monotonic():
            return None
        body = self._store.peek(lambda db: journal.body(db, "staff", session.staff_id))
        if not isinstance(body, StaffBody) or not body.active or body.pin_hash is None:
            return None
        return replace(_person(session.staff_id, body), csrf=session.csrf)

    def sign_out(self, token: str | None) -> None:
        """End a session."""
        if token:
            self._sessions.pop(_hash(token), None)

    def choices(self) -> list[tuple[str, str]]:
        """Return (id, name) of everybody who can sign in here, by name."""
        return sorted(self._store.peek(_who_can), key=lambda one: (one[1].casefold(), one[0]))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()  # 256 random bits need no slow hash


def _person(staff_id: str, body: StaffBody) -> Person:
    return Person(staff_id, body.display_name, body.roles, body.language, granted(body.roles))


def _who_can(db: sqlite3.Connection) -> list[tuple[str, str]]:
    people = journal.bodies(db, "staff").items()
    return [(staff_id, body.display_name) for staff_id, body in people if isinstance(body, StaffBody) and _may_try(body)]


def _may_try(body: StaffBody) -> bool:
    return body.active and body.pin_hash is not None and bool(granted(body.roles))


def find(db: sqlite3.Connection, who: str) -> tuple[str, StaffBody] | None:
    """Return the one active member of staff with this id, or else with this name (case apart); None for nobody, or for several."""
    people = {staff_id: body for staff_id, body in journal.bodies(db, "staff").items() if isinstance(body, StaffBody) and _may_try(body)}
    if who in people:
        return who, people[who]
    named = [staff_id for staff_id, body in people.items() if body.display_name.casefold() == who.strip().casefold()]
    return (named[0], people[named[0]]) if len(named) == 1 else None
