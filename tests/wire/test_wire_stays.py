"""The law of a stay: every state is in the table, none is a dead end, and each refusal has a reason that a page can show."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.entities import Care, StayStatus
from wire.stays import (
    TRANSITIONS,
    Action,
    Allowed,
    Context,
    NotAllowed,
    Reason,
    RoomState,
    Status,
    StayView,
    after,
    allowed,
    from_box,
    judge,
    on_box,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARRIVE, DEPART = NOON + timedelta(hours=3), NOON + timedelta(days=2)


def view(status: Status = Status.CONFIRMED, **more: Any) -> StayView:
    return StayView(status, ARRIVE, DEPART, **{"rooms": ("201",), **more})


def at(now: datetime = NOON, **more: Any) -> Context:
    return Context(now, **more)


def test_every_state_is_in_the_table_and_none_is_a_dead_end() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert all(TRANSITIONS.values())


def test_every_state_can_be_reached() -> None:
    reached = {Status.ENQUIRY}
    while more := {to for status in reached for to in TRANSITIONS[status].values()} - reached:
        reached |= more
    assert reached == set(Status)


def test_every_action_is_possible_somewhere() -> None:
    assert {action for actions in TRANSITIONS.values() for action in actions} == set(Action)


def test_a_guest_in_house_is_not_checked_in_again() -> None:
    assert judge(Action.CHECK_IN, view(Status.IN_HOUSE), at()) == Allowed(Action.CHECK_IN, False, Reason.ALREADY_IN_HOUSE)
    with pytest.raises(NotAllowed):
        after(Status.IN_HOUSE, Action.CHECK_IN)


@pytest.mark.parametrize(
    ("context", "rooms", "expected"),
    [
        (at(NOON - timedelta(days=2)), ("201",), (False, Reason.NOT_DUE_YET)),
        (at(NOON + timedelta(days=3)), ("201",), (False, Reason.STAY_IS_OVER)),
        (at(), (), (False, Reason.NO_ROOM_ASSIGNED)),
        (at(room=RoomState(occupied=True)), ("201",), (False, Reason.ROOM_OCCUPIED)),
        (at(room=RoomState(out_of_order=True)), ("201",), (False, Reason.ROOM_OUT_OF_ORDER)),
        (at(room=RoomState(taken=True)), ("201",), (False, Reason.ROOM_TAKEN)),
        (at(room=RoomState(Care.DIRTY)), ("201",), (True, Reason.ROOM_DIRTY)),
        (at(room=RoomState(Care.DIRTY), dirty_refuses=True), ("201",), (False, Reason.ROOM_DIRTY)),
        (at(room=RoomState(Care.INSPECTED)), ("201",), (True, None)),
        (at(), ("201",), (True, None)),
    ],
)
def test_a_check_in_is_judged_by_date_room_and_care(context: Context, rooms: tuple[str, ...], expected: tuple[bool, Reason | None]) -> None:
    said = judge(Action.CHECK_IN, view(rooms=rooms), context)
    assert (said.ok, said.reason_code) == expected


def test_an_open_balance_warns_at_the_box_and_refuses_where_the_house_says_so() -> None:
    owing = view(Status.IN_HOUSE, balance_minor=100)
    assert judge(Action.CHECK_OUT, owing, at()) == Allowed(Action.CHECK_OUT, True, Reason.OPEN_BALANCE)
    assert judge(Action.CHECK_OUT, owing, at(balance_refuses=True)) == Allowed(Action.CHECK_OUT, False, Reason.OPEN_BALANCE)


def test_a_check_out_is_undone_today_or_not_at_all() -> None:
    left = view(Status.CHECKED_OUT, checked_out_at=NOON)
    assert judge(Action.UNDO_CHECK_OUT, left, at(NOON + timedelta(hours=1))).ok
    assert judge(Action.UNDO_CHECK_OUT, left, at(NOON + timedelta(days=1))).reason_code is Reason.TOO_LATE
    assert judge(Action.UNDO_CHECK_OUT, left, at(room=RoomState(taken=True))).reason_code is Reason.ROOM_TAKEN


def test_nobody_is_a_no_show_before_the_arrival() -> None:
    assert judge(Action.NO_SHOW, view(), at()).reason_code is Reason.NOT_DUE_YET
    assert judge(Action.NO_SHOW, view(), at(ARRIVE)).ok


def test_an_extension_needs_a_room() -> None:
    assert judge(Action.EXTEND, view(Status.IN_HOUSE), at(room_free=False)).reason_code is Reason.NO_ROOM_FREE


def test_the_last_night_cannot_be_taken_away() -> None:
    assert judge(Action.SHORTEN, view(Status.IN_HOUSE), at(DEPART - timedelta(hours=20))).reason_code is Reason.LAST_NIGHT


@given(st.sampled_from(Status), st.integers(-100, 100), st.booleans())
def test_every_action_is_judged_and_what_the_table_forbids_has_a_reason(status: Status, hours: int, dirty: bool) -> None:
    said = allowed(view(status), at(NOON + timedelta(hours=hours), room=RoomState(Care.DIRTY if dirty else Care.CLEAN)))
    assert [one.action for one in said] == list(Action)
    for one in said:
        assert one.ok or one.reason_code is not None
        assert not one.ok or one.action in TRANSITIONS[status]


def test_box_and_central_mean_the_same_states() -> None:
    assert {on_box(from_box(status)) for status in StayStatus} == set(StayStatus)
    assert on_box(Status.ENQUIRY) is None
