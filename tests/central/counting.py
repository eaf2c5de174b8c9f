"""Counting what is asked of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

_OURS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that any engine executes, transactions' own words left out."""
    told: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(_OURS):
            told.append(" ".join(statement.split())[:120])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(Engine, "before_cursor_execute", note)
