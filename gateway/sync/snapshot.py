"""Replacing the whole mirror by central's snapshot, in one transaction."""

from gateway.sync.journal import Tx, lose, take_row
from wire.messages import SnapshotReply


def swap(tx: Tx, reply: SnapshotReply) -> int:
    """Make the mirror equal to `reply`, deletions included, and return the new cursor. May be repeated.

    Own changes that central had not seen at the snapshot stay on top; jobs are in no snapshot. Touches every entity that it names or
    deletes. Readers see the old mirror or the new one, never a part of each.
    """
    held = {(row[0], row[1]) for row in tx.db.execute("SELECT kind, id FROM mirror")}
    for row in reply.rows:
        take_row(tx, row)
    for kind, entity_id in sorted(held - {(row.kind, row.id) for row in reply.rows}):
        tx.db.execute("DELETE FROM own WHERE kind = ? AND id = ? AND seq <= ?", (kind, entity_id, reply.seen))
        lose(tx, kind, entity_id)
    tx.db.execute("UPDATE line SET cursor = ?", (reply.as_of,))
    return reply.as_of
