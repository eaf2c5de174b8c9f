"""Evidence: every fact that has used up a number, kept with its text and with what became of it. Written once, never changed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from central.store.metadata import EPOCH, MS
from central.store.turn import Turn
from wire.codec import Broken, Known, Parked, canonical
from wire.facts import Lane

Outcome = Literal["applied", "refused", "parked", "unreadable", "failed"]
_COLUMNS = ("property_id", "box_id", "lane", "fact_id", "seq", "kind", "entity", "at", "actor", "outcome", "code", "body_sealed")
# The one statement that runs by the thousand: straight to the driver, a compiled insert costs as much again for its parameters.
_MARKS = {"qmark": "?", "pyformat": "%s"}
_INTO = f"INSERT INTO fact ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608 - constants of this module
_KEEP = {style: f"{_INTO}({', '.join([mark] * len(_COLUMNS))})" for style, mark in _MARKS.items()}
Row = tuple[str | int | bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of a push and what became of it; `code` says why when it is not simply applied."""

    verdict: Known | Parked | Broken
    outcome: Outcome = "applied"
    code: str | None = None


def keep(turn: Turn, box_id: str, lane: Lane, applied: Sequence[Applied]) -> None:
    """Keep all rows of one push; one statement."""
    if applied:
        turn.conn.exec_driver_sql(_KEEP[turn.conn.dialect.paramstyle], [_row(turn, box_id, lane, one) for one in applied])


def _row(turn: Turn, box_id: str, lane: Lane, one: Applied) -> Row:
    verdict = one.verdict
    if isinstance(verdict, Broken):
        # No readable id: one that this number of this lane alone can have, drawn from the text so that another text is another row.
        fact_id = f"unreadable/{box_id}/{lane}/{verdict.seq}/{hashlib.sha256(verdict.raw).hexdigest()[:16]}"
        told: Row = ("", verdict.entity, None, "box")
        raw = verdict.raw
    else:
        row = verdict.row
        fact_id, raw = row.fact_id, canonical(row.body)
        told = (row.kind, row.entity, (row.at - EPOCH) // MS, row.actor)
    sealed = turn.vault.seal(f"fact/{turn.property_id}/{fact_id}/body", raw)
    return (turn.property_id, box_id, lane, fact_id, verdict.seq, *told, one.outcome, one.code, sealed)
