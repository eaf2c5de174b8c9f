"""The digests by which box and lock compare what the lock holds. Pure.

Source: device sheets, chapter 1, Reconcile. CRC-32/ISO-HDLC over big-endian records; nothing at all gives 0.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping

from gateway.device import AccessRight

_RIGHT = struct.Struct(">IIIIIHBBHH")


def rights_digest(rights: Iterable[AccessRight]) -> int:
    """Over the live rights by right_ref, 28 bytes each: ref, version, generation, from, until, flags, role, copy, doors."""
    packed = b"".join(
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
    return zlib.crc32(packed)


def guard_digest(floor: int, blocked: Mapping[int, int]) -> int:
    """Over the floor, then each blocked credential (ref -> version) by ref."""
    return zlib.crc32(struct.pack(">I", floor) + b"".join(struct.pack(">II", ref, blocked[ref]) for ref in sorted(blocked)))
