"""Guests without an order: which room, which holds, on whose word, and what is written of who they are."""

import base64
import json
from datetime import timedelta

import pytest

from gateway.desk import walkins
from gateway.desk.problems import Conflict, NeedsManager
from gateway.desk.walkins import Wish
from host.sealing import NotSealedForUs, unseal
from tests.gateway_desk.desks import CENTRAL, NOON, RECEPTIONIST, ROOMS, TODAY, Desk, day, due, here, planner
from wire.entities import Item, PriceListBody, StayStatus
from wire.facts import WalkInTaken


def wish(nights: int = 1, room_type: str | None = None) -> Wish:
    return Wish("Wei Zhang", "zh", 2, nights, room_type)


def taken(desk: Desk) -> WalkInTaken:
    (found,) = [fact for fact in desk.facts() if isinstance(fact, WalkInTaken)]
    return found


async def test_a_walk_in_gets_a_held_room_and_a_key_at_once(desk: Desk) -> None:
    await desk.hold("202", 0, 1)
    await desk.do(walkins.take, "w1", wish(2))
    stay = desk.stay("w1")
    assert (stay.status, stay.rooms, stay.doors, stay.persons) == (StayStatus.IN_HOUSE, ("202",), (202,), 2)
    assert desk.kinds() == ["WalkInTaken", "StayCheckedIn", "KeyIssued"]
    assert (taken(desk).holds, taken(desk).nights, taken(desk).unbacked) == (("hold-202-0", "hold-202-1"), (day(0), day(1)), False)
    plan = await planner(desk).plan_now()
    assert {right.door for right in plan.book.rights.values() if right.wanted} == {202}


async def test_a_spent_hold_is_not_sold_twice(desk: Desk) -> None:
    await desk.hold("202", 0)
    await desk.do(walkins.take, "w1", wish())
    with pytest.raises(NeedsManager):
        await desk.do(walkins.take, "w2", wish())
    assert desk.house().holds == {}


async def test_the_room_that_is_held_for_all_nights_comes_first(desk: Desk) -> None:
    await desk.hold("201", 0)
    await desk.hold("203", 0, 1, 2)
    await desk.do(walkins.take, "w1", wish(3, room_type="A"))
    assert desk.stay("w1").rooms == ("203",)


async def test_beyond_the_holds_only_a_manager_sells(desk: Desk) -> None:
    await desk.hold("202", 0)
    with pytest.raises(NeedsManager):
        await desk.do(walkins.take, "w1", wish(2))
    await desk.do(walkins.take, "w1", wish(2), manager=True)
    assert (taken(desk).holds, taken(desk).unbacked) == (("hold-202-0",), True)


async def test_a_full_house_takes_nobody_even_on_a_managers_word(desk: Desk) -> None:
    for at, room in enumerate(ROOMS):
        await desk.put("stay", f"s{at}", here(room) if at % 2 else due(room))
    with pytest.raises(Conflict):
        await desk.do(walkins.take, "w1", wish(), manager=True)


async def test_the_price_is_the_houses_own_for_each_night_when_it_is_known(desk: Desk) -> None:
    await desk.hold("202", 0, 1)
    items = (Item("A", {"en": "Standard"}, 9_500, "room"), Item("A/5", {"en": "Standard"}, 11_500, "room"))
    await desk.put("price_list", "rooms-1", PriceListBody("rooms", 1, NOON - timedelta(days=1), items))
    await desk.do(walkins.take, "w1", wish(2))
    assert TODAY.weekday() == 5
    assert taken(desk).nightly_gross_minor == (11_500, 9_500)


async def test_who_arrives_at_one_o_clock_has_the_night_that_has_begun(desk: Desk) -> None:
    desk.clock.move(timedelta(hours=12))  # 01:00 of the next calendar day
    await desk.hold("202", 0)
    await desk.do(walkins.take, "w1", wish())
    assert taken(desk).nights == (day(0),)
    assert desk.house().departure(desk.stay("w1")) == day(1)


async def test_a_document_number_can_be_read_by_central_alone(desk: Desk) -> None:
    await desk.hold("202", 0)
    stay_id = await desk.office.walk_in(RECEPTIONIST, wish(), document="X1234567")
    sealed = base64.b64decode(taken(desk).sealed or "")
    told = json.loads(unseal(CENTRAL.private_bytes_raw(), sealed, f"walk-in/{stay_id}"))
    assert told == {"document": "X1234567"}
    with pytest.raises(NotSealedForUs):
        unseal(bytes(range(32)), sealed, f"walk-in/{stay_id}")
    with pytest.raises(NotSealedForUs):
        unseal(CENTRAL.private_bytes_raw(), sealed, "walk-in/another")
    await desk.store.write(lambda tx: None)
    for file in desk.store.path.parent.glob("box.db*"):
        assert b"X1234567" not in file.read_bytes()


async def test_a_form_that_is_sent_twice_takes_one_guest(desk: Desk) -> None:
    await desk.hold("202", 0)
    await desk.hold("203", 0)
    first = await desk.office.walk_in(RECEPTIONIST, wish(), form="f1")
    assert await desk.office.walk_in(RECEPTIONIST, wish(), form="f1") == first
    assert desk.kinds().count("WalkInTaken") == 1
