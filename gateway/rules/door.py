"""What a door must hold and what it was last confirmed to hold, the digests over it, and the steps from one to the other. All pure.

Digests are those of the device sheet (contract, "Reconcile"): CRC-32/ISO-HDLC over the live rights and over floor and blocks, so
a lock's own answer can be compared with what the box believes without reading the table back.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from zlib import crc32

from gateway.device import AccessRight, BlockCred, Confirmed, DelRight, LockOp, Mode, PutRight, RaiseFloor, SetMode, UnblockCred

_RIGHT = struct.Struct(">IIIIIHBBHH")  # 28 bytes, big endian: device sheet, contract
_PAIR = struct.Struct(">II")
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class DoorState:
    """All that a door must hold; also what it was last confirmed to hold.

    `deleted` and `unblocked` are the versions that end a right or a block (they rise too); they are no part of the state.
    """

    floor: int = 0
    rights: Mapping[int, AccessRight] = field(default_factory=dict)  # by right_ref
    blocked: Mapping[int, int] = field(default_factory=dict)  # credential_ref -> version
    mode: Mode = Mode.NORMAL
    mode_version: int = field(default=0, compare=False)
    deleted: Mapping[int, int] = field(default_factory=dict, compare=False)
    unblocked: Mapping[int, int] = field(default_factory=dict, compare=False)


def rights_digest(rights: Iterable[AccessRight]) -> int:
    """Return the digest of live rights, in whatever order they come."""
    packed = (
        _RIGHT.pack(
            right.right_ref,
            right.version,
            right.generation,
            int(right.start.timestamp()),
            int(right.until.timestamp()),
            right.flags,
            right.role,
            right.copy,
            right.door_first,
            right.door_count,
        )
        for right in sorted(rights, key=lambda right: right.right_ref)
    )
    return crc32(b"".join(packed))


def guard_digest(floor: int, blocked: Mapping[int, int]) -> int:
    """Return the digest of the floor and the blocked credentials."""
    return crc32(_U32.pack(floor) + b"".join(_PAIR.pack(ref, version) for ref, version in sorted(blocked.items())))


def holds(state: DoorState, confirmed: Confirmed) -> bool:
    """Whether the door's own answer says that it holds exactly `state` (mode is not in the digests)."""
    return (
        confirmed.floor == state.floor
        and confirmed.rights_count == len(state.rights)
        and confirmed.rights_digest == rights_digest(state.rights.values())
        and confirmed.guard_digest == guard_digest(state.floor, state.blocked)
    )


def steps(wanted: DoorState, confirmed: DoorState) -> tuple[LockOp, ...]:
    """Return the commands that turn `confirmed` into `wanted`: floor, then deletions, blocks, additions and changed versions.

    Ending a block comes last: by then the floor that makes it needless has been raised. A floor is never lowered.
    """
    floor = (RaiseFloor(wanted.floor),) if wanted.floor > confirmed.floor else ()
    gone = [
        DelRight(ref, wanted.deleted.get(ref, right.version + 1))
        for ref, right in sorted(confirmed.rights.items())
        if ref not in wanted.rights
    ]
    blocks = [BlockCred(ref, version) for ref, version in sorted(wanted.blocked.items()) if confirmed.blocked.get(ref) != version]
    puts = [PutRight(right) for ref, right in sorted(wanted.rights.items()) if confirmed.rights.get(ref) != right]
    free = [
        UnblockCred(ref, wanted.unblocked.get(ref, version + 1))
        for ref, version in sorted(confirmed.blocked.items())
        if ref not in wanted.blocked
    ]
    mode = (SetMode(wanted.mode, wanted.mode_version),) if wanted.mode != confirmed.mode else ()
    return (*floor, *gone, *blocks, *puts, *free, *mode)


def resend(wanted: DoorState) -> tuple[LockOp, ...]:
    """Return every command that makes a door of unknown contents hold `wanted`, in the order of `steps`."""
    gone = [DelRight(ref, version) for ref, version in sorted(wanted.deleted.items())]
    blocks = [BlockCred(ref, version) for ref, version in sorted(wanted.blocked.items())]
    puts = [PutRight(right) for _, right in sorted(wanted.rights.items())]
    free = [UnblockCred(ref, version) for ref, version in sorted(wanted.unblocked.items())]
    return (RaiseFloor(wanted.floor), *gone, *blocks, *puts, *free)


def after(state: DoorState, op: LockOp) -> DoorState:
    """Return what a door that held `state` holds when it has done `op`. Doing it twice is doing it once."""
    match op:
        case RaiseFloor(floor):
            return replace(state, floor=max(state.floor, floor))
        case PutRight(right):
            return replace(state, rights={**state.rights, right.right_ref: right})
        case DelRight(ref, _):
            return replace(state, rights={key: right for key, right in state.rights.items() if key != ref})
        case BlockCred(ref, version):
            return replace(state, blocked={**state.blocked, ref: version})
        case UnblockCred(ref, _):
            return replace(state, blocked={key: version for key, version in state.blocked.items() if key != ref})
        case SetMode(mode, _):
            return replace(state, mode=mode)
        case _:
            return state


def learn(confirmed: Confirmed, guesses: Iterable[DoorState]) -> DoorState | None:
    """Return what the door holds if its answer fits one of `guesses` or an empty table, None when nobody knows.

    Table and guard have digests of their own, so each may come from another guess; the floor is the door's own word.
    """
    known = (*guesses, DoorState())
    rights = next((g.rights for g in known if _same_rights(g, confirmed)), None)
    guard = next((g.blocked for g in known if guard_digest(confirmed.floor, g.blocked) == confirmed.guard_digest), None)
    if rights is None or guard is None:
        return None
    return DoorState(confirmed.floor, rights, guard, known[0].mode)


def _same_rights(guess: DoorState, confirmed: Confirmed) -> bool:
    return len(guess.rights) == confirmed.rights_count and rights_digest(guess.rights.values()) == confirmed.rights_digest
