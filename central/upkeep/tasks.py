"""Tasks: what a person must look at. `kind` names a text of the catalogues, `args` fill it; never a name in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from central.problems import NotFound
from central.store import audit
from central.store.tables import task
from central.store.turn import Turn
from central.store.wakeups import announce
from wire.ids import new_id

TOPIC = "task"
_ADD = insert(task)
_KNOWN = select(task.c.task_id).where(task.c.property_id == bindparam("p"), task.c.task_id == bindparam("id"))
_ONE = select(task).where(task.c.property_id == bindparam("p"), task.c.task_id == bindparam("id"), task.c.closed_at.is_(None))
_OPEN = (
    select(task)
    .where(task.c.property_id == bindparam("p"), task.c.closed_at.is_(None))
    .order_by(task.c.raised_at, task.c.task_id)
    .limit(bindparam("most"))
)
_CLOSE = (
    update(task)
    .where(task.c.property_id == bindparam("p"), task.c.task_id == bindparam("id"), task.c.closed_at.is_(None))
    .values(closed_at=bindparam("at_", type_=task.c.closed_at.type), closed_by=bindparam("by_"))
)


@dataclass(frozen=True, slots=True)
class Task:
    """One open task."""

    task_id: str
    kind: str
    room: str | None
    reservation_id: str | None
    args: dict[str, Any]
    raised_at: datetime


def add(
    turn: Turn,
    kind: str,
    args: Mapping[str, Any],
    *,
    room: str | None = None,
    reservation_id: str | None = None,
    task_id: str | None = None,
    raised_at: datetime | None = None,
) -> str:
    """Raise a task and return its id; one whose `task_id` is known already stays as it is."""
    named = task_id or new_id()
    if task_id is not None and turn.conn.execute(_KNOWN, {"p": turn.property_id, "id": task_id}).first():
        return named
    row = {
        "property_id": turn.property_id, "task_id": named, "kind": kind, "room": room, "reservation_id": reservation_id,
        "args": dict(args), "raised_at": raised_at or turn.now, "closed_at": None, "closed_by": None,
    }  # fmt: skip
    turn.conn.execute(_ADD, row)
    announce(turn.conn, turn.property_id, TOPIC, named)
    return named


def close(turn: Turn, task_id: str) -> Task:
    """Close a task and return it as it was; raise NotFound when there is no such open task."""
    row = turn.conn.execute(_ONE, {"p": turn.property_id, "id": task_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("task", task_id)
    turn.conn.execute(_CLOSE, {"p": turn.property_id, "id": task_id, "at_": turn.now, "by_": turn.actor})
    audit.record(turn, "task_closed", f"task/{task_id}")
    announce(turn.conn, turn.property_id, TOPIC, task_id)
    return Task(**{name: row[name] for name in Task.__dataclass_fields__})


def open_tasks(conn: Connection, property_id: str, most: int = 200) -> list[Task]:
    """Return the open tasks, oldest first."""
    names = Task.__dataclass_fields__
    rows = conn.execute(_OPEN, {"p": property_id, "most": most}).mappings()
    return [Task(**{name: row[name] for name in names}) for row in rows]
