"""Check-in, check-out, extension, move and payment at the box, on its own store, with nobody at the other end."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.desk import stays
from gateway.desk.problems import NeedsManager, NotAllowed, NotFound
from tests.gateway_desk.desks import NOON, Desk, day, due, here, key, planner
from wire.entities import Care, KeyStatus, Maintenance, RoomBody, StayStatus
from wire.facts import HoldReturned, KeyIssued, StayCheckedIn, StayDatesChanged


async def test_a_check_in_is_seen_at_once_and_told_once(desk: Desk) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.do(stays.check_in, "s1")
    assert (desk.stay("s1").status, desk.stay("s1").rooms) == (StayStatus.IN_HOUSE, ("201",))
    assert desk.kinds() == ["StayCheckedIn", "KeyIssued"]


async def test_the_key_of_a_check_in_becomes_a_right_at_the_door(desk: Desk) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.do(stays.check_in, "s1", None, 2)
    keys = desk.house().keys_of("s1", wanted=True)
    plan = await planner(desk).plan_now()
    assert {right.key_id for right in plan.book.rights.values() if right.door == 201 and right.wanted} == set(keys)
    assert [one.copy_no for one in keys.values()] == [0, 1]


async def test_a_check_out_ends_the_keys_and_leaves_a_dirty_room(desk: Desk) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.do(stays.check_in, "s1")
    await planner(desk).plan_now()
    await desk.do(stays.check_out, "s1")
    plan = await planner(desk).plan_now()
    assert not any(right.wanted for right in plan.book.rights.values())
    assert desk.house().room("201").care is Care.DIRTY


async def test_a_bottle_is_settled_before_the_guest_is_out(desk: Desk) -> None:
    await desk.put("stay", "s1", here())
    seen: list[Any] = []
    await desk.do(stays.check_out, "s1", lambda tx, stay_id, witness: seen.append((stay_id, desk.stay("s1").status)))
    assert seen == [("s1", StayStatus.IN_HOUSE)]


async def test_an_open_balance_does_not_keep_a_guest_at_the_box(desk: Desk) -> None:
    await desk.put("stay", "s1", here(balance_minor=12_300))
    await desk.do(stays.check_out, "s1")
    assert desk.stay("s1").status is StayStatus.CHECKED_OUT


@pytest.mark.parametrize(
    ("room", "other", "reason"),
    [
        ("201", here("201"), "room_occupied"),
        ("201", due("201"), "room_taken"),
        (None, None, "no_room_assigned"),
    ],
)
async def test_the_law_refuses_as_it_does_at_central(desk: Desk, room: str | None, other: Any, reason: str) -> None:
    kind = "A" if room else "none such"
    await desk.put("stay", "s1", due(room, room_type=kind))
    if other is not None:
        await desk.put("stay", "s2", other)
    with pytest.raises(NotAllowed) as refused:
        await desk.do(stays.check_in, "s1")
    assert refused.value.reasons == (reason,)
    assert desk.facts() == []


async def test_nobody_is_sent_into_a_room_that_is_out_of_order(desk: Desk) -> None:
    repair = Maintenance("out_of_order", NOON, NOON + timedelta(days=3))
    await desk.put("room", "201", RoomBody("A", 2, (201,), Care.CLEAN, (repair,)))
    await desk.put("stay", "s1", due("201"))
    with pytest.raises(NotAllowed, match="room_out_of_order"):
        await desk.do(stays.check_in, "s1")


async def test_a_stay_without_a_room_gets_a_free_one_that_is_ready(desk: Desk) -> None:
    await desk.put("room", "201", RoomBody("A", 2, (201,), Care.DIRTY))
    await desk.put("stay", "s2", here("202"))
    await desk.put("stay", "s1", due(None))
    await desk.do(stays.check_in, "s1")
    assert desk.stay("s1").rooms == ("203",)
    assert desk.stay("s1").doors == (203,)


async def test_a_held_room_is_given_back_before_an_expected_guest_gets_it(desk: Desk) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.put("stay", "s2", here("201"))
    await desk.hold("203", 0, 1, 2)
    await desk.do(stays.check_in, "s1", "203")
    assert desk.facts()[:3] == [HoldReturned("hold-203-0"), HoldReturned("hold-203-1"), StayCheckedIn("s1", ("203",), NOON)]
    assert [hold.night for hold in desk.house().holds.values()] == [day(2)]


async def test_a_longer_stay_spends_the_holds_of_its_nights_and_takes_its_keys_along(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201", nights=1))
    await desk.put("key", "k1", key("s1"))
    await desk.hold("202", 1, 2)
    await desk.hold("201", 2)
    await desk.do(stays.change_departure, "s1", day(3))
    changed = next(fact for fact in desk.facts() if isinstance(fact, StayDatesChanged))
    assert changed.holds == ("hold-202-1", "hold-201-2")
    assert desk.house().keys["k1"].until == desk.stay("s1").depart == changed.depart
    assert sorted(hold.room for hold in desk.house().holds.values()) == ["202"]


async def test_a_night_that_no_hold_covers_needs_the_manager(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201", nights=1))
    await desk.hold("202", 1)
    with pytest.raises(NeedsManager):
        await desk.do(stays.change_departure, "s1", day(3))
    assert desk.facts() == []
    await desk.do(stays.change_departure, "s1", day(3), manager=True)
    assert [fact.holds for fact in desk.facts() if isinstance(fact, StayDatesChanged)] == [("hold-202-1",)]


async def test_a_hold_of_another_type_does_not_pay_for_a_night(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201", nights=1))
    await desk.hold("211", 1)
    with pytest.raises(NeedsManager):
        await desk.do(stays.change_departure, "s1", day(2))


async def test_a_shorter_stay_needs_no_hold(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201", nights=4))
    await desk.do(stays.change_departure, "s1", day(2))
    assert desk.house().departure(desk.stay("s1")) == day(2)


async def test_a_move_takes_the_same_keys_to_the_new_door(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201"))
    await desk.put("key", "k1", key("s1"))
    await desk.do(stays.move, "s1", "202")
    assert (desk.stay("s1").rooms, desk.stay("s1").doors) == (("202",), (202,))
    assert desk.house().room("201").care is Care.DIRTY


async def test_nobody_moves_in_with_somebody_else(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201"))
    await desk.put("stay", "s2", here("202"))
    with pytest.raises(NotAllowed, match="room_occupied"):
        await desk.do(stays.move, "s1", "202")


async def test_the_same_payment_counts_once(desk: Desk) -> None:
    await desk.put("stay", "s1", here(balance_minor=10_000))
    for _ in range(2):
        await desk.do(stays.pay, "s1", payment_id="p1", method="cash", amount_minor=4_000, reference="slip 7")
    assert desk.stay("s1").balance_minor == 6_000
    assert desk.kinds() == ["PaymentTaken"]


async def test_a_further_card_is_a_further_key_and_the_first_key_comes_first(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201"))
    await desk.put("key", "k1", key("s1"))
    assert await desk.do(stays.card_key, "s1", "new") == "k1"
    assert await desk.do(stays.card_key, "s1", "copy") == "k1"  # it has no card yet
    cut = "INSERT INTO job_run VALUES ('j', 'cut_key', 'encoder-1', '{\"key_id\": \"k1\"}', 'staff/1', 0, 'done', 'OK', '{}', 1)"
    await desk.store.write(lambda tx: tx.db.execute(cut).rowcount)
    made = await desk.do(stays.card_key, "s1", "copy")
    assert [fact.key_id for fact in desk.facts() if isinstance(fact, KeyIssued)] == [made]
    assert desk.house().keys[made].copy_no == 1
    assert desk.house().keys[made].status is KeyStatus.WANTED


async def test_who_is_not_here_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.do(stays.check_in, "nobody")


async def test_the_business_date_goes_on_without_central(desk: Desk) -> None:
    desk.clock.move(timedelta(days=3, hours=10))  # 23:00 of the third day after
    assert desk.house().business_date == day(3)
    desk.clock.move(timedelta(hours=4))  # 03:00: still the evening before
    assert desk.house().business_date == day(3)
