"""Builders for tests about simulated devices: a world that stands at one moment, locks, rights, cards, commands."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from firmware_sim.card import Card, Image, written
from firmware_sim.device import Command, Device, Reply, Setup
from firmware_sim.encoder import Encoder
from firmware_sim.lock import Lock, LockSettings
from firmware_sim.minibar import Minibar
from firmware_sim.nvram import Nvram
from firmware_sim.room import RoomController
from firmware_sim.world import World
from host.clock import ManualClock

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
T = int(NOON.timestamp())
K_DEV, K_CARD, PROPERTY = bytes(range(32)), b"\x11" * 32, 42
_ids = itertools.count(1)
D = TypeVar("D", bound=Device)


def world(seed: int = 1) -> World:
    """A hotel whose time stands at noon."""
    return World(ManualClock(NOON), seed)


def later(device: Device, seconds: float) -> None:
    """Move the hotel's time and run what falls due, each at its own moment."""
    clock, timers = device.world.clock, device.world.timers
    assert isinstance(clock, ManualClock)
    end = clock.now() + timedelta(seconds=seconds)
    while (due := timers.next_at()) is not None and due <= end.timestamp():
        clock.move(max(datetime.fromtimestamp(due, UTC) - clock.now(), timedelta()))
        timers.work_off(due)
    clock.move(end - clock.now())


def at_once(device: D) -> D:
    """The device without its latency."""
    device.faults.latency = {"const": 0.0}
    return device


def lock(kind: str = "online", path: Path | None = None, **more: Any) -> Lock:
    settings = LockSettings(205, kind, property_number=PROPERTY, k_card=K_CARD, **more)
    return at_once(Lock(Setup("lock-205", "mqtt", K_DEV, mains=False), world(), Nvram(path), settings))


def encoder() -> Encoder:
    return at_once(Encoder(Setup("encoder-1", "mqtt", K_DEV), world(), Nvram(None), PROPERTY, K_CARD))


def minibar(slots: int = 4) -> Minibar:
    return at_once(Minibar(Setup("bar-201", "mqtt", K_DEV), world(), Nvram(None), slots))


def room() -> RoomController:
    return at_once(RoomController(Setup("room-201", "mqtt", K_DEV), world(), Nvram(None)))


def generation(start: int = T, issue: int = 1) -> int:
    return (start - 1704067200) // 60 << 8 | issue


def right(ref: int = 71, **other: Any) -> dict[str, Any]:
    """The arguments of PUT_RIGHT for a guest of today at door 205."""
    args: dict[str, Any] = {
        "right_ref": ref,
        "version": 1,
        "credential_ref": 0xBEEF,
        "cred_hash": "00" * 8,
        "door_first": 205,
        "door_count": 1,
    }
    args |= {
        "door_first": 205,
        "door_count": 1,
        "generation": generation(),
        "from": T,
        "until": T + 86400,
        "role": 1,
        "flags": 0,
        "copy": 0,
    }
    return args | {name.rstrip("_"): value for name, value in other.items()}


def card(name: str = "C1", key: bytes = K_CARD, **other: Any) -> Card:
    """A written card of a guest of today for door 205."""
    uid = b"\x04" + hashlib.sha256(name.encode()).digest()[:6]
    fields: dict[str, Any] = {
        "type": 1,
        "property_number": PROPERTY,
        "door_first": 205,
        "door_count": 1,
        "generation": generation(),
        "copy": 0,
    }
    fields |= {"flags": 0, "start": T, "until": T + 86400, "credential_ref": 0xBEEF, "areas": 0}
    made = Card(name, uid)
    made.write(written(Image(**(fields | other)), uid, key))
    return made


def command(op: str, args: dict[str, Any] | None = None, expires_at: float | None = None, cmd_id: bytes | None = None) -> Command:
    return Command(cmd_id or next(_ids).to_bytes(16, "big"), op, args or {}, T, expires_at)


async def do(device: Device, op: str, args: dict[str, Any] | None = None, expires_at: float | None = None) -> Reply:
    """Execute one command and return its reply, which must come."""
    reply = await device.execute(command(op, args, expires_at))
    assert reply is not None
    return reply


def events(device: Device) -> list[str]:
    """The types of all events that are not acknowledged, without the boot."""
    return [event.type for event in device.unacknowledged() if event.type != "boot"]


def data(device: Device, kind: str) -> list[dict[str, Any]]:
    """The data of all unacknowledged events of one type."""
    return [dict(event.data) for event in device.unacknowledged() if event.type == kind]
