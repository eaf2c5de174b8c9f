"""Box and central as small models around the real sessions, with a line between them that loses, repeats, delays and re-orders.

Everything is chosen by the caller (hypothesis, or a seeded random in a soak), so that a run can be had again. `plant` names mistakes to
build in; a test shows that each of them is found.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from wire import codec, intake, session
from wire.codec import FactHead, Known
from wire.entities import Guest, StayBody, StayStatus
from wire.facts import LANES, URGENT, Fact, Lane, Reading, StayCheckedIn, StayCheckedOut, lane_of
from wire.messages import FactsReply, FeedReply, FeedRow, Hello, SnapshotReply
from wire.overlay import overlay
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
)


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
        self.refused = 0

    def put(self, stay_id: str, body: StayBody | None) -> None:
        self.head += 1
        self.feed[stay_id] = Entry(self.head, "del" if body is None else "put", self.seen, body)

    def live(self) -> dict[str, StayBody]:
        return {stay_id: entry.body for stay_id, entry in self.feed.items() if entry.body is not None}

    def forget_deletions(self) -> None:
        for stay_id in [stay_id for stay_id, entry in self.feed.items() if entry.op == "del"]:
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
        self._effect(known.fact)

    def _effect(self, fact: Fact) -> None:
        if not isinstance(fact, StayCheckedIn | StayCheckedOut):
            return
        entry = self.feed.get(fact.stay_id)
        body = entry.body if entry else None
        if body is None or body.status is StayStatus.CHECKED_OUT:
            self.refused += 1
            return
        status = StayStatus.IN_HOUSE if isinstance(fact, StayCheckedIn) else StayStatus.CHECKED_OUT
        self.put(fact.stay_id, replace(body, status=status))

    def _echo(self, plan: intake.Plan) -> None:
        for verdict in plan.take:
            known = verdict.known if isinstance(verdict, intake.Repeat) else verdict
            assert isinstance(known, Known)
            if isinstance(known.fact, StayCheckedIn | StayCheckedOut):
                entry = self.feed.get(known.fact.stay_id)
                if entry is not None and entry.seen < verdict.seq:
                    self.put(known.fact.stay_id, entry.body)

    def poll(self, after: int, limit: int) -> session.Event:
        if intake.gone(after, self.head, self.floor):
            return Failed(0, "gone")
        rows = sorted((entry.seq, stay_id, entry) for stay_id, entry in self.feed.items() if entry.seq > after)
        told = tuple(_row(stay_id, entry) for _, stay_id, entry in rows[:limit])
        return session.Polled(0, FeedReply(self.head, told, seen=self.seen))

    def snapshot(self) -> session.Event:
        rows = tuple(_row(stay_id, entry) for stay_id, entry in self.feed.items() if entry.body is not None)
        return session.SnapshotCame(0, SnapshotReply(self.head, rows, self.seen))


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


class Box:
    """The box's shell around the session."""

    def __init__(self, world: "World", pushes: int) -> None:
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
        self.disk.own = [own for own in self.disk.own if own[0] > reply.seen]
        for row in reply.rows:
            self._take(row)
        if "snapshot without deletes" not in self.world.plant:
            for stay_id in sorted(set(self.disk.mirror) - {row.id for row in reply.rows}):
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


# ---------------------------------------------------------------- both, and the line


class World:
    """One hotel under a bad line. Every public method is one thing that may happen."""

    def __init__(self, plant: Sequence[str] = (), pushes: int = 1) -> None:
        assert set(plant) <= set(MISTAKES)
        self.plant = frozenset(plant)
        self.now = 1000.0
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.past: list[Request] = []
        self.made: dict[str, Lane] = {}
        self.out: set[str] = set()
        self.stays = 0
        self.lost: set[str] = set()  # facts that a restored card has forgotten
        self.backup: tuple[Disk, set[str]] | None = None
        self.uncommitted: Central | None = None  # only with "acknowledge before commit": what a kill takes back to
        self.central = Central(self.plant)
        self.box = Box(self, pushes)

    # what people and devices do

    def book(self) -> None:
        self.stays += 1
        self.central.put(f"s{self.stays}", stay(f"s{self.stays}"))

    def change(self, pick: int) -> None:
        """Central puts a stay again for a reason of its own."""
        if (stay_id := self._one(pick)) is not None:
            body = self.central.live()[stay_id]
            self.central.put(stay_id, replace(body, balance_minor=body.balance_minor + 1))

    def depart_at_central(self, pick: int) -> None:
        if (stay_id := self._one(pick)) is not None:
            self.central.put(stay_id, replace(self.central.live()[stay_id], status=StayStatus.CHECKED_OUT))

    def remove(self, pick: int) -> None:
        if (stay_id := self._one(pick)) is not None:
            self.central.put(stay_id, None)

    def _one(self, pick: int) -> str | None:
        live = sorted(self.central.live())
        return live[pick % len(live)] if live else None

    def desk(self, pick: int) -> None:
        """The desk at the box checks somebody in, or out, as it sees the stay."""
        known = sorted(self.box.disk.mirror)
        if not known:
            return
        stay_id = known[pick % len(known)]
        seen = self.box.view(stay_id)
        if seen is not None and seen.status is StayStatus.DUE_IN:
            self._tell(StayCheckedIn(stay_id, ("201",), NOON))
        elif seen is not None and seen.status is StayStatus.IN_HOUSE:
            self._tell(StayCheckedOut(stay_id, NOON))
        self.look(stay_id)

    def measure(self, keep: bool) -> None:
        self._tell(Reading("room-201", NOON, {"t": len(self.made)}, "all" if keep else "last"))

    def _tell(self, fact: Fact) -> None:
        fact_id = f"f{len(self.made)}"
        self.made[fact_id] = lane_of(fact)
        self.box.append(fact, fact_id)

    # what the line does

    def deliver(self, pick: int) -> None:
        """Any request that is under way arrives, early or late; its reply sets out."""
        if self.requests:
            self._arrive(self.requests.pop(pick % len(self.requests)))

    def answer(self, pick: int) -> None:
        if self.replies:
            reply = self.replies.pop(pick % len(self.replies))
            self.box.hear(reply.event(reply.ticket))

    def lose_request(self, pick: int) -> None:
        if self.requests:
            self.past.append(self.requests.pop(pick % len(self.requests)))

    def lose_reply(self, pick: int) -> None:
        if self.replies:
            self.replies.pop(pick % len(self.replies))

    def repeat(self, pick: int) -> None:
        """Any request of the past arrives once more; nobody hears the reply."""
        if self.past:
            self._serve(self.past[pick % len(self.past)])

    def overtake(self, pick: int) -> None:
        """A later part of a batch arrives before the earlier one."""
        pushes = [request for request in self.requests if request.what == "facts"]
        if not pushes:
            return
        push = pushes[pick % len(pushes)]
        told = codec.decode_push(push.body)
        if len(told.rows) < 2:
            return
        self.requests.remove(push)
        tails = [(row.seq, codec.canonical(row.row)) for row in told.rows[1:] if isinstance(row, Known)]
        late = b'{"box":"box","epoch":1,"lane":"%b","rows":[' % told.lane.encode() + b",".join(raw for _, raw in tails) + b"]}"
        self._arrive(Request(push.ticket, "facts", late, push.boot))
        self.past.append(push)

    def give_up(self, pick: int) -> None:
        """A time limit of the box runs out, whatever becomes of the request."""
        if self.box.waiting:
            self.box.hear(Failed(sorted(self.box.waiting)[pick % len(self.box.waiting)], "lost", luck=0.0))

    def _arrive(self, request: Request) -> None:
        self.past.append(request)
        answer = self._serve(request)
        if request.boot == self.box.boots:
            self.replies.append(Reply(request.ticket, lambda ticket: replace(answer, ticket=ticket)))

    def _serve(self, request: Request) -> Any:
        central = self.central
        if request.what == "hello":
            return central.hello(request.body)
        if request.what == "poll":
            return central.poll(*request.body)
        if request.what == "snapshot":
            return central.snapshot()
        if "acknowledge before commit" in self.plant:
            self.uncommitted = deepcopy(central)
        return central.facts(request.body)

    # what time and power do

    def pass_time(self) -> None:
        self.now = max(self.now + 0.1, self.box.wait or 0.0)
        if self.box.unwritten is not None:
            self.box.write(self.box.unwritten)
        self.uncommitted = None
        self.box.hear(session.Tick())

    def forget_deletions(self) -> None:
        self.central.forget_deletions()

    def kill_box(self) -> None:
        """Power cut: what was not on the disk is gone, what is on the line is not."""
        self.replies.clear()
        self.box.boot()

    def kill_central(self) -> None:
        if self.uncommitted is not None:
            self.central, self.uncommitted = self.uncommitted, None

    def back_up(self) -> None:
        self.backup = (deepcopy(self.box.disk), set(self.made))

    def restore(self) -> None:
        """An old card is put into the box. The line is quiet meanwhile: telling two live boxes apart is another matter."""
        if self.backup is None:
            return
        self.requests.clear()
        self.replies.clear()
        self.past.clear()
        disk, made = self.backup
        self.lost |= set(self.made) - made - self.central.known
        self.box.disk = deepcopy(disk)
        self.out.clear()
        self.box.boot()

    # what must hold

    def look(self, stay_id: str) -> None:
        """Nobody who has departed is ever in house again."""
        seen = self.box.view(stay_id)
        if seen is None:
            return
        assert not (stay_id in self.out and seen.status is StayStatus.IN_HOUSE), f"{stay_id} has departed and is in house again"
        if seen.status is StayStatus.CHECKED_OUT:
            self.out.add(stay_id)

    def check(self) -> None:
        """What holds at every moment."""
        central = self.central
        for lane in LANES:
            assert central.applied[lane] == list(range(1, central.last[lane] + 1)), f"lane {lane} is not 1..n"
        assert len(central.effects) == len(set(central.effects)), "a fact took effect twice"
        waiting = {row[0] for lane in LANES for row in self.box.disk.outbox[lane].values()}
        missing = set(self.made) - set(central.effects) - waiting - self.lost
        assert not missing, f"facts are nowhere: {sorted(missing)}"
        for stay_id, entry in central.feed.items():
            held = self.box.disk.mirror.get(stay_id)
            if entry.seq <= self.box.disk.cursor and self.box.unwritten is None and not (held and held.gone):
                assert (held.body if held else None) == entry.body, f"{stay_id}: the mirror is behind its cursor"

    def calm(self) -> None:
        """The faults stop; at the end both sides must be equal and nothing may be left to say."""
        for _ in range(4000):
            if self.requests:
                self._arrive(self.requests.pop(0))
            elif self.replies:
                self.answer(0)
            elif self.settled():
                break
            else:
                for ticket in sorted(self.box.waiting):  # its reply was lost: the time limit runs out
                    self.box.hear(Failed(ticket, "lost", luck=0.0))
                self.pass_time()
            self.check()
        assert self.settled(), "the line never became quiet"
        mirror = {stay_id: held.body for stay_id, held in self.box.disk.mirror.items()}
        assert mirror == self.central.live(), "mirror and central differ"
        shown = {stay_id: self.box.view(stay_id) for stay_id in mirror}
        assert shown == self.central.live(), "the box shows something else than central holds"
        assert set(self.central.effects) == set(self.made) - self.lost, "facts were lost"

    def settled(self) -> bool:
        """Whether everything has been said."""
        disk = self.box.disk
        state = self.box.state
        told = disk.cursor == self.central.head and state.seen == self.central.seen and not state.gone
        return state.phase is session.Phase.STREAM and not state.backlog and told


Move = Callable[[World, int], None]
MOVES: dict[str, Move] = {
    "book": lambda world, pick: world.book(),
    "change": lambda world, pick: world.change(pick),
    "depart at central": lambda world, pick: world.depart_at_central(pick),
    "remove": lambda world, pick: world.remove(pick),
    "desk": lambda world, pick: world.desk(pick),
    "measure": lambda world, pick: world.measure(bool(pick % 2)),
    "deliver": lambda world, pick: world.deliver(pick),
    "answer": lambda world, pick: world.answer(pick),
    "lose request": lambda world, pick: world.lose_request(pick),
    "lose reply": lambda world, pick: world.lose_reply(pick),
    "repeat": lambda world, pick: world.repeat(pick),
    "overtake": lambda world, pick: world.overtake(pick),
    "give up": lambda world, pick: world.give_up(pick),
    "pass time": lambda world, pick: world.pass_time(),
    "forget deletions": lambda world, pick: world.forget_deletions(),
    "kill box": lambda world, pick: world.kill_box(),
    "kill central": lambda world, pick: world.kill_central(),
    "back up": lambda world, pick: world.back_up(),
    "restore": lambda world, pick: world.restore(),
}
USUAL = {"deliver": 8, "answer": 8, "desk": 5, "pass time": 4, "book": 3, "measure": 3, "change": 2, "repeat": 2, "overtake": 2}
