"""One door's dialogue: from its last answer to the next command. Pure; `reconcile.py` speaks, this decides.

The digest in an answer decides what the door holds, never the mere acknowledgement. A door of unknown contents is sent everything
that it must hold, floor first; if it still disagrees afterwards everything is sent again with higher versions, and a person is told.
"""

from dataclasses import dataclass, replace

from gateway.device import RETRY_BY_ITSELF, Code, Confirmed, DelRight, LockOp, Ping, PutRight, UnblockCred
from gateway.rules.door import DoorState, after, holds, learn, resend, steps

ROUNDS = 2  # everything as it is numbered, then everything with higher versions
STALE_LIMIT = 8  # a door that calls so many versions in a row stale has heard from another box: a person must look

_AS_GOOD_AS_DONE = {DelRight: Code.NOT_FOUND, UnblockCred: Code.NOT_FOUND}


@dataclass(frozen=True, slots=True)
class Talk:
    """What the box remembers of the dialogue between two commands; a fresh one is always right, only slower.

    `resending` = what is still to be sent to a door of unknown contents, None when nothing is; `rounds` = how often everything has
    been sent without the door agreeing, `tried` = what it was.
    """

    resending: tuple[LockOp, ...] | None = None
    rounds: int = 0
    tried: DoorState | None = None
    stale: int = 0  # versions in a row that the door called stale


@dataclass(frozen=True, slots=True)
class Answer:
    """The door's answer to `asked` (None: nothing was asked, this is how the dialogue begins). `code` None = no answer, read back."""

    asked: LockOp | None = None
    code: Code | None = None
    said: Confirmed | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows. At most one of `ask` and `later`; neither means that the door holds what it must.

    known      what the door holds, None when nobody knows
    refused    a right that the door will not take, and why
    renumber   ops whose subject needs a higher version before they are sent again
    alarm      the kind of task that a person gets, once for each time of trouble
    """

    known: DoorState | None
    talk: Talk
    ask: LockOp | None = None
    later: Code | None = None
    refused: tuple[LockOp, Code] | None = None
    renumber: tuple[LockOp, ...] = ()
    alarm: str | None = None


def decide(wanted: DoorState, known: DoorState | None, talk: Talk, answer: Answer) -> Decision:
    """Return what to do about one door, given what is wanted, what was known before, and the newest answer."""
    asked, said = answer.asked, answer.said
    learnt = known if said is None else _learnt(wanted, known, asked, said)
    if asked is None or isinstance(asked, Ping) or answer.code is None:
        return _next(wanted, learnt, talk, said)
    done = learnt is not None and after(learnt, asked) == learnt
    if answer.code in {Code.OK, _AS_GOOD_AS_DONE.get(type(asked), Code.OK)}:
        if learnt is not None and not done:
            return Decision(learnt, talk, later=Code.OK, alarm="door_does_not_act")
        return _next(wanted, learnt, replace(talk, stale=0), said)
    if answer.code is Code.STALE_VERSION:
        if done or learnt is None:
            return _next(wanted, learnt, talk, said)
        if talk.stale >= STALE_LIMIT:
            return Decision(learnt, replace(talk, stale=0), later=answer.code, alarm="door_refuses")
        return Decision(learnt, replace(talk, stale=talk.stale + 1), renumber=(asked,))
    if answer.code in RETRY_BY_ITSELF or not isinstance(asked, PutRight):
        alarm = None if answer.code in RETRY_BY_ITSELF else "door_refuses"
        return Decision(learnt, talk, later=answer.code, alarm=alarm)
    return Decision(learnt, replace(talk, resending=None), refused=(asked, answer.code), alarm="door_refuses")


def _learnt(wanted: DoorState, known: DoorState | None, asked: LockOp | None, said: Confirmed) -> DoorState | None:
    """Return what the door holds: what was known, or any state on the way from there to what is wanted."""
    if known is None:
        return learn(said, (wanted,))
    way = [known]
    for op in steps(wanted, known):
        way.append(after(way[-1], op))
    return learn(said, ([after(known, asked)] if asked is not None else []) + way)


def _next(wanted: DoorState, known: DoorState | None, talk: Talk, said: Confirmed | None) -> Decision:
    if known is not None:
        todo = steps(wanted, known)
        return Decision(known, Talk() if not todo else replace(talk, resending=None), ask=todo[0] if todo else None)
    if said is None and talk.resending is None:
        return Decision(None, talk, ask=Ping())
    if talk.resending is None:
        if talk.rounds >= ROUNDS and talk.tried == wanted:
            return Decision(None, talk, later=Code.CONFLICT)  # it has been told twice; only a person or a change helps
        first, *rest = resend(wanted)
        rounds = talk.rounds if talk.rounds < ROUNDS else 0
        return Decision(None, replace(talk, resending=tuple(rest), rounds=rounds), ask=first)
    if talk.resending:
        return Decision(None, replace(talk, resending=talk.resending[1:]), ask=talk.resending[0])
    again = Talk(rounds=talk.rounds + 1, tried=wanted)
    renumber = resend(wanted)[1:] if again.rounds < ROUNDS else ()
    return Decision(None, again, later=Code.CONFLICT, renumber=renumber, alarm="door_disagrees" if again.rounds >= ROUNDS else None)


def agrees(wanted: DoorState, known: DoorState | None, said: Confirmed | None) -> bool:
    """Whether the door's own last answer says that it holds what is wanted."""
    return known is not None and said is not None and steps(wanted, known) == () and holds(replace(wanted, floor=said.floor), said)
