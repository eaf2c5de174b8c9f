"""Who may open which door: from stays, keys, staff and the box's own numbers to what is wanted at each door. Pure; `plan` is the way in.

The workflows are those of the device sheet "Access rights": a check-in raises the floor to its generation, a move opens the new
door before it closes the old one, a check-out raises the floor past the stay and deletes its rights. `plan` may be called at any
time and any number of times: what is already decided stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from gateway.device import AccessRight, LockKind, Role
from gateway.rules import grants
from gateway.rules.book import FINAL, Book, Credential, Right, doors_of
from gateway.rules.door import DoorState
from gateway.rules.draft import Draft
from gateway.rules.hotel import Door, Hotel, Task
from wire.entities import KeyBody, KeyKind, KeyStatus, RoomBody, StayStatus
from wire.facts import RightState

Quality = Literal["synced", "holdover", "untrusted"]

EXPIRED_AFTER = timedelta(minutes=10)  # device sheet, contract: an expired right is deleted ten minutes after its `until`
LAST = datetime(2106, 2, 1, tzinfo=UTC)  # device times are u32 epoch seconds
REMEMBERED = timedelta(days=1)  # device sheet R13: a deletion is remembered until `until` + 1 day
COMMON_ONLY = 0x08  # flag: a door that serves rooms of different stays has no generation
ROLES: dict[str, Role] = {  # a staff member's role -> the role on their key
    "housekeeping": Role.HOUSEKEEPING,
    "floor_master": Role.FLOOR_MASTER,
    "engineering": Role.ENGINEERING,
    "security": Role.SECURITY,
    "emergency": Role.EMERGENCY,
    "minibar": Role.MINIBAR,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from `plan`'s question. `due` = when time alone will change the answer next."""

    book: Book
    tasks: tuple[Task, ...] = ()
    due: datetime | None = None

    @property
    def wanted(self) -> dict[int, DoorState]:
        """What every door must hold because of the book."""
        return doors_of(self.book)


def plan(hotel: Hotel, book: Book, now: datetime, quality: Quality, preparing: frozenset[str] = frozenset()) -> Plan:
    """Return the book that follows from what the hotel is now. `preparing` = stays not yet in house for which a card is cut.

    Repeating it with the same arguments changes nothing more. In `untrusted` no right is granted or ended because of `now`.
    """
    draft = Draft(book, hotel, now, trusted=quality != "untrusted")
    for stay_id, stay in sorted(hotel.stays.items(), key=lambda item: (item[1].arrive, item[0])):
        grants.settle(draft, stay_id, stay, preparing=stay_id in preparing)
    _number_keys(draft)
    grants.leave(draft)
    specs = _specs(draft)
    _want(draft, specs)
    _end_the_rest(draft, specs)
    _age(draft)
    _forget(draft)
    return Plan(draft.book(), tuple(draft.tasks), draft.due)


def hotel_doors(configured: Mapping[int, Door], rooms: Mapping[str, RoomBody]) -> dict[int, Door]:
    """Return the configured doors, those that serve several rooms marked as common."""
    serves: dict[int, int] = {}
    for room in rooms.values():
        for door in room.doors:
            serves[door] = serves.get(door, 0) + 1
    return {number: replace(door, common=serves.get(number, 0) > 1) for number, door in configured.items()}


# ---------------------------------------------------------------- what is wanted


def _number_keys(draft: Draft) -> None:
    """Give each key that some door will know its credential_ref; note a loss once."""
    for key_id, key in sorted(draft.hotel.keys.items()):
        known = draft.credentials.get(key_id)
        if known is None and key.status is KeyStatus.WANTED and _usable(draft, key):
            draft.credentials[key_id] = Credential(key_id, draft.number(), key.stay_id, key.staff_id)
        elif known is not None and key.status is KeyStatus.LOST and not known.lost:
            draft.credentials[key_id] = replace(known, lost=True)
            if key.stay_id is not None:
                grants.reissue(draft, key.stay_id, key_id)


def _usable(draft: Draft, key: KeyBody) -> bool:
    """Cards only so far: a mobile key or PIN needs a hash that the box does not make yet. A guest's key needs a generation."""
    return key.kind is KeyKind.RFID and (key.stay_id is None or draft.generation_of(key.stay_id) is not None)


def _specs(draft: Draft) -> dict[tuple[str, int], AccessRight]:
    """Return what each key should be at each door, by key and door; right_ref and version still 0."""
    found: dict[tuple[str, int], AccessRight] = {}
    for key_id, key in draft.hotel.keys.items():
        if key.status is not KeyStatus.WANTED or key_id not in draft.credentials:
            continue
        for number, right in _guest_rights(draft, key_id, key) if key.stay_id else _staff_rights(draft, key_id, key):
            if not _over(draft, key_id, number, right.until):
                found[key_id, number] = right
    return found


def _guest_rights(draft: Draft, key_id: str, key: KeyBody) -> list[tuple[int, AccessRight]]:
    stay_id = key.stay_id or ""
    stay = draft.hotel.stays.get(stay_id)
    generation = draft.generation_of(stay_id)
    if stay is None or generation is None or stay.status not in grants.LIVE:
        return []
    made = []
    for number in grants.doors_of_stay(draft.hotel, stay):
        door = draft.hotel.doors.get(number) or Door(number, LockKind.ONLINE)
        if stay.status is StayStatus.DUE_IN and door.kind is LockKind.ONLINE:
            continue  # a card may be cut ahead; a lock's table is filled when the guest is here
        right = AccessRight(
            right_ref=0,
            version=0,
            credential_ref=draft.credentials[key_id].ref,
            door_first=number,
            door_count=1,
            generation=generation,
            start=grants.opens_from(stay, generation),
            until=min(key.until, LAST),
            flags=COMMON_ONLY if door.common else 0,
            copy=min(key.copy_no, 255),
        )
        if right.start < right.until:
            made.append((number, right))
    return made


def _staff_rights(draft: Draft, key_id: str, key: KeyBody) -> list[tuple[int, AccessRight]]:
    """Return the rights of a staff key at the doors of the sections: floors, room numbers, or "all"."""
    person = draft.hotel.staff.get(key.staff_id or "")
    role = next((ROLES[name] for name in person.roles if name in ROLES), None) if person else None
    if person is None or role is None or not person.active:
        return []
    sections = set(person.sections)
    numbers = {
        door
        for room_id, room in draft.hotel.rooms.items()
        for door in room.doors
        if "all" in sections or room_id in sections or str(room.floor) in sections
    }
    start = grants.ORIGIN  # a staff key has no first day; its `until` and its schedule bound it
    ref = draft.credentials[key_id].ref
    return [
        (door, AccessRight(0, 0, ref, door, 1, 0, start, min(key.until, LAST), role, copy=min(key.copy_no, 255)))
        for door in sorted(numbers)
    ]


def _over(draft: Draft, key_id: str, door: int, until: datetime) -> bool:
    """Whether time has ended this right. With an untrusted clock only what had been ended before stays ended."""
    if draft.trusted:
        return draft.now >= until + EXPIRED_AFTER
    return any(
        right.final is RightState.EXPIRED and not right.wanted and right.body.until == until for right in draft.rights_of(key_id, door)
    )


def _want(draft: Draft, specs: Mapping[tuple[str, int], AccessRight]) -> None:
    """Bring the book's wanted rights in line with `specs`: new ones are planned, changed ones get a higher version."""
    current = {(right.key_id, right.door): right for right in draft.rights.values() if right.wanted}
    for (key_id, number), spec in sorted(specs.items()):
        have = current.get((key_id, number))
        if have is None:
            draft.save(_new_right(draft, key_id, number, spec))
        elif not _same(have.body, spec):
            draft.save(_changed(draft, have, spec))


def _same(body: AccessRight, spec: AccessRight) -> bool:
    """Whether the right says what is wanted, its numbers apart."""
    return (
        body.generation == spec.generation
        and body.until == spec.until
        and body.start == spec.start
        and (body.flags, body.copy, body.role, body.door_first, body.door_count, body.credential_ref, body.areas)
        == (spec.flags, spec.copy, spec.role, spec.door_first, spec.door_count, spec.credential_ref, spec.areas)
    )


def _new_right(draft: Draft, key_id: str, number: int, spec: AccessRight) -> Right:
    door = draft.hotel.doors.get(number)
    ref, version = draft.number(), draft.number()
    return Right(
        right_ref=ref,
        key_id=key_id,
        stay_id=draft.hotel.keys[key_id].stay_id,
        door=number,
        lock=door.kind if door else LockKind.ONLINE,
        wanted=True,
        version=version,
        body=replace(spec, right_ref=ref, version=version),
        state=RightState.PLANNED,
        changed_at=draft.now,
    )


def _changed(draft: Draft, have: Right, spec: AccessRight) -> Right:
    """A longer stay, another generation: an online door is told; a card must be written again, or is exposed meanwhile."""
    version = draft.number()
    body = replace(spec, right_ref=have.right_ref, version=version)
    changed = replace(have, version=version, body=body, code=None, alarmed=False)
    if have.lock is LockKind.ONLINE:
        return replace(changed, state=RightState.PLANNED)
    if have.encoded is None:
        return changed
    if have.encoded != body.generation or (have.exposed_until and have.exposed_until < body.until):
        stay = draft.hotel.stays.get(have.stay_id or "")
        draft.tasks.append(Task("card_to_cut_again", have.stay_id, stay.rooms[0] if stay and stay.rooms else None, {"key_id": have.key_id}))
    state = RightState.PLANNED if have.encoded != body.generation else have.state
    exposure = have.exposed_until if have.exposed_until and have.exposed_until > body.until else None
    return replace(changed, state=state, exposure_until=exposure)


# ---------------------------------------------------------------- what ends


def _end_the_rest(draft: Draft, specs: Mapping[tuple[str, int], AccessRight]) -> None:
    """End each wanted right that nothing asks for any more, except at a door that the guest has not left yet."""
    for right in [right for right in draft.rights.values() if right.wanted and (right.key_id, right.door) not in specs]:
        key = draft.hotel.keys.get(right.key_id)
        lingers = key is not None and key.status is KeyStatus.WANTED and draft.lingers(right.stay_id, right.door)
        timed_out = _over(draft, right.key_id, right.door, right.body.until)
        if not lingers or timed_out:
            draft.save(_ended(draft, right, RightState.EXPIRED if timed_out else RightState.REVOKED))


def _ended(draft: Draft, right: Right, final: RightState) -> Right:
    ended = replace(right, wanted=False, version=draft.number(), final=final, code=None, alarmed=False)
    if right.lock is LockKind.ONLINE:
        return replace(ended, state=RightState.REVOKING)
    if right.lock is LockKind.HYBRID and final is RightState.REVOKED:
        if draft.still_opens(right):
            draft.block(right)
        return replace(ended, state=RightState.REVOKING, exposure_until=right.exposed_until)
    if right.exposed_until is None:
        return replace(ended, state=RightState.DEAD if right.lock is LockKind.DATA_ON_CARD else final)
    return replace(ended, state=RightState.RELEASED, exposure_until=right.exposed_until)


def _age(draft: Draft) -> None:
    """Let time alone do what it may: a released card dies when it expires; note when to look again."""
    for right in list(draft.rights.values()):
        if right.state is RightState.RELEASED and right.exposure_until:
            if draft.reached(right.exposure_until):
                final = RightState.DEAD if right.lock is LockKind.DATA_ON_CARD else right.final
                draft.save(replace(right, state=final, exposure_until=None))
        elif right.wanted:
            draft.wait_for(right.body.until + EXPIRED_AFTER)
    for block in list(draft.blocks.values()):
        shut_out = not draft.is_common(block.door) and draft.floors.get(block.door, 0) > block.generation
        if block.wanted and (shut_out or draft.reached(block.until + REMEMBERED)):
            draft.unblock(block)


def _forget(draft: Draft) -> None:
    """Drop what no device and no person can ask about any more."""
    for right in [right for right in draft.rights.values() if not right.wanted and right.state in FINAL]:
        if draft.trusted and draft.now >= max(right.changed_at, right.body.until) + REMEMBERED:
            del draft.rights[right.right_ref]
    for place, block in [(place, block) for place, block in draft.blocks.items() if not block.wanted]:
        if draft.trusted and draft.now >= block.until + 2 * REMEMBERED:
            del draft.blocks[place]
    in_use = {right.key_id for right in draft.rights.values()}
    for key_id in [key_id for key_id in draft.credentials if key_id not in in_use and key_id not in draft.hotel.keys]:
        del draft.credentials[key_id]
    grants.forget(draft)
