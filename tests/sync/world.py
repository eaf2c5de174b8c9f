"""One hotel of two modelled ends, with a line between them that loses, repeats, delays and re-orders.

Everything is chosen by the caller (hypothesis, or a seeded random in a soak), so that a run can be had again: `MOVES` are the things
that may happen, each with a number that picks which.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from tests.sync.ends import MISTAKES, NOON, Box, Central, Disk, Reply, Request, stay
from wire import codec, session
from wire.codec import Known
from wire.entities import StayStatus
from wire.facts import LANES, Fact, Lane, Reading, StayCheckedIn, StayCheckedOut, lane_of
from wire.session import Failed


class World:
    """Both ends, what is on the line, and what must hold."""

    def __init__(self, plant: Sequence[str] = (), pushes: int = 1) -> None:
        assert set(plant) <= set(MISTAKES)
        self.plant = frozenset(plant)
        self.now = 1000.0
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.past: list[Request] = []
        self.made: dict[str, Lane] = {}
        self.out: set[str] = set()
        self.living: set[str] = set()  # checked in at the box, and nobody has decided otherwise
        self.stays = 0
        self.lost: set[str] = set()  # facts that a restored card has forgotten
        self.backup: tuple[Disk, set[str]] | None = None
        self.uncommitted: Central | None = None  # only with "acknowledge before commit": what a kill takes back to
        self.central = Central(self.plant)
        self.box = Box(self, pushes)

    def one(self, pick: int) -> str | None:
        """Pick a stay that central knows."""
        live = sorted(self.central.live())
        return live[pick % len(live)] if live else None

    def tell(self, fact: Fact) -> None:
        """Something has happened at the box."""
        fact_id = f"f{len(self.made)}"
        self.made[fact_id] = lane_of(fact)
        self.box.append(fact, fact_id)

    def arrive(self, request: Request) -> None:
        """A request comes to central; its reply sets out."""
        self.past.append(request)
        answer = self.serve(request)
        if request.boot == self.box.boots:
            self.replies.append(Reply(request.ticket, lambda ticket: replace(answer, ticket=ticket)))

    def serve(self, request: Request) -> Any:
        """What central says to a request."""
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

    def answer(self, pick: int) -> None:
        """Any reply that is under way reaches the box."""
        if self.replies:
            reply = self.replies.pop(pick % len(self.replies))
            self.box.hear(reply.event(reply.ticket))

    def pass_time(self) -> None:
        """What was waited for by time alone happens."""
        self.now = max(self.now + 0.1, self.box.wait or 0.0)
        if self.box.unwritten is not None:
            self.box.write(self.box.unwritten)
        self.uncommitted = None
        self.box.hear(session.Tick())

    # what must hold

    def look(self, stay_id: str) -> None:
        """Nobody who has departed is in house again, and nobody who lives here is put out by a late put or a refusal."""
        seen = self.box.view(stay_id)
        if seen is None:
            return
        assert not (stay_id in self.out and seen.status is StayStatus.IN_HOUSE), f"{stay_id} has departed and is in house again"
        assert stay_id not in self.living or seen.status is not StayStatus.DUE_IN, f"{stay_id} was put out of the house"
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
        """The faults stop, people decide; at the end both sides must be equal and nothing may be left to say."""
        for _ in range(4000):
            if self.requests:
                self.arrive(self.requests.pop(0))
            elif self.replies:
                self.answer(0)
            elif self.settled():
                undecided = [stay_id for stay_id, entry in self.central.feed.items() if entry.held is not None]
                if not undecided:
                    break
                for stay_id in undecided:
                    self.decide(stay_id)
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

    def decide(self, stay_id: str) -> None:
        """A person at central looks at what was refused: central's books are right, and the conflict is over."""
        self.living.discard(stay_id)
        self.central.conflicts.discard(stay_id)
        self.central.settle(stay_id)

    def settled(self) -> bool:
        """Whether everything has been said."""
        disk, state = self.box.disk, self.box.state
        told = disk.cursor == self.central.head and state.seen == self.central.settled_seen and not state.gone
        return state.phase is session.Phase.STREAM and not state.backlog and told


# ---------------------------------------------------------------- what people and devices do


def book(world: World, pick: int) -> None:
    """A new order; some cannot be checked in by our books."""
    world.stays += 1
    stay_id = f"s{world.stays}"
    if pick % 4 == 0:
        world.central.conflicts.add(stay_id)
    world.central.put(stay_id, stay(stay_id))


def change(world: World, pick: int) -> None:
    """Central puts a stay again for a reason of its own."""
    if (stay_id := world.one(pick)) is not None:
        body = world.central.live()[stay_id]
        world.central.put(stay_id, replace(body, balance_minor=body.balance_minor + 1))


def depart_at_central(world: World, pick: int) -> None:
    """Central's own desk checks somebody out."""
    if (stay_id := world.one(pick)) is not None:
        world.central.put(stay_id, replace(world.central.live()[stay_id], status=StayStatus.CHECKED_OUT))


def remove(world: World, pick: int) -> None:
    """Central deletes a stay."""
    if (stay_id := world.one(pick)) is not None:
        world.central.put(stay_id, None)


def decide(world: World, pick: int) -> None:
    """Somebody works off a task."""
    undecided = sorted(stay_id for stay_id, entry in world.central.feed.items() if entry.held is not None)
    if undecided:
        world.decide(undecided[pick % len(undecided)])


def desk(world: World, pick: int) -> None:
    """The desk at the box checks somebody in, or out, as it sees the stay."""
    known = sorted(world.box.disk.mirror)
    if not known:
        return
    stay_id = known[pick % len(known)]
    seen = world.box.view(stay_id)
    if seen is not None and seen.status is StayStatus.DUE_IN:
        world.tell(StayCheckedIn(stay_id, ("201",), NOON))
        world.living.add(stay_id)
    elif seen is not None and seen.status is StayStatus.IN_HOUSE:
        world.living.discard(stay_id)
        world.tell(StayCheckedOut(stay_id, NOON))
    world.look(stay_id)


def measure(world: World, pick: int) -> None:
    """A sensor says something."""
    world.tell(Reading("room-201", NOON, {"t": len(world.made)}, "all" if pick % 2 else "last"))


# ---------------------------------------------------------------- what the line does


def deliver(world: World, pick: int) -> None:
    """Any request that is under way arrives, early or late."""
    if world.requests:
        world.arrive(world.requests.pop(pick % len(world.requests)))


def lose_request(world: World, pick: int) -> None:
    """A request is lost; it may yet turn up."""
    if world.requests:
        world.past.append(world.requests.pop(pick % len(world.requests)))


def lose_reply(world: World, pick: int) -> None:
    """Central has done it and nobody hears."""
    if world.replies:
        world.replies.pop(pick % len(world.replies))


def repeat(world: World, pick: int) -> None:
    """Any request of the past arrives once more; nobody hears the reply."""
    if world.past:
        world.serve(world.past[pick % len(world.past)])


def overtake(world: World, pick: int) -> None:
    """A later part of a batch arrives before the earlier one."""
    pushes = [request for request in world.requests if request.what == "facts"]
    if not pushes:
        return
    push = pushes[pick % len(pushes)]
    told = codec.decode_push(push.body)
    if len(told.rows) < 2:
        return
    world.requests.remove(push)
    tails = [codec.canonical(row.row) for row in told.rows[1:] if isinstance(row, Known)]
    late = b'{"box":"box","epoch":1,"lane":"%b","rows":[' % told.lane.encode() + b",".join(tails) + b"]}"
    world.arrive(Request(push.ticket, "facts", late, push.boot))
    world.past.append(push)


def give_up(world: World, pick: int) -> None:
    """A time limit of the box runs out, whatever becomes of the request."""
    if world.box.waiting:
        world.box.hear(Failed(sorted(world.box.waiting)[pick % len(world.box.waiting)], "lost", luck=0.0))


# ---------------------------------------------------------------- what power does


def kill_box(world: World, pick: int) -> None:
    """Power cut: what was not on the disk is gone, what is on the line is not."""
    world.replies.clear()
    world.box.boot()


def kill_central(world: World, pick: int) -> None:
    """What central had not committed is gone."""
    if world.uncommitted is not None:
        world.central, world.uncommitted = world.uncommitted, None


def back_up(world: World, pick: int) -> None:
    """Somebody copies the box's card."""
    world.backup = (deepcopy(world.box.disk), set(world.made))


def restore(world: World, pick: int) -> None:
    """An old card is put into the box. The line is quiet meanwhile: telling two live boxes apart is another matter."""
    if world.backup is None:
        return
    world.requests.clear()
    world.replies.clear()
    world.past.clear()
    disk, made = world.backup
    world.lost |= set(world.made) - made - world.central.known
    world.box.disk = deepcopy(disk)
    world.out.clear()
    world.living.clear()
    world.box.boot()


def _alone(call: Callable[[World], None]) -> Callable[[World, int], None]:
    return lambda world, _: call(world)


MOVES: dict[str, Callable[[World, int], None]] = {
    "book": book,
    "change": change,
    "depart at central": depart_at_central,
    "remove": remove,
    "decide": decide,
    "desk": desk,
    "measure": measure,
    "deliver": deliver,
    "answer": World.answer,
    "lose request": lose_request,
    "lose reply": lose_reply,
    "repeat": repeat,
    "overtake": overtake,
    "give up": give_up,
    "pass time": _alone(World.pass_time),
    "forget deletions": _alone(lambda world: world.central.forget_deletions()),
    "kill box": kill_box,
    "kill central": kill_central,
    "back up": back_up,
    "restore": restore,
}
USUAL = {"deliver": 8, "answer": 8, "desk": 5, "pass time": 4, "book": 3, "measure": 3, "change": 2, "repeat": 2, "overtake": 2}
