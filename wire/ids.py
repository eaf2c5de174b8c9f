"""Identities made by the writer: UUIDv7 for what a person causes, UUIDv5 for what a device causes.

Python 3.11 has no UUIDv7, so it is made here (RFC 9562, 5.7).
"""

import os
import threading
import time
import uuid

DEVICE_CAUSES = uuid.UUID("6ac1a0c2-6d9b-5b0e-9c3c-1f2a64d5a0f7")  # our own namespace, drawn once
_RAND_BITS = 74
_lock = threading.Lock()
_last: tuple[int, int] = (0, 0)


def uuid7(now_ms: int | None = None) -> uuid.UUID:
    """Return a UUIDv7; those made in one process rise strictly, also within a millisecond and when the clock steps back."""
    global _last  # noqa: PLW0603 - one counter a process is what makes the ids rise
    stamp = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    rand = int.from_bytes(os.urandom(10)) >> 6
    with _lock:
        if stamp <= _last[0]:
            stamp, rand = _last[0], _last[1] + 1 + (rand & 0xFFFF)
            if rand >> _RAND_BITS:
                stamp, rand = stamp + 1, rand & 0xFFFF
        _last = (stamp, rand)
    value = (stamp & (1 << 48) - 1) << 80 | 0x7 << 76 | (rand >> 62) << 64 | 0b10 << 62 | rand & (1 << 62) - 1
    return uuid.UUID(int=value)


def new_id() -> str:
    """Return a fresh UUIDv7 as text: the form in which ids travel and are stored."""
    return str(uuid7())


def caused_by(device: str, log_id: int, seq: int, kind: str) -> str:
    """Return the fact_id of what one device event caused: the same cause and kind give the same id, for ever."""
    return str(uuid.uuid5(DEVICE_CAUSES, f"{device}/{log_id}/{seq}/{kind}"))
