"""The room controller: contacts, motion, card holder, service panel and thermostat. It reports evidence; occupancy is the box's rule."""

from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.arguments import U8, Refuse, number
from firmware_sim.codes import Occupancy, Service, Source
from firmware_sim.device import Command, Device, Draft, Outcome, Setup
from firmware_sim.nvram import Nvram
from firmware_sim.world import Timer, World

MOTION_HOLD_S = 5.0  # how long a motion input stays set after the last movement
PROFILES = {"occupied": 0, "unoccupied": 1, "unsold": 2}
ENTRY, WINDOW = 0, 1
SETPOINTS = (50, 350)  # 0.1 °C that the thermostat takes


class RoomController(Device):
    """One room's unit. `true_presence` counts who really is in the room."""

    device_class = "room"

    def __init__(self, setup: Setup, world: World, nvram: Nvram) -> None:
        kept = world.physical.section(setup.name)
        self.true_presence = int(kept.get("presence", 0))
        self.open = {ENTRY: bool(kept.get("open-0")), WINDOW: bool(kept.get("open-1"))}
        self.motion, self.card_in = False, bool(kept.get("card"))
        self.motions, self.moved_at = 0, world.now()
        self.service = Service.NONE
        self.temp, self.humidity, self.setpoint, self.lux = 215, 450, 210, 120
        self.profile = PROFILES["unsold"]
        self.hvac_mode, self.rented, self.quiet_s = 1, False, 1800
        self._still: Timer | None = None
        super().__init__(setup, world, nvram)

    def operations(self) -> Mapping[str, Callable[[Command], Outcome]]:
        return {
            **super().operations(),
            "SET_PROFILE": self._set_profile,
            "SET_SETPOINT": self._set_setpoint,
            "CLEAR_SERVICE": lambda c: Outcome(act=lambda: self._serve(Service.NONE, Source.REMOTE)),
            "SET_RENTED": self._set_rented,
        }

    def started(self) -> None:
        super().started()
        kept = self.nvram.table
        self.profile = int(kept.get("profile", self.profile))
        self.setpoint = int(kept.get("setpoint", self.setpoint))
        self.rented = bool(kept.get("rented", self.rented))
        self.service = Service(kept.get("service", Service.NONE))

    def attributes(self) -> dict[str, Any]:
        stuck = self.faults.stuck
        return {
            "occupancy": int(Occupancy.UNKNOWN),
            "contact_entry": bool(stuck.get("contact_entry", self.open[ENTRY])),
            "contact_window": bool(stuck.get("contact_window", self.open[WINDOW])),
            "motion": bool(stuck.get("motion", self.motion)),
            "presence": None,  # this model has no mmWave part
            "card_holder": bool(stuck.get("card_holder", self.card_in)),
            "service": int(self.service),
            "temp": int(stuck.get("temp", self.temp)),
            "humidity": self.humidity,
            "setpoint": self.setpoint,
            "hvac_mode": self.hvac_mode,
            "profile": self.profile,
            "rented": self.rented,
            "lux": self.lux,
        }

    def _set_profile(self, command: Command) -> Outcome:
        given = command.args.get("profile")
        profile = PROFILES.get(given, -1) if isinstance(given, str) else number(command.args, "profile", U8)
        if profile not in PROFILES.values():
            raise Refuse("BAD_REQUEST")
        return self._set("profile", profile)

    def _set_setpoint(self, command: Command) -> Outcome:
        low, high = SETPOINTS
        setpoint = number(command.args, "setpoint", high)
        if setpoint < low:
            raise Refuse("BAD_REQUEST")
        return self._set("setpoint", setpoint)

    def _set_rented(self, command: Command) -> Outcome:
        given = command.args.get("rented")
        return self._set("rented", given if isinstance(given, bool) else bool(number(command.args, "rented", 1)))

    def _set(self, name: str, value: Any) -> Outcome:
        return Outcome(keys={name: value}, settle=lambda: setattr(self, name, value))

    # ------------------------------------------------------------ hands

    def move(self) -> dict[str, Any]:
        """Somebody moves in the room."""
        self._people(max(self.true_presence, 1))
        self.moved_at = self.world.now()
        if not self.motion:
            self.motion = True
            self.motions = (self.motions + 1) & 0xFFFF
            self._sensed("motion", Draft("motion", {"on": True}))
        if self._still is not None:
            self._still.cancel()
        self._still = self.world.timers.at(self.moved_at + MOTION_HOLD_S, self._stopped)
        return {"motion": True}

    def _stopped(self) -> None:
        self.motion = False
        self._sensed("motion", Draft("motion", {"on": False}))

    def enter(self) -> dict[str, Any]:
        """One more person comes in by the door."""
        self.contact(ENTRY, True)
        self._people(self.true_presence + 1)
        self.contact(ENTRY, False)
        self.move()
        return {"present": self.true_presence}

    def leave(self) -> dict[str, Any]:
        """One person goes out by the door."""
        if not self.true_presence:
            return {"present": 0, "note": "nobody is in the room"}
        present = self.true_presence - 1
        self.move()
        self.contact(ENTRY, True)
        self._people(present)
        self.contact(ENTRY, False)
        return {"present": present}

    def contact(self, which: int, opened: bool) -> dict[str, Any]:
        """Open or close the entry door (0) or the window (1)."""
        if self.open[which] != opened:
            self.open[which] = opened
            self.world.physical.put({f"{self.name}/open-{which}": opened})
            self._sensed(("contact_entry", "contact_window")[which], Draft("contact", {"which": which, "open": opened}))
        return {"open": opened}

    def press(self, button: str) -> dict[str, Any]:
        """Press dnd, mur or butler; the same again puts it out; one puts out the other."""
        pressed = Service[button.upper()]
        self._serve(Service.NONE if self.service == pressed else pressed, Source.MANUAL_INSIDE)
        return {"service": int(self.service)}

    def card_holder(self, present: bool) -> dict[str, Any]:
        """Put a card into the holder by the door, or take it out."""
        if self.card_in != present:
            self.card_in = present
            self.world.physical.put({f"{self.name}/card": present})
            self._sensed("card_holder", Draft("card_holder", {"present": present}))
        return {"present": present}

    def set_temperature(self, tenths: int) -> dict[str, Any]:
        """Let the room become so warm (0.1 °C)."""
        self.temp = tenths
        self._sensed("temp", Draft("climate", {"temp": self.temp, "humidity": self.humidity}))
        return {"temp": tenths}

    def _serve(self, value: Service, source: Source) -> str:
        if self.service != value:
            self.service = value
            if self.powered:
                self.note((Draft("service", {"value": int(value), "source": int(source)}),), {"service": int(value)})
        return "OK"

    def _people(self, count: int) -> None:
        if count != self.true_presence:
            self.true_presence = count
            self.world.physical.put({f"{self.name}/presence": count})

    def _sensed(self, sensor: str, draft: Draft) -> None:
        if self.powered and sensor not in self.faults.stuck:
            self.note((draft,))
