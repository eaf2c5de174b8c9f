"""From a device's frames to the box's log: events in order, each emitted once, acknowledged only when committed. No frames, no bus.

A device forgets what it is told to forget, and an acknowledgement covers everything up to its number. So an event may be acknowledged only
when it and all before it are committed. A hole in the numbers holds the acknowledgement back until the missing event comes, or until the
device has repeated its log without it (device sheet: the ring overwrites the oldest; receivers must notice gaps).
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from gateway.device import Emit, Event, Memory

HOLD_S = 1.0  # how long an event waits for an earlier one that the line has overtaken
REPEAT_S = 25.0  # a device repeats its log every 30 s; what comes sooner is the line's own repeat
REPEATS = 3  # a hole that three repeats of the log did not fill is real
SEEN = "events.seen"


class EventIntake:
    """The events of one device. `acknowledge(log_id, upto)` is called whenever more of them may be forgotten, repeats included."""

    def __init__(self, emit: Emit, memory: Memory, acknowledge: Callable[[int, int], None], *, lossless: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._emit = emit
        self._memory = memory
        self._lossless = lossless  # the log is read, not sent: what is missing is gone
        self._acknowledge = acknowledge
        self._log_id: int | None = None
        self._base = 0  # this and all before it are committed; a log begins with 1
        self._next = 1  # the lowest number not yet emitted
        self._held: dict[int, tuple[Event, asyncio.Future[None]]] = {}
        self._open: dict[int, asyncio.Future[None]] = {}
        self._committed: set[int] = set()  # above the base
        self._failed: set[int] = set()  # seen, and not taken by the store
        self._beyond: dict[int, tuple[float, int]] = {}  # first number after a hole: when last seen, how often repeated
        self._timer: asyncio.TimerHandle | None = None
        self._telling = False

    def take(self, events: Iterable[Event]) -> "asyncio.Future[None]":
        """Take events of one frame; the future is done when all are committed, and fails when one was not."""
        waits = [self._one(event) for event in events]
        return waits[0] if len(waits) == 1 else asyncio.ensure_future(_all(waits))

    @property
    def idle(self) -> bool:
        """Whether nothing waits: not for an earlier event, not for a commit."""
        return not self._open and not self._held

    @property
    def behind(self) -> bool:
        """Whether events are known that cannot be acknowledged yet: the device will have to send some again."""
        return bool(self._open or self._held or self._failed or self._committed)

    @property
    def upto(self) -> int | None:
        """The highest number that may be acknowledged; None before the first event of this run."""
        return self._base if self._log_id is not None else None

    def close(self) -> None:
        """Emit nothing more; what was held is left to the device's next repeat."""
        if self._timer is not None:
            self._timer.cancel()
        for _, waiting in self._held.values():
            waiting.cancel()
        self._held.clear()

    # ------------------------------------------------------------ one event

    def _one(self, event: Event) -> "asyncio.Future[None]":
        if event.log_id != self._log_id:
            self._begin(event)
        seq, base, following = event.seq, self._base, self._next
        if seq <= base:
            self._tell_soon()  # our acknowledgement was lost
            return self._done()
        if seq in self._open:
            return self._open[seq]
        if seq in self._held:
            return self._held[seq][1]
        if seq in self._committed:
            self._repeated(event)
            return self._done()
        if seq > following and not self._lossless:
            return self._hold(event)
        done = self._emit_one(event)
        self._release(contiguous=True)
        return done

    def _hold(self, event: Event) -> "asyncio.Future[None]":
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._held[event.seq] = (event, waiting)
        if self._timer is None:
            self._timer = self._loop.call_later(HOLD_S, self._late)
        return waiting

    def _begin(self, event: Event) -> None:
        """Another log: a first meeting, or the device's memory was wiped. What an earlier box acknowledged looks like a hole at first."""
        self.close()
        self._timer = None
        self._log_id, self._base, self._next = event.log_id, 0, 1
        self._open, self._committed, self._failed, self._beyond = {}, set(), set(), {}
        log_id, _, seq = (self._memory.get(SEEN) or "").partition(":")
        if log_id == str(event.log_id) and seq.isdecimal():
            self._base, self._next = int(seq), int(seq) + 1

    def _emit_one(self, event: Event) -> "asyncio.Future[None]":
        done = self._emit(event)
        self._open[event.seq] = done
        if self._lossless or event.type == "log_overflow":
            self._beyond[event.seq] = (0.0, REPEATS)  # the hole is real
        if event.seq >= self._next:
            self._next = event.seq + 1
        done.add_done_callback(partial(self._ended, event.log_id, event.seq))
        return done

    def _release(self, *, contiguous: bool) -> None:
        """Emit what is held: only what follows directly, or everything."""
        while self._held:
            first = min(self._held)
            if contiguous and first > self._next:
                return
            event, waiting = self._held.pop(first)
            self._emit_one(event).add_done_callback(partial(_pass_on, waiting))

    def _late(self) -> None:
        self._timer = None
        self._release(contiguous=False)

    def _ended(self, log_id: int, seq: int, done: "asyncio.Future[None]") -> None:
        if log_id != self._log_id or self._open.get(seq) is not done:
            return
        del self._open[seq]
        if done.cancelled() or done.exception() is not None:
            self._failed.add(seq)  # not acknowledged: the device sends it again
            return
        self._failed.discard(seq)
        self._committed.add(seq)
        if self._beyond.get(seq, (0.0, 0))[1] < REPEATS:
            self._beyond[seq] = (self._loop.time(), 0)
        self._advance()

    def _repeated(self, event: Event) -> None:
        """A committed event above a hole came again."""
        seen, times = self._beyond.get(event.seq, (self._loop.time(), 0))
        if self._loop.time() - seen >= REPEAT_S:
            self._beyond[event.seq] = (self._loop.time(), times + 1)
            self._advance()

    def _advance(self) -> None:
        """Move the base over all that is committed, and over holes that are real; then tell the device."""
        before = base = self._base
        while self._committed:
            first = min(self._committed)
            missing_comes = any(seq < first for seq in (*self._open, *self._held, *self._failed))
            if first > base + 1 and (missing_comes or self._beyond.get(first, (0.0, 0))[1] < REPEATS):
                break
            self._committed.discard(first)
            self._beyond.pop(first, None)
            base = max(base, first)
        if base != before:
            self._base = base
            self._tell_soon()

    def _tell_soon(self) -> None:
        """One acknowledgement for all that became committed in this turn of the loop."""
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        if self._log_id is not None and self._base > 0:
            self._memory.put(SEEN, f"{self._log_id}:{self._base}")
            self._acknowledge(self._log_id, self._base)

    def _done(self) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = self._loop.create_future()
        done.set_result(None)
        return done


async def _all(waits: list["asyncio.Future[None]"]) -> None:
    await asyncio.gather(*waits)


def _pass_on(waiting: "asyncio.Future[None]", done: "asyncio.Future[None]") -> None:
    """Let `waiting` end as `done` did."""
    if waiting.done():
        return
    if done.cancelled():
        waiting.cancel()
    elif (error := done.exception()) is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(None)
