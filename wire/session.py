"""The box's half of the sync session as a pure state machine: no socket, no store, no clock, no luck of its own.

`step(state, event, now)` returns the next state and what the shell has to do. The shell sends, stores and waits; it answers each
action that carries a ticket with one event of that ticket (late answers to old tickets are passed over), and sends `Tick` when a
`Wait` has run out. `now` is monotonic seconds. The same events in the same order give the same actions.

    GREET ──hello──► STREAM ──push lost, fenced──► GREET          REFUSED (401, 403, 426): asks again every five minutes
      │                ▲                                          feed: poll ► apply ► poll …; 410 ► snapshot ► apply ► poll
      └──snapshot──────┘
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from wire.facts import LANES, Lane
from wire.messages import (
    CATCH_UP_BYTES,
    CATCH_UP_FROM,
    CATCH_UP_ROWS,
    FEED_ROWS,
    FEED_WAIT_S,
    PUSH_BYTES,
    PUSH_ROWS,
    FactsReply,
    FeedReply,
    HelloReply,
    SnapshotReply,
)

WINDOW_S: Mapping[Lane, float] = {"desk": 0.05, "log": 0.05, "last": 0.1}  # a request a fact would cost more CPU than the facts
BACKOFF_CAP_S = 15.0
BACKOFF_FIRST_S = 0.5
HURRY_S = 1.0  # a desk fact made while we wait for the line cuts the wait to this
REFUSED_S = 300.0  # central said no for good; a person must act, so there is no hurry
QUIET_S = 1.0  # an empty answer that came sooner than this is no long poll: do not spin
MOST_HALVINGS = 5  # 500 rows become 15


class Phase(StrEnum):
    """Where the session is."""

    GREET = "greet"
    SNAPSHOT = "snapshot"  # central wants the mirror replaced before anything else
    STREAM = "stream"
    REFUSED = "refused"


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed, or somebody wants the session to look again."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Facts up to `top` are committed in the outbox; up to `urgent` (0 = none) they wait for no window."""

    lane: Lane
    top: int
    urgent: int = 0


@dataclass(frozen=True, slots=True)
class Greeted:
    """`diverged` = the lanes in which the outbox holds another fact under the number that central names."""

    ticket: int
    reply: HelloReply
    diverged: frozenset[Lane] = frozenset()


@dataclass(frozen=True, slots=True)
class Pushed:
    ticket: int
    reply: FactsReply


@dataclass(frozen=True, slots=True)
class Polled:
    ticket: int
    reply: FeedReply


@dataclass(frozen=True, slots=True)
class SnapshotCame:
    ticket: int
    reply: SnapshotReply


@dataclass(frozen=True, slots=True)
class Applied:
    """Rows and cursor of an ApplyFeed or ApplySnapshot are committed."""

    ticket: int
    cursor: int


Fault = Literal["lost", "gone", "refused", "fenced", "too_large", "busy", "local"]


@dataclass(frozen=True, slots=True)
class Failed:
    """An action did not come to a good end. `luck` in [0, 1) is the jitter; `retry_s` what a busy central asked for.

    lost = no answer, or 5xx or nonsense; gone = 410; refused = 401, 403 or 426; fenced = 409; too_large = 413 or 400;
    busy = 429; local = our own store could not take it.
    """

    ticket: int
    fault: Fault
    luck: float = 0.5
    retry_s: float = 0.0
    why: str = ""


Event = Tick | Appended | Greeted | Pushed | Polled | SnapshotCame | Applied | Failed

# ---------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class SendHello:
    ticket: int
    epoch: int
    top_seq: Mapping[Lane, int]
    cursor: int


@dataclass(frozen=True, slots=True)
class SendFacts:
    """Send the rows of `lane` after `after`, rising by one: at most `rows` of them and `size` bytes, but always at least one."""

    ticket: int
    epoch: int
    lane: Lane
    after: int
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Poll:
    ticket: int
    after: int
    limit: int
    wait_s: int


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    ticket: int


@dataclass(frozen=True, slots=True)
class ApplyFeed:
    """Commit rows, jobs and cursor in one transaction, then answer `Applied`."""

    ticket: int
    reply: FeedReply


@dataclass(frozen=True, slots=True)
class ApplySnapshot:
    """Replace the mirror in one transaction, deletions included, then answer `Applied`."""

    ticket: int
    reply: SnapshotReply


@dataclass(frozen=True, slots=True)
class Confirm:
    """Central holds every fact of `lane` up to `ack`: they may be trimmed once they are old enough."""

    lane: Lane
    ack: int


@dataclass(frozen=True, slots=True)
class Renumber:
    """Central has seen other facts of `lane` than this box remembers (a restored card): give what is unconfirmed numbers above `ack`.

    Answer with `Appended`. Nothing of the lane is sent until then.
    """

    lane: Lane
    ack: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` unless an event comes."""

    until: float


Action = SendHello | SendFacts | Poll | TakeSnapshot | ApplyFeed | ApplySnapshot | Confirm | Renumber | Wait

# ---------------------------------------------------------------- state


@dataclass(frozen=True, slots=True)
class Stream:
    """One lane: what is committed, what central has confirmed, what is on its way."""

    top: int = 0
    acked: int = 0
    urgent: int = 0
    ticket: int = 0  # of the batch in flight, 0 = none
    not_before: float = 0.0  # end of the window; urgent facts and full batches do not wait for it
    renumbering: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One of the two connections: who waits for an answer on it and until when it must rest."""

    ticket: int = 0
    since: float = 0.0
    not_before: float = 0.0
    tries: int = 0


def _fresh_lanes() -> dict[Lane, Stream]:
    return {lane: Stream() for lane in LANES}


@dataclass(frozen=True, slots=True)
class State:
    """The whole session. Begin with `opening(...)`."""

    epoch: int = 1
    phase: Phase = Phase.GREET
    lanes: Mapping[Lane, Stream] = field(default_factory=_fresh_lanes)
    cursor: int = 0
    head: int = 0
    seen: int = 0  # what the newest reply of the feed said of our desk facts
    up: Line = Line()  # hello and facts
    down: Line = Line()  # feed and snapshot
    gone: bool = False  # the next thing on the down line is a snapshot
    shaken: bool = False  # the line was lost since the last greeting: a poll from before may hang for good
    halvings: int = 0
    tickets: int = 0  # the last one given out
    pushes: int = 1  # batches in flight at once over all lanes; a lane never has more than one
    why: str = ""  # the newest trouble, for health

    @property
    def backlog(self) -> int:
        """Facts that central has not confirmed."""
        return sum(stream.top - stream.acked for stream in self.lanes.values())


Step = tuple[State, tuple[Action, ...]]


def opening(epoch: int, lanes: Mapping[Lane, tuple[int, int]], cursor: int, pushes: int = 1) -> State:
    """Return the state of a program that has just started. `lanes` = (top, acked) as the journal holds them."""
    return State(epoch=epoch, lanes={lane: Stream(*lanes.get(lane, (0, 0))) for lane in LANES}, cursor=cursor, pushes=pushes)


def step(state: State, event: Event, now: float) -> Step:
    """Take in `event` and return what follows: first what the event itself causes, then all that has become due, a Wait last."""
    state, caused = _taken(state, event, now)
    if state.why and state.phase in {Phase.STREAM, Phase.SNAPSHOT} and not (state.up.tries or state.down.tries):
        state = replace(state, why="")  # both connections have answered since
    state, due = _due(state, now)
    return state, (*caused, *due)


def _taken(state: State, event: Event, now: float) -> Step:
    match event:
        case Appended():
            return _appended(state, event, now), ()
        case Greeted() if event.ticket == state.up.ticket:
            return _greeted(state, event)
        case Pushed():
            return _pushed(state, event, now)
        case Polled() if event.ticket == state.down.ticket:
            return _polled(state, event.reply, now)
        case SnapshotCame() if event.ticket == state.down.ticket:
            return state, (ApplySnapshot(event.ticket, event.reply),)
        case Applied() if event.ticket == state.down.ticket:
            phase = Phase.STREAM if state.phase is Phase.SNAPSHOT else state.phase
            return replace(state, phase=phase, cursor=event.cursor, gone=False, down=Line()), ()
        case Failed():
            return _failed(state, event, now), ()
        case _:
            return state, ()


def _appended(state: State, event: Appended, now: float) -> State:
    stream = state.lanes[event.lane]
    top = event.top if stream.renumbering else max(stream.top, event.top)
    state = _with(state, event.lane, replace(stream, top=top, urgent=max(stream.urgent, event.urgent), renumbering=False))
    hurried = event.lane == "desk" or event.urgent > 0
    if hurried and state.phase is not Phase.REFUSED and state.up.not_before > now + HURRY_S:
        state = replace(state, up=replace(state.up, not_before=now + HURRY_S))
    return state


def _greeted(state: State, event: Greeted) -> Step:
    """Believe central about what it holds: send again what it has lost, never reuse a number that it has seen."""
    reply = event.reply
    caused: list[Action] = []
    for lane in LANES:
        stream, ack = state.lanes[lane], reply.ack.get(lane, 0)
        if ack > stream.top or lane in event.diverged:
            caused.append(Renumber(lane, ack))
            state = _with(state, lane, replace(stream, top=ack, acked=ack, ticket=0, renumbering=True))
        else:
            caused.append(Confirm(lane, ack))
            state = _with(state, lane, replace(stream, acked=ack, ticket=0))
    phase = Phase.SNAPSHOT if reply.snapshot else Phase.STREAM
    tries = state.up.tries if state.backlog else 0  # a line that greets but loses every push is no better than before
    state = replace(state, epoch=reply.epoch, head=reply.head, phase=phase, up=Line(tries=tries), why="")
    if reply.snapshot or state.shaken:  # a poll that is still out is not waited for
        state = replace(state, gone=state.gone or reply.snapshot, shaken=False, down=Line())
    return state, tuple(caused)


def _pushed(state: State, event: Pushed, now: float) -> Step:
    lane = next((name for name, stream in state.lanes.items() if stream.ticket == event.ticket), None)
    if lane is None or event.ticket == 0:
        return state, ()
    stream = state.lanes[lane]
    # An acknowledgement that does not move: central is missing a row that we believe it holds. One beyond all that we ever numbered:
    # it holds what we have forgotten. Either way the greeting tells us where we stand.
    stuck = event.reply.ack <= stream.acked or event.reply.ack > stream.top
    ack = stream.acked if stuck else event.reply.ack
    state = _with(state, lane, replace(stream, acked=ack, ticket=0, not_before=now + WINDOW_S[lane]))
    state = replace(state, halvings=max(0, state.halvings - 1), up=replace(state.up, tries=0))
    if stuck:
        state = replace(state, phase=Phase.GREET, up=replace(state.up, not_before=now + HURRY_S))
    return state, (Confirm(lane, ack),)


def _polled(state: State, reply: FeedReply, now: float) -> Step:
    news = bool(reply.rows or reply.jobs) or reply.seen > state.seen
    state = replace(state, head=reply.head, seen=reply.seen)
    if news:
        return state, (ApplyFeed(state.down.ticket, reply),)
    rest = now + QUIET_S if now - state.down.since < QUIET_S else 0.0
    return replace(state, down=Line(not_before=rest)), ()


def _failed(state: State, event: Failed, now: float) -> State:
    if event.ticket == 0:
        return state
    if event.ticket == state.down.ticket:
        return _failed_down(state, event, now)
    lane = next((name for name, stream in state.lanes.items() if stream.ticket == event.ticket), None)
    if lane is None and event.ticket != state.up.ticket:
        return state
    if lane is not None:
        state = _with(state, lane, replace(state.lanes[lane], ticket=0))
        state = replace(state, halvings=min(state.halvings + (event.fault in {"lost", "too_large"}), MOST_HALVINGS))
    if event.fault == "refused":
        return _refused(state, event, now)
    line = _rested(state.up, event, now)
    return replace(state, phase=Phase.GREET, up=line, shaken=state.shaken or event.fault == "lost", why=event.why)


def _failed_down(state: State, event: Failed, now: float) -> State:
    if event.fault == "refused":
        return _refused(replace(state, down=Line()), event, now)
    if event.fault == "gone":
        return replace(state, gone=True, down=Line())
    return replace(state, down=_rested(state.down, event, now), why=event.why)


def _refused(state: State, event: Failed, now: float) -> State:
    return replace(state, phase=Phase.REFUSED, up=Line(not_before=now + REFUSED_S), why=event.why)


def _rested(line: Line, event: Failed, now: float) -> Line:
    """Wait longer each time, at most BACKOFF_CAP_S, spread over the upper half so that a chain does not return in one second."""
    span = min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2 ** min(line.tries, 10)) * (0.5 + event.luck / 2)
    return Line(not_before=now + max(span, event.retry_s), tries=line.tries + 1)


# ---------------------------------------------------------------- what is due


def _due(state: State, now: float) -> Step:
    actions: list[Action] = []
    for part in (_due_up, _due_down):
        state, more = part(state, now)
        actions += more
    until = _next(state)
    return state, (*actions, *((Wait(until),) if until is not None else ()))


def _due_up(state: State, now: float) -> Step:
    if state.phase in {Phase.GREET, Phase.REFUSED}:
        if state.up.ticket or now < state.up.not_before:
            return state, ()
        ticket = state.tickets + 1
        tops: dict[Lane, int] = {lane: stream.top for lane, stream in state.lanes.items()}
        state = replace(state, tickets=ticket, up=replace(state.up, ticket=ticket, since=now))
        return state, (SendHello(ticket, state.epoch, tops, state.cursor),)
    actions: list[Action] = []
    while state.phase is Phase.STREAM and (lane := _lane_due(state, now)) is not None:
        stream, ticket = state.lanes[lane], state.tickets + 1
        rows, size = _batch(state, stream)
        state = replace(_with(state, lane, replace(stream, ticket=ticket)), tickets=ticket)
        actions.append(SendFacts(ticket, state.epoch, lane, stream.acked, rows, size))
    return state, tuple(actions)


def _lane_due(state: State, now: float) -> Lane | None:
    """Return the first lane, in the order of service, whose next batch should go now."""
    if sum(stream.ticket != 0 for stream in state.lanes.values()) >= state.pushes:
        return None
    return next((lane for lane in LANES if _ready(state.lanes[lane]) and _ripe(state, state.lanes[lane], now)), None)


def _ready(stream: Stream) -> bool:
    return not stream.ticket and not stream.renumbering and stream.top > stream.acked


def _ripe(state: State, stream: Stream, now: float) -> bool:
    full = stream.top - stream.acked >= PUSH_ROWS >> state.halvings
    return full or stream.urgent > stream.acked or now >= stream.not_before


def _batch(state: State, stream: Stream) -> tuple[int, int]:
    catching_up = stream.top - stream.acked > CATCH_UP_FROM
    rows, size = (CATCH_UP_ROWS, CATCH_UP_BYTES) if catching_up else (PUSH_ROWS, PUSH_BYTES)
    return rows >> state.halvings, size >> state.halvings


def _due_down(state: State, now: float) -> Step:
    if state.phase in {Phase.GREET, Phase.REFUSED} or state.down.ticket or now < state.down.not_before:
        return state, ()
    ticket = state.tickets + 1
    state = replace(state, tickets=ticket, down=replace(state.down, ticket=ticket, since=now))
    return state, (TakeSnapshot(ticket) if state.gone else Poll(ticket, state.cursor, FEED_ROWS, FEED_WAIT_S),)


def _next(state: State) -> float | None:
    """Return when something becomes due by time alone, or None."""
    if state.phase in {Phase.GREET, Phase.REFUSED}:
        return None if state.up.ticket else state.up.not_before
    free = sum(stream.ticket != 0 for stream in state.lanes.values()) < state.pushes and state.phase is Phase.STREAM
    times = [stream.not_before for stream in state.lanes.values() if free and _ready(stream)]
    if not state.down.ticket:
        times.append(state.down.not_before)
    return min(times, default=None)


def _with(state: State, lane: Lane, stream: Stream) -> State:
    return replace(state, lanes={**state.lanes, lane: stream})
