"""The metal of a door, and the truth about it: bolt, leaf, deadbolt, and every time that the bolt came back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.codes import DoorState, LockState, Source
from firmware_sim.world import Timer, World, rfc3339


@dataclass(slots=True)
class Bolt:
    """Physical state outlives reboots. `openings` is ground truth for tests and never crosses a binding."""

    world: World
    name: str
    state: LockState = LockState.LOCKED
    leaf: DoorState = DoorState.CLOSED
    deadbolt: bool = False
    openings: list[dict[str, Any]] = field(default_factory=list)
    relock: Timer | None = None
    ajar: Timer | None = None

    def __post_init__(self) -> None:
        kept = self.world.physical.section(self.name)
        self.openings = [kept[f"opening-{n}"] for n in range(int(kept.get("openings", 0)))]
        self.leaf, self.deadbolt = DoorState(kept.get("leaf", DoorState.CLOSED)), bool(kept.get("deadbolt"))

    def withdraw(self, source: Source, credential_ref: int | None = None) -> None:
        """Free the door, and note it as truth."""
        self.state = LockState.UNLOCKED
        opening = {"at": rfc3339(self.world.now()), "source": int(source), "credential_ref": credential_ref}
        self.keep({f"opening-{len(self.openings)}": opening, "openings": len(self.openings) + 1})
        self.openings.append(opening)
        self.world.trace.add(self.name, "bolt_opening", source=int(source), credential_ref=credential_ref)

    def extend(self) -> None:
        """Lock the door."""
        self.state = LockState.LOCKED
        self.stop_relock()

    def relock_after(self, seconds: float, do: Callable[[], None]) -> None:
        """Call `do` after so many seconds of business time, instead of any earlier wish."""
        self.stop_relock()
        self.relock = self.world.timers.at(self.world.now() + seconds, do)

    def stop_relock(self) -> None:
        """Stay as it is."""
        if self.relock is not None:
            self.relock.cancel()
            self.relock = None

    def keep(self, changes: dict[str, Any]) -> None:
        """Let the truth outlive the simulator."""
        self.world.physical.put({f"{self.name}/{key}": value for key, value in changes.items()})

    def turn_knob(self, on: bool) -> None:
        """Throw the deadbolt or take it back."""
        self.deadbolt = on
        self.keep({"deadbolt": on})
        if on:
            self.state = LockState.LOCKED

    def ajar_after(self, seconds: float, do: Callable[[], None]) -> None:
        """Open the leaf, and call `do` when it has stood open for so long."""
        self.leaf = DoorState.OPEN
        self.keep({"leaf": int(DoorState.OPEN)})
        self.ajar = self.world.timers.at(self.world.now() + seconds, do)

    def shut(self) -> None:
        """The leaf is closed."""
        self.leaf = DoorState.CLOSED
        self.keep({"leaf": int(DoorState.CLOSED)})
        if self.ajar is not None:
            self.ajar.cancel()
            self.ajar = None

    @property
    def locked(self) -> bool:
        """Whether the bolt holds the door."""
        return self.state == LockState.LOCKED
