"""Signing in and out: opaque sessions, hashed at rest, in real time; wrong passwords are counted and slow down.

After 5 failures a login rests a minute, after 10 a quarter of an hour; a right password starts the count again.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from central.problems import Throttled, Unauthenticated
from central.services import Services
from central.staff.passwords import matches
from central.staff.people import hash_of, new_token
from central.store import audit
from central.store.tables import login_failure, property_, staff, staff_session
from central.store.turn import Turn

LASTS = timedelta(hours=12)  # a shift and a margin
RESTS = ((10, timedelta(minutes=15)), (5, timedelta(minutes=1)))  # failures from which a login rests
_PERSON = select(staff.c.staff_id, staff.c.password_hash).where(
    staff.c.property_id == bindparam("p"), staff.c.login == bindparam("login"), staff.c.active
)
_FAILURES = select(login_failure.c.failures, login_failure.c.locked_until).where(
    login_failure.c.property_id == bindparam("p"), login_failure.c.login == bindparam("who")
)
_AGAIN = (
    update(login_failure)
    .where(login_failure.c.property_id == bindparam("p"), login_failure.c.login == bindparam("who"))
    .values(failures=bindparam("failures_"), locked_until=bindparam("until_", type_=login_failure.c.locked_until.type))
)
_FORGIVE = delete(login_failure).where(login_failure.c.property_id == bindparam("p"), login_failure.c.login == bindparam("who"))
_SESSION = (
    select(staff_session.c.csrf, staff_session.c.expires_at, staff.c.staff_id, staff.c.display_name, staff.c.roles, staff.c.language)
    .join_from(staff_session, staff, (staff.c.property_id == staff_session.c.property_id) & (staff.c.staff_id == staff_session.c.staff_id))
    .where(staff_session.c.property_id == bindparam("p"), staff_session.c.token_hash == bindparam("hash"), staff.c.active)
)
_END = delete(staff_session).where(staff_session.c.property_id == bindparam("p"), staff_session.c.token_hash == bindparam("hash"))
_SWEEP = delete(staff_session).where(
    staff_session.c.property_id == bindparam("p"), staff_session.c.expires_at < bindparam("now", type_=staff_session.c.expires_at.type)
)


@dataclass(frozen=True, slots=True)
class Session:
    """A member of staff who is signed in."""

    property_id: str
    staff_id: str
    name: str
    roles: tuple[str, ...]
    language: str
    csrf: str


async def sign_in(services: Services, property_id: str | None, login: str, password: str) -> str:
    """Check a password and return the token of a new session. `property_id` None: the only property there is.

    Raises Unauthenticated without saying what was wrong, Throttled while the login rests.
    """
    now = services.real_now()
    slug = await services.store.read(_only_property) if property_id is None else property_id
    told = {"p": slug, "login": login}
    person = await services.store.read(lambda conn: conn.execute(_PERSON, told).first())
    if person is not None:
        await services.change(slug, "system", _tried, login, now)  # before the hash: many tries at once are counted one by one
    if not await matches(person.password_hash if person else None, password) or person is None:
        raise Unauthenticated("wrong_login", "Name or password is wrong.", "Try again.")
    token = new_token(slug)
    await services.change(slug, f"staff/{person.staff_id}", _begun, login, token, now)
    return token


def _only_property(conn: Connection) -> str:
    slugs = conn.execute(select(property_.c.property_id).limit(2)).scalars().all()
    if len(slugs) != 1:
        raise Unauthenticated("which_property", "There are several properties.", "Say which one.")
    return str(slugs[0])


def _tried(turn: Turn, login: str, now: datetime) -> None:
    """Count a try; one that succeeds is forgiven together with those before. Raises Throttled while the login rests."""
    told = {"p": turn.property_id, "who": login}
    row = turn.conn.execute(_FAILURES, told).first()
    if row is not None and row.locked_until is not None and row.locked_until > now:
        raise Throttled(int((row.locked_until - now).total_seconds()) + 1)
    count = (row.failures if row else 0) + 1
    rest = next((now + length for limit, length in RESTS if count >= limit), None)
    if row is None:
        turn.conn.execute(insert(login_failure), {"property_id": turn.property_id, "login": login, "failures": count, "locked_until": rest})
    else:
        turn.conn.execute(_AGAIN, {**told, "failures_": count, "until_": rest})
    if rest is not None:
        audit.record(turn, "login_rests", "login", failures=count)


def _begun(turn: Turn, login: str, token: str, now: datetime) -> None:
    turn.conn.execute(_FORGIVE, {"p": turn.property_id, "who": login})
    turn.conn.execute(_SWEEP, {"p": turn.property_id, "now": now})
    staff_id = turn.actor.removeprefix("staff/")
    row = {"property_id": turn.property_id, "token_hash": hash_of(token), "staff_id": staff_id, "csrf": secrets.token_urlsafe(24)}
    turn.conn.execute(insert(staff_session), {**row, "made_at": now, "expires_at": now + LASTS})
    audit.record(turn, "signed_in", turn.actor)


async def session_of(services: Services, token: str) -> Session | None:
    """Return who has this session, None when it has ended or never was."""
    slug, _, secret = token.partition(".")
    if not secret:
        return None
    now = services.real_now()
    row = await services.store.read(lambda conn: conn.execute(_SESSION, {"p": slug, "hash": hash_of(token)}).first())
    if row is None or row.expires_at <= now:
        return None
    return Session(slug, row.staff_id, row.display_name, tuple(row.roles), row.language, row.csrf)


async def sign_out(services: Services, session: Session, token: str) -> None:
    """End a session; a later request with its token is a stranger's."""

    def end(turn: Turn) -> None:
        turn.conn.execute(_END, {"p": session.property_id, "hash": hash_of(token)})
        audit.record(turn, "signed_out", turn.actor)

    await services.change(session.property_id, f"staff/{session.staff_id}", end)
