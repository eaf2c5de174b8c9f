"""The property's turn: the one lock that every change of a property takes first, so that all of them run in one order."""

from sqlalchemy import Connection, bindparam, select

from central.problems import NotFound
from central.store.tables import feed_head

_TURN = select(feed_head.c.seq).where(feed_head.c.property_id == bindparam("property_id")).with_for_update()


def take_turn(conn: Connection, property_id: str) -> int:
    """Wait for, and hold until the transaction ends, the lock of `property_id`; return the number of its newest put.

    Call it before the first read of a change. Raises NotFound when there is no such property.
    """
    seq = conn.execute(_TURN, {"property_id": property_id}).scalar()
    if seq is None:
        raise NotFound("property", property_id)
    return int(seq)
