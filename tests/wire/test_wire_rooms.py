"""The law of a room: two axes that never mix, and one word on the board."""

from datetime import UTC, datetime, timedelta

import pytest

from wire.entities import Care, Guest, Maintenance, StayBody, StayStatus
from wire.rooms import CARE, FRONT, Front, NotAllowed, Room, RoomEvent, after, shown

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stay(status: StayStatus = StayStatus.DUE_IN, days: int = 2) -> StayBody:
    return StayBody("1001", status, ("201",), (201,), "A", NOON, NOON + timedelta(days=days), Guest("Ada"))


def test_every_state_of_both_axes_is_in_its_table_and_none_is_a_dead_end() -> None:
    assert set(FRONT) == set(Front)
    assert set(CARE) == set(Care)
    assert all(FRONT.values())
    assert all(set(leads.values()) - {state} for state, leads in CARE.items())


def test_an_occupied_room_cannot_be_checked_in_to_again() -> None:
    with pytest.raises(NotAllowed):
        after(Front.OCCUPIED, RoomEvent.CHECKED_IN)


@pytest.mark.parametrize("care", list(Care))
def test_a_room_that_somebody_has_left_is_dirty(care: Care) -> None:
    assert after(care, RoomEvent.CHECKED_OUT) is Care.DIRTY
    assert after(Front.OCCUPIED, RoomEvent.CHECKED_OUT) is Front.VACANT


def test_an_inspected_room_is_reached_by_cleaning_and_looking() -> None:
    assert after(after(Care.DIRTY, RoomEvent.SERVICED), RoomEvent.INSPECTED) is Care.INSPECTED
    assert after(Care.CLEAN, RoomEvent.REJECTED) is Care.DIRTY


def test_booked_is_computed_and_a_dirty_one_says_so() -> None:
    assert shown(Room(Front.VACANT, Care.CLEAN), stay()).word == "booked"
    assert shown(Room(Front.VACANT, Care.DIRTY), stay()).word == "booked_dirty"
    assert shown(Room(Front.VACANT, Care.CLEAN), None).word == "vacant"
    assert shown(Room(Front.VACANT, Care.PICKUP), None).word == "vacant_dirty"


def test_a_guest_in_the_room_is_shown_before_its_repair() -> None:
    repair = (Maintenance("out_of_order", NOON - timedelta(days=1), NOON + timedelta(days=1)),)
    assert shown(Room(Front.OCCUPIED, Care.DIRTY, repair), stay(StayStatus.IN_HOUSE), NOON).word == "occupied"
    assert shown(Room(Front.VACANT, Care.CLEAN, repair), None, NOON).word == "out_of_order"
    assert shown(Room(Front.VACANT, Care.CLEAN, repair), None, NOON + timedelta(days=1)).word == "vacant"


def test_a_departure_that_is_due_is_shown() -> None:
    assert shown(Room(Front.OCCUPIED, Care.CLEAN), stay(StayStatus.IN_HOUSE, days=0), NOON).word == "due_out"


def test_every_cell_is_told_by_word_and_icon_and_not_by_colour_alone() -> None:
    rooms = [Room(front, care) for front in Front for care in Care]
    cells = {shown(room, tonight, NOON) for room in rooms for tonight in (None, stay(), stay(StayStatus.IN_HOUSE))}
    assert len({cell.word for cell in cells}) == len(cells)
    assert all(cell.icon and cell.word for cell in cells)
