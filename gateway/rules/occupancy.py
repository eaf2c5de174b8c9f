"""Virtual occupancy of a room, pure: from its door, its movements and its panel to unknown, vacant, verifying or occupied.

    any                 evidence with the entry door closed   -> occupied (no time-out while the door stays closed)
    occupied, unknown   the entry door opens                  -> verifying
    verifying           evidence, 10 s or more after it shut  -> occupied
    verifying           `quiet` after it shut, no evidence    -> vacant
    any                 reboot, sensor fault, device offline  -> unknown

Source: device sheet, room class. A lit motion input is no evidence by itself (it stays lit after the door has shut behind the guest);
presence and a thrown deadbolt are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Literal

DEAF = timedelta(seconds=10)  # the guest who has just left is still seen for so long
STUCK = timedelta(hours=4)  # movement without a gap for so long is a stuck sensor
CYCLES, CYCLES_TIME = 6, timedelta(hours=24)  # so many door cycles without movement: a dead one
WELFARE = timedelta(hours=24)  # of do-not-disturb
FREEZING, WARM_AGAIN = 40, 60  # 0.1 °C


class Occupancy(StrEnum):
    """What the sensors say; it never moves what the front office says."""

    UNKNOWN = "unknown"
    VACANT = "vacant"
    VERIFYING = "verifying"
    OCCUPIED = "occupied"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the hotel may set, and its time zone. `ajar_counts_as_shut`: for a house with broken door switches."""

    quiet: timedelta = timedelta(seconds=1800)
    night_factor: int = 2
    night_from: time = time(22)
    night_to: time = time(7)
    ajar: timedelta = timedelta(seconds=300)
    ajar_counts_as_shut: bool = False
    zone: tzinfo = UTC

    def quiet_at(self, shut: datetime) -> timedelta:
        """Return how long it must be quiet after the door shut at this moment; longer at night, when guests sleep."""
        local = shut.astimezone(self.zone).time()
        return self.quiet * (self.night_factor if local >= self.night_from or local < self.night_to else 1)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of one room. `opens`, `moving`, `present` and `blind` name the sources that say so: a room may have several doors
    and sensors, and is open, or moved in, while one of them says it."""

    occupancy: Occupancy = Occupancy.UNKNOWN
    since: datetime | None = None
    open: bool | None = None
    opens: frozenset[str] = frozenset()
    door_at: datetime | None = None
    quiet_from: datetime | None = None  # verifying, and shut since
    ajar_told: bool = False
    moving: frozenset[str] = frozenset()
    moving_since: datetime | None = None
    says_off: bool = False  # the motion sensor tells the end of a movement too
    present: frozenset[str] = frozenset()
    cycles: tuple[datetime, ...] = ()  # door cycles since the last movement
    blind: frozenset[str] = frozenset()
    dnd_since: datetime | None = None
    dnd_told: bool = False
    cold: bool = False


# ---------------------------------------------------------------- what is heard


@dataclass(frozen=True, slots=True)
class Door:
    """An entry door."""

    open: bool
    source: str = ""


@dataclass(frozen=True, slots=True)
class Motion:
    """The movement input; `level` = told as state, not as a change."""

    on: bool
    source: str = ""
    level: bool = False


@dataclass(frozen=True, slots=True)
class Watches:
    """A device of the room has a motion sensor that tells the end of a movement too."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody is there for as long as it is on: a radar, a thrown deadbolt."""

    source: str
    on: bool


@dataclass(frozen=True, slots=True)
class Touch:
    """A hand inside: card put into the holder, a button of the panel, a key of the thermostat."""

    what: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """A device of the room has started again."""

    source: str


@dataclass(frozen=True, slots=True)
class Sees:
    """A device of the room is there, or not."""

    source: str
    on: bool


@dataclass(frozen=True, slots=True)
class Service:
    """The panel: none, dnd, mur, butler."""

    value: str


@dataclass(frozen=True, slots=True)
class Temperature:
    """Of the room, 0.1 °C."""

    tenths: int


Signal = Door | Motion | Watches | Presence | Touch | Reboot | Sees | Service | Temperature


# ---------------------------------------------------------------- what follows


@dataclass(frozen=True, slots=True)
class Changed:
    """The room's occupancy is another one."""

    occupancy: Occupancy
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """Something for a person; never a door, a right or a charge."""

    kind: Literal["door_ajar", "sensor_fault", "welfare_check", "freeze"]
    at: datetime
    detail: str = ""


Effect = Changed | Alert


@dataclass(slots=True)
class _Step:
    """One signal or moment being worked off."""

    sight: Sight
    at: datetime
    effects: list[Effect] = field(default_factory=list)

    def change(self, occupancy: Occupancy, cause: str) -> None:
        if self.sight.blind:
            occupancy = Occupancy.UNKNOWN
        if occupancy is not self.sight.occupancy:
            self.sight = replace(self.sight, occupancy=occupancy, since=self.at)
            self.effects.append(Changed(occupancy, cause, self.at))
        if occupancy is not Occupancy.VERIFYING:
            self.sight = replace(self.sight, quiet_from=None)

    def evidence(self, cause: str) -> None:
        """Somebody is inside, if the door is shut and the one who shut it from outside is out of sight."""
        quiet_from = self.sight.quiet_from
        if shut(self.sight) and not (quiet_from is not None and self.at - quiet_from < DEAF):
            self.change(Occupancy.OCCUPIED, cause)

    def alert(self, kind: Literal["door_ajar", "sensor_fault", "welfare_check", "freeze"], detail: str = "") -> None:
        self.effects.append(Alert(kind, self.at, detail))

    def blinded(self, why: str) -> None:
        self.sight = replace(self.sight, blind=self.sight.blind | {why})
        self.change(Occupancy.UNKNOWN, why)


def shut(sight: Sight) -> bool:
    """Whether the entry door counts as shut."""
    return sight.open is False or (sight.open is True and sight.quiet_from is not None)


def heard(sight: Sight, signal: Signal, at: datetime, policy: Policy) -> tuple[Sight, tuple[Effect, ...]]:
    """Take in one signal of the time `at`, after everything that fell due before it."""
    sight, passed_by = passed(sight, at, policy)
    step = _Step(sight, at)
    match signal:
        case Door():
            _door(step, signal)
        case Motion():
            _motion(step, signal)
        case Watches():
            step.sight = replace(sight, says_off=True)
        case Presence(source, on):
            _presence(step, source, on)
        case Touch(what):
            step.evidence(what)
        case Reboot():
            step.change(Occupancy.UNKNOWN, "reboot")
        case Sees(source, on):
            _sees(step, source, on)
        case Service(value):
            _service(step, value)
        case Temperature(tenths):
            _temperature(step, tenths)
    return step.sight, (*passed_by, *step.effects)


def _door(step: _Step, signal: Door) -> None:
    opens = step.sight.opens | {signal.source} if signal.open else step.sight.opens - {signal.source}
    is_open = bool(opens)
    before = step.sight = replace(step.sight, opens=opens)
    if before.open is is_open:
        return
    step.sight = replace(before, open=is_open, door_at=step.at, ajar_told=False, quiet_from=None)
    if is_open:
        if before.occupancy in {Occupancy.OCCUPIED, Occupancy.UNKNOWN}:
            step.change(Occupancy.VERIFYING, "door")
        return
    if step.sight.occupancy is Occupancy.VERIFYING:
        step.sight = replace(step.sight, quiet_from=step.at)
    if before.open is not None:
        cycles = (*(at for at in before.cycles if step.at - at < CYCLES_TIME), step.at)
        step.sight = replace(step.sight, cycles=cycles)
        if len(cycles) >= CYCLES and before.says_off and "no_motion" not in before.blind:
            step.alert("sensor_fault", "no_motion")
            step.blinded("no_motion")


def _motion(step: _Step, signal: Motion) -> None:
    before = step.sight
    if not signal.on:
        moving = before.moving - {signal.source}
        ended = bool(before.moving) and not moving
        blind = before.blind - {"motion_stuck"} if ended else before.blind
        since = before.moving_since if moving else None
        step.sight = replace(before, moving=moving, moving_since=since, says_off=True, blind=blind)
        return
    if signal.level and signal.source in before.moving:
        return
    since = before.moving_since if signal.level and before.moving_since is not None else step.at  # a new movement ends the one before
    blind = before.blind - {"no_motion", "motion_stuck"}
    step.sight = replace(before, moving=before.moving | {signal.source}, moving_since=since, cycles=(), blind=blind)
    if not signal.level:
        step.evidence("motion")


def _presence(step: _Step, source: str, on: bool) -> None:
    before = step.sight
    if on == (source in before.present):
        return
    step.sight = replace(before, present=before.present | {source} if on else before.present - {source})
    if on:
        step.sight = replace(step.sight, cycles=(), blind=before.blind - {"no_motion"})
        step.evidence("presence")


def _sees(step: _Step, source: str, on: bool) -> None:
    if on:
        step.sight = replace(step.sight, blind=step.sight.blind - {source})
    elif source not in step.sight.blind:
        moving = step.sight.moving - {source}
        since = step.sight.moving_since if moving else None
        step.sight = replace(step.sight, present=step.sight.present - {source}, moving=moving, moving_since=since)
        step.blinded(source)


def _service(step: _Step, value: str) -> None:
    if value != "dnd":
        step.sight = replace(step.sight, dnd_since=None, dnd_told=False)
    elif step.sight.dnd_since is None:
        step.sight = replace(step.sight, dnd_since=step.at)


def _temperature(step: _Step, tenths: int) -> None:
    if tenths < FREEZING and not step.sight.cold:
        step.sight = replace(step.sight, cold=True)
        step.alert("freeze", str(tenths))
    elif tenths >= WARM_AGAIN:
        step.sight = replace(step.sight, cold=False)


# ---------------------------------------------------------------- time


def due(sight: Sight, policy: Policy) -> datetime | None:
    """Return when `passed` has something to do next, None when time alone changes nothing."""
    return min((at for at, _ in _strikes(sight, policy)), default=None)


def passed(sight: Sight, now: datetime, policy: Policy) -> tuple[Sight, tuple[Effect, ...]]:
    """Work off everything that fell due up to `now`, in order, each at its own time. Repeatable."""
    effects: list[Effect] = []
    while (strike := min(_strikes(sight, policy), default=None)) is not None and strike[0] <= now:
        at, what = strike
        step = _Step(sight, at)
        _strike(step, what, policy)
        sight = step.sight
        effects += step.effects
    return sight, tuple(effects)


def _strikes(sight: Sight, policy: Policy) -> Iterator[tuple[datetime, str]]:
    """All that is running: when, and what then. Of two at one moment the first by name goes first."""
    if sight.occupancy is Occupancy.VERIFYING:
        if sight.quiet_from is not None:
            if sight.present:
                yield sight.quiet_from + DEAF, "presence"
            yield sight.quiet_from + policy.quiet_at(sight.quiet_from), "quiet"
        elif sight.open and sight.door_at is not None and not sight.ajar_told:
            yield sight.door_at + policy.ajar, "ajar"
    if sight.moving_since is not None and sight.says_off and "motion_stuck" not in sight.blind:
        yield sight.moving_since + STUCK, "stuck"
    if sight.dnd_since is not None and not sight.dnd_told:
        yield sight.dnd_since + WELFARE, "dnd"


def _strike(step: _Step, what: str, policy: Policy) -> None:
    match what:
        case "presence":
            step.change(Occupancy.OCCUPIED, "presence")
        case "quiet":
            seen = step.sight.present or (step.sight.moving_since is not None and step.sight.says_off)
            step.change(*((Occupancy.OCCUPIED, "motion") if seen else (Occupancy.VACANT, "quiet")))
        case "ajar":
            step.sight = replace(step.sight, ajar_told=True, quiet_from=step.at if policy.ajar_counts_as_shut else None)
            step.alert("door_ajar")
        case "stuck":
            step.alert("sensor_fault", "motion_stuck")
            step.blinded("motion_stuck")
        case "dnd":
            step.sight = replace(step.sight, dnd_told=True)
            step.alert("welfare_check")


def profile(occupancy: Occupancy, *, sold: bool) -> Literal["occupied", "unoccupied", "unsold"]:
    """Return the climate profile: comfort is given up only when the room is surely empty, or nobody has bought it."""
    if not sold:
        return "unsold"
    return "unoccupied" if occupancy is Occupancy.VACANT else "occupied"
