"""A device's attributes in the box's words: enumerations that travel as numbers become their words, the rest stays. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.drivers import words

_TABLES: Mapping[str, Mapping[int, str]] = {
    "lock_state": words.LOCK_STATE,
    "door_state": words.DOOR_STATE,
    "mode": words.MODE,
    "occupancy": words.OCCUPANCY,
    "service": words.SERVICE,
    "profile": words.PROFILE,
    "state": words.ENCODER_STATE,
}


def in_words(said: Mapping[str, Any]) -> dict[str, Any]:
    """`said` with its enumerations as words; a number that is in no table becomes None: not known rather than wrong."""
    read: dict[str, Any] = {}
    for key, value in said.items():
        table = _TABLES.get(key)
        if table is None:
            read[key] = value
            continue
        try:
            read[key] = words.word(table, value)
        except ValueError:
            read[key] = None
    return read
