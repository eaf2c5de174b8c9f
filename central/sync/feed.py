"""The feed: what the box must know, the latest put or the tombstone of each entity, numbered without gaps in commit order.

The number comes from `feed_head` under the property's turn, in the transaction of the change itself; so a reader that has seen n has
seen all up to n. Bodies lie sealed; `read` opens them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, or_, select, text

from central.problems import NotFound
from central.store.tables import feed_head
from central.store.turn import Turn
from central.store.vault import Vault
from central.store.wakeups import announce
from central.sync.tables import feed
from wire.codec import encode_body
from wire.digest import digest
from wire.entities import Body
from wire.messages import KindDigest

TOPIC = "feed"
_NEXT = text("UPDATE feed_head SET seq = seq + 1 WHERE property_id = :property_id RETURNING seq, seen")
_WRITE = text(
    "INSERT INTO feed (property_id, kind, entity_id, seq, op, seen, body_sealed)"
    " VALUES (:property_id, :kind, :entity_id, :seq, :op, :seen, :body_sealed)"
    " ON CONFLICT (property_id, kind, entity_id)"
    " DO UPDATE SET seq = excluded.seq, op = excluded.op, body_sealed = excluded.body_sealed,"
    " seen = CASE WHEN feed.held IS NULL OR feed.held > excluded.seen THEN excluded.seen ELSE feed.held - 1 END"
)
_MINE = "WHERE property_id = :property_id AND kind = :kind AND entity_id = :entity_id"
_AGAIN = text(f"UPDATE feed SET seq = :seq, seen = :seen {_MINE}")  # noqa: S608 - a constant of this module
_EXISTS = text(f"SELECT op FROM feed {_MINE}")  # noqa: S608
_HOLD = text(
    f"UPDATE feed SET held = :seq, seen = CASE WHEN seen >= :seq THEN :seq - 1 ELSE seen END {_MINE} AND held IS NULL"  # noqa: S608
)
_SETTLE = text(f"UPDATE feed SET held = NULL {_MINE} AND held IS NOT NULL")  # noqa: S608
_FIRST_HELD = select(func.min(feed.c.held)).where(feed.c.property_id == bindparam("property_id"), feed.c.held.is_not(None))
_SEEN_OF = select(feed.c.entity_id, feed.c.seen).where(
    feed.c.property_id == bindparam("property_id"),
    feed.c.kind == bindparam("kind"),
    feed.c.entity_id.in_(bindparam("ids", expanding=True)),
    feed.c.held.is_(None),
)
_SEEN = text("UPDATE feed_head SET seen = :seen WHERE property_id = :property_id")
_HEAD = select(feed_head.c.seq, feed_head.c.seen, feed_head.c.floor).where(feed_head.c.property_id == bindparam("property_id"))
_READ = (
    select(feed.c.seq, feed.c.kind, feed.c.entity_id, feed.c.op, feed.c.seen, feed.c.body_sealed)
    .where(feed.c.property_id == bindparam("property_id"), feed.c.seq > bindparam("after"))
    .order_by(feed.c.seq)
    .limit(bindparam("most"))
)
_LIVE = (
    select(feed.c.seq, feed.c.kind, feed.c.entity_id, feed.c.op, feed.c.seen, feed.c.body_sealed)
    .where(feed.c.property_id == bindparam("property_id"), or_(feed.c.op == "put", feed.c.held.is_not(None)))
    .order_by(feed.c.seq)
)
_FORGET = text("DELETE FROM feed WHERE property_id = :property_id AND op = 'del' AND seq <= :upto AND held IS NULL")
_RAISE_FLOOR = text("UPDATE feed_head SET floor = :upto WHERE property_id = :property_id AND floor < :upto")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the feed; `body` is the canonical text, None for a tombstone."""

    seq: int
    kind: str
    id: str
    op: str
    seen: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest number, the desk facts seen so far, and the number up to which deletions are forgotten."""

    seq: int
    seen: int
    floor: int


def put(turn: Turn, kind: str, entity_id: str, body: Body) -> int:
    """Tell the box the latest state of one entity and return its number. Two statements; a repeat is a new number, nothing else."""
    sealed = turn.vault.seal(_place(turn.property_id, kind, entity_id), encode_body(kind, body))
    return _write(turn, kind, entity_id, "put", sealed)


def remove(turn: Turn, kind: str, entity_id: str) -> int | None:
    """Leave a tombstone and return its number; None, and no change, when the box was never told of the entity or knows it is gone."""
    key = {"property_id": turn.property_id, "kind": kind, "entity_id": entity_id}
    if turn.conn.execute(_EXISTS, key).scalar() != "put":
        return None
    return _write(turn, kind, entity_id, "del", None)


def _write(turn: Turn, kind: str, entity_id: str, op: str, sealed: bytes | None) -> int:
    seq, seen = turn.conn.execute(_NEXT, {"property_id": turn.property_id}).one()
    row = {"property_id": turn.property_id, "kind": kind, "entity_id": entity_id, "seq": seq, "op": op, "seen": seen}
    turn.conn.execute(_WRITE, {**row, "body_sealed": sealed})
    announce(turn.conn, turn.property_id, TOPIC)
    return int(seq)


def mark_seen(turn: Turn, seq: int) -> None:
    """Note that the box's desk facts up to `seq` are applied; puts from here on carry it."""
    turn.conn.execute(_SEEN, {"property_id": turn.property_id, "seen": seq})


def catch_up(turn: Turn, kind: str, reached: Mapping[str, int]) -> None:
    """Put again, unchanged, each entity whose newest put was made before the desk fact that `reached` names for it.

    Without it the box would keep its own version on top of a fact that central has refused or that changed nothing here.
    """
    rows = turn.conn.execute(_SEEN_OF, {"property_id": turn.property_id, "kind": kind, "ids": sorted(reached)}).all()
    for entity_id in sorted(entity_id for entity_id, seen in rows if seen < reached[entity_id]):
        _again(turn, {"property_id": turn.property_id, "kind": kind, "entity_id": entity_id})


def _again(turn: Turn, key: Mapping[str, str]) -> None:
    seq, seen = turn.conn.execute(_NEXT, {"property_id": turn.property_id}).one()
    turn.conn.execute(_AGAIN, {**key, "seq": seq, "seen": seen})
    announce(turn.conn, turn.property_id, TOPIC)


def hold_back(turn: Turn, kind: str, entity_id: str, seq: int) -> None:
    """Keep `seen` of this entity below desk fact `seq` until `settle`: the box goes on with its own version, a person must decide."""
    turn.conn.execute(_HOLD, {"property_id": turn.property_id, "kind": kind, "entity_id": entity_id, "seq": seq})


def settle(turn: Turn, kind: str, entity_id: str) -> bool:
    """Let central's version stand from here on: a person has decided. Return whether anything was held back; may be repeated."""
    key = {"property_id": turn.property_id, "kind": kind, "entity_id": entity_id}
    if not turn.conn.execute(_SETTLE, key).rowcount:
        return False
    _again(turn, key)
    return True


def settled_seen(conn: Connection, property_id: str, seen: int) -> int:
    """Return the desk fact up to which everything has been decided; `seen` is that of `head`."""
    held = conn.execute(_FIRST_HELD, {"property_id": property_id}).scalar()
    return seen if held is None else min(seen, int(held) - 1)


def head(conn: Connection, property_id: str) -> Head:
    """Return where the feed stands; raise NotFound when there is no such property."""
    row = conn.execute(_HEAD, {"property_id": property_id}).one_or_none()
    if row is None:
        raise NotFound("property", property_id)
    return Head(*row)


def read(conn: Connection, vault: Vault, property_id: str, after: int, limit: int) -> tuple[Entry, ...]:
    """Return the rows after `after`, in order, at most `limit`. Each entity appears once, with its latest state."""
    rows = conn.execute(_READ, {"property_id": property_id, "after": after, "most": limit})
    return tuple(_opened(vault, property_id, row) for row in rows)


def snapshot(conn: Connection, vault: Vault, property_id: str) -> tuple[Entry, ...]:
    """Return every live entity, and the tombstones of those that a person must decide on.

    Read `head` in the same transaction: it is the position of the snapshot.
    """
    return tuple(_opened(vault, property_id, row) for row in conn.execute(_LIVE, {"property_id": property_id}))


def digests(conn: Connection, vault: Vault, property_id: str) -> dict[str, KindDigest]:
    """Return the digest over every live entity: what a box at this position must have, to the byte."""
    return digest((entry.kind, entry.id, entry.body) for entry in snapshot(conn, vault, property_id) if entry.body is not None)


def forget_deletions(turn: Turn, upto: int) -> None:
    """Drop the tombstones up to `upto`. A box that has not come so far is told to take a snapshot."""
    turn.conn.execute(_FORGET, {"property_id": turn.property_id, "upto": upto})
    turn.conn.execute(_RAISE_FLOOR, {"property_id": turn.property_id, "upto": upto})


def _opened(vault: Vault, property_id: str, row: Sequence[object]) -> Entry:
    seq, kind, entity_id, op, seen, sealed = row
    body = None if sealed is None else vault.open(_place(property_id, str(kind), str(entity_id)), bytes(sealed))  # type: ignore[call-overload]
    return Entry(int(seq), str(kind), str(entity_id), str(op), int(seen), body)  # type: ignore[call-overload]


def _place(property_id: str, kind: str, entity_id: str) -> str:
    return f"feed/{property_id}/{kind}/{entity_id}/body"
