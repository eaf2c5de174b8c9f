"""Which boxes may call: a token made once, of which only the hash is kept, and the file that carries a new box's secrets to it."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection, bindparam, insert, select, text

from central.problems import NotFound
from central.store.audit import record
from central.store.tables import property_
from central.store.turn import Turn
from central.sync import holds
from central.sync.tables import box
from wire.ids import new_id

PREFIX = "lkb_"  # so that a box's token is known for one anywhere, without a look at the database
TOKEN_BYTES = 32
_OF_TOKEN = select(box.c.box_id, box.c.epoch).where(
    box.c.property_id == bindparam("property_id"), box.c.token_hash == bindparam("token_hash"), box.c.ended_at.is_(None)
)
_PROPERTY = select(property_.c.number, property_.c.business_date).where(property_.c.property_id == bindparam("property_id"))
_END = text("UPDATE box SET ended_at = :now_ms WHERE property_id = :property_id AND box_id = :box_id AND ended_at IS NULL")
_ALL = select(box.c.box_id, box.c.version, box.c.made_at, box.c.heard_at, box.c.ended_at).where(
    box.c.property_id == bindparam("property_id")
)


@dataclass(frozen=True, slots=True)
class Box:
    """A box that may call."""

    property_id: str
    box_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class BoxState:
    """A box as people see it; `heard_at` is its last greeting or push."""

    box_id: str
    version: str
    made_at: datetime
    heard_at: datetime | None
    ended_at: datetime | None


def is_box_token(token: str) -> bool:
    """Whether `token` claims to be a box's: outside /sync it opens nothing."""
    return token.startswith(PREFIX)


def property_of(token: str) -> str | None:
    """Return the property that a box's token names, None for anything else."""
    if not is_box_token(token) or "." not in token:
        return None
    return token[len(PREFIX) :].rpartition(".")[0] or None


def add_box(turn: Turn, url: str) -> dict[str, Any]:
    """Make a box and return the content of its enrolment file, secrets included: it is shown once and kept by nobody here.

    `url` is where the box finds central. The property's own secrets are made with its first box and stay the same afterwards. From
    here on some rooms are held for the box (`holds`).
    """
    known = turn.conn.execute(_PROPERTY, {"property_id": turn.property_id}).one_or_none()
    if known is None:
        raise NotFound("property", turn.property_id)
    box_id = new_id()
    token = f"{PREFIX}{turn.property_id}.{secrets.token_urlsafe(TOKEN_BYTES)}"
    turn.conn.execute(insert(box), {"property_id": turn.property_id, "box_id": box_id, "token_hash": _hash(token), "made_at": turn.now})
    record(turn, "box_added", f"box/{box_id}")
    holds.renew(turn, known.business_date)
    return {
        "box_id": box_id,
        "property": turn.property_id,
        "number": int(known.number),
        "token": token,
        "k_pin": turn.vault.secret(turn.conn, turn.property_id, "k_pin", lambda: os.urandom(32)).hex(),
        "central_public": _public(turn, "central_private"),
        "recovery_public": _public(turn, "recovery_private"),
        "url": url,
    }


def end_box(turn: Turn, box_id: str) -> None:
    """Take a box's right to call away, at once and for ever; a repeat changes nothing."""
    now_ms = int(turn.now.timestamp() * 1000)
    turn.conn.execute(_END, {"property_id": turn.property_id, "box_id": box_id, "now_ms": now_ms})
    record(turn, "box_ended", f"box/{box_id}")


def box_of_token(conn: Connection, token: str) -> Box | None:
    """Return the box that holds `token`, None when it opens nothing (any more)."""
    property_id = property_of(token)
    if property_id is None:
        return None
    row = conn.execute(_OF_TOKEN, {"property_id": property_id, "token_hash": _hash(token)}).one_or_none()
    return None if row is None else Box(property_id, str(row.box_id), int(row.epoch))


def boxes(conn: Connection, property_id: str) -> list[BoxState]:
    """Return the property's boxes, the ended ones too."""
    return [BoxState(*row) for row in conn.execute(_ALL, {"property_id": property_id})]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()  # 256 random bits need no slow hash


def _public(turn: Turn, name: str) -> str:
    private = turn.vault.secret(turn.conn, turn.property_id, name, lambda: X25519PrivateKey.generate().private_bytes_raw())
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex()
