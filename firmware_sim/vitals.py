"""What keeps a device going: its clock chip and its battery."""

from dataclasses import dataclass

DRIFTING_AFTER_S = 48 * 3600  # the gateway sets the clock daily (device sheet 1); two misses and the time is no longer fresh


@dataclass(slots=True)
class DeviceClock:
    """The device's own idea of time against the hotel's. Runs on through a reboot, as a clock chip does."""

    offset: float = 0.0
    drift_ppm: float = 0.0
    set_at: float = 0.0
    valid: bool = True

    def read(self, base: float) -> float:
        """Epoch seconds by this clock when the hotel's time is `base`."""
        return base + self.offset + (base - self.set_at) * self.drift_ppm / 1e6

    def quality(self, base: float) -> str:
        """`set`, `drifting` or `invalid`, as events carry it."""
        if not self.valid:
            return "invalid"
        return "drifting" if base - self.set_at > DRIFTING_AFTER_S else "set"

    def put(self, base: float, epoch: float) -> None:
        """Set the clock to `epoch`; it is then good again."""
        self.offset, self.set_at, self.valid = epoch - base, base, True

    def as_keys(self, base: float, epoch: float) -> dict[str, float | bool]:
        """What the memory keeps of a `put` with the same arguments."""
        return {"offset": epoch - base, "set_at": base, "valid": True}


FULL_MV = 6000  # four fresh cells, device sheet 5
LOW_MV = 4800
CRITICAL_MV = 4400
MAINS_MV = 0xFFFF  # what the register says for a device on mains


@dataclass(slots=True)
class Battery:
    """Four cells, or mains."""

    mains: bool = False
    mv: float = FULL_MV
    drain_mv: float = 0.0  # for each movement of the bolt
    dead_at_mv: float = 4000.0

    @property
    def state(self) -> int:
        """0 ok, 1 low, 2 critical."""
        if self.mains or self.mv >= LOW_MV:
            return 0
        return 1 if self.mv >= CRITICAL_MV else 2

    @property
    def percent(self) -> int:
        """0 at the critical voltage, 100 fresh; 100 on mains."""
        if self.mains:
            return 100
        return round(min(max((self.mv - CRITICAL_MV) / (FULL_MV - CRITICAL_MV), 0.0), 1.0) * 100)

    @property
    def dead(self) -> bool:
        """Whether there is too little left to move a bolt."""
        return not self.mains and self.mv <= self.dead_at_mv

    def use(self) -> None:
        """One movement."""
        if not self.mains:
            self.mv = max(self.mv - self.drain_mv, 0.0)
