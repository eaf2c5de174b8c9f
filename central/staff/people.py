"""Staff and tokens: who is added, what is told to the box, what is shown once and kept only as a hash."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from central.problems import Conflict, Invalid
from central.staff.passwords import hash_password, hash_pin, new_password, new_pin
from central.staff.permissions import ROLES, SCOPES
from central.store import audit
from central.store.tables import api_token, staff
from central.store.turn import Turn
from central.sync import feed
from wire.entities import StaffBody
from wire.ids import new_id

TOKEN_PREFIX = "lka_"  # noqa: S105 - of API tokens; a box's begin otherwise
K_PIN = "k_pin"
K_PIN_BYTES = 32
_BY_LOGIN = select(staff.c.staff_id).where(staff.c.property_id == bindparam("p"), staff.c.login == bindparam("login"))
_BY_NAME = select(api_token.c.name).where(api_token.c.property_id == bindparam("p"), api_token.c.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is handed to a new member of staff, once; only hashes are kept."""

    login: str
    password: str
    pin: str
    password_hash: str
    pin_hash: str


def credentials(login: str, k_pin: bytes) -> Credentials:
    """Make a password and a PIN for `login`. Slow on purpose: call it before the transaction."""
    password, pin = new_password(), new_pin()
    return Credentials(login, password, pin, hash_password(password), hash_pin(k_pin, pin))


def pin_key(turn: Turn) -> bytes:
    """Return the property's K_pin, made at the first call."""
    return turn.vault.secret(turn.conn, turn.property_id, K_PIN, lambda: secrets.token_bytes(K_PIN_BYTES))


def add_staff(turn: Turn, given: Credentials, display_name: str, roles: Sequence[str], language: str = "en") -> str:
    """Add a member of staff, tell the box, and return the id. Raises Conflict when the login is taken, Invalid for an unknown role."""
    if unknown := sorted(set(roles) - set(ROLES)):
        raise Invalid("unknown_role", f"There is no role {', '.join(unknown)}.", f"Roles are {', '.join(ROLES)}.")
    if turn.conn.execute(_BY_LOGIN, {"p": turn.property_id, "login": given.login}).first():
        raise Conflict("login_taken", f"The login {given.login!r} is taken.", "Choose another name.")
    staff_id = new_id()
    row = {
        "property_id": turn.property_id, "staff_id": staff_id, "login": given.login, "display_name": display_name, "roles": list(roles),
        "language": language, "password_hash": given.password_hash, "pin_hash": given.pin_hash, "sections": [], "active": True,
    }  # fmt: skip
    turn.conn.execute(insert(staff), row)
    feed.put(turn, "staff", staff_id, StaffBody(display_name, tuple(roles), language, given.pin_hash))
    audit.record(turn, "staff_added", f"staff/{staff_id}", roles=list(roles))
    return staff_id


def new_token(property_id: str, prefix: str = "") -> str:
    """Return an opaque token that names its property; 256 bits of chance."""
    return f"{prefix}{property_id}.{secrets.token_urlsafe(32)}"


def hash_of(token: str) -> str:
    """What is kept of a token: with 256 bits of chance a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(turn: Turn, name: str, scopes: Sequence[str], channel: str | None = None) -> str:
    """Make an API token and return it, once. `channel` binds it to the orders of one channel.

    Raises Conflict when the name is taken, Invalid for an unknown scope.
    """
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise Invalid("unknown_scope", f"There is no scope {', '.join(unknown)}.", f"Scopes are {', '.join(SCOPES)}.")
    if turn.conn.execute(_BY_NAME, {"p": turn.property_id, "name": name}).first():
        raise Conflict("name_taken", f"There is a token {name!r} already.", "Choose another name.")
    token = new_token(turn.property_id, TOKEN_PREFIX)
    row = {"property_id": turn.property_id, "token_hash": hash_of(token), "name": name, "scopes": list(scopes), "channel": channel}
    turn.conn.execute(insert(api_token), {**row, "made_at": turn.now, "ended_at": None})
    audit.record(turn, "token_added", f"token/{name}", scopes=list(scopes), channel=channel)
    return token
