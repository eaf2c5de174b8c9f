"""Carrying: a thread that does one exchange after the other, and the exchanges that go up and come down."""

import asyncio
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gateway.sync import journal
from gateway.sync.channel import Answered, Channel, Lost
from host.clock import Quality
from wire import codec, session
from wire.messages import FactsReply, FeedReply, Hello, HelloReply, SnapshotReply
from wire.session import Event, Failed, Fault, Poll, SendFacts, SendHello, TakeSnapshot

T = TypeVar("T")
Exchange = Callable[[Channel, session.Action], tuple[Event, float]]  # what came of it, and for how long central held it on purpose
PUSH_LIMIT_S = 5.0  # a push that is not answered by then is sent again, smaller
POLL_GRACE_S = 10.0  # on top of what central may hold a poll
SNAPSHOT_LIMIT_S = 60.0
_FAULTS: dict[int, Fault] = {
    400: "too_large",
    401: "refused",
    403: "refused",
    409: "fenced",
    410: "gone",
    413: "too_large",
    426: "refused",
    429: "busy",
    503: "busy",
}
_REMEDY = {401: "enrol the box again", 403: "enrol the box again", 426: "bring box and central to the same version"}


def luck() -> float:
    """Return the jitter of a pause, in [0, 1)."""
    return secrets.randbelow(1000) / 1000


class Peek(Protocol):
    """Reading the box's store, here and now, in whatever thread."""

    def __call__(self, look: Callable[[sqlite3.Connection], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """When an answer came and how long the line itself took, monotonic seconds."""

    at: float
    round_trip_s: float


@dataclass(frozen=True, slots=True)
class Up:
    """What goes up: the greeting, and facts straight out of the outbox."""

    box_id: str
    version: str
    quality: Callable[[], Quality]
    peek: Peek

    def __call__(self, channel: Channel, action: session.Action) -> tuple[Event, float]:
        if isinstance(action, SendHello):
            hello = Hello(self.box_id, action.epoch, dict(action.top_seq), action.cursor, version=self.version, clock=self.quality())
            answer = channel.exchange("POST", "/sync/v1/hello", codec.encode(hello), PUSH_LIMIT_S)
            reply = codec.decode(HelloReply, answer)
            return session.Greeted(action.ticket, reply, self.peek(lambda db: journal.diverged(db, reply.ack, reply.ack_id))), 0.0
        if not isinstance(action, SendFacts):
            raise TypeError(f"{action} does not go up")
        rows = self.peek(lambda db: journal.batch(db, action.lane, action.after, action.rows, action.size))
        if not rows:
            return Failed(action.ticket, "local", why=f"the outbox has no fact after {action.after} in lane {action.lane}"), 0.0
        push = codec.splice(self.box_id, action.epoch, action.lane, rows)
        answer = channel.exchange("POST", "/sync/v1/facts", push, PUSH_LIMIT_S)
        return session.Pushed(action.ticket, codec.decode(FactsReply, answer)), 0.0


def down(channel: Channel, action: session.Action) -> tuple[Event, float]:
    """What comes down: the feed by long poll, and the snapshot."""
    if isinstance(action, Poll):
        path = f"/sync/v1/feed?after={action.after}&limit={action.limit}&wait={action.wait_s}"
        reply = codec.decode(FeedReply, channel.exchange("GET", path, None, action.wait_s + POLL_GRACE_S))
        return session.Polled(action.ticket, reply), reply.waited_ms / 1000
    if not isinstance(action, TakeSnapshot):
        raise TypeError(f"{action} does not come down")
    answer = channel.exchange("GET", "/sync/v1/snapshot", None, SNAPSHOT_LIMIT_S)
    return session.SnapshotCame(action.ticket, codec.decode(SnapshotReply, answer)), 0.0


class Carrier:
    """One thread and its connection: does one exchange after the other and tells the loop how it ended."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        exchange: Exchange,
        tell: Callable[[Event, Arrival], None],
    ) -> None:
        self._channel, self._exchange, self._tell = channel, exchange, tell
        self._queue: queue.SimpleQueue[session.Action | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._busy = False
        self._ending = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def send(self, action: session.Action) -> None:
        """Do `action` next; an exchange that is still waiting is given up for it."""
        if self._busy:
            self._channel.abort()
        self._queue.put(action)

    def stop(self) -> None:
        """Give up what is under way and end the thread; blocks until it has."""
        self._ending = True
        self._queue.put(None)
        while self._thread.is_alive():
            self._channel.abort()
            self._thread.join(0.2)

    def _run(self) -> None:
        while (action := self._queue.get()) is not None:
            self._busy = True
            begun = time.monotonic()
            event, held_s = self._done(action)
            now = time.monotonic()
            self._busy = False
            if not self._ending:
                self._loop.call_soon_threadsafe(self._tell, event, Arrival(now, max(0.0, now - begun - held_s)))
        self._channel.close()

    def _done(self, action: session.Action) -> tuple[Event, float]:
        ticket = getattr(action, "ticket", 0)
        try:
            return self._exchange(self._channel, action)
        except Answered as answer:
            why = f"central answers {answer}"
            if remedy := _REMEDY.get(answer.status):
                why += f": {remedy}"
            return Failed(ticket, _FAULTS.get(answer.status, "lost"), luck(), answer.retry_s, why), 0.0
        except Lost as error:
            return Failed(ticket, "lost", luck(), why=f"central does not answer ({error})"), 0.0
        except codec.CodecError as error:
            return Failed(ticket, "lost", luck(), why=f"central's answer cannot be read ({error})"), 0.0
        except sqlite3.Error as error:
            return Failed(ticket, "local", luck(), why=f"the outbox cannot be read ({error})"), 0.0
