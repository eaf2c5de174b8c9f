"""Passwords and PINs: made, hashed with argon2id, checked; never more than two hashes at a time, off the event loop."""

import asyncio
import functools
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

AT_ONCE = 2  # 64 MiB each: more would starve the machine, and an attacker would choose how many
PASSWORD_BYTES = 12
PIN_DIGITS = 6
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on paper
# passwords: RFC 9106, second recommendation; PINs: what the box's small machine can afford, one at a time
_PASSWORD = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, type=Type.ID)
_PIN = PasswordHasher(time_cost=4, memory_cost=16 * 1024, parallelism=1, type=Type.ID)
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")


def new_password() -> str:
    """Return a password that a person can copy from paper: four groups, about 80 bits."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def new_pin() -> str:
    """Return a PIN of six digits."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"


def hash_password(password: str) -> str:
    """Return the hash to keep; takes about 0.1 s, so never call it on the event loop."""
    return _PASSWORD.hash(password)


def hash_pin(k_pin: bytes, pin: str) -> str:
    """Return argon2id(HMAC-SHA-256(K_pin, PIN)): without K_pin a stolen feed cannot be searched for PINs."""
    return _PIN.hash(hmac.digest(k_pin, pin.encode(), "sha256"))


@functools.cache
def _nobody() -> str:
    """The hash that an unknown login is checked against, so that it takes as long as a wrong password."""
    return _PASSWORD.hash(secrets.token_hex(16))


def _matches(kept: str | None, password: str) -> bool:
    try:
        return _PASSWORD.verify(kept or _nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


async def matches(kept: str | None, password: str) -> bool:
    """Whether `password` belongs to the hash; None, an unknown person, takes as long and is False."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _matches, kept, password)
