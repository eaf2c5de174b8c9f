"""Whether somebody is in the room: the table of the device sheet, its timers, and sensors that lie."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.occupancy import (
    Alert,
    Changed,
    Door,
    Effect,
    Motion,
    Occupancy,
    Policy,
    Presence,
    Reboot,
    Sees,
    Service,
    Sight,
    Signal,
    Temperature,
    Touch,
    due,
    heard,
    passed,
    profile,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PARIS = Policy(zone=ZoneInfo("Europe/Paris"))
OPEN, SHUT, MOVE, STILL = Door(True), Door(False), Motion(True), Motion(False)
HOUR = 3600


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def seen(*told: tuple[float, Signal], until: float | None = None, policy: Policy = PARIS) -> tuple[Sight, list[Effect]]:
    """A room whose door is known to be shut, and what it tells, each so many seconds after noon."""
    sight, _ = heard(Sight(), SHUT, at(-HOUR), policy)
    sight, _ = heard(sight, STILL, at(-HOUR), policy)
    effects: list[Effect] = []
    for seconds, signal in told:
        sight, more = heard(sight, signal, at(seconds), policy)
        effects += more
    if until is not None:
        sight, more = passed(sight, at(until), policy)
        effects += more
    return sight, effects


def states(effects: Sequence[Effect]) -> list[str]:
    return [str(effect.occupancy) for effect in effects if isinstance(effect, Changed)]


def alerts(effects: Sequence[Effect]) -> list[tuple[str, str]]:
    return [(effect.kind, effect.detail) for effect in effects if isinstance(effect, Alert)]


LEFT = ((0, OPEN), (5, MOVE), (9, SHUT), (10, STILL), (12, OPEN), (13, SHUT))  # comes in, and goes again at once


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize(
    "evidence", [MOVE, Presence("room-202", True), Presence("lock-202", True), Touch("card_holder"), Touch("service")], ids=repr
)
def test_somebody_seen_behind_a_shut_door_is_in_the_room(evidence: Signal) -> None:
    assert states(seen((0, evidence))[1]) == ["occupied"]


def test_what_is_seen_while_the_door_is_open_proves_nothing() -> None:
    assert states(seen((0, OPEN), (1, MOVE), (2, Touch("card_holder")))[1]) == ["verifying"]


def test_a_sleeper_behind_a_shut_door_is_never_declared_gone() -> None:
    sight, effects = seen((0, MOVE), (5, STILL), until=30 * 24 * HOUR)
    assert sight.occupancy is Occupancy.OCCUPIED
    assert states(effects) == ["occupied"]


def test_after_the_door_a_quiet_half_hour_means_that_the_room_is_empty() -> None:
    leaving = ((0, MOVE), (5, STILL), (100, OPEN), (103, SHUT))
    assert states(seen(*leaving, until=103 + 1799)[1]) == ["occupied", "verifying"]
    _, effects = seen(*leaving, until=103 + 1800)
    assert states(effects) == ["occupied", "verifying", "vacant"]
    assert [effect.at for effect in effects if isinstance(effect, Changed)][-1] == at(103 + 1800)


@pytest.mark.parametrize(
    ("local", "quiet_s"),
    [("21:59:59", 1800), ("22:00:00", 3600), ("02:00:00", 3600), ("06:59:59", 3600), ("07:00:00", 1800)],
)
def test_at_night_it_must_be_quiet_for_twice_as_long(local: str, quiet_s: int) -> None:
    shut = datetime.fromisoformat(f"2026-11-22T{local}").replace(tzinfo=ZoneInfo("Europe/Paris"))
    assert PARIS.quiet_at(shut) == timedelta(seconds=quiet_s)


def test_the_one_who_has_just_left_is_not_taken_for_somebody_inside() -> None:
    _, effects = seen((0, OPEN), (3, SHUT), (5, MOVE), (12.9, Touch("card_holder")), until=3 + 1799)
    assert states(effects) == ["verifying"]
    assert states(seen((0, OPEN), (3, SHUT), (13, MOVE))[1]) == ["verifying", "occupied"]


def test_a_motion_light_that_stays_on_behind_the_guest_keeps_nobody_inside() -> None:
    _, effects = seen((0, MOVE), (20, OPEN), (22, SHUT), (50, STILL), until=2 * HOUR)
    assert states(effects) == ["occupied", "verifying", "vacant"]


def test_who_moves_without_a_pause_until_the_quiet_is_over_is_still_there() -> None:
    _, effects = seen((0, OPEN), (1, MOVE), (3, SHUT), until=2 * HOUR)
    assert states(effects) == ["verifying", "occupied"]


def test_who_is_seen_by_the_radar_the_whole_time_needs_no_new_movement() -> None:
    _, effects = seen((0, Presence("room-202", True)), (5, OPEN), (8, SHUT), until=60)
    assert states(effects) == ["occupied", "verifying", "occupied"]
    assert [effect.at for effect in effects if isinstance(effect, Changed)][-1] == at(18)


def test_each_time_the_door_shuts_the_quiet_begins_again() -> None:
    told = ((0, OPEN), (1, SHUT), (1000, OPEN), (1001, SHUT))
    assert states(seen(*told, until=1001 + 1799)[1]) == ["verifying"]
    assert states(seen(*told, until=1001 + 1800)[1]) == ["verifying", "vacant"]


def test_a_door_left_open_is_told_once_and_the_room_stays_in_doubt() -> None:
    sight, effects = seen((0, OPEN), until=10 * HOUR)
    assert alerts(effects) == [("door_ajar", "")]
    assert sight.occupancy is Occupancy.VERIFYING
    _, effects = seen((0, OPEN), (299, SHUT), until=400)
    assert alerts(effects) == []


def test_a_house_with_broken_switches_may_count_an_open_door_as_shut() -> None:
    policy = Policy(ajar_counts_as_shut=True)
    _, effects = seen((0, OPEN), until=300 + 1800, policy=policy)
    assert states(effects) == ["verifying", "vacant"]
    _, effects = seen((0, OPEN), (1000, MOVE), policy=policy)
    assert states(effects) == ["verifying", "occupied"]


def test_nobody_knows_the_door_so_nobody_knows_the_room() -> None:
    sight, effects = heard(Sight(), MOVE, NOON, PARIS)
    assert (sight.occupancy, effects) == (Occupancy.UNKNOWN, ())


def test_of_two_sensors_the_one_that_says_nothing_does_not_shut_the_others_door() -> None:
    told = ((0, Door(True, "door-210")), (1, Motion(True, "motion-210")), (1, Door(False, "motion-210")), (2, Motion(False, "door-210")))
    sight, effects = seen(*told)
    assert (sight.open, sorted(sight.moving)) == (True, ["motion-210"])
    assert states(effects) == ["verifying"]


# ---------------------------------------------------------------- unknown


@pytest.mark.parametrize("blow", [Reboot("room-202"), Sees("room-202", False)], ids=repr)
def test_a_reboot_or_a_lost_device_makes_everything_unknown(blow: Signal) -> None:
    assert states(seen((0, MOVE), (10, blow))[1]) == ["occupied", "unknown"]


def test_after_a_reboot_the_first_movement_brings_the_guest_back() -> None:
    assert states(seen((0, MOVE), (5, STILL), (10, Reboot("room-202")), (5000, MOVE))[1]) == ["occupied", "unknown", "occupied"]


def test_while_a_device_is_lost_nothing_is_believed() -> None:
    _, effects = seen((0, MOVE), (10, Sees("room-202", False)), (20, OPEN), (21, SHUT), (40, MOVE), until=2 * HOUR)
    assert states(effects) == ["occupied", "unknown"]
    _, effects = seen((0, Sees("room-202", False)), (10, Sees("room-202", True)), (20, MOVE))
    assert states(effects) == ["occupied"]


def test_movement_for_four_hours_without_a_gap_is_a_stuck_sensor() -> None:
    sight, effects = seen((0, MOVE), until=4 * HOUR)
    assert states(effects) == ["occupied", "unknown"]
    assert alerts(effects) == [("sensor_fault", "motion_stuck")]
    sight, _ = heard(sight, STILL, at(5 * HOUR), PARIS)
    _, effects2 = heard(sight, MOVE, at(5 * HOUR + 60), PARIS)
    assert states(effects2) == ["occupied"]


def test_movement_with_gaps_is_a_guest_at_home() -> None:
    told: list[tuple[float, Signal]] = [(hour * HOUR + part, signal) for hour in range(9) for part, signal in ((0, MOVE), (3000, STILL))]
    assert alerts(seen(*told, until=9 * HOUR)[1]) == []


def test_six_times_through_the_door_and_never_a_movement_is_a_dead_sensor() -> None:
    told = [(hour * HOUR + part, signal) for hour in range(6) for part, signal in ((0, OPEN), (5, SHUT))]
    sight, effects = seen(*told)
    assert alerts(effects) == [("sensor_fault", "no_motion")]
    assert sight.occupancy is Occupancy.UNKNOWN
    slow = [(5 * hour * HOUR + part, signal) for hour in range(6) for part, signal in ((0, OPEN), (5, SHUT))]
    assert alerts(seen(*slow)[1]) == []  # six, but not within a day
    moved: list[tuple[float, Signal]] = [*told[:6], (2.5 * HOUR, MOVE), (2.5 * HOUR + 5, STILL), *told[6:]]
    assert alerts(seen(*moved)[1]) == []


# ---------------------------------------------------------------- S38: sleeper, leaver and the night


def test_two_guests_one_leaves_at_two_the_other_sleeps_and_the_controller_reboots() -> None:
    night = (datetime(2026, 11, 22, 2, tzinfo=ZoneInfo("Europe/Paris")) - NOON).total_seconds()
    told = ((night - 7200, MOVE), (night - 7195, STILL), (night, OPEN), (night + 4, SHUT))
    _, effects = seen(*told, until=night + 4 + 3599)
    assert states(effects) == ["occupied", "verifying"]
    sight, effects = seen(*told, (night + 3 * HOUR, Reboot("room-202")), until=night + 4 * HOUR)
    assert states(effects) == ["occupied", "verifying", "vacant", "unknown"]
    assert profile(sight.occupancy, sold=True) == "occupied"
    _, more = heard(sight, MOVE, at(night + 5 * HOUR), PARIS)
    assert states(more) == ["occupied"]
    assert alerts(effects) == []


# ---------------------------------------------------------------- panel and climate


def test_do_not_disturb_for_a_day_asks_a_person_to_look_and_nothing_else() -> None:
    _, effects = seen((0, Service("dnd")), (HOUR, Service("dnd")), until=23 * HOUR)
    assert alerts(effects) == []
    _, effects = seen((0, Service("dnd")), until=50 * HOUR)
    assert alerts(effects) == [("welfare_check", "")]
    _, effects = seen((0, Service("dnd")), (HOUR, Service("none")), until=50 * HOUR)
    assert alerts(effects) == []


def test_a_room_below_four_degrees_alarms_once_until_it_is_warm_again() -> None:
    told = [(second, Temperature(tenths)) for second, tenths in enumerate((41, 39, 20, 41, 39, 60, 39))]
    assert alerts(seen(*told)[1]) == [("freeze", "39"), ("freeze", "39")]


@pytest.mark.parametrize(
    ("occupancy", "sold", "wanted"),
    [
        (Occupancy.OCCUPIED, True, "occupied"),
        (Occupancy.VERIFYING, True, "occupied"),
        (Occupancy.UNKNOWN, True, "occupied"),
        (Occupancy.VACANT, True, "unoccupied"),
        (Occupancy.VACANT, False, "unsold"),
        (Occupancy.OCCUPIED, False, "unsold"),
    ],
)
def test_comfort_is_given_up_only_for_a_room_that_is_surely_empty_or_not_sold(occupancy: Occupancy, sold: bool, wanted: str) -> None:
    assert profile(occupancy, sold=sold) == wanted


# ---------------------------------------------------------------- whatever happens

Signals = st.sampled_from(
    (
        OPEN,
        SHUT,
        MOVE,
        STILL,
        Presence("radar", True),
        Presence("radar", False),
        Reboot("r"),
        Sees("r", False),
        Sees("r", True),
        Touch("card"),
    )
)
Days = st.lists(st.tuples(st.integers(0, 4000), Signals), max_size=40)


def dated(steps: list[tuple[int, Signal]]) -> list[tuple[float, Signal]]:
    """The same signals, each so many seconds after the one before."""
    now, told = 0.0, []
    for pause, signal in steps:
        now += pause
        told.append((now, signal))
    return told


@given(Days)
def test_a_room_is_declared_empty_only_after_a_door_and_the_whole_quiet(steps: list[tuple[int, Signal]]) -> None:
    told = dated(steps)
    _, effects = seen(*told, until=told[-1][0] + 5 * HOUR if told else 0)
    for effect in effects:
        if isinstance(effect, Changed) and effect.occupancy is Occupancy.VACANT:
            before = [(seconds, signal) for seconds, signal in told if at(seconds) < effect.at]
            doors = [(0.0, SHUT), *((seconds, signal) for seconds, signal in before if signal in {OPEN, SHUT})]
            last_shut = max(later[0] for earlier, later in pairwise(doors) if (earlier[1], later[1]) == (OPEN, SHUT))
            assert effect.at - at(last_shut) >= PARIS.quiet_at(at(last_shut))
            inside = [signal for seconds, signal in before if seconds >= last_shut + 10 and signal in {MOVE, Presence("radar", True)}]
            assert not inside


@given(Days)
def test_each_change_is_told_once_and_in_the_order_of_time(steps: list[tuple[int, Signal]]) -> None:
    told = dated(steps)
    _, effects = seen(*told, until=told[-1][0] + 5 * HOUR if told else 0)
    changes = [effect for effect in effects if isinstance(effect, Changed)]
    assert all(a.occupancy is not b.occupancy for a, b in pairwise(changes))
    assert [change.at for change in changes] == sorted(change.at for change in changes)


@given(Days, st.integers(120, 5000))
def test_looking_more_often_changes_nothing(steps: list[tuple[int, Signal]], every: int) -> None:
    """A box that was off and catches up ends where one that ran would."""
    told = dated(steps)
    end = (told[-1][0] if told else 0) + 5 * HOUR
    lazy, told_lazy = seen(*told, until=end)
    looks = [(float(second), None) for second in range(0, int(end), every)]
    eager, _ = seen()
    told_eager: list[Effect] = []
    for seconds, signal in sorted([*told, *looks], key=lambda step: step[0]):
        eager, more = heard(eager, signal, at(seconds), PARIS) if signal is not None else passed(eager, at(seconds), PARIS)
        told_eager += more
    eager, more = passed(eager, at(end), PARIS)
    assert (eager, [*told_eager, *more]) == (lazy, told_lazy)
    assert (later := due(eager, PARIS)) is None or later > at(end)
