"""The box's own numbers about doors: credentials, generations granted, rights, floors, blocks, and what doors want because of them.

Every number that the box issues is `epoch << 24 | counter`; one counter serves credentials, rights and versions, so each is unique
and rises. A generation is (minutes from 2024-01-01T00:00Z to the start at the door) << 8 | issue_no, issue_no from 1.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from gateway.device import AccessRight, LockKind, Mode
from gateway.rules.door import DoorState
from wire.facts import RightState

EPOCH_BITS = 24
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)  # device sheet, access rights
FINAL = frozenset({RightState.REVOKED, RightState.EXPIRED, RightState.SUPERSEDED, RightState.DEAD})


@dataclass(frozen=True, slots=True)
class Credential:
    """The number under which doors know one key. `lost` = what its loss called for has been decided."""

    key_id: str
    ref: int
    stay_id: str | None = None
    staff_id: str | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """The generation of one stay at one door. `begun` once the stay was in house there; `closed` once the floor has been raised past it."""

    stay_id: str
    door: int
    generation: int
    begun: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Right:
    """One key at one door: what is wanted, and how far it has come.

    `version` is that of `body` while it is wanted, of its deletion afterwards. `final` is the state to reach once the door has
    confirmed the end. `encoded` and `exposed_until` tell of the newest card known, or feared, to carry it (card-reading doors).
    """

    right_ref: int
    key_id: str
    stay_id: str | None
    door: int
    lock: LockKind
    wanted: bool
    version: int
    body: AccessRight
    state: RightState
    changed_at: datetime
    code: str | None = None
    final: RightState = RightState.REVOKED
    encoded: int | None = None  # generation on the card
    exposed_until: datetime | None = None
    exposure_until: datetime | None = None  # what the desk must show
    alarmed: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One credential barred at one card-reading door. Not `wanted` = to be taken off again with `version`."""

    door: int
    credential_ref: int
    version: int
    generation: int
    until: datetime
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Book:
    """All that the box has numbered and decided; the mirror says what for."""

    last_number: int = 1 << EPOCH_BITS  # the first issued is epoch 1, counter 1
    credentials: Mapping[str, Credential] = field(default_factory=dict)  # by key_id
    grants: Mapping[tuple[str, int], Grant] = field(default_factory=dict)  # by stay_id, door
    rights: Mapping[int, Right] = field(default_factory=dict)  # by right_ref
    floors: Mapping[int, int] = field(default_factory=dict)  # by door
    blocks: Mapping[tuple[int, int], Block] = field(default_factory=dict)  # by door, credential_ref


def generation_at(start: datetime, issue_no: int = 1) -> int:
    """Return the generation of a stay that starts at `start` (seconds are cut off)."""
    return int((start - ORIGIN) / timedelta(minutes=1)) << 8 | issue_no


@lru_cache(maxsize=2048)
def start_of(generation: int) -> datetime:
    """Return the start minute that a generation stands for."""
    return ORIGIN + timedelta(minutes=generation >> 8)


def past(generation: int) -> int:
    """Return the floor that shuts out `generation` and all before it, and no later start minute."""
    return ((generation >> 8) + 1) << 8


def wanted(floor: int, rights: Iterable[Right], blocks: Iterable[Block]) -> DoorState:
    """Return what one door must hold, given all that the book says about it. A refused right is not asked for again."""
    rows = tuple(right for right in rights if right.lock is LockKind.ONLINE)
    blocked = tuple(blocks)
    return DoorState(
        floor=floor,
        rights={right.right_ref: right.body for right in rows if right.wanted and right.state is not RightState.REFUSED},
        blocked={block.credential_ref: block.version for block in blocked if block.wanted},
        mode=Mode.NORMAL,
        deleted={right.right_ref: right.version for right in rows if not right.wanted},
        unblocked={block.credential_ref: block.version for block in blocked if not block.wanted},
    )


def doors_of(book: Book) -> dict[int, DoorState]:
    """Return what every door in the book must hold."""
    rights: dict[int, list[Right]] = defaultdict(list)
    blocks: dict[int, list[Block]] = defaultdict(list)
    for right in book.rights.values():
        rights[right.door].append(right)
    for block in book.blocks.values():
        blocks[block.door].append(block)
    numbers = book.floors.keys() | rights.keys() | blocks.keys()
    return {door: wanted(book.floors.get(door, 0), rights[door], blocks[door]) for door in sorted(numbers)}
