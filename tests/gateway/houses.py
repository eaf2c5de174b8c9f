"""Builders for tests of the box: a small hotel, its stays and keys, with the shortest possible arguments."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.device import LockKind
from gateway.rules.hotel import Door, Hotel
from wire.entities import Care, Guest, KeyBody, KeyKind, KeyStatus, RoomBody, StayBody, StayStatus

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ARRIVE = datetime(2026, 11, 21, 14, tzinfo=UTC)
DEPART = datetime(2026, 11, 24, 11, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

DOORS = {
    **{n: Door(n, LockKind.ONLINE, f"lock-{n}") for n in range(201, 211)},
    211: Door(211, LockKind.HYBRID, "lock-211"),
    212: Door(212, LockKind.DATA_ON_CARD),
}
ROOMS = {str(n): RoomBody("double", 2, (n,), Care.INSPECTED) for n in DOORS}


def stay(*doors: int, arrive: datetime = ARRIVE, depart: datetime = DEPART, **more: Any) -> StayBody:
    return StayBody(
        number="R-1",
        status=more.pop("status", StayStatus.IN_HOUSE),
        rooms=tuple(str(door) for door in doors),
        doors=doors,
        room_type="double",
        arrive=arrive,
        depart=depart,
        guest=Guest("Guest"),
        in_house_since=more.pop("in_house_since", arrive),
        **more,
    )


def due(*doors: int, **more: Any) -> StayBody:
    return replace(stay(*doors, status=StayStatus.DUE_IN, **more), in_house_since=None)


def left(body: StayBody) -> StayBody:
    return replace(body, status=StayStatus.CHECKED_OUT)


def key(stay_id: str, until: datetime = DEPART, *, copy: int = 0, status: KeyStatus = KeyStatus.WANTED) -> KeyBody:
    return KeyBody(KeyKind.RFID, until, status, stay_id, copy_no=copy)


def hotel(stays: Mapping[str, StayBody], keys: Mapping[str, KeyBody] | None = None) -> Hotel:
    """Every stay gets one key `<stay>-k` unless `keys` says otherwise."""
    cut = {f"{name}-k": key(name, body.depart) for name, body in stays.items()} if keys is None else keys
    return Hotel(DOORS, dict(stays), dict(cut), {}, ROOMS)
