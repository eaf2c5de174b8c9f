"""What a lock remembers and how orders change it, pure: rights, tombstones, blocked credentials, floor, generation, mode, digests."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_sim.arguments import U8, U16, Refuse, hex_bytes, number
from firmware_sim.codes import Mode, RightFlag, Role
from firmware_sim.decision import Claim, Schedule
from firmware_sim.event_log import Draft

TOMBSTONE_S = 86400  # R13: until + 1 day
UNKNOWN_TOMBSTONE_S = 400 * 86400  # a deletion that came before its right: as far as a generation may lie ahead
TOMBSTONES = 256  # most that the memory has room for; those that end first make way
_RIGHT = struct.Struct(">IIIIIHBBHH")  # 28 bytes, device sheet 1


@dataclass(frozen=True, slots=True)
class Right:
    """One live right. `start` is the field `from`; `cred_hash` is zeros for an RFID key."""

    right_ref: int
    version: int
    credential_ref: int
    cred_hash: str
    door_first: int
    door_count: int
    generation: int
    start: int
    until: int
    role: int
    flags: int
    copy: int
    areas: int
    schedule: tuple[int, int, int] | None = None

    def packed(self) -> bytes:
        """The 28 bytes that go into the digest."""
        times = (self.generation, self.start, self.until)
        return _RIGHT.pack(self.right_ref, self.version, *times, self.flags, self.role, self.copy, self.door_first, self.door_count)

    def claim(self) -> Claim:
        """The right as the decision reads it."""
        return Claim(
            credential_ref=self.credential_ref,
            role=self.role,
            door_first=self.door_first,
            door_count=self.door_count,
            generation=self.generation,
            start=self.start,
            until=self.until,
            flags=self.flags,
            areas=self.areas,
            schedule=Schedule(*self.schedule) if self.schedule else None,
            right_ref=self.right_ref,
            one_shot=bool(self.flags & RightFlag.ONE_SHOT),
        )


@dataclass(frozen=True, slots=True)
class LockMemory:
    """All of it. `tombs`: right_ref -> (version, end); `guards`: credential_ref -> (version, blocked now); `used`: one-shot cards."""

    rights: Mapping[int, Right] = field(default_factory=dict)
    tombs: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    guards: Mapping[int, tuple[int, bool]] = field(default_factory=dict)
    used: frozenset[int] = frozenset()
    floor: int = 0
    generation: int = 0
    mode: int = Mode.NORMAL
    mode_version: int = 0

    @property
    def blocked(self) -> frozenset[int]:
        """Credentials that test 3 refuses."""
        return frozenset(ref for ref, (_, on) in self.guards.items() if on) | self.used

    def rights_digest(self) -> int:
        """CRC-32 over the live rights by right_ref."""
        return zlib.crc32(b"".join(self.rights[ref].packed() for ref in sorted(self.rights)))

    def guard_digest(self) -> int:
        """CRC-32 over the floor and the blocked credentials by ref."""
        on = sorted((ref, version) for ref, (version, blocked) in self.guards.items() if blocked)
        return zlib.crc32(struct.pack(">I", self.floor) + b"".join(struct.pack(">II", *pair) for pair in on))

    def readback(self) -> dict[str, int]:
        """What every final reply to an order on rights carries."""
        return {
            "rights_count": len(self.rights),
            "rights_digest": self.rights_digest(),
            "guard_digest": self.guard_digest(),
            "floor": self.floor,
            "generation": self.generation,
        }

    def keys(self) -> dict[str, Any]:
        """All of it as entries of the device's non-volatile table."""
        keys: dict[str, Any] = {"floor": self.floor, "generation": self.generation, "mode": [self.mode, self.mode_version]}
        keys |= {f"right/{ref}": [*_row(right)] for ref, right in self.rights.items()}
        keys |= {f"tomb/{ref}": list(tomb) for ref, tomb in self.tombs.items()}
        keys |= {f"guard/{ref}": list(guard) for ref, guard in self.guards.items()}
        return keys | {f"used/{ref}": 1 for ref in self.used}

    def changes_to(self, other: "LockMemory") -> dict[str, Any]:
        """The entries that turn this memory into `other`; None deletes."""
        before, after = self.keys(), other.keys()
        gone: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
        return gone | {key: value for key, value in after.items() if before.get(key) != value}


def _row(right: Right) -> tuple[Any, ...]:
    schedule = list(right.schedule) if right.schedule else None
    return (*(getattr(right, name) for name in Right.__slots__ if name != "schedule"), schedule)


def restored(table: Mapping[str, Any]) -> LockMemory:
    """The memory out of the device's non-volatile table."""
    rights, tombs, guards, used = {}, {}, {}, set()
    for key, value in table.items():
        kind, _, ref = key.partition("/")
        if kind == "right":
            row: list[Any] = [*value[:-1], tuple(value[-1]) if value[-1] else None]
            rights[int(ref)] = Right(*row)
        elif kind == "tomb":
            tombs[int(ref)] = (value[0], value[1])
        elif kind == "guard":
            guards[int(ref)] = (value[0], value[1])
        elif kind == "used":
            used.add(int(ref))
    mode, mode_version = table.get("mode", (Mode.NORMAL, 0))
    floor, generation = int(table.get("floor", 0)), int(table.get("generation", 0))
    return LockMemory(rights, tombs, guards, frozenset(used), floor, generation, mode, mode_version)


Changed = tuple[LockMemory, tuple[Draft, ...]]


def put_right(memory: LockMemory, args: Mapping[str, Any], now: float, capacity: int) -> Changed:
    """Add or replace a right; a full table first evicts what has expired. Raises Refuse."""
    right = _right(args)
    known = memory.rights.get(right.right_ref)
    held = known.version if known else memory.tombs.get(right.right_ref, (0, 0))[0]
    if right.version <= held:
        raise Refuse("STALE_VERSION")
    rights, drafts = dict(memory.rights), []
    if known is None and len(rights) >= capacity:
        for old in sorted(memory.rights.values(), key=lambda r: r.until):
            if old.until <= now:
                del rights[old.right_ref]
                drafts.append(changed(old, "evict"))
        if len(rights) >= capacity:
            raise Refuse("RESOURCE_EXHAUSTED")
    rights[right.right_ref] = right
    tombs = {ref: tomb for ref, tomb in memory.tombs.items() if ref != right.right_ref}
    return replace(memory, rights=rights, tombs=_living(tombs, now)), (*drafts, changed(right, "put"))


def del_right(memory: LockMemory, args: Mapping[str, Any], now: float) -> Changed:
    """Remove a right, known or not, and leave a tombstone. A deletion of the same version as the right wins. Raises Refuse."""
    ref, version = number(args, "right_ref"), number(args, "version")
    known, tomb = memory.rights.get(ref), memory.tombs.get(ref)
    if (known and version < known.version) or (tomb and version <= tomb[0]):
        raise Refuse("STALE_VERSION")
    return without(memory, ref, version, now)


def without(memory: LockMemory, ref: int, version: int, now: float) -> Changed:
    """The memory after right `ref` has gone under `version`."""
    known = memory.rights.get(ref)
    end = known.until + TOMBSTONE_S if known else int(now) + UNKNOWN_TOMBSTONE_S
    rights = {other: right for other, right in memory.rights.items() if other != ref}
    tombs = _living({**memory.tombs, ref: (version, end)}, now)
    drafts = (changed(replace(known, version=version), "del"),) if known else ()
    return replace(memory, rights=rights, tombs=tombs), drafts


def raise_floor(memory: LockMemory, args: Mapping[str, Any]) -> Changed:
    """The floor only rises; a lower one is no error and no change."""
    return replace(memory, floor=max(memory.floor, number(args, "floor"))), ()


def guard(memory: LockMemory, args: Mapping[str, Any], on: bool, capacity: int) -> Changed:
    """Block or unblock a credential, newest version wins. Raises Refuse."""
    ref, version = number(args, "credential_ref"), number(args, "version")
    if version <= memory.guards.get(ref, (0, False))[0]:
        raise Refuse("STALE_VERSION")
    others = sum(blocked for other, (_, blocked) in memory.guards.items() if other != ref)
    if on and others >= capacity:
        raise Refuse("RESOURCE_EXHAUSTED")
    return replace(memory, guards={**memory.guards, ref: (version, on)}), ()


def set_mode(memory: LockMemory, args: Mapping[str, Any]) -> Changed:
    """Change the mode, newest version wins. Raises Refuse."""
    mode, version = number(args, "mode", U8), number(args, "version")
    if mode not in set(Mode):
        raise Refuse("BAD_REQUEST")
    if version <= memory.mode_version:
        raise Refuse("STALE_VERSION")
    return replace(memory, mode=mode, mode_version=version), ()


def changed(right: Right, op: str) -> Draft:
    """The event that tells of a changed right."""
    return Draft("rights_changed", {"right_ref": right.right_ref, "op": op, "version": right.version})


def listed(right: Right) -> dict[str, Any]:
    """A right as LIST_RIGHTS tells it: all but the hash."""
    names = {"start": "from"}
    told = {names.get(name, name): getattr(right, name) for name in Right.__slots__ if name != "cred_hash"}
    return told | {"schedule": dict(zip(("days", "start", "end"), right.schedule, strict=True)) if right.schedule else None}


def _living(tombs: Mapping[int, tuple[int, int]], now: float) -> dict[int, tuple[int, int]]:
    living = sorted((item for item in tombs.items() if item[1][1] > now), key=lambda item: item[1][1])
    return dict(living[-TOMBSTONES:])


def _right(args: Mapping[str, Any]) -> Right:
    role = number(args, "role", U8)
    if role not in set(Role):
        raise Refuse("BAD_REQUEST")
    return Right(
        right_ref=number(args, "right_ref"),
        version=number(args, "version"),
        credential_ref=number(args, "credential_ref"),
        cred_hash=hex_bytes(args, "cred_hash", 8),
        door_first=number(args, "door_first", U16),
        door_count=number(args, "door_count", U16),
        generation=number(args, "generation"),
        start=number(args, "from"),
        until=number(args, "until"),
        role=role,
        flags=number(args, "flags", U16, 0),
        copy=number(args, "copy", U8, 0),
        areas=number(args, "areas", default=0),
        schedule=_schedule(args.get("schedule")),
    )


def _schedule(given: Any) -> tuple[int, int, int] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Refuse("BAD_REQUEST")
    return number(given, "days", 0x7F), number(given, "start", 1440), number(given, "end", 1440)
