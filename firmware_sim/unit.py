"""What is true of a simulated device before it can do anything: identity, memory, events, clock, power and who listens."""

import contextlib
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.codes import HEALTH_FLAGS
from firmware_sim.event_log import RING, Draft, Event, EventLog
from firmware_sim.faults import Faults
from firmware_sim.nvram import Nvram, StorageFault
from firmware_sim.vitals import MAINS_MV, Battery, DeviceClock
from firmware_sim.world import World

RESTART_S = 0.3  # how long a simulated device is away when it reboots, real time


@dataclass(frozen=True, slots=True)
class Setup:
    """What commissioning gave to a device."""

    name: str
    binding: str  # mqtt, modbus, ble or none
    k_dev: bytes = field(repr=False)
    mains: bool = True
    fw: str = "1.4.0"


class Reports:
    """Who listens to a device."""

    def __init__(self) -> None:
        self._on_event: list[Callable[[Event], None]] = []
        self._on_reach: list[Callable[[bool], None]] = []
        self._on_change: list[Callable[[], None]] = []

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Hear of each event after it is stored."""
        self._on_event.append(callback)

    def on_reach(self, callback: Callable[[bool], None]) -> None:
        """Hear when power or link come or go."""
        self._on_reach.append(callback)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Hear that state or health may have changed."""
        self._on_change.append(callback)

    def changed(self) -> None:
        """Tell that state or health may have changed."""
        for callback in self._on_change:
            callback()

    def reach_changed(self, reachable: bool) -> None:
        """Tell that power or link came or went."""
        for callback in self._on_reach:
            callback(reachable)

    def happened(self, event: Event) -> None:
        """Tell of one stored event."""
        for callback in self._on_event:
            callback(event)


class Unit(Reports):
    """One device without its abilities."""

    device_class = "device"
    model = 1
    index = 0  # what Modbus and BLE events carry as their index: a lock's door number

    def __init__(self, setup: Setup, world: World, nvram: Nvram) -> None:
        super().__init__()
        self.setup, self.name, self.fw, self.world, self.nvram = setup, setup.name, setup.fw, world, nvram
        self.serial = int.from_bytes(hashlib.sha256(b"serial " + setup.name.encode()).digest()[:8], "big")
        self.faults = Faults(world.random(setup.name), world.random(f"{setup.name}/line"))
        self.battery = Battery(mains=setup.mains)
        self.clock = DeviceClock(set_at=world.now())
        self.log = EventLog(RING)
        self.powered = False
        self.jammed = False
        self.boot_counter = self.log_id = 0
        self.dropped: Counter[str] = Counter()
        self._untold: list[Event] = []

    @property
    def k_dev(self) -> bytes:
        """The device's own key; another one while the knob `wrong_key` is on."""
        return hashlib.sha256(b"wrong" + self.setup.k_dev).digest() if self.faults.wrong_key else self.setup.k_dev

    @property
    def reachable(self) -> bool:
        """Whether the device has power and link."""
        return self.powered and not self.faults.link_down

    def now(self) -> float:
        """Epoch seconds by the device's own clock."""
        return self.clock.read(self.world.now())

    def tq(self) -> str:
        """Quality of that time: set, drifting or invalid."""
        return self.clock.quality(self.world.now())

    def power_on(self, reason: str = "power") -> None:
        """Start: count the boot, take over the memory, log it. Nothing when already on."""
        if self.powered:
            return
        table = self.nvram.table
        fresh = "log_id" not in table
        log_id = int(table.get("log_id") or secrets.randbelow(2**32 - 1) + 1)  # true chance: an erased home must not repeat a log
        self.boot_counter, self.log_id = int(table.get("boot_counter", 0)) + 1, log_id
        self.log.restore(int(table.get("seq", 1)), int(table.get("lost", 0)), self.nvram.section("e"), self.name, log_id)
        if kept := table.get("clock"):
            self.clock.offset, self.clock.set_at, self.clock.valid = kept["offset"], kept["set_at"], kept["valid"]
        self.powered = True
        self.started()
        drafts: tuple[Draft, ...] = (Draft("boot", {"reason": reason}),)
        if fresh and table.get("was_reset"):
            drafts += (Draft("nvram_reset", {}),)
        self.note(drafts, {"boot_counter": self.boot_counter, "log_id": log_id})
        self.reach_changed(self.reachable)

    def started(self) -> None:
        """Take the class's own state out of the memory; what is volatile starts anew."""

    def power_off(self) -> None:
        """Everything that is not in the memory is gone. Nothing when already off."""
        if self.powered:
            self.powered = False
            self._untold.clear()  # they are in the ring and go out after the start
            self.world.trace.add(self.name, "power", on=False)
            self.reach_changed(False)

    def reboot(self, reason: str = "power") -> None:
        """Off and on again at once; bindings drop their connections in between."""
        self.power_off()
        self.power_on(reason)

    def wipe(self) -> None:
        """Lose the whole memory and start with a new log_id."""
        self.power_off()
        self.nvram.wipe()
        self.nvram.put({"was_reset": True})
        self.power_on("nvram")

    def record(self, drafts: tuple[Draft, ...], keys: Mapping[str, Any] | None = None) -> None:
        """Store what happened and what it changed, then tell. Raises StorageFault and tells nothing."""
        self.store(keys or {}, drafts)
        self.tell()

    def store(self, keys: Mapping[str, Any], drafts: tuple[Draft, ...]) -> None:
        """Store changes and numbered events in one step. Raises StorageFault and changes nothing."""
        ts, tq, first = int(self.now()), self.tq(), self.log.next_seq
        events = tuple(Event(self.name, self.log_id, first + i, ts, tq, d.type, d.data) for i, d in enumerate(drafts))
        self.nvram.put({**keys, **self.log.keys_for(events), "time": ts})
        self.log.admit(events)
        self._untold += events

    def note(self, drafts: tuple[Draft, ...], keys: Mapping[str, Any] | None = None) -> None:
        """As `record`, for what happens to a device whether it can log it or not: a loss is counted, not raised."""
        try:
            self.record(drafts, keys)
        except StorageFault:
            self.dropped["unlogged"] += len(drafts)

    def tell(self) -> None:
        """Pass stored events to whoever listens, by number."""
        events, self._untold = self._untold, []
        for event in events:
            self.world.trace.add(self.name, "event", seq=event.seq, type=event.type, data=dict(event.data))
            self.happened(event)
        self.changed()

    def acknowledge(self, log_id: int, upto: int) -> bool:
        """Forget the events up to `upto`; False and nothing when `log_id` is not this device's."""
        if log_id != self.log_id:
            return False
        gone = self.log.dropped_by(upto)
        if gone:
            with contextlib.suppress(StorageFault):  # then they are sent once more after the next start, which is allowed
                self.nvram.put(dict.fromkeys(f"e/{seq}" for seq in gone))
            self.log.drop(gone)
        if self.log.lost and gone:
            lost, self.log.lost = self.log.lost, 0
            self.note((Draft("log_overflow", {"lost": lost}),), {"lost": 0})
        return True

    def keep_clock(self) -> None:
        """Let the memory know how the clock stands, so that a reboot does not mend what a fault has done to it."""
        with contextlib.suppress(StorageFault):
            self.nvram.put({"clock": {"offset": self.clock.offset, "set_at": self.clock.set_at, "valid": self.clock.valid}})

    def unacknowledged(self) -> tuple[Event, ...]:
        """Events that nobody has acknowledged yet, oldest first."""
        return self.log.kept()

    def refuse_frame(self, reason: str) -> None:
        """Count a frame that had no effect."""
        self.dropped[reason] += 1
        self.world.trace.add(self.name, "dropped_frame", reason=reason)

    def health(self) -> dict[str, Any]:
        """Flags by name, battery and radio; locks add counts and digests."""
        battery = {"mv": MAINS_MV if self.battery.mains else round(self.battery.mv), "pct": self.battery.percent}
        return {"flags": list(self.flags()), "battery": battery, "rssi": -52, "clock": int(self.now()), "tq": self.tq()}

    def flags(self) -> tuple[str, ...]:
        """Names of the health flags that are on, in their bit order."""
        state = self.battery.state
        on = (
            state >= 1,
            state == 2,
            self.faults.tamper,
            not self.clock.valid,
            bool(self.nvram.table.get("was_reset")),
            bool(self.faults.stuck),
            self.jammed,
            self.log.lost > 0,
        )
        return tuple(name for name, value in zip(HEALTH_FLAGS, on, strict=True) if value)
