"""The law of a room: its front axis, its care axis, and the word that a board shows for both.

The axes never mix: whether somebody lives in a room and how clean it is are two questions. "Booked" is computed in `shown` and
stored nowhere; what a sensor believes is a third value that moves neither axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, cast

from wire.entities import Care, Maintenance, StayBody, StayStatus


class Front(StrEnum):
    """Whether somebody lives in the room, as the desk knows it."""

    VACANT = "vacant"
    OCCUPIED = "occupied"


class RoomEvent(StrEnum):
    """What moves an axis."""

    CHECKED_IN = "checked_in"
    MOVED_IN = "moved_in"
    CHECKED_OUT = "checked_out"
    MOVED_OUT = "moved_out"
    CHECK_OUT_UNDONE = "check_out_undone"
    NIGHT_PASSED = "night_passed"  # a room that was lived in needs its daily service
    SERVICED = "serviced"
    TIDIED = "tidied"
    INSPECTED = "inspected"
    REJECTED = "rejected"  # the inspector sends it back
    SOILED = "soiled"


class NotAllowed(ValueError):
    """The table has no entry: the room cannot do that from where it is."""


E = RoomEvent
FRONT: dict[Front, dict[RoomEvent, Front]] = {
    Front.VACANT: {E.CHECKED_IN: Front.OCCUPIED, E.MOVED_IN: Front.OCCUPIED, E.CHECK_OUT_UNDONE: Front.OCCUPIED},
    Front.OCCUPIED: {E.CHECKED_OUT: Front.VACANT, E.MOVED_OUT: Front.VACANT},
}
_ALWAYS = {E.CHECKED_OUT: Care.DIRTY, E.MOVED_OUT: Care.DIRTY, E.SOILED: Care.DIRTY}
CARE: dict[Care, dict[RoomEvent, Care]] = {
    Care.DIRTY: _ALWAYS | {E.SERVICED: Care.CLEAN, E.INSPECTED: Care.INSPECTED, E.TIDIED: Care.PICKUP, E.NIGHT_PASSED: Care.DIRTY},
    Care.PICKUP: _ALWAYS | {E.SERVICED: Care.CLEAN, E.INSPECTED: Care.INSPECTED, E.TIDIED: Care.CLEAN, E.NIGHT_PASSED: Care.DIRTY},
    Care.CLEAN: _ALWAYS | {E.INSPECTED: Care.INSPECTED, E.REJECTED: Care.DIRTY, E.NIGHT_PASSED: Care.DIRTY, E.TIDIED: Care.CLEAN},
    Care.INSPECTED: _ALWAYS | {E.REJECTED: Care.DIRTY, E.NIGHT_PASSED: Care.DIRTY},
}
READY = frozenset({Care.CLEAN, Care.INSPECTED})  # a guest may be sent up

Axis = TypeVar("Axis", Front, Care)


def after(state: Axis, event: RoomEvent) -> Axis:
    """Return the state of either axis that follows; raise NotAllowed when the table has no entry."""
    table: Mapping[RoomEvent, Any] = FRONT[state] if isinstance(state, Front) else CARE[state]
    if event not in table:
        raise NotAllowed(f"a room that is {state} cannot be {event}")
    return cast("Axis", table[event])


@dataclass(frozen=True, slots=True)
class Room:
    """What a board knows of one room."""

    front: Front
    care: Care
    maintenance: tuple[Maintenance, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell of a board: `word` and `icon` name entries of the catalogues, `tone` a colour of the palette. Never colour alone."""

    word: str
    tone: str
    icon: str


OUT_OF_ORDER = Shown("out_of_order", "grey", "wrench")
OUT_OF_SERVICE = Shown("out_of_service", "grey", "pause")
OCCUPIED = Shown("occupied", "red", "person")
DUE_OUT = Shown("due_out", "amber", "leaving")
BOOKED = Shown("booked", "blue", "calendar")
BOOKED_DIRTY = Shown("booked_dirty", "amber", "broom")
DIRTY = Shown("vacant_dirty", "yellow", "broom")
VACANT = Shown("vacant", "green", "check")


def shown(room: Room, tonight: StayBody | None, now: datetime | None = None) -> Shown:
    """Return the board's word, tone and icon. `tonight` is the stay that is in the room or will be tonight.

    Without `now` neither maintenance nor a departure that is due is looked at. Somebody who lives in a room under repair is shown
    first: the person comes before the plan.
    """
    if room.front is Front.OCCUPIED:
        leaving = tonight is not None and now is not None and tonight.status is StayStatus.IN_HOUSE and tonight.depart <= now
        return DUE_OUT if leaving else OCCUPIED
    kinds = {m.kind for m in room.maintenance if now is not None and m.start <= now < m.end}
    if "out_of_order" in kinds:
        return OUT_OF_ORDER
    if "out_of_service" in kinds:
        return OUT_OF_SERVICE
    if tonight is not None and tonight.status is StayStatus.DUE_IN:
        return BOOKED if room.care in READY else BOOKED_DIRTY
    return VACANT if room.care in READY else DIRTY
