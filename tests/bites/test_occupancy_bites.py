"""Occupancy with one guard taken away: each time the test that watches over it notices."""

from datetime import timedelta

import pytest

from gateway.rules import discrepancies, occupancy
from gateway.rules.discrepancies import Entry
from gateway.rules.occupancy import Occupancy
from tests.gateway.test_occupancy_discrepancies import FREE, kinds, local, room
from tests.gateway.test_occupancy_rules import MOVE, OPEN, SHUT, seen, states


def test_the_ten_seconds_after_the_door_keep_the_leaver_from_being_locked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving = ((0, OPEN), (3, SHUT), (5, MOVE))
    assert states(seen(*leaving)[1]) == ["verifying"]
    monkeypatch.setattr(occupancy, "DEAF", timedelta(0))
    assert states(seen(*leaving)[1]) == ["verifying", "occupied"]


def test_only_a_shut_door_makes_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(seen((0, OPEN), (60, MOVE))[1]) == ["verifying"]
    monkeypatch.setattr(occupancy, "shut", lambda sight: True)
    assert states(seen((0, OPEN), (60, MOVE))[1]) == ["verifying", "occupied"]


def test_a_maid_at_work_is_no_stranger_in_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(local(21, 14), staff=True)
    now = local(21, 14) + timedelta(minutes=30)
    sight = room(Occupancy.OCCUPIED, local(21, 14))
    assert kinds(sight, FREE, now, entry) == []
    monkeypatch.setattr(discrepancies, "STAFF_EXCUSES", timedelta(0))
    assert kinds(sight, FREE, now, entry) == ["sleep_suspect"]
