"""What the rules are told of the house: its doors from the configuration, everything else from the mirror; and what they ask people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.device import LockKind
from wire.entities import KeyBody, RoomBody, StaffBody, StayBody


@dataclass(frozen=True, slots=True)
class Door:
    """One door of the house. `common` = it serves several rooms, so it has no generation and no floor."""

    number: int
    kind: LockKind
    device: str | None = None
    common: bool = False


@dataclass(frozen=True, slots=True)
class Hotel:
    """What the mirror and the configuration say; everything by id."""

    doors: Mapping[int, Door]
    stays: Mapping[str, StayBody] = field(default_factory=dict)
    keys: Mapping[str, KeyBody] = field(default_factory=dict)
    staff: Mapping[str, StaffBody] = field(default_factory=dict)
    rooms: Mapping[str, RoomBody] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """Something for a person; `kind` and `args` as in TaskRaised."""

    kind: str
    stay_id: str | None = None
    room: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
