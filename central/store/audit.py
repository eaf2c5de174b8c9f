"""The audit trail: one line for each change, written in the transaction of the change and never altered."""

from typing import Any

from sqlalchemy import bindparam, func, insert, select

from central.store.metadata import Instant
from central.store.tables import audit
from central.store.turn import Turn

_NEXT = select(func.coalesce(func.max(audit.c.seq), 0) + 1).where(audit.c.property_id == bindparam("property_id")).scalar_subquery()
_RECORD = insert(audit).values(
    property_id=bindparam("property_id"),
    seq=_NEXT,
    at=bindparam("at", type_=Instant),
    actor=bindparam("actor"),
    action=bindparam("action"),
    entity=bindparam("entity"),
    detail=bindparam("detail", type_=audit.c.detail.type),
)


def record(turn: Turn, action: str, entity: str, **detail: Any) -> None:
    """Append a line: who did `action` to `entity` (kind/id) and the values that matter. Never a name, PIN, password or key."""
    said = {"actor": turn.actor, "action": action, "entity": entity, "detail": detail}
    turn.conn.execute(_RECORD, {"property_id": turn.property_id, "at": turn.now, **said})
