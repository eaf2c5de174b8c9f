"""The decision at a card tap (device sheet 2.1) as a pure table: what the door is, what the key claims, and the first test that fails."""

from collections.abc import Callable
from dataclasses import dataclass

from firmware_sim.codes import Mode, Reason, RightFlag, Role

EARLY_S = 300  # a key may come five minutes before its time
AHEAD_S = 400 * 86400  # how far a generation may lie ahead of the clock
GENERATION_ZERO = 1704067200  # 2024-01-01T00:00Z, from which generations count minutes
MINUTES_OF_DAY = 1440


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a staff right opens, in UTC: weekday mask (bit 0 Sunday), start and end minute of day; over midnight when start > end."""

    days: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What one key may do: a right of the lock's table, or the image on the card."""

    credential_ref: int
    role: int
    door_first: int
    door_count: int
    generation: int
    start: int
    until: int
    flags: int = 0
    areas: int = 0
    extra_doors: tuple[int, ...] = ()
    schedule: Schedule | None = None
    right_ref: int | None = None
    one_shot: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One key held to the door. `claims`: newest first; none = the table knows no right of it."""

    authentic: bool
    credential_ref: int | None = None
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Door:
    """The lock at the moment of a tap. `time` is the clock, or the last persisted time when the clock is lost."""

    door: int
    areas: int
    floor: int
    generation: int
    blocked: frozenset[int]
    mode: int
    locked_out: bool
    privacy: bool
    clock_valid: bool
    time: float
    has_power: bool
    lookahead: int = 0  # knob `legacy`: only the next n generations are taken; 0 = as the sheet says

    @property
    def common(self) -> bool:
        """Whether it serves rooms of different stays: no generation and no floor then."""
        return self.areas != 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` None opens, by `claim`; `clock_lost` when a lost clock was judged by the last persisted time."""

    reason: Reason | None
    claim: Claim | None = None
    clock_lost: bool = False


def decide(door: Door, attempt: Attempt) -> Verdict:
    """Judge one attempt: the first claim that passes all tests opens; else the first test that the newest claim fails."""
    first: Verdict | None = None
    for claim in attempt.claims or (None,):
        reason = next((reason for reason, passes in TESTS if not passes(door, attempt, claim)), None)
        if reason is None:
            return Verdict(None, claim, not door.clock_valid)
        first = first or Verdict(reason, claim)
    return first or Verdict(Reason.UNKNOWN)


def _at_this_door(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    if claim is None or claim.areas & door.areas:
        return True
    if claim.flags & RightFlag.COMMON_ONLY:
        return False
    return claim.door_first <= door.door < claim.door_first + claim.door_count or door.door in claim.extra_doors


def _not_blocked(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    return attempt.credential_ref not in door.blocked


def _no_lockout(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    emergency = claim is not None and claim.role == Role.EMERGENCY
    return emergency or (door.mode != Mode.LOCKOUT and not door.locked_out)


def _known(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    return claim is not None


def _clock(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    return door.clock_valid or (claim is not None and claim.role != Role.GUEST)


def _begun(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    return claim is not None and door.time >= claim.start - EARLY_S


def _not_over(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    return claim is not None and door.time < claim.until


def _scheduled(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    if claim is None or claim.schedule is None or claim.role == Role.GUEST:
        return True
    return within(claim.schedule, door.time)


def within(schedule: Schedule, time: float) -> bool:
    """Whether `time` (epoch seconds) lies in the schedule. A schedule over midnight belongs to the day on which it starts."""
    day, minute = divmod(int(time) // 60, MINUTES_OF_DAY)
    weekday = (day + 4) % 7  # 1970-01-01 was a Thursday, bit 4
    if schedule.start <= schedule.end:
        return bool(schedule.days >> weekday & 1) and schedule.start <= minute < schedule.end
    if minute >= schedule.start:
        return bool(schedule.days >> weekday & 1)
    return minute < schedule.end and bool(schedule.days >> (weekday - 1) % 7 & 1)


def has_generation(door: Door, claim: Claim) -> bool:
    """Whether tests 10 and 11, and the advance of the generation, concern this claim at this door."""
    return claim.role == Role.GUEST and not door.common


def _not_superseded(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    return claim is None or not has_generation(door, claim) or claim.generation >= max(door.generation, door.floor)


def _in_sequence(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    if claim is None or not has_generation(door, claim):
        return True
    if door.lookahead and door.generation and claim.generation > door.generation + door.lookahead:
        return False
    return GENERATION_ZERO + (claim.generation >> 8) * 60 <= door.time + AHEAD_S


def _undisturbed(door: Door, attempt: Attempt, claim: Claim | None) -> bool:
    if not door.privacy or claim is None:
        return True
    return claim.role == Role.EMERGENCY or bool(claim.flags & RightFlag.OVERRIDE_PRIVACY)


TESTS: tuple[tuple[Reason, Callable[[Door, Attempt, Claim | None], bool]], ...] = (
    (Reason.FOREIGN, lambda door, attempt, claim: attempt.authentic),
    (Reason.WRONG_DOOR, _at_this_door),
    (Reason.BLOCKED, _not_blocked),
    (Reason.LOCKOUT, _no_lockout),
    (Reason.UNKNOWN, _known),
    (Reason.CLOCK_INVALID, _clock),
    (Reason.NOT_YET, _begun),
    (Reason.EXPIRED, _not_over),
    (Reason.SCHEDULE, _scheduled),
    (Reason.SUPERSEDED, _not_superseded),
    (Reason.OUT_OF_SEQUENCE, _in_sequence),
    (Reason.PRIVACY, _undisturbed),
    (Reason.LOW_POWER, lambda door, attempt, claim: door.has_power),
)
