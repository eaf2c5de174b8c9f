"""A property's turn: the lock that every change of a property takes first, and what a use case knows while it has it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from central.problems import NotFound
from central.store.tables import feed_head
from central.store.vault import Vault

_TURN = select(feed_head.c.seq).where(feed_head.c.property_id == bindparam("property_id")).with_for_update()


def take_turn(conn: Connection, property_id: str) -> int:
    """Wait for, and hold until the transaction ends, the lock of `property_id`; return the number of its newest put.

    Call it before the first read of a change. Raises NotFound when there is no such property.
    """
    seq = conn.execute(_TURN, {"property_id": property_id}).scalar()
    if seq is None:
        raise NotFound("property", property_id)
    return int(seq)


@dataclass(frozen=True, slots=True)
class Turn:
    """One change under way: whose, when, by whom (`actor` such as staff/<id>, channel/<name>, box, system)."""

    conn: Connection
    property_id: str
    actor: str
    now: datetime  # business time
    vault: Vault

    @classmethod
    def take(cls, conn: Connection, property_id: str, actor: str, now: datetime, vault: Vault) -> "Turn":
        """Take the property's lock; what is read afterwards stays true until the commit."""
        take_turn(conn, property_id)
        return cls(conn, property_id, actor, now, vault)
