"""The law of a stay: which action leads from which state to which, and why an action is not allowed just now.

One table and one function for every surface: central's pages and API, the kiosk and the box's desk ask here, so that none of them
offers what another refuses. Reasons are words for machines; the catalogues turn them into sentences.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wire.entities import Care, StayStatus
from wire.rooms import READY


class Status(StrEnum):
    """The states of a reservation at central. Due-in and due-out are computed from the dates."""

    ENQUIRY = "enquiry"
    TENTATIVE = "tentative"
    WAITLISTED = "waitlisted"
    CONFIRMED = "confirmed"
    IN_HOUSE = "in_house"
    CHECKED_OUT = "checked_out"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class Action(StrEnum):
    """What a person or a channel can do to a reservation."""

    OPTION = "option"  # hold it until a date
    WAITLIST = "waitlist"
    CONFIRM = "confirm"
    AMEND = "amend"  # dates, type, persons, before arrival
    ASSIGN = "assign"  # give, change or take back the room before arrival
    CHECK_IN = "check_in"
    UNDO_CHECK_IN = "undo_check_in"
    CUT_KEY = "cut_key"
    MOVE = "move"
    EXTEND = "extend"
    SHORTEN = "shorten"
    CHECK_OUT = "check_out"
    UNDO_CHECK_OUT = "undo_check_out"
    CANCEL = "cancel"
    NO_SHOW = "no_show"
    REINSTATE = "reinstate"


class Reason(StrEnum):
    """Why not, or (with `ok`) what to mind before acting."""

    NOT_CONFIRMED = "not_confirmed"
    ALREADY_CONFIRMED = "already_confirmed"
    NOT_IN_HOUSE = "not_in_house"
    ALREADY_IN_HOUSE = "already_in_house"
    ALREADY_CHECKED_OUT = "already_checked_out"
    ALREADY_CANCELLED = "already_cancelled"
    ALREADY_NO_SHOW = "already_no_show"
    NOT_ENDED = "not_ended"
    NOT_DUE_YET = "not_due_yet"
    STAY_IS_OVER = "stay_is_over"
    NO_ROOM_ASSIGNED = "no_room_assigned"
    ROOM_DIRTY = "room_dirty"
    ROOM_OCCUPIED = "room_occupied"
    ROOM_OUT_OF_ORDER = "room_out_of_order"
    ROOM_TAKEN = "room_taken"
    NO_ROOM_FREE = "no_room_free"
    OPEN_BALANCE = "open_balance"
    ALREADY_POSTED = "already_posted"
    TOO_LATE = "too_late"
    LAST_NIGHT = "last_night"


S, A, R = Status, Action, Reason
TRANSITIONS: dict[Status, dict[Action, Status]] = {
    S.ENQUIRY: {A.OPTION: S.TENTATIVE, A.WAITLIST: S.WAITLISTED, A.CONFIRM: S.CONFIRMED, A.AMEND: S.ENQUIRY, A.CANCEL: S.CANCELLED},
    S.TENTATIVE: {A.WAITLIST: S.WAITLISTED, A.CONFIRM: S.CONFIRMED, A.AMEND: S.TENTATIVE, A.ASSIGN: S.TENTATIVE, A.CANCEL: S.CANCELLED},
    S.WAITLISTED: {A.OPTION: S.TENTATIVE, A.CONFIRM: S.CONFIRMED, A.AMEND: S.WAITLISTED, A.CANCEL: S.CANCELLED},
    S.CONFIRMED: {
        A.AMEND: S.CONFIRMED, A.ASSIGN: S.CONFIRMED, A.CHECK_IN: S.IN_HOUSE, A.CANCEL: S.CANCELLED, A.NO_SHOW: S.NO_SHOW,
    },
    S.IN_HOUSE: {
        A.CUT_KEY: S.IN_HOUSE, A.MOVE: S.IN_HOUSE, A.EXTEND: S.IN_HOUSE, A.SHORTEN: S.IN_HOUSE, A.CHECK_OUT: S.CHECKED_OUT,
        A.UNDO_CHECK_IN: S.CONFIRMED,
    },
    S.CHECKED_OUT: {A.UNDO_CHECK_OUT: S.IN_HOUSE},
    S.CANCELLED: {A.REINSTATE: S.CONFIRMED},
    S.NO_SHOW: {A.REINSTATE: S.CONFIRMED},
}  # fmt: skip
_ON_BOX: dict[Status, StayStatus] = {
    S.CONFIRMED: StayStatus.DUE_IN,
    S.IN_HOUSE: StayStatus.IN_HOUSE,
    S.CHECKED_OUT: StayStatus.CHECKED_OUT,
    S.CANCELLED: StayStatus.CANCELLED,
    S.NO_SHOW: StayStatus.NO_SHOW,
}
_ENDED = {
    S.IN_HOUSE: R.ALREADY_IN_HOUSE,
    S.CHECKED_OUT: R.ALREADY_CHECKED_OUT,
    S.CANCELLED: R.ALREADY_CANCELLED,
    S.NO_SHOW: R.ALREADY_NO_SHOW,
}
_NEEDS_GUEST = frozenset({A.CUT_KEY, A.MOVE, A.EXTEND, A.SHORTEN, A.CHECK_OUT, A.UNDO_CHECK_IN})
UNDO_LIMIT = timedelta(hours=12)  # house rule: a later change of mind is a new booking


class NotAllowed(ValueError):
    """The table has no entry for this action in this state."""


@dataclass(frozen=True, slots=True)
class StayView:
    """What must be known of a reservation to judge its actions; `status` as central or as the box has it."""

    status: Status
    arrive: datetime
    depart: datetime
    rooms: tuple[str, ...] = ()
    in_house_since: datetime | None = None
    checked_out_at: datetime | None = None
    balance_minor: int = 0


@dataclass(frozen=True, slots=True)
class RoomState:
    """The given room at this moment. `taken` = promised to another stay on one of these nights."""

    care: Care = Care.CLEAN
    occupied: bool = False
    out_of_order: bool = False
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """The world around the reservation. `early` = how long before the agreed arrival a guest may still be checked in."""

    now: datetime
    room: RoomState | None = None  # None: not known, not judged
    room_free: bool | None = None  # one of the type is left for the nights in question; None: not judged
    dirty_refuses: bool = False  # setting: check-in to a dirty room is refused instead of warned about
    balance_refuses: bool = False  # setting: check-out with an open balance is refused instead of warned about; never set on the box
    posted: bool = False  # something is on the folio
    early: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Allowed:
    """One action: done by anybody who may if `ok`. `reason_code` says why not; with `ok` it is a warning to show first."""

    action: Action
    ok: bool
    reason_code: Reason | None = None


def on_box(status: Status) -> StayStatus | None:
    """Return the word under which the box knows this state; None when the box is not told of it."""
    return _ON_BOX.get(status)


def from_box(status: StayStatus) -> Status:
    """Return central's word for a state that the box shows."""
    return next(central for central, box in _ON_BOX.items() if box is status)


def after(status: Status, action: Action) -> Status:
    """Return the state that follows; raise NotAllowed when the table has no entry."""
    table = TRANSITIONS[status]
    if action not in table:
        raise NotAllowed(f"{action} is not possible when {status}")
    return table[action]


def allowed(view: StayView, context: Context) -> tuple[Allowed, ...]:
    """Judge every action, in the order of `Action`."""
    return tuple(judge(action, view, context) for action in Action)


def judge(action: Action, view: StayView, context: Context) -> Allowed:
    """Judge one action: first the table, then the circumstances. An `ok` with a reason is a warning."""
    if action not in TRANSITIONS[view.status]:
        return Allowed(action, False, _no_entry(action, view.status))
    check = _CHECKS.get(action)
    return check(action, view, context) if check else Allowed(action, True)


def _no_entry(action: Action, status: Status) -> Reason:
    """Say why the table has no entry."""
    if action in _NEEDS_GUEST:
        return _ENDED[status] if status in {S.CHECKED_OUT, S.CANCELLED, S.NO_SHOW} else R.NOT_IN_HOUSE
    if action in {A.UNDO_CHECK_OUT, A.REINSTATE}:
        return R.NOT_ENDED
    if status in _ENDED:
        return _ENDED[status]
    return R.ALREADY_CONFIRMED if status is S.CONFIRMED else R.NOT_CONFIRMED


def _check_in(action: Action, view: StayView, context: Context) -> Allowed:
    if context.now >= view.depart:
        return Allowed(action, False, R.STAY_IS_OVER)
    if context.now < view.arrive - context.early:
        return Allowed(action, False, R.NOT_DUE_YET)
    if not view.rooms:
        return Allowed(action, False, R.NO_ROOM_ASSIGNED)
    room = context.room
    if room is None:
        return Allowed(action, True)
    for wrong, reason in ((room.occupied, R.ROOM_OCCUPIED), (room.out_of_order, R.ROOM_OUT_OF_ORDER), (room.taken, R.ROOM_TAKEN)):
        if wrong:
            return Allowed(action, False, reason)
    if room.care not in READY:
        return Allowed(action, not context.dirty_refuses, R.ROOM_DIRTY)
    return Allowed(action, True)


def _check_out(action: Action, view: StayView, context: Context) -> Allowed:
    if view.balance_minor != 0:
        return Allowed(action, not context.balance_refuses, R.OPEN_BALANCE)
    return Allowed(action, True)


def _undo_check_in(action: Action, view: StayView, context: Context) -> Allowed:
    if context.posted:
        return Allowed(action, False, R.ALREADY_POSTED)
    if view.in_house_since is not None and context.now - view.in_house_since > UNDO_LIMIT:
        return Allowed(action, False, R.TOO_LATE)
    return Allowed(action, True)


def _undo_check_out(action: Action, view: StayView, context: Context) -> Allowed:
    if view.checked_out_at is not None and context.now - view.checked_out_at > UNDO_LIMIT:
        return Allowed(action, False, R.TOO_LATE)
    room = context.room
    if room is not None and (room.occupied or room.taken):
        return Allowed(action, False, R.ROOM_OCCUPIED if room.occupied else R.ROOM_TAKEN)
    return Allowed(action, True)


def _needs_stock(action: Action, view: StayView, context: Context) -> Allowed:
    return Allowed(action, False, R.NO_ROOM_FREE) if context.room_free is False else Allowed(action, True)


def _shorten(action: Action, view: StayView, context: Context) -> Allowed:
    if view.depart - context.now <= timedelta(hours=24):
        return Allowed(action, False, R.LAST_NIGHT)
    return Allowed(action, True)


def _no_show(action: Action, view: StayView, context: Context) -> Allowed:
    return Allowed(action, True) if context.now >= view.arrive else Allowed(action, False, R.NOT_DUE_YET)


def _assign(action: Action, view: StayView, context: Context) -> Allowed:
    return Allowed(action, False, R.STAY_IS_OVER) if context.now >= view.depart else Allowed(action, True)


_CHECKS: dict[Action, Callable[[Action, StayView, Context], Allowed]] = {
    A.OPTION: _needs_stock,
    A.CONFIRM: _needs_stock,
    A.ASSIGN: _assign,
    A.CHECK_IN: _check_in,
    A.UNDO_CHECK_IN: _undo_check_in,
    A.MOVE: _needs_stock,
    A.EXTEND: _needs_stock,
    A.SHORTEN: _shorten,
    A.CHECK_OUT: _check_out,
    A.UNDO_CHECK_OUT: _undo_check_out,
    A.NO_SHOW: _no_show,
    A.REINSTATE: _needs_stock,
}
