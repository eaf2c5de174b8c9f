"""The body of a lock: bolt, leaf, cells, contacts, and the hands that move them. It knows no keys."""

from dataclasses import dataclass, field
from typing import Any

from firmware_sim.bolt import Bolt
from firmware_sim.codes import Alarm, DoorState, Mode, Source
from firmware_sim.decision import Claim
from firmware_sim.device import Device, Draft, Setup
from firmware_sim.lock_memory import LockMemory, restored
from firmware_sim.nvram import Nvram
from firmware_sim.vitals import FULL_MV
from firmware_sim.world import World

CLOCK_HOLDS_S = 60  # how long the clock chip lives without cells; a longer gap loses the time


@dataclass(frozen=True, slots=True)
class LockSettings:
    """How one lock was commissioned. `areas` not 0 makes it a common-area door."""

    door: int
    kind: str = "online"  # online, hybrid or data_on_card
    areas: int = 0
    property_number: int = 0
    k_card: bytes = field(default=b"", repr=False)
    has_egress_sensor: bool = True
    auto_relock_s: int = 5
    ajar_s: int = 60
    wrong_limit: int = 5
    lockout_s: int = 60
    rights_capacity: int = 64
    block_capacity: int = 32


class LockBody(Device):
    """A door that can be moved by hand and by motor."""

    device_class = "lock"

    def __init__(self, setup: Setup, world: World, nvram: Nvram, settings: LockSettings) -> None:
        self.settings, self.kind, self.index = settings, settings.kind, settings.door
        self.rights_capacity = settings.rights_capacity
        self.memory = LockMemory()
        self.bolt = Bolt(world, setup.name)
        super().__init__(setup, world, nvram)

    def started(self) -> None:
        super().started()
        self.memory = restored(self.nvram.table)
        if self.memory.mode != Mode.PASSAGE:
            self.bolt.extend()  # a motor lock without power springs back

    def health(self) -> dict[str, Any]:
        return {**super().health(), **self.memory.readback()}

    def attributes(self) -> dict[str, Any]:
        settings, stuck = self.settings, self.faults.stuck
        return {
            "lock_state": int(self.bolt.state),
            "door_state": int(stuck.get("door", self.bolt.leaf)),
            "mode": self.memory.mode,
            "deadbolt": bool(stuck.get("deadbolt", self.bolt.deadbolt)),
            "generation": self.memory.generation,
            "floor": self.memory.floor,
            "auto_relock_s": settings.auto_relock_s,
            "ajar_s": settings.ajar_s,
            "wrong_limit": settings.wrong_limit,
            "lockout_s": settings.lockout_s,
            "kind": self.kind,
            "has_egress_sensor": settings.has_egress_sensor,
            "block_capacity": settings.block_capacity,
            "rights_capacity": self.rights_capacity,
        }

    def operation(self, op: str, source: Source, claim: Claim | None = None) -> Draft:
        """The event of a moved bolt."""
        data: dict[str, Any] = {
            "op": op,
            "source": int(source),
            "credential_ref": None,
            "right_ref": None,
            "role": None,
            "generation": None,
        }
        if claim is not None:
            data |= {
                "credential_ref": claim.credential_ref,
                "right_ref": claim.right_ref,
                "role": claim.role,
                "generation": claim.generation,
            }
        return Draft("lock_operation", data)

    def move_bolt(self, source: Source, credential_ref: int | None, seconds: float | None) -> str:
        """Withdraw the bolt for so many seconds (None: for good); OK, or ACTUATOR_JAM and an alarm."""
        before = self.battery.state
        self.battery.use()
        if self.faults.jams():
            self.jammed = True
            self.note((Draft("alarm", {"kind": int(Alarm.JAMMED)}),))
            return "ACTUATOR_JAM"
        self.jammed = False
        self.bolt.withdraw(source, credential_ref)
        if seconds is None or self.memory.mode == Mode.PASSAGE:
            self.bolt.stop_relock()
        else:
            self.bolt.relock_after(seconds, self._relock)
        if self.battery.state != before:
            self.note((self.battery_event(),))
        return "OK"

    def battery_event(self) -> Draft:
        """How the cells are."""
        return Draft("battery", {"mv": round(self.battery.mv), "pct": self.battery.percent, "state": self.battery.state})

    def _relock(self) -> None:
        self.bolt.relock = None
        if self.powered and self.bolt.leaf == DoorState.CLOSED and self.memory.mode != Mode.PASSAGE:
            self.bolt.extend()  # an open door locks when it is closed
            self.note((self.operation("lock", Source.AUTO),))

    def _ajar(self) -> None:
        if self.powered and self.bolt.leaf == DoorState.OPEN and "door" not in self.faults.stuck:
            self.bolt.leaf = DoorState.AJAR
            self.note((Draft("door_state", {"state": int(DoorState.AJAR)}), Draft("alarm", {"kind": int(Alarm.AJAR)})))

    def clock_stepped(self, delta_s: int) -> tuple[Draft, ...]:
        """A step back of more than an hour could revive an expired card; of the sheet's alarms, tampering says it best."""
        return (Draft("alarm", {"kind": int(Alarm.TAMPER)}),) if delta_s < -3600 else ()

    # ------------------------------------------------------------ hands

    def open_door(self, force: bool = False) -> dict[str, Any]:
        """Pull the leaf open; behind a bolt that needs force."""
        if self.bolt.leaf != DoorState.CLOSED:
            return {"opened": True, "note": "the door stands open already"}
        if self.bolt.locked and not force:
            return {"opened": False, "note": "the bolt holds the door"}
        forced = self.bolt.locked
        self.bolt.ajar_after(self.settings.ajar_s, self._ajar)
        if forced and self.settings.has_egress_sensor:
            self._leaf_event(DoorState.FORCED, Draft("alarm", {"kind": int(Alarm.FORCED)}))
        else:
            self._leaf_event(DoorState.OPEN)
        return {"opened": True}

    def close_door(self) -> dict[str, Any]:
        """Push the leaf shut; a bolt whose time has passed then locks."""
        if self.bolt.leaf == DoorState.CLOSED:
            return {"closed": True, "note": "the door was closed already"}
        self.bolt.shut()
        self._leaf_event(DoorState.CLOSED)
        if not self.bolt.locked and self.bolt.relock is None:
            self._relock()
        return {"closed": True}

    def _leaf_event(self, state: DoorState, *more: Draft) -> None:
        if self.powered and "door" not in self.faults.stuck:
            self.note((Draft("door_state", {"state": int(state)}), *more))

    def inside_handle(self) -> dict[str, Any]:
        """Press the handle from inside: it opens mechanically, whatever the state of the lock."""
        had = self.bolt.deadbolt
        if had:
            self.bolt.turn_knob(on=False)
        self.bolt.withdraw(Source.MANUAL_INSIDE)
        self.bolt.relock_after(self.settings.auto_relock_s, self._relock)
        if self.powered:
            off = (Draft("deadbolt", {"on": False}),) if had else ()
            self.note((*off, self.operation("unlock", Source.MANUAL_INSIDE)))
        return {"opened": True}

    def throw_deadbolt(self, on: bool = True) -> dict[str, Any]:
        """Turn the knob inside. The door must be closed for it."""
        if on and self.bolt.leaf != DoorState.CLOSED:
            return {"deadbolt": False, "note": "the door stands open"}
        if self.bolt.deadbolt != on:
            self.bolt.turn_knob(on)
            if self.powered and "deadbolt" not in self.faults.stuck:
                self.note((Draft("deadbolt", {"on": on}),))
        return {"deadbolt": on}

    def mechanical_key(self) -> dict[str, Any]:
        """Turn the emergency cylinder: opens mechanically, and the lock cries out."""
        self.bolt.withdraw(Source.MECHANICAL_KEY)
        self.bolt.relock_after(self.settings.auto_relock_s, self._relock)
        if self.powered:
            alarm = Draft("alarm", {"kind": int(Alarm.MECHANICAL_OVERRIDE)})
            self.note((self.operation("unlock", Source.MECHANICAL_KEY), alarm))
        return {"opened": True}

    def change_batteries(self, gap_s: float = 10.0) -> dict[str, Any]:
        """Fresh cells after `gap_s` without power; a long gap loses the time."""
        self.power_off()
        self.battery.mv = FULL_MV
        lost = gap_s > CLOCK_HOLDS_S
        if lost:
            self.clock.valid = False
            self.keep_clock()
        self.power_on("battery")
        self.note((*((Draft("clock_invalid", {}),) if lost else ()), self.battery_event()))
        return {"clock_lost": lost}
