"""A door contact and motion sensor pair that only broadcasts (BTHome): it takes no commands and keeps no log for anybody."""

from typing import Any

from firmware_sim.device import Device, Draft, Setup
from firmware_sim.nvram import Nvram
from firmware_sim.world import Timer, World

MOTION_HOLD_S = 30.0  # battery sensors rest for long after each movement


class SensorPair(Device):
    """One pair; its binding broadcasts `state()` at each change. `encrypted`: with the first 16 bytes of K_dev."""

    device_class = "bthome"

    def __init__(self, setup: Setup, world: World, nvram: Nvram, encrypted: bool) -> None:
        self.encrypted = encrypted
        self.door_open = self.motion = False
        self._still: Timer | None = None
        super().__init__(setup, world, nvram)

    def attributes(self) -> dict[str, Any]:
        stuck = self.faults.stuck
        return {"door_open": bool(stuck.get("door", self.door_open)), "motion": bool(stuck.get("motion", self.motion))}

    def contact(self, opened: bool) -> dict[str, Any]:
        """Open or close the door."""
        if self.door_open != opened:
            self.door_open = opened
            self._sensed("door", Draft("contact", {"which": 0, "open": opened}))
        return {"open": opened}

    def move(self) -> dict[str, Any]:
        """Somebody moves in the room."""
        if not self.motion:
            self.motion = True
            self._sensed("motion", Draft("motion", {"on": True}))
        if self._still is not None:
            self._still.cancel()
        self._still = self.world.timers.at(self.world.now() + MOTION_HOLD_S, self._stopped)
        return {"motion": True}

    def _stopped(self) -> None:
        self.motion = False
        self._sensed("motion", Draft("motion", {"on": False}))

    def _sensed(self, sensor: str, draft: Draft) -> None:
        if self.powered and sensor not in self.faults.stuck:
            self.note((draft,))
            self.acknowledge(self.log_id, self.log.newest)  # nobody ever will
