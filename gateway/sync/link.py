"""The line to central: the only place on the box that knows whether central answers.

The session (`wire.session`) decides in the event loop; two threads carry: one greets and pushes, one polls and takes snapshots, each on
a kept connection of its own, so that a fact never waits for a long poll. `http.client` because another client costs four times the CPU.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from gateway.sync import journal
from gateway.sync.carrier import Arrival, Carrier, Up, down, luck
from gateway.sync.channel import Channel
from gateway.sync.journal import Tx
from gateway.sync.snapshot import swap
from host.clock import Clock
from wire import session
from wire.facts import LANES, JobDone, Lane
from wire.jobs import Job
from wire.messages import DigestReply
from wire.session import (
    Appended,
    Applied,
    ApplyFeed,
    ApplySnapshot,
    Confirm,
    Event,
    Failed,
    Phase,
    Poll,
    Renumber,
    SendFacts,
    SendHello,
    TakeSnapshot,
    Tick,
    Wait,
)

T = TypeVar("T")
OnJob = Callable[[Job, float], None]
CONFIRM_EVERY_S = 2.0  # what was confirmed since is sent again after a power cut, and recognised
TRIM_EVERY_S = 3600.0
_log = logging.getLogger(__name__)


class Store(Protocol):
    """The box's store, as far as the line needs it (`gateway.store.Store`)."""

    def write(self, decide: "Callable[[Tx], T]") -> "asyncio.Future[T]": ...

    def peek(self, look: Callable[[sqlite3.Connection], T]) -> T: ...

    def watch(self, watcher: Callable[[frozenset[str]], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """The line as people see it. live = central answers; connecting = not yet; waiting = it does not; refused = it does not know us."""

    state: Literal["live", "connecting", "waiting", "refused"]
    why: str
    backlog: dict[Lane, int]
    oldest_s: float | None  # age of the oldest fact that central does not hold, business time
    cursor: int
    head: int
    answered_s: float | None  # since central last answered anything, real time


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we talk to and who we are."""

    url: str
    token: str
    box_id: str
    version: str = ""


class Link:
    """The running line. `start` in the event loop after the store is open, `stop` before it is closed."""

    def __init__(self, store: Store, peer: Peer, clock: Clock, on_job: OnJob) -> None:
        """Raise ValueError for an address that cannot be used. `on_job(job, deadline)` is called in the loop, once a job, after its
        COMMIT; `deadline` is `time.monotonic()` seconds. A job that came too late to be begun is answered here as expired."""
        self._store, self._peer, self._clock, self._on_job = store, peer, clock, on_job
        agent = f"latchkey-gateway/{peer.version or '0'}"
        up = Up(peer.box_id, peer.version, lambda: clock.quality, store.peek)
        self._up = Carrier("link-up", Channel(peer.url, peer.token, agent), up, self._arrived)
        self._down = Carrier("link-down", Channel(peer.url, peer.token, agent), down, self._arrived)
        self._state = session.State()
        self._timer: asyncio.TimerHandle | None = None
        self._chores: list[asyncio.TimerHandle] = []
        self._writes: set[asyncio.Future[object]] = set()
        self._confirmed: dict[Lane, int] = {}
        self._arrivals: dict[int, Arrival] = {}
        self._answered: float | None = None
        self._told: tuple[Phase, str] | None = None
        self._running = False

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Begin; returns at once, whether or not central answers."""
        self._loop = asyncio.get_running_loop()
        stand = self._store.peek(journal.lanes)
        cursor, epoch = self._store.peek(journal.cursor)
        self._state = session.opening(epoch, {lane: (state.top, state.acked) for lane, state in stand.items()}, cursor)
        self._running = True
        for carrier in (self._up, self._down):
            carrier.start(self._loop)
        self._store.watch(self._touched)
        self._chores = [self._loop.call_later(CONFIRM_EVERY_S, self._keep_confirmed), self._loop.call_later(60.0, self._trim)]
        self._step(Tick())

    async def stop(self) -> None:
        """End both threads and write down what central has confirmed. What is in flight may or may not arrive: it is sent again."""
        if not self._running:
            return
        self._running = False
        for timer in (self._timer, *self._chores):
            if timer is not None:
                timer.cancel()
        for carrier in (self._up, self._down):
            await self._loop.run_in_executor(None, carrier.stop)
        self._write_confirmed()
        await asyncio.gather(*self._writes, return_exceptions=True)

    def wake(self) -> None:
        """Try now instead of waiting out a pause after a lost line."""
        if self._running:
            self._step(Appended("desk", 0))

    def health(self) -> LinkHealth:
        """Return how the line is at this moment."""
        state, oldest = self._state, self._store.peek(journal.oldest_unconfirmed)
        backlog: dict[Lane, int] = {lane: stream.top - stream.acked for lane, stream in state.lanes.items()}
        age = None if oldest is None or not any(backlog.values()) else max(0.0, self._clock.now().timestamp() - oldest / 1000)
        answered = None if self._answered is None else time.monotonic() - self._answered
        return LinkHealth(_word(state), state.why, backlog, age, state.cursor, state.head, answered)

    def agreement(self) -> DigestReply:
        """Return the digest over the mirror, at its feed number and the facts that central has confirmed: central's own must equal it."""
        confirmed: dict[Lane, int] = {lane: stream.acked for lane, stream in self._state.lanes.items()}
        return replace(self._store.peek(journal.agreement), lane_seqs=confirmed)

    # ------------------------------------------------------------ the session, in the loop

    def _touched(self, what: frozenset[str]) -> None:
        lanes = [lane for lane in LANES if f"outbox/{lane}" in what]
        if not lanes or not self._running:
            return
        stand = self._store.peek(journal.lanes)
        for lane in lanes:
            self._step(Appended(lane, stand[lane].top, stand[lane].urgent))

    def _arrived(self, event: Event, arrival: Arrival) -> None:
        if not self._running:
            return
        if not isinstance(event, Failed):
            self._answered = arrival.at
        if isinstance(event, session.Polled):
            self._arrivals = {event.ticket: arrival}
        self._step(event)

    def _step(self, event: Event) -> None:
        self._state, actions = session.step(self._state, event, time.monotonic())
        for action in actions:
            self._act(action)
        self._say()

    def _act(self, action: session.Action) -> None:
        match action:
            case SendHello() | SendFacts():
                self._up.send(action)
            case Poll() | TakeSnapshot():
                self._down.send(action)
            case ApplyFeed():
                self._write(self._apply_feed(action), action.ticket)
            case ApplySnapshot(ticket, reply):
                self._write(self._applied(ticket, self._store.write(lambda tx: swap(tx, reply))), ticket)
            case Confirm(lane, ack):
                self._confirmed[lane] = ack
            case Renumber(lane, ack):
                self._write(self._renumber(lane, ack), 0)
            case Wait(until):
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._loop.call_later(max(0.0, until - time.monotonic()), self._step, Tick())

    def _say(self) -> None:
        """Log a change of the line's state, once."""
        now = (self._state.phase, self._state.why)
        if now == self._told:
            return
        self._told = now
        if self._state.phase is Phase.REFUSED:
            _log.error("link: central refuses this box (%s); it asks again every few minutes", self._state.why)
        elif self._state.why:
            _log.warning("link: %s; facts wait in the outbox, trying again", self._state.why)
        elif self._state.phase is Phase.STREAM:
            _log.info("link: central answers")

    # ------------------------------------------------------------ our own store

    def _write(self, work: Coroutine[Any, Any, object], ticket: int) -> None:
        task = self._loop.create_task(work)
        self._writes.add(task)
        task.add_done_callback(lambda done: self._written(done, ticket))

    def _written(self, task: "asyncio.Future[object]", ticket: int) -> None:
        self._writes.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("link: the box's store did not take what central said: %s", error)
        if self._running:
            self._step(Failed(ticket, "local", luck=luck(), why="the box's own store is in trouble"))

    async def _applied(self, ticket: int, commit: "asyncio.Future[int]") -> None:
        cursor = await commit
        if self._running:
            self._step(Applied(ticket, cursor))

    async def _apply_feed(self, action: ApplyFeed) -> None:
        cursor, fresh = await self._store.write(lambda tx: journal.apply_feed(tx, action.reply))
        arrival = self._arrivals.get(action.ticket)
        for job in fresh:
            if arrival is None or time.monotonic() > arrival.at + job.start_ms / 1000 - arrival.round_trip_s:
                await self._store.write(lambda tx, late=job: self._expired(tx, late))  # type: ignore[misc]
            else:
                self._on_job(job, arrival.at + job.ttl_ms / 1000 - arrival.round_trip_s)
        if self._running:
            self._step(Applied(action.ticket, cursor))

    def _expired(self, tx: Tx, job: Job) -> None:
        fact = JobDone(job.job_id, "expired", "EXPIRED")
        journal.append(tx, fact, entity=f"job/{job.job_id}", at=self._clock.now(), clock=self._clock.quality, actor="box")

    async def _renumber(self, lane: Lane, ack: int) -> None:
        _log.warning("link: central holds more of lane %s than this box remembers; what is unsent gets numbers above %d", lane, ack)
        await self._store.write(lambda tx: journal.renumber(tx, lane, ack))
        self._confirmed.pop(lane, None)
        stand = self._store.peek(journal.lanes)[lane]
        self._step(Appended(lane, stand.top, stand.urgent))

    def _keep_confirmed(self) -> None:
        self._write_confirmed()
        self._chores[0] = self._loop.call_later(CONFIRM_EVERY_S, self._keep_confirmed)

    def _write_confirmed(self) -> None:
        confirmed, self._confirmed = self._confirmed, {}
        epoch = self._state.epoch
        if confirmed:
            self._write(_awaited(self._store.write(lambda tx: _confirm_all(tx, confirmed, epoch))), 0)

    def _trim(self) -> None:
        self._write(_awaited(self._store.write(lambda tx: journal.trim(tx, self._clock.now()))), 0)
        self._chores[1] = self._loop.call_later(TRIM_EVERY_S, self._trim)


def _word(state: session.State) -> Literal["live", "connecting", "waiting", "refused"]:
    if state.phase is Phase.REFUSED:
        return "refused"
    if state.up.tries or state.down.tries:
        return "waiting"
    return "connecting" if state.phase is Phase.GREET else "live"


def _confirm_all(tx: Tx, confirmed: dict[Lane, int], epoch: int) -> None:
    for lane, ack in confirmed.items():
        journal.confirm(tx, lane, ack)
    journal.set_epoch(tx, epoch)


async def _awaited(commit: "asyncio.Future[T]") -> T:
    return await commit
