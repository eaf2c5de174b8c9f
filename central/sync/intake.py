"""Taking facts in: one push, one transaction, with its cursor; what each kind of fact does is given by the composition root.

A fact that is refused, unknown or unreadable uses up its number, is kept with its text, and a person is told. So nothing that a box
says can stop the line, and nothing is dropped in silence.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import DataError, IntegrityError

from central.problems import Problem
from central.store.turn import Turn
from central.sync import feed, holds, jobs
from central.sync.evidence import Applied, keep
from central.sync.tables import fact as fact_table
from wire.codec import Broken, Known, Parked, Push
from wire.facts import Fact, HoldReturned, JobDone, JobStarted, Lane, lane_of
from wire.intake import Plan, Repeat, Verdict, plan
from wire.messages import FactRow, FactsReply
from wire.overlay import Subject, subjects

Handler = Callable[[Turn, FactRow, Fact], None]
BulkHandler = Callable[[Turn, Sequence[tuple[FactRow, Fact]]], None]
OnRefused = Callable[[Turn, FactRow, Fact, Problem], None]
OnAlarm = Callable[[Turn, str, Mapping[str, Any]], None]
# A fault in a handler, or a fact that contradicts the schema: kept and alarmed. A database that is gone is not among them.
FAULTS = (ArithmeticError, AssertionError, AttributeError, DataError, IntegrityError, LookupError, TypeError, ValueError)

_log = logging.getLogger(__name__)
_LAST = text("SELECT last_seq FROM box_lane WHERE property_id = :property_id AND box_id = :box_id AND lane = :lane")
_KNOWN = select(fact_table.c.fact_id).where(
    fact_table.c.property_id == bindparam("property_id"), fact_table.c.fact_id.in_(bindparam("ids", expanding=True))
)
_MOVE = text(
    "INSERT INTO box_lane (property_id, box_id, lane, last_seq, last_fact_id)"
    " VALUES (:property_id, :box_id, :lane, :last_seq, :last_fact_id)"
    " ON CONFLICT (property_id, box_id, lane) DO UPDATE SET last_seq = excluded.last_seq, last_fact_id = excluded.last_fact_id"
)


def _nothing(*_: object) -> None:
    """Do nothing: the default of an optional rule."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What facts do at central.

    A handler changes what the fact is about and may raise a Problem: then its changes are undone, the fact is acknowledged as refused
    and `on_refused` makes a task of it. `turn.actor` is the fact's own. A bulk handler gets all neighbours of its kind at once, for
    kinds that come by the thousand; it must not refuse. `on_alarm` hears of rows that were kept: fact_unreadable, fact_parked,
    fact_failed. A kind without a handler is kept and acknowledged.
    """

    handlers: Mapping[type[Any], Handler] = field(default_factory=dict)
    bulk: Mapping[type[Any], BulkHandler] = field(default_factory=dict)
    on_refused: OnRefused = _nothing
    on_alarm: OnAlarm = _nothing


def take(turn: Turn, box_id: str, push: Push, rules: Rules, epoch: int = 1) -> FactsReply:
    """Apply one push and move the lane's cursor in the same transaction; answer only after its COMMIT.

    May be repeated, in any order, at any time: rows that were taken before change nothing. Statements: four, and those of the facts.
    """
    key = {"property_id": turn.property_id, "box_id": box_id, "lane": push.lane}
    last = turn.conn.execute(_LAST, key).scalar() or 0
    judged = plan(last, push.rows, _known(turn, push, last))
    applied = tuple(_applied(turn, push.lane, judged.take, rules))
    keep(turn, box_id, push.lane, applied)
    if judged.ack > last:
        turn.conn.execute(_MOVE, {**key, "last_seq": judged.ack, "last_fact_id": _fact_id(judged.take[-1])})
        if push.lane == "desk":
            _hold_back(turn, [one.verdict for one in applied if one.outcome != "applied"])
            _echo(turn, judged)
    return FactsReply(epoch, judged.ack, tuple(one.verdict.seq for one in applied if one.outcome == "refused"))


def _known(turn: Turn, push: Push, last: int) -> set[str]:
    ids = [row.row.fact_id for row in push.rows if not isinstance(row, Broken) and row.seq > last]
    return set(turn.conn.execute(_KNOWN, {"property_id": turn.property_id, "ids": ids}).scalars()) if ids else set()


def _applied(turn: Turn, lane: Lane, verdicts: Sequence[Verdict], rules: Rules) -> Iterator[Applied]:
    """Apply in order; neighbours of one bulk kind go together."""
    for kind, group in groupby(verdicts, key=lambda verdict: type(verdict.fact) if isinstance(verdict, Known) else None):
        rows = list(group)
        if kind is not None and (together := rules.bulk.get(kind)) is not None:
            yield from _together(turn, [row for row in rows if isinstance(row, Known)], together, rules)
            continue
        for verdict in rows:
            if isinstance(verdict, Repeat):
                continue
            if isinstance(verdict, Known):
                if lane == "desk":
                    feed.mark_seen(turn, verdict.seq)
                yield _one(turn, verdict, rules)
            else:
                yield _put_aside(turn, lane, verdict, rules)


def _one(turn: Turn, known: Known, rules: Rules) -> Applied:
    kind = type(known.fact)
    handlers = [handler for handler in (_OURS.get(kind), rules.handlers.get(kind)) if handler]
    if not handlers:
        return Applied(known)
    own = replace(turn, actor=known.row.actor)
    try:
        with turn.conn.begin_nested():
            for handler in handlers:
                handler(own, known.row, known.fact)
    except Problem as problem:
        reason = problem
        _told(turn, lambda: rules.on_refused(own, known.row, known.fact, reason))
        return Applied(known, "refused", problem.code)
    except FAULTS as error:
        return _failed(turn, known, rules, error)
    return Applied(known)


def _together(turn: Turn, rows: list[Known], handler: BulkHandler, rules: Rules) -> Iterator[Applied]:
    try:
        with turn.conn.begin_nested():
            handler(turn, [(row.row, row.fact) for row in rows])
    except (Problem, *FAULTS) as error:
        if len(rows) == 1:
            yield _failed(turn, rows[0], rules, error)
        else:  # one bad row among many: find it
            for row in rows:
                yield from _together(turn, [row], handler, rules)
        return
    for row in rows:
        yield Applied(row)


def _failed(turn: Turn, known: Known, rules: Rules, error: Exception) -> Applied:
    _log.error("sync: %s %d of lane %s could not be applied: %s", known.row.kind, known.seq, lane_of(known.fact), type(error).__name__)
    about = {"kind": known.row.kind, "seq": known.seq, "error": type(error).__name__}
    _told(turn, lambda: rules.on_alarm(turn, "fact_failed", about))
    return Applied(known, "failed", type(error).__name__)


def _put_aside(turn: Turn, lane: Lane, verdict: Parked | Broken, rules: Rules) -> Applied:
    if isinstance(verdict, Parked):
        parked = {"kind": verdict.row.kind, "lane": lane, "seq": verdict.seq}
        _told(turn, lambda: rules.on_alarm(turn, "fact_parked", parked))
        return Applied(verdict, "parked")
    broken = {"lane": lane, "seq": verdict.seq, "why": verdict.why}
    _told(turn, lambda: rules.on_alarm(turn, "fact_unreadable", broken))
    return Applied(verdict, "unreadable")


def _told(turn: Turn, tell: Callable[[], None]) -> None:
    """Tell a person. That this fails must not hold the line either."""
    try:
        with turn.conn.begin_nested():
            tell()
    except (Problem, *FAULTS):
        _log.exception("sync: a task or an alarm could not be written")


def _fact_id(verdict: Verdict) -> str:
    if isinstance(verdict, Repeat):
        return verdict.known.row.fact_id
    return "" if isinstance(verdict, Broken) else verdict.row.fact_id


def _hold_back(turn: Turn, undecided: Sequence[Known | Parked | Broken]) -> None:
    """Leave the box its own version of what a person must decide first: a guest must not lose the door over a conflict in our books."""
    for verdict in undecided:
        for kind, entity_id in _subjects(verdict):
            feed.hold_back(turn, kind, entity_id, verdict.seq)


def _echo(turn: Turn, judged: Plan) -> None:
    """Let `seen` of every entity that the push changed reach the push: then the box lets go of its own version."""
    feed.mark_seen(turn, judged.ack)
    reached: dict[str, dict[str, int]] = {}
    for verdict in judged.take:
        for kind, entity_id in _subjects(verdict):
            reached.setdefault(kind, {})[entity_id] = verdict.seq
    for kind in sorted(reached):
        feed.catch_up(turn, kind, reached[kind])


def _subjects(verdict: Verdict) -> tuple[Subject, ...]:
    if isinstance(verdict, Repeat):
        return _subjects(verdict.known)
    if isinstance(verdict, Known):
        return subjects(verdict.fact)
    entity = verdict.entity if isinstance(verdict, Broken) else verdict.row.entity
    kind, _, entity_id = entity.partition("/")
    return ((kind, entity_id),) if entity_id else ()


def _job_started(turn: Turn, row: FactRow, fact: Fact) -> None:
    if isinstance(fact, JobStarted):
        jobs.started(turn, fact)


def _job_done(turn: Turn, row: FactRow, fact: Fact) -> None:
    if isinstance(fact, JobDone):
        jobs.done(turn, fact)


def _hold_returned(turn: Turn, row: FactRow, fact: Fact) -> None:
    if isinstance(fact, HoldReturned):
        holds.returned(turn, fact.hold_id)


_OURS: Mapping[type[Any], Handler] = {JobStarted: _job_started, JobDone: _job_done, HoldReturned: _hold_returned}
