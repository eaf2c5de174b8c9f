"""Central's half of the sync session as pure decisions: what of a push counts, how a greeting is answered, what a poll may have.

Nothing here reads a clock or a store. Central applies what `plan` lets through and moves its cursor to `plan.ack` in one transaction,
and answers after its COMMIT; then a repeat of any request at any time changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from wire.codec import Broken, Incoming, Known, Parked
from wire.facts import LANES, Lane
from wire.messages import PROTO, Hello, HelloReply

SERVED = (PROTO,)  # N and N-1 once there is a second


@dataclass(frozen=True, slots=True)
class Repeat:
    """A fact that was applied before under another number: it uses up its number and nothing else."""

    known: Known | Parked

    @property
    def seq(self) -> int:
        return self.known.seq


Verdict = Known | Parked | Broken | Repeat


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one push, in order. `ack` is the cursor afterwards; `gap` that rows beyond a missing one were left alone."""

    take: tuple[Verdict, ...]
    ack: int
    gap: bool = False


def plan(last: int, rows: Sequence[Incoming], known: Collection[str]) -> Plan:
    """Judge the rows of one lane. `last` = its cursor; `known` = those of their fact_ids that have been applied before.

    Known: apply it. Parked: keep it until we understand it. Broken: keep it raw and raise an alarm. Repeat: nothing.
    """
    take: list[Verdict] = []
    seen = set(known)
    for row in rows:
        if row.seq <= last:
            continue
        if row.seq > last + 1:
            return Plan(tuple(take), last, gap=True)
        last = row.seq
        if isinstance(row, Broken):
            take.append(row)
        elif row.row.fact_id in seen:
            take.append(Repeat(row))
        else:
            seen.add(row.row.fact_id)
            take.append(row)
    return Plan(tuple(take), last)


class Outdated(ValueError):
    """The box speaks no version of the protocol that we serve."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What central holds of one box and its property: `last` applied per lane, the feed's newest and oldest usable number."""

    epoch: int
    last: Mapping[Lane, int]
    head: int
    floor: int = 0
    last_id: Mapping[Lane, str] = field(default_factory=dict)  # the fact_id under `last`, where it is known


def greet(hello: Hello, ledger: Ledger, now: datetime) -> HelloReply:
    """Answer a greeting; raise Outdated when no version is common.

    A box whose cursor the feed cannot serve (too old, or beyond the newest put after central was restored), or that has forgotten
    facts which central holds (restored card, swapped box), is told to take a snapshot first.
    """
    common = set(hello.proto) & set(SERVED)
    if not common:
        raise Outdated(f"the box speaks {sorted(hello.proto)}, central serves {sorted(SERVED)}")
    forgot = any(ledger.last.get(lane, 0) > hello.top_seq.get(lane, 0) for lane in LANES)
    return HelloReply(
        epoch=ledger.epoch,
        ack={lane: ledger.last.get(lane, 0) for lane in LANES},
        head=ledger.head,
        now=now,
        proto=max(common),
        ack_id=dict(ledger.last_id),
        snapshot=forgot or gone(hello.cursor, ledger.head, ledger.floor),
    )


def gone(after: int, head: int, floor: int) -> bool:
    """Say whether the feed cannot continue after `after`: deletions up to `floor` are forgotten, or `after` was never given out."""
    return after < floor or after > head
