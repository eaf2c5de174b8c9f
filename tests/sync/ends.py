"""Box and central as small models around the real sessions: durable state and shell of each end, nothing of the line between.

`plant` names mistakes to build in; a test shows that each of them is found.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from wire import codec, intake, session
from wire.codec import FactHead, Known
from wire.entities import Guest, StayBody, StayStatus
from wire.facts import LANES, URGENT, Fact, Lane, StayCheckedIn, StayCheckedOut, lane_of
from wire.messages import FactsReply, FeedReply, FeedRow, Hello, SnapshotReply
from wire.overlay import overlay, subjects
from wire.session import Applied, ApplyFeed, ApplySnapshot, Confirm, Failed, Poll, Renumber, SendFacts, SendHello, TakeSnapshot, Wait

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MISTAKES = (
    "no dedupe",
    "trim on send",
    "acknowledge before commit",
    "cursor before rows",
    "gap skipped",
    "no fact_id",
    "seen ignored",
    "snapshot without deletes",
    "numbers used twice",
    "no echo",
    "refusal lets go",
)


def stay_of(fact: Fact) -> str | None:
    """Return the stay that a fact is about."""
    return next((stay_id for _, stay_id in subjects(fact)), None)


def stay(number: str, status: StayStatus = StayStatus.DUE_IN) -> StayBody:
    """A stay of one night in room 201."""
    return StayBody(number, status, ("201",), (201,), "A", NOON, NOON + timedelta(days=1), Guest("Ada"))


# ---------------------------------------------------------------- the line


@dataclass(frozen=True)
class Request:
    """What the box sent, as bytes would be: fixed at the moment of sending."""

    ticket: int
    what: str  # hello, facts, poll, snapshot
    body: Any
    boot: int  # nobody hears the reply once the box has been started again


@dataclass(frozen=True)
class Reply:
    ticket: int
    event: Callable[[int], session.Event]


# ---------------------------------------------------------------- central


@dataclass
class Entry:
    seq: int
    op: str
    seen: int
    body: StayBody | None
    held: int | None = None  # a person must decide on the box's facts from here on


class Central:
    """The durable state of central; every method is one transaction."""

    def __init__(self, plant: frozenset[str]) -> None:
        self.plant = plant
        self.feed: dict[str, Entry] = {}
        self.head = self.floor = self.seen = 0
        self.last: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self.last_id: dict[Lane, str] = {}
        self.effects: list[str] = []  # fact_ids in the order in which they took effect
        self.applied: dict[Lane, list[int]] = {lane: [] for lane in LANES}
        self.known: set[str] = set()
        self.conflicts: set[str] = set()  # stays that our books cannot check in

    def put(self, stay_id: str, body: StayBody | None) -> None:
        self.head += 1
        held = self.feed[stay_id].held if stay_id in self.feed else None
        seen = self.seen if held is None else min(self.seen, held - 1)
        self.feed[stay_id] = Entry(self.head, "del" if body is None else "put", seen, body, held)

    def settle(self, stay_id: str) -> None:
        """A person has decided: what central holds is true."""
        entry = self.feed.get(stay_id)
        if entry is not None and entry.held is not None:
            entry.held = None
            self.put(stay_id, entry.body)

    @property
    def settled_seen(self) -> int:
        return min([self.seen, *(entry.held - 1 for entry in self.feed.values() if entry.held is not None)])

    def live(self) -> dict[str, StayBody]:
        return {stay_id: entry.body for stay_id, entry in self.feed.items() if entry.body is not None}

    def forget_deletions(self) -> None:
        for stay_id in [stay_id for stay_id, entry in self.feed.items() if entry.op == "del" and entry.held is None]:
            self.floor = max(self.floor, self.feed.pop(stay_id).seq)

    def hello(self, told: Hello) -> session.Event:
        ledger = intake.Ledger(1, dict(self.last), self.head, self.floor, dict(self.last_id))
        return session.Greeted(0, intake.greet(told, ledger, NOON))

    def facts(self, raw: bytes) -> session.Event:
        push = codec.decode_push(raw)
        last = self.last[push.lane]
        known = set() if "no fact_id" in self.plant else self.known
        plan = intake.plan(last, push.rows, known)
        if "no dedupe" in self.plant:
            plan = intake.Plan(tuple(push.rows), max(last, push.rows[-1].seq))
        if "gap skipped" in self.plant and plan.gap:
            plan = intake.Plan(tuple(row for row in push.rows if row.seq > last), push.rows[-1].seq)
        for verdict in plan.take:
            self._take(push.lane, verdict)
        self.last[push.lane] = plan.ack
        if push.lane == "desk":
            self.seen = max(self.seen, plan.ack)
            if "no echo" not in self.plant:
                self._echo(plan)
        return session.Pushed(0, FactsReply(1, plan.ack))

    def _take(self, lane: Lane, verdict: intake.Verdict) -> None:
        self.applied[lane].append(verdict.seq)
        known = verdict.known if isinstance(verdict, intake.Repeat) else verdict
        assert isinstance(known, Known)
        self.last_id[lane] = known.row.fact_id
        if lane == "desk":
            self.seen = verdict.seq
        if isinstance(verdict, intake.Repeat):
            return
        self.known.add(known.row.fact_id)
        self.effects.append(known.row.fact_id)
        if not self._effect(known.fact):
            self._hold(known)

    def _hold(self, known: Known) -> None:
        entry = self.feed.get(stay_id) if (stay_id := stay_of(known.fact)) else None
        if entry is not None and entry.held is None and "refusal lets go" not in self.plant:
            entry.held, entry.seen = known.seq, min(entry.seen, known.seq - 1)

    def _effect(self, fact: Fact) -> bool:
        """Do what the fact says; False when our books refuse it."""
        if not isinstance(fact, StayCheckedIn | StayCheckedOut):
            return True
        entry = self.feed.get(fact.stay_id)
        body = entry.body if entry else None
        arrives = isinstance(fact, StayCheckedIn)
        if body is None or (arrives and fact.stay_id in self.conflicts):
            return False
        if body.status is not StayStatus.CHECKED_OUT:
            self.put(fact.stay_id, replace(body, status=StayStatus.IN_HOUSE if arrives else StayStatus.CHECKED_OUT))
        return True

    def _echo(self, plan: intake.Plan) -> None:
        for verdict in plan.take:
            known = verdict.known if isinstance(verdict, intake.Repeat) else verdict
            assert isinstance(known, Known)
            if isinstance(known.fact, StayCheckedIn | StayCheckedOut):
                entry = self.feed.get(known.fact.stay_id)
                if entry is not None and entry.held is None and entry.seen < verdict.seq:
                    self.put(known.fact.stay_id, entry.body)

    def poll(self, after: int, limit: int) -> session.Event:
        if intake.gone(after, self.head, self.floor):
            return Failed(0, "gone")
        rows = sorted((entry.seq, stay_id, entry) for stay_id, entry in self.feed.items() if entry.seq > after)
        told = tuple(_row(stay_id, entry) for _, stay_id, entry in rows[:limit])
        return session.Polled(0, FeedReply(self.head, told, seen=self.settled_seen))

    def snapshot(self) -> session.Event:
        rows = tuple(_row(stay_id, entry) for stay_id, entry in self.feed.items() if entry.body is not None or entry.held is not None)
        return session.SnapshotCame(0, SnapshotReply(self.head, rows, self.settled_seen))


def _row(stay_id: str, entry: Entry) -> FeedRow:
    return FeedRow(entry.seq, "stay", stay_id, "put" if entry.op == "put" else "del", entry.seen, {"body": entry.body})


# ---------------------------------------------------------------- the box


@dataclass
class Mirrored:
    body: StayBody
    gone: bool = False


@dataclass
class Disk:
    """What survives a power cut of the box."""

    outbox: dict[Lane, dict[int, tuple[str, bytes, Fact]]] = field(default_factory=lambda: {lane: {} for lane in LANES})
    top: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(LANES, 0))
    acked: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(LANES, 0))
    cursor: int = 0
    mirror: dict[str, Mirrored] = field(default_factory=dict)
    own: list[tuple[int, str, Fact]] = field(default_factory=list)


class Surroundings(Protocol):
    """What the box needs of the world."""

    now: float
    plant: frozenset[str]
    requests: list[Request]

    def look(self, stay_id: str) -> None:
        """Somebody looks at a stay on the box."""


class Box:
    """The box's shell around the session."""

    def __init__(self, world: "Surroundings", pushes: int) -> None:
        self.world, self.pushes = world, pushes
        self.disk = Disk()
        self.boots = 0
        self.boot()

    def boot(self) -> None:
        stand = {lane: (self.disk.top[lane], self.disk.acked[lane]) for lane in LANES}
        self.boots += 1
        self.state = session.opening(1, stand, self.disk.cursor, self.pushes)
        self.waiting: set[int] = set()
        self.wait: float | None = None
        self.unwritten: ApplyFeed | None = None  # only with "cursor before rows"
        self.hear(session.Tick())

    def view(self, stay_id: str) -> StayBody | None:
        put = self.disk.mirror.get(stay_id)
        return overlay(put.body if put else None, [fact for _, own, fact in self.disk.own if own == stay_id])

    def append(self, fact: Fact, fact_id: str) -> None:
        lane = lane_of(fact)
        self.disk.top[lane] += 1
        seq = self.disk.top[lane]
        head = FactHead(fact_id, "x/1", NOON, "synced", "box")
        self.disk.outbox[lane][seq] = (fact_id, codec.encode_fact(fact, head), fact)
        if isinstance(fact, StayCheckedIn | StayCheckedOut):
            self.disk.own.append((seq, fact.stay_id, fact))
        self.hear(session.Appended(lane, seq, seq if type(fact) in URGENT else 0))

    def hear(self, event: session.Event) -> None:
        if isinstance(event, session.Greeted):
            event = replace(event, diverged=self._diverged(event))
        self.waiting.discard(getattr(event, "ticket", 0))
        self.state, actions = session.step(self.state, event, self.world.now)
        for action in actions:
            self._act(action)

    def _diverged(self, event: session.Greeted) -> frozenset[Lane]:
        if "numbers used twice" in self.world.plant:
            return frozenset()
        held = {lane: self.disk.outbox[lane].get(event.reply.ack[lane]) for lane in event.reply.ack_id}
        return frozenset(lane for lane, row in held.items() if row is not None and row[0] != event.reply.ack_id[lane])

    def _act(self, action: session.Action) -> None:
        match action:
            case SendHello(ticket, epoch, top_seq, cursor):
                self._send(ticket, "hello", Hello("box", epoch, dict(top_seq), cursor))
            case SendFacts(ticket, epoch, lane, after, rows, _):
                self._push(ticket, epoch, lane, after, rows)
            case Poll(ticket, after, limit, _):
                self._send(ticket, "poll", (after, min(limit, 3)))
            case TakeSnapshot(ticket):
                self._send(ticket, "snapshot", None)
            case ApplyFeed():
                self._apply(action)
            case ApplySnapshot(ticket, reply):
                self._swap(reply)
                self.hear(Applied(ticket, self.disk.cursor))
            case Confirm(lane, ack):
                self.disk.acked[lane] = ack
            case Renumber(lane, ack):
                self._renumber(lane, ack)
            case Wait(until):
                self.wait = until

    def _send(self, ticket: int, what: str, body: Any) -> None:
        self.waiting.add(ticket)
        self.world.requests.append(Request(ticket, what, body, self.boots))

    def _push(self, ticket: int, epoch: int, lane: Lane, after: int, rows: int) -> None:
        outbox = self.disk.outbox[lane]
        seqs = [seq for seq in sorted(outbox) if seq > after][: min(rows, 4)]
        if not seqs:
            self.hear(Failed(ticket, "local"))
            return
        raw = codec.splice("box", epoch, lane, [(seq, outbox[seq][1]) for seq in seqs])
        if "trim on send" in self.world.plant:
            for seq in seqs:
                del outbox[seq]
        self._send(ticket, "facts", raw)

    def _apply(self, action: ApplyFeed) -> None:
        if "cursor before rows" in self.world.plant:
            self.unwritten = action
            self.disk.cursor = max([self.disk.cursor, *(row.seq for row in action.reply.rows)])
        else:
            self.write(action)

    def write(self, action: ApplyFeed) -> None:
        for row in action.reply.rows:
            if row.seq > self.disk.cursor or "cursor before rows" in self.world.plant:
                self._take(row)
                self.disk.cursor = max(self.disk.cursor, row.seq)
        self.unwritten = None
        if self.disk.cursor == action.reply.head:
            self._let_go(action.reply.seen)
        self.hear(Applied(action.ticket, self.disk.cursor))

    def _let_go(self, seen: int) -> None:
        pending = {stay_id for seq, stay_id, _ in self.disk.own if seq > seen}
        judged = {stay_id for stay_id, held in self.disk.mirror.items() if held.gone} - pending
        self.disk.own = [own for own in self.disk.own if own[1] not in judged]
        for stay_id in judged:
            del self.disk.mirror[stay_id]

    def _take(self, row: FeedRow) -> None:
        ignored = "seen ignored" in self.world.plant
        self.disk.own = [own for own in self.disk.own if own[1] != row.id or (own[0] > row.seen and not ignored)]
        body = row.body["body"] if row.body is not None else None
        if row.op == "put" and body is not None:
            self.disk.mirror[row.id] = Mirrored(body)
        else:
            self._lose(row.id)
        self.world.look(row.id)

    def _lose(self, stay_id: str) -> None:
        if any(own[1] == stay_id for own in self.disk.own):
            if stay_id in self.disk.mirror:
                self.disk.mirror[stay_id].gone = True
        else:
            self.disk.mirror.pop(stay_id, None)

    def _swap(self, reply: SnapshotReply) -> None:
        for row in reply.rows:
            self._take(row)
        if "snapshot without deletes" not in self.world.plant:
            for stay_id in sorted(set(self.disk.mirror) - {row.id for row in reply.rows}):
                self.disk.own = [own for own in self.disk.own if own[1] != stay_id or own[0] > reply.seen]
                self._lose(stay_id)
        self.disk.cursor = reply.as_of

    def _renumber(self, lane: Lane, ack: int) -> None:
        disk = self.disk
        old = [seq for seq in sorted(disk.outbox[lane]) if seq > min(disk.acked[lane], ack)]
        new = {seq: ack + 1 + index for index, seq in enumerate(old)}
        disk.outbox[lane] = {new.get(seq, seq): row for seq, row in disk.outbox[lane].items() if seq in new or seq <= ack}
        if lane == "desk":
            disk.own = [(new.get(seq, seq), stay_id, fact) for seq, stay_id, fact in disk.own]
        disk.top[lane], disk.acked[lane] = ack + len(old), ack
        self.hear(session.Appended(lane, disk.top[lane]))
