"""Minibar posting, pure: which bottles are gone for good, who owes them at which price, and what needs a person.

Per slot: stocked -> (removed) pending -> (returned within grace) stocked; pending -> (grace ends) consumed -> (restock) stocked. Events
may come in any order and any number of times. A take is judged once, when its grace is over: by then its return has come, or never came.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

PUT_BACK = timedelta(seconds=60)  # device sheet, minibar: who reads the label and returns the bottle owes nothing
RESTOCK_SHUT = timedelta(seconds=120)  # restocking is over when the door has been closed for so long
RESTOCK_MOST = timedelta(minutes=20)  # or after this
FLAP_CHANGES, FLAP_TIME = 6, timedelta(seconds=60)  # more changes than this in this time: the sensor, not a guest
KEEP_MARKS = timedelta(hours=24)  # older door and restock marks judge nothing any more
_TICK = timedelta(seconds=1)  # devices count whole seconds: a return in the last of them is in time

Place = tuple[int, int]  # log_id, seq: when two events of one device happened, the order of its own log counts
Identity = tuple[int, int, int]  # log_id, slot, removal_no: with the device's name, what is charged at most once


class Fate(StrEnum):
    """What has become of a take."""

    PENDING = "pending"
    BACK = "back"  # put back in time
    CONSUMED = "consumed"
    ATTENDED = "attended"  # by the attendant, in restock mode
    DOUBTED = "doubted"  # its slot is not to be believed


@dataclass(frozen=True, slots=True)
class Back:
    """The return of a bottle; `after` as the bar itself counted it."""

    seq: int
    after: timedelta


@dataclass(frozen=True, slots=True)
class Take:
    """One bottle out of its slot. `seq` is None while only its return has been heard of; `at` is then worked out from that."""

    log_id: int
    slot: int
    removal_no: int
    at: datetime
    seq: int | None = None
    back: Back | None = None
    fate: Fate = Fate.PENDING

    @property
    def identity(self) -> Identity:
        """See Identity."""
        return identity(self.log_id, self.slot, self.removal_no)


def identity(log_id: int, slot: int, removal_no: int) -> Identity:
    """Return what makes two reports the same removal."""
    return log_id, slot, removal_no


@dataclass(frozen=True, slots=True)
class Mark:
    """One event of the bar as a whole: its door opens or shuts, restocking begins or ends. `told` = its round has been reported."""

    log_id: int
    seq: int
    kind: Literal["begin", "end", "open", "shut"]
    at: datetime
    attendant: str = ""
    told: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """How one slot behaves: its last changes, newest last, and since which event it is not believed."""

    changes: tuple[tuple[Place, datetime], ...] = ()
    suspended: Place | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """All that judging needs to know of one bar. `takes` holds at least the pending ones, those consumed and not returned, and the
    one that an event is about."""

    takes: Mapping[Identity, Take] = field(default_factory=dict)
    slots: Mapping[int, Slot] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()  # in log order


@dataclass(frozen=True, slots=True)
class Consumed:
    """A bottle is gone for good."""

    take: Take


@dataclass(frozen=True, slots=True)
class Returned:
    """A bottle came back after it had been consumed: for the attendant to look at, never a refund by itself.

    `in_time` = the guest had put it back within grace, but that was heard of too late.
    """

    take: Take
    back: Back
    in_time: bool


@dataclass(frozen=True, slots=True)
class Inspect:
    """A slot is charged no more until an attendant has restocked the bar. `place` = the event that showed it."""

    slot: int
    why: Literal["slot_fault", "flapping"]
    place: Place


@dataclass(frozen=True, slots=True)
class RoundEnded:
    """An attendant's round is over."""

    begin: Place
    attendant: str
    at: datetime


Effect = Consumed | Returned | Inspect | RoundEnded


# ---------------------------------------------------------------- events


def removed(bar: Bar, take: Take) -> tuple[Bar, tuple[Effect, ...]]:
    """Take in that a bottle left its slot. A removal that is known changes nothing."""
    known = bar.takes.get(take.identity)
    if known is not None and known.seq is not None:
        return bar, ()
    fresh = replace(take, back=known.back if known else None)
    if (slot := bar.slots.get(take.slot)) is not None and slot.suspended is not None:
        fresh = replace(fresh, fate=Fate.DOUBTED)
    return _changed(_with(bar, fresh), fresh.slot, (fresh.log_id, fresh.seq or 0), fresh.at)


def returned(bar: Bar, key: Identity, back: Back, at: datetime, grace: timedelta = PUT_BACK) -> tuple[Bar, tuple[Effect, ...]]:
    """Take in that a bottle is in its slot again; also before its removal has been heard of."""
    log_id, slot, removal_no = key
    take = bar.takes.get(key) or Take(log_id, slot, removal_no, at - back.after)
    if take.back is not None:
        return bar, ()
    take = replace(take, back=back)
    after, effects = _changed(_with(bar, take), slot, (log_id, back.seq), at)
    if take.fate is Fate.CONSUMED and not restocking(bar.marks, (log_id, back.seq), at):
        effects = (Returned(take, back, back.after <= grace), *effects)
    return after, effects


def marked(bar: Bar, mark: Mark) -> Bar:
    """Take in that the door opened or shut, or that restocking began or ended."""
    place = (mark.log_id, mark.seq)
    if any((known.log_id, known.seq) == place for known in bar.marks):
        return bar
    kept = [known for known in bar.marks if known.at > mark.at - KEEP_MARKS or (known.kind == "begin" and not known.told)]
    return replace(bar, marks=tuple(sorted([*kept, mark], key=lambda known: (known.log_id, known.seq))))


def faulted(bar: Bar, slot: int, place: Place) -> tuple[Bar, tuple[Effect, ...]]:
    """Take in that the bar itself does not trust a slot."""
    return _suspended(bar, slot, place, "slot_fault")


def _with(bar: Bar, *takes: Take) -> Bar:
    return replace(bar, takes={**bar.takes, **{take.identity: take for take in takes}})


def _changed(bar: Bar, number: int, place: Place, at: datetime) -> tuple[Bar, tuple[Effect, ...]]:
    """Count a change of a slot; too many in a short time end its charging. What an attendant does is not counted."""
    slot = bar.slots.get(number, Slot())
    if restocking(bar.marks, place, at) or any(known == place for known, _ in slot.changes):
        return bar, ()
    changes = tuple(sorted([*slot.changes, (place, at)], key=lambda change: change[1]))
    after = replace(bar, slots={**bar.slots, number: replace(slot, changes=changes[-FLAP_CHANGES - 1 :])})
    flaps = any(late - early <= FLAP_TIME for (_, early), (_, late) in zip(changes, changes[FLAP_CHANGES:], strict=False))
    return _suspended(after, number, place, "flapping") if flaps else (after, ())


def _suspended(bar: Bar, number: int, place: Place, why: Literal["slot_fault", "flapping"]) -> tuple[Bar, tuple[Effect, ...]]:
    slot = bar.slots.get(number, Slot())
    doubted = [replace(take, fate=Fate.DOUBTED) for take in bar.takes.values() if take.slot == number and take.fate is Fate.PENDING]
    if slot.suspended is not None:
        return _with(bar, *doubted), ()
    slots = {**bar.slots, number: replace(slot, suspended=place)}
    return replace(_with(bar, *doubted), slots=slots), (Inspect(number, why, place),)


# ---------------------------------------------------------------- restocking


def restocking(marks: Iterable[Mark], place: Place, at: datetime) -> bool:
    """Whether what happened at `place` of the bar's log, at that time, was the attendant's doing."""
    log_id, seq = place
    begun: datetime | None = None
    shut: datetime | None = None
    for mark in marks:
        if mark.log_id != log_id or mark.seq >= seq:
            continue
        if begun is not None and mark.at >= _over(begun, shut):
            begun = None
        if mark.kind == "begin":
            begun, shut = mark.at, None
        elif mark.kind == "end":
            begun = None
        else:
            shut = mark.at if mark.kind == "shut" else None
    return begun is not None and at < _over(begun, shut)


def _over(begun: datetime, shut: datetime | None) -> datetime:
    return min(begun + RESTOCK_MOST, shut + RESTOCK_SHUT) if shut is not None else begun + RESTOCK_MOST


def _rounds(marks: tuple[Mark, ...]) -> Iterator[tuple[Mark, datetime]]:
    """Each round that was not told yet, with the time at which it ends, or would if nothing more happens."""
    for at, begin in enumerate(marks):
        if begin.kind == "begin" and not begin.told:
            yield begin, _end_of(begin, marks[at + 1 :])


def _end_of(begin: Mark, later: tuple[Mark, ...]) -> datetime:
    shut: datetime | None = None
    for mark in later:
        if mark.log_id != begin.log_id or mark.at >= _over(begin.at, shut):
            break
        if mark.kind in {"begin", "end"}:
            return mark.at
        shut = mark.at if mark.kind == "shut" else None
    return _over(begin.at, shut)


def _ended(bar: Bar, now: datetime) -> tuple[Bar, tuple[Effect, ...]]:
    """Close the rounds that are over: what they filled is in stock, and slots that were doubted before them are believed again."""
    over = [(begin, end) for begin, end in _rounds(bar.marks) if end <= now]
    if not over:
        return bar, ()
    places = {(begin.log_id, begin.seq) for begin, _ in over}
    marks = tuple(replace(mark, told=True) if (mark.log_id, mark.seq) in places else mark for mark in bar.marks)
    slots = {number: Slot() if slot.suspended and _before(slot.suspended, places) else slot for number, slot in bar.slots.items()}
    effects = tuple(RoundEnded((begin.log_id, begin.seq), begin.attendant, end) for begin, end in over)
    return replace(bar, marks=marks, slots=slots), effects


def _before(place: Place, begins: set[Place]) -> bool:
    """Whether a round began after the event; one of another log did: the bar was reset in between."""
    return any(log_id != place[0] or seq > place[1] for log_id, seq in begins)


# ---------------------------------------------------------------- time


def settled(bar: Bar, now: datetime, grace: timedelta = PUT_BACK) -> tuple[Bar, tuple[Effect, ...]]:
    """Judge every take that can no longer be put back, oldest first, and end the rounds that are over. Call it whenever `due` says."""
    judged, effects = _judged(bar, [take for take in bar.takes.values() if _open(take) and now - take.at > grace], grace)
    after, ended = _ended(judged, now)
    return after, (*effects, *ended)


def left(bar: Bar, grace: timedelta = PUT_BACK, *, gone: Callable[[Take], bool]) -> tuple[Bar, tuple[Effect, ...]]:
    """Judge at once the takes that `gone` picks: their guest has checked out or moved, and puts nothing back any more."""
    return _judged(bar, [take for take in bar.takes.values() if _open(take) and gone(take)], grace)


def _judged(bar: Bar, ripe: Iterable[Take], grace: timedelta) -> tuple[Bar, tuple[Effect, ...]]:
    effects: list[Effect] = []
    judged: list[Take] = []
    for pending in sorted(ripe, key=lambda one: (one.at, one.identity)):
        take = replace(pending, fate=_judge(bar, pending, grace))
        judged.append(take)
        if take.fate is Fate.CONSUMED:
            effects.append(Consumed(take))
            if take.back is not None and not restocking(bar.marks, (take.log_id, take.back.seq), take.at + take.back.after):
                effects.append(Returned(take, take.back, in_time=False))
    return _with(bar, *judged), tuple(effects)


def due(bar: Bar, grace: timedelta = PUT_BACK) -> datetime | None:
    """Return when `settled` has something to do next, None when time alone changes nothing."""
    times = [take.at + grace + _TICK for take in bar.takes.values() if _open(take)]
    return min([*times, *(end for _, end in _rounds(bar.marks))], default=None)


def _open(take: Take) -> bool:
    return take.fate is Fate.PENDING and take.seq is not None


def _judge(bar: Bar, take: Take, grace: timedelta) -> Fate:
    if restocking(bar.marks, (take.log_id, take.seq or 0), take.at):
        return Fate.ATTENDED
    back = take.back
    if back is not None and back.after <= grace and not restocking(bar.marks, (take.log_id, back.seq), take.at + back.after):
        return Fate.BACK  # an attendant who fills the slot does not undo what the guest took
    return Fate.CONSUMED
