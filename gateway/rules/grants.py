"""Which generation a stay has at which door, when it begins there and when it has left; the floors that follow. Pure.

Fixed at first assignment; an extension keeps it; a door added in mid-stay gives the whole set a new one that starts at that moment;
two stays never share a start minute at a door. A floor only rises.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.device import LockKind
from gateway.rules.book import ORIGIN, Grant, generation_at, past, start_of
from gateway.rules.draft import Draft
from gateway.rules.hotel import Hotel, Task
from wire.entities import KeyStatus, StayBody, StayStatus
from wire.facts import RightState

__all__ = ["LIVE", "ORIGIN", "doors_of_stay", "forget", "leave", "opens_from", "reissue", "settle"]

LIVE = frozenset({StayStatus.DUE_IN, StayStatus.IN_HOUSE})
_MINUTE = timedelta(minutes=1)
_OPENS = {RightState.ACTIVE, RightState.ENCODED}


def doors_of_stay(hotel: Hotel, stay: StayBody) -> tuple[int, ...]:
    """Return the doors that the stay's keys open: its own set, or all doors of its rooms when it names none."""
    if stay.doors:
        return tuple(sorted(set(stay.doors)))
    return tuple(sorted({door for room in stay.rooms if room in hotel.rooms for door in hotel.rooms[room].doors}))


def opens_from(stay: StayBody, generation: int) -> datetime:
    """Return the first minute of a key: the generation's, or the check-in (the move) where the generation had to be put later."""
    start = start_of(generation)
    if stay.in_house_since is None:
        return start
    here = max(stay.in_house_since, stay.moved_at or stay.in_house_since).replace(second=0, microsecond=0)
    return min(start, here)


# ---------------------------------------------------------------- beginning


def settle(draft: Draft, stay_id: str, stay: StayBody, *, preparing: bool) -> None:
    """Give the stay its generation at its doors when it needs one: it is in house, or a card is being cut for it, or it has one."""
    doors = doors_of_stay(draft.hotel, stay)
    present = [grant for grant in draft.of_stay(stay_id) if not grant.closed]
    here = stay.status is StayStatus.IN_HOUSE
    if not doors or not (here or (stay.status is StayStatus.DUE_IN and (preparing or present))):
        return
    newest = max((grant.generation for grant in present), default=0)
    complete = set(doors) <= {grant.door for grant in present if grant.generation == newest}
    begun = any(grant.begun for grant in present)
    if not complete or (here and not begun and _superseded(draft, present)):
        _assign(draft, stay_id, stay, doors, present)
    if here:
        _begin(draft, stay_id, doors)


def _assign(draft: Draft, stay_id: str, stay: StayBody, doors: tuple[int, ...], present: list[Grant]) -> None:
    begun = any(grant.begun for grant in present)
    here = stay.status is StayStatus.IN_HOUSE
    start = _free_minute(draft, stay_id, doors, _start(draft, stay, draft.of_stay(stay_id), present), begins=here)
    own = [grant.generation for grant in draft.of_stay(stay_id) if start_of(grant.generation) == start]
    generation = max(own) + 1 if own else generation_at(start)
    for grant in present:
        if not grant.begun and not begun:
            draft.ungrant(grant)  # the room was changed before the guest came: nothing has opened there
    for door in doors:
        known = draft.grants.get((stay_id, door))
        draft.grant(Grant(stay_id, door, generation, begun=known is not None and known.begun))


def _start(draft: Draft, stay: StayBody, all_grants: list[Grant], present: list[Grant]) -> datetime:
    """Return the instant from which the new generation counts.

    First assignment: the agreed arrival, or the check-in when that was earlier. A changed set of doors: the move. A stay taken
    back after its check-out: now (with an untrusted clock, the minute after its last one).
    """
    if present and any(grant.begun for grant in present):
        newest = start_of(max(grant.generation for grant in present))
        if stay.moved_at is not None and stay.moved_at > newest:
            return stay.moved_at
        return draft.now if draft.trusted and draft.now > newest else newest + _MINUTE
    if any(grant.closed for grant in all_grants):
        last = start_of(max(grant.generation for grant in all_grants))
        return draft.now if draft.trusted and draft.now > last else last + _MINUTE
    return min(stay.arrive, stay.in_house_since) if stay.in_house_since else stay.arrive


def _free_minute(draft: Draft, stay_id: str, doors: tuple[int, ...], start: datetime, *, begins: bool) -> datetime:
    """Return the first minute from `start` on that every floor lets pass and no other stay has at any of the doors.

    A stay that begins now also comes after every stay that has begun at one of the doors: its key must end theirs.
    """
    minute = max(start, ORIGIN).replace(second=0, microsecond=0)
    taken: set[datetime] = set()
    for door in doors:
        if draft.is_common(door):
            continue
        floor = draft.floors.get(door, 0)
        minute = max(minute, start_of(floor) + (_MINUTE if floor & 0xFF > 1 else timedelta()))
        for grant in draft.at_door(door):
            if grant.stay_id == stay_id:
                continue
            taken.add(start_of(grant.generation))
            if begins and grant.begun:
                minute = max(minute, start_of(grant.generation) + _MINUTE)
    while minute in taken:
        minute += _MINUTE
    return minute


def _superseded(draft: Draft, present: list[Grant]) -> bool:
    """Whether a generation that was given ahead has been overtaken at one of its doors before the guest came."""
    for grant in present:
        if draft.is_common(grant.door):
            continue
        others = (other.generation for other in draft.at_door(grant.door) if other.stay_id != grant.stay_id and other.begun)
        if grant.generation < draft.floors.get(grant.door, 0) or grant.generation < max(others, default=0):
            return True
    return False


def _begin(draft: Draft, stay_id: str, doors: tuple[int, ...]) -> None:
    """The guest is here: raise each door's floor to the generation, so that nobody's earlier key opens."""
    for door in doors:
        grant = draft.grants[stay_id, door]
        if not grant.begun:
            draft.grant(replace(grant, begun=True))
        if not draft.is_common(door):
            draft.raise_floor(door, grant.generation)


def reissue(draft: Draft, stay_id: str, lost_key: str) -> None:
    """A lost card of a stay with a door that only reads cards: issue_no + 1 for the whole set, the others are cut again."""
    present = [grant for grant in draft.of_stay(stay_id) if not grant.closed]
    kinds = {door.kind for grant in present if (door := draft.hotel.doors.get(grant.door))}
    generation = draft.generation_of(stay_id)
    stay = draft.hotel.stays.get(stay_id)
    if generation is None or stay is None or LockKind.DATA_ON_CARD not in kinds:
        return
    for grant in present:
        if grant.generation == generation:
            draft.grant(replace(grant, generation=generation + 1))
            if grant.begun and not draft.is_common(grant.door):
                draft.raise_floor(grant.door, generation + 1)
    draft.tasks.append(Task("lost_card_exposed", stay_id, stay.rooms[0] if stay.rooms else None, {"key_id": lost_key}))


# ---------------------------------------------------------------- leaving


def leave(draft: Draft) -> None:
    """Close each grant whose stay has left the door, and raise the floor past it.

    A check-out leaves all doors at once. A move leaves the old door when every key opens the new ones, or when another guest
    has begun there. What was prepared for a stay that never came is dropped.
    """
    for grant in sorted(draft.grants.values(), key=lambda grant: (grant.door, grant.generation)):
        if grant.closed:
            continue
        stay = draft.hotel.stays.get(grant.stay_id)
        gone = stay is None or stay.status not in LIVE
        away = stay is not None and not gone and grant.door not in doors_of_stay(draft.hotel, stay)
        if not grant.begun:
            if gone or away:
                draft.ungrant(grant)
        elif gone or (away and stay is not None and (_new_doors_open(draft, grant, stay) or _taken_over(draft, grant))):
            draft.grant(replace(grant, closed=True))
            _raise_past(draft, grant.door)


def _new_doors_open(draft: Draft, old: Grant, stay: StayBody) -> bool:
    wanted = set(doors_of_stay(draft.hotel, stay))
    for key_id, key in draft.hotel.keys.items():
        if key.stay_id != old.stay_id or key.status is not KeyStatus.WANTED or key_id not in draft.credentials:
            continue
        if draft.trusted and draft.now >= key.until:
            continue  # a key that has run out opens no new door either
        open_at = {right.door for right in draft.rights_of(key_id) if right.wanted and right.state in _OPENS}
        if not wanted <= open_at:
            return False
    return True


def _taken_over(draft: Draft, grant: Grant) -> bool:
    return any(
        other.begun and not other.closed and other.generation > grant.generation
        for other in draft.at_door(grant.door)
        if other.stay_id != grant.stay_id
    )


def _raise_past(draft: Draft, door: int) -> None:
    """Raise the floor past every stay that has begun at the door and left it, as far as the guests still there allow.

    A guest still there with an earlier generation keeps the floor down; then the leaving cards are blocked one by one.
    """
    if draft.is_common(door):
        return
    grants = draft.at_door(door)
    ended = max((past(grant.generation) for grant in grants if grant.begun and grant.closed), default=0)
    staying = min((grant.generation for grant in grants if grant.begun and not grant.closed), default=ended)
    draft.raise_floor(door, min(ended, staying))


def forget(draft: Draft) -> None:
    """Drop closed grants that the floor speaks for and that no right refers to."""
    in_use = {right.stay_id for right in draft.rights.values()}
    for grant in [grant for grant in draft.grants.values() if grant.closed and grant.stay_id not in in_use]:
        stay = draft.hotel.stays.get(grant.stay_id)
        spoken_for = draft.is_common(grant.door) or draft.floors.get(grant.door, 0) > grant.generation
        if spoken_for and (stay is None or stay.status not in LIVE):
            draft.ungrant(grant)
