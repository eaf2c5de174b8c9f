"""How far each right at a door has come, given what the door itself has confirmed. Pure.

`changed_at` is when the present aim was set (or reached): it stays while a right is pushed and retried.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from gateway.device import Code, DelRight, LockKind, LockOp, PutRight
from gateway.rules.book import Right
from gateway.rules.door import DoorState
from wire.facts import RightState

UNDER_WAY = frozenset({RightState.PLANNED, RightState.PUSHING, RightState.REVOKING, RightState.RETRYING})


def under_way(right: Right) -> bool:
    """Whether the door's own answer is still to come (a card that nobody has cut yet is not the door's business)."""
    return right.state in UNDER_WAY and not (right.lock is not LockKind.ONLINE and right.wanted)


def reached(rights: Iterable[Right], wanted: DoorState, known: DoorState, now: datetime) -> tuple[Right, ...]:
    """Return the rights whose state follows from what the door holds: active, or revoked (expired) for good.

    Nothing is revoked before the floor that goes with it is confirmed: a card could still be copied from the table's memory.
    """
    done = []
    for right in rights:
        if not under_way(right):
            continue
        if right.wanted:
            if known.rights.get(right.right_ref) == right.body and known.floor >= wanted.floor:
                done.append(replace(right, state=RightState.ACTIVE, code=None, changed_at=now, alarmed=False))
        elif _gone(right, wanted, known):
            done.append(replace(right, state=right.final, code=None, exposure_until=None, changed_at=now, alarmed=False))
    return tuple(done)


def lost(rights: Iterable[Right], known: DoorState | None, now: datetime) -> tuple[Right, ...]:
    """Return the rights that were active and that the door no longer holds, or may not hold: they are on their way again."""
    return tuple(
        replace(right, state=RightState.PUSHING, changed_at=now)
        for right in rights
        if right.lock is LockKind.ONLINE and right.wanted and right.state is RightState.ACTIVE
        if known is None or known.rights.get(right.right_ref) != right.body
    )


def _gone(right: Right, wanted: DoorState, known: DoorState) -> bool:
    if known.floor < wanted.floor:
        return False
    if right.lock is LockKind.ONLINE:
        return right.right_ref not in known.rights
    ref = right.body.credential_ref
    return wanted.blocked.get(ref) == known.blocked.get(ref) or ref not in wanted.blocked


def pushed(rights: Iterable[Right], op: LockOp) -> tuple[Right, ...]:
    """Return the right that goes on its way with `op`, when it was only planned so far."""
    ref = op.right.right_ref if isinstance(op, PutRight) else None
    return tuple(
        replace(right, state=RightState.PUSHING) for right in rights if right.right_ref == ref and right.state is RightState.PLANNED
    )


def struggling(rights: Iterable[Right]) -> tuple[Right, ...]:
    """Return the rights that wait for a door which does not answer."""
    return tuple(
        replace(right, state=RightState.RETRYING) for right in rights if under_way(right) and right.state is not RightState.RETRYING
    )


def refused(rights: Iterable[Right], op: LockOp, code: Code, now: datetime) -> tuple[Right, ...]:
    """Return the right that the door will not take, with its code. A refused deletion is no end: it goes on being tried."""
    if not isinstance(op, PutRight):
        return ()
    return tuple(
        replace(right, state=RightState.REFUSED, code=code.name, changed_at=now)
        for right in rights
        if right.right_ref == op.right.right_ref and right.wanted
    )


def retried(rights: Iterable[Right], *, only: Code | None = None) -> tuple[Right, ...]:
    """Return refused rights as planned again: the door has been replaced or restarted, or (`only` a full table) has room again."""
    return tuple(
        replace(right, state=RightState.PLANNED, code=None)
        for right in rights
        if right.wanted and right.state is RightState.REFUSED and only in (None, Code[right.code or "OK"])
    )


def renumbered(rights: Iterable[Right], op: LockOp, version: int) -> tuple[Right, ...]:
    """Return the right of `op` with a higher version: the door called the present one stale and does not hold it."""
    match op:
        case PutRight(body):
            ref, wanted = body.right_ref, True
        case DelRight(right_ref, _):
            ref, wanted = right_ref, False
        case _:
            return ()
    return tuple(
        replace(right, version=version, body=replace(right.body, version=version) if wanted else right.body)
        for right in rights
        if right.right_ref == ref and right.wanted is wanted
    )


def evicted(rights: Iterable[Right], right_ref: int) -> tuple[Right, ...]:
    """Return the right that a full lock dropped because it had expired: the box drops it too."""
    return tuple(
        replace(right, wanted=False, state=RightState.EXPIRED, final=RightState.EXPIRED)
        for right in rights
        if right.right_ref == right_ref and right.wanted
    )


def seen(right: Right, now: datetime) -> Right:
    """Return a card's right that has opened its door."""
    return replace(right, state=RightState.ACTIVE, changed_at=now)
