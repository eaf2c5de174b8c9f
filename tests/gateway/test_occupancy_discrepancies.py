"""Where sensors and front office disagree: each finding at its time, none on a guess, all of them only questions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.discrepancies import Entry, Front, due, found
from gateway.rules.occupancy import Occupancy, Sight

PARIS = ZoneInfo("Europe/Paris")
ARRIVED = datetime(2026, 11, 20, 15, tzinfo=PARIS)
DEPART = datetime(2026, 11, 22, 11, tzinfo=PARIS)


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=PARIS)


def room(occupancy: Occupancy, since: datetime) -> Sight:
    return Sight(occupancy, since, open=False)


LIVED_IN = Front(True, ARRIVED, DEPART, "s1")
FREE = Front(False, ARRIVED)


def kinds(sight: Sight, front: Front, now: datetime, entry: Entry | None = None) -> list[str]:
    return [finding.kind for finding in found(sight, front, entry, now, PARIS)]


@pytest.mark.parametrize(
    ("since", "now", "told"),
    [
        (local(20, 22), local(21, 5, 59), False),
        (local(20, 22), local(21, 6), True),
        (local(20, 23), local(21, 6), True),
        (local(21, 0, 30), local(21, 6), False),  # came home late, or left in the night: not a night away
        (local(20, 22), local(21, 13), False),  # old news
    ],
)
def test_a_bed_not_slept_in_is_told_in_the_morning(since: datetime, now: datetime, told: bool) -> None:
    assert ("sleep_out" in kinds(room(Occupancy.VACANT, since), LIVED_IN, now)) == told


@pytest.mark.parametrize(
    ("now", "told"),
    [(local(22, 9), False), (local(22, 9, 1), True), (local(21, 20), False)],
)
def test_a_room_empty_for_six_hours_on_the_departure_day_may_be_a_skipper(now: datetime, told: bool) -> None:
    since = local(22, 3) if now.day == 22 else local(21, 8)
    assert ("skip_suspect" in kinds(room(Occupancy.VACANT, since), LIVED_IN, now)) == told


@pytest.mark.parametrize(("minutes", "told"), [(29, False), (30, True)])
def test_somebody_in_a_room_that_is_free_is_told_after_half_an_hour(minutes: int, told: bool) -> None:
    since = local(21, 14)
    assert ("sleep_suspect" in kinds(room(Occupancy.OCCUPIED, since), FREE, since + timedelta(minutes=minutes))) == told


def test_while_housekeeping_has_just_gone_in_a_free_room_proves_nothing() -> None:
    since = local(21, 14)
    entry = Entry(local(21, 14), staff=True)
    sight = room(Occupancy.OCCUPIED, since)
    assert kinds(sight, FREE, since + timedelta(minutes=30), entry) == []
    assert kinds(sight, FREE, since + timedelta(minutes=31), entry) == ["staff_overstay"]
    assert "sleep_suspect" in kinds(sight, FREE, since + timedelta(minutes=45), entry)


def test_a_maid_in_a_guests_room_overstays_nothing() -> None:
    assert kinds(room(Occupancy.OCCUPIED, local(21, 10)), LIVED_IN, local(21, 12), Entry(local(21, 10), staff=True)) == []


def test_right_after_the_check_out_the_guest_may_still_be_packing() -> None:
    sight, gone = room(Occupancy.OCCUPIED, local(22, 7)), Front(False, local(22, 11))
    assert kinds(sight, gone, local(22, 11, 29)) == []
    assert kinds(sight, gone, local(22, 11, 30)) == ["sleep_suspect"]


@given(st.sampled_from((Occupancy.UNKNOWN, Occupancy.VERIFYING)), st.booleans(), st.integers(0, 100_000))
def test_what_is_not_known_accuses_nobody(occupancy: Occupancy, lived_in: bool, minutes: int) -> None:
    front = LIVED_IN if lived_in else FREE
    assert found(room(occupancy, ARRIVED), front, None, ARRIVED + timedelta(minutes=minutes), PARIS) == ()


@given(st.sampled_from(Occupancy), st.booleans(), st.integers(0, 3000), st.one_of(st.none(), st.integers(0, 3000)), st.booleans())
def test_nothing_new_is_found_between_two_times_that_were_named(
    occupancy: Occupancy, lived_in: bool, since: int, entered: int | None, staff: bool
) -> None:
    front = LIVED_IN if lived_in else FREE
    sight = room(occupancy, ARRIVED.astimezone(UTC) + timedelta(minutes=since))
    entry = None if entered is None else Entry(ARRIVED + timedelta(minutes=entered), staff)
    now, told = ARRIVED + timedelta(minutes=max(since, entered or 0)), set[object]()
    told |= set(found(sight, front, entry, now, PARIS))
    while (then := due(sight, front, entry, now, PARIS)) is not None and then < ARRIVED + timedelta(days=4):
        between = max(now, then - timedelta(seconds=2))
        assert set(found(sight, front, entry, between, PARIS)) <= told
        now = then
        told |= set(found(sight, front, entry, now, PARIS))
