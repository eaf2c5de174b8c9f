"""Stays: check-in, move, another departure, check-out; keys; and what the box reports of them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from central.bookings import board as boards
from central.bookings import books, facts, keys, stays, views
from central.folio import ledger
from central.problems import Conflict, Invalid, NotAllowed
from central.rooms.inventory import availability
from central.store.tables import room, room_night
from central.store.turn import Turn
from central.sync import feed
from central.upkeep.tasks import open_tasks
from tests.central.counting import statements
from tests.central.hotel import NOON, Hotel, day, order
from wire.codec import decode_body
from wire.entities import Care, KeyBody, KeyStatus, StayBody, StayStatus
from wire.facts import (
    CareSet,
    DeviceHealth,
    DoorEvent,
    Fact,
    KeyIssued,
    KeyLost,
    PaymentTaken,
    RightChanged,
    RightState,
    RoomOccupancy,
    RoomService,
    StayCheckedIn,
    StayCheckedOut,
    StayDatesChanged,
    StayMoved,
    TaskRaised,
)
from wire.messages import FactRow
from wire.stays import Reason, Status


async def stay_in(hotel: Hotel, reference: str = "r1", nights: int = 2, **changes: Any) -> str:
    """Book and check in; return the reservation's id."""
    stay = await hotel.book(reference, nights=nights, **changes)
    await hotel.do(stays.check_in, stay)
    return stay


async def told(hotel: Hotel, kind: str) -> dict[str, Any]:
    """What the box is told of one kind, by id."""
    entries = await hotel.ask(lambda conn, slug: feed.read(conn, hotel.services.vault, slug, 0, 500))
    return {entry.id: decode_body(kind, entry.body or b"") for entry in entries if entry.kind == kind}


async def told_stay(hotel: Hotel, stay: str) -> StayBody:
    body = (await told(hotel, "stay"))[stay]
    assert isinstance(body, StayBody)
    return body


async def told_keys(hotel: Hotel) -> list[KeyBody]:
    return list((await told(hotel, "key")).values())


async def left(hotel: Hotel, nights: int = 1, room_type: str = "A") -> tuple[int, ...]:
    found = await hotel.ask(lambda conn, slug: availability(conn, slug, day(0), day(nights)))
    return next(one.by_night for one in found if one.room_type == room_type)


async def read(hotel: Hotel, stay: str) -> books.Reservation:
    return await hotel.ask(lambda conn, slug: books.read(conn, slug, stay))


async def axes(hotel: Hotel, number: str) -> tuple[str, str]:
    row = await hotel.ask(lambda conn, _: conn.execute(select(room.c.front, room.c.care).where(room.c.room == number)).one())
    return row.front, row.care


async def test_a_check_in_occupies_the_room_and_wants_keys_until_the_departure(hotel: Hotel) -> None:
    stay = await hotel.book(nights=2)
    done = await hotel.do(stays.check_in, stay, None, 2)
    assert done.warning is None
    body = await told_stay(hotel, stay)
    assert (body.status, body.rooms, body.doors, body.in_house_since) == (StayStatus.IN_HOUSE, ("201",), (201,), NOON)
    assert [(key.copy_no, key.status, key.until) for key in await told_keys(hotel)] == [
        (0, KeyStatus.WANTED, body.depart),
        (1, KeyStatus.WANTED, body.depart),
    ]
    assert await axes(hotel, "201") == ("occupied", "clean")


async def test_a_check_in_costs_at_most_twenty_statements(hotel: Hotel) -> None:
    stay = await hotel.book(nights=5)
    with statements() as counted:
        await hotel.do(stays.check_in, stay)
    assert len(counted) <= 20, counted


async def test_nobody_is_checked_in_twice(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    with pytest.raises(NotAllowed) as refused:
        await hotel.do(stays.check_in, stay)
    assert refused.value.reasons == (Reason.ALREADY_IN_HOUSE,)


async def test_nobody_is_checked_in_a_day_early(hotel: Hotel) -> None:
    stay = await hotel.book(first=1)
    with pytest.raises(NotAllowed, match="not_due_yet"):
        await hotel.do(stays.check_in, stay)
    hotel.clock.move(timedelta(hours=12, minutes=1))
    assert (await hotel.do(stays.check_in, stay)).stay.status is Status.IN_HOUSE


async def test_a_guest_may_have_another_room_at_check_in_and_its_type_is_then_sold(hotel: Hotel) -> None:
    stay = await hotel.book()
    await hotel.do(stays.check_in, stay, "301")
    assert (await left(hotel), await left(hotel, room_type="B")) == ((3,), (0,))
    assert (await told_stay(hotel, stay)).doors == (301,)


async def test_a_room_somebody_else_has_is_not_given_at_check_in(hotel: Hotel) -> None:
    await hotel.book("first")
    second = await hotel.book("second")
    with pytest.raises(Conflict) as refused:
        await hotel.do(stays.check_in, second, "201")
    assert refused.value.code == "room_taken"
    assert (await read(hotel, second)).room == "202"


async def test_a_dirty_room_is_a_warning_and_no_refusal(hotel: Hotel) -> None:
    first = await stay_in(hotel)
    await hotel.do(stays.check_out, first, open_balance=True)
    second = await hotel.book("r2")
    done = await hotel.do(stays.check_in, second, "201")
    assert done.warning is Reason.ROOM_DIRTY


async def test_a_move_opens_the_new_doors_with_the_same_keys(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    hotel.clock.move(timedelta(hours=1))
    await hotel.do(stays.move, stay, "301")
    body = await told_stay(hotel, stay)
    assert (body.rooms, body.doors, body.moved_at) == (("301",), (301,), NOON + timedelta(hours=1))
    assert [key.status for key in await told_keys(hotel)] == [KeyStatus.WANTED]
    assert await axes(hotel, "201") == ("vacant", "dirty")
    assert await axes(hotel, "301") == ("occupied", "clean")
    assert (await left(hotel, 2), await left(hotel, 2, "B")) == ((3, 3), (0, 0))


async def test_a_move_in_the_middle_keeps_the_nights_that_were_slept(hotel: Hotel) -> None:
    from central.rooms.day import turn_of_day

    stay = await stay_in(hotel, nights=3)
    hotel.clock.move(timedelta(days=1))
    await hotel.do(turn_of_day)
    await hotel.do(stays.move, stay, "202")
    rows = await hotel.ask(lambda conn, _: conn.execute(select(room_night.c.room, room_night.c.night).order_by(room_night.c.night)).all())
    assert [tuple(row) for row in rows] == [("201", day(0)), ("202", day(1)), ("202", day(2))]


async def test_a_move_to_a_room_with_somebody_in_it_is_refused(hotel: Hotel) -> None:
    one, other = await stay_in(hotel, "one"), await stay_in(hotel, "other")
    with pytest.raises(NotAllowed, match="room_occupied"):
        await hotel.do(stays.move, one, (await read(hotel, other)).room or "")


async def test_a_longer_stay_takes_nights_and_prolongs_every_key(hotel: Hotel) -> None:
    stay = await stay_in(hotel, nights=1)
    await hotel.do(stays.change_departure, stay, day(3))
    body = await told_stay(hotel, stay)
    assert body.depart.date() == day(3)
    assert body.nightly_gross_minor == (10000, 10000, 10000)
    assert [key.until for key in await told_keys(hotel)] == [body.depart]
    assert await left(hotel, 4) == (2, 2, 2, 3)


async def test_a_stay_is_not_extended_into_somebody_elses_nights(hotel: Hotel) -> None:
    stay = await stay_in(hotel, nights=1)
    await hotel.do(stays.assign, await hotel.book("next", first=1), "201")
    with pytest.raises(Conflict, match="taken"):
        await hotel.do(stays.change_departure, stay, day(2))


async def test_a_shorter_stay_returns_its_nights(hotel: Hotel) -> None:
    stay = await stay_in(hotel, nights=4)
    await hotel.do(stays.change_departure, stay, day(2))
    assert await left(hotel, 4) == (2, 2, 3, 3)
    assert (await read(hotel, stay)).nightly_gross_minor == (10000, 10000)


async def test_a_check_out_posts_the_nights_and_waits_for_the_money(hotel: Hotel) -> None:
    stay = await stay_in(hotel, nights=1)
    with pytest.raises(NotAllowed, match="open_balance"):
        await hotel.do(stays.check_out, stay)
    seen = await hotel.ask(lambda conn, slug: views.reservation_view(conn, hotel.services.vault, slug, stay, NOON))
    assert (seen.balance_minor, seen.due_minor) == (0, 10000)
    await hotel.do(stays.pay, stay, "p1", "card", 10000)
    await hotel.do(stays.check_out, stay)
    body = await told_stay(hotel, stay)
    assert (body.status, body.balance_minor, body.checked_out_at) == (StayStatus.CHECKED_OUT, 0, NOON)
    assert [key.status for key in await told_keys(hotel)] == [KeyStatus.WITHDRAWN]
    assert await axes(hotel, "201") == ("vacant", "dirty")


async def test_a_guest_may_leave_in_debt_and_a_task_remains(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    await hotel.do(stays.check_out, stay, open_balance=True)
    (task,) = await hotel.ask(open_tasks)
    assert (task.kind, task.args, task.reservation_id) == ("open_balance", {"amount_minor": 10000}, stay)


async def test_leaving_early_returns_the_unused_nights_and_charges_the_used_ones(hotel: Hotel) -> None:
    from central.rooms.day import turn_of_day

    stay = await stay_in(hotel, nights=5)
    hotel.clock.move(timedelta(days=2))
    await hotel.do(turn_of_day)
    await hotel.do(stays.check_out, stay, open_balance=True)
    assert await left(hotel, 5) == (2, 2, 3, 3, 3)
    assert await hotel.ask(lambda conn, slug: ledger.balance(conn, slug, stay)) == 20000
    assert (await read(hotel, stay)).departure == day(2)


async def test_a_guest_who_never_comes_frees_every_night(hotel: Hotel) -> None:
    stay = await hotel.book(nights=2)
    with pytest.raises(NotAllowed, match="not_due_yet"):
        await hotel.do(stays.no_show, stay)
    hotel.clock.move(timedelta(hours=4))
    await hotel.do(stays.no_show, stay)
    assert await left(hotel, 2) == (3, 3)
    assert (await told_stay(hotel, stay)).status is StayStatus.NO_SHOW


async def test_a_lost_key_is_blocked_and_another_is_made(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    (first,) = await hotel.ask(lambda conn, slug: keys.of_stay(conn, slug, stay))
    await hotel.do(keys.lose_key, first.key_id)
    await hotel.do(keys.lose_key, first.key_id)
    await hotel.do(keys.add_key, stay)
    assert [(key.copy_no, key.status) for key in await told_keys(hotel)] == [(0, KeyStatus.LOST), (1, KeyStatus.WANTED)]


async def test_a_card_is_cut_only_for_a_guest_in_house_and_a_key_that_is_valid(hotel: Hotel) -> None:
    stay = await hotel.book()
    with pytest.raises(NotAllowed, match="not_in_house"):
        await hotel.do(keys.cut_key, stay, "encoder-1", "new")
    await hotel.do(stays.check_in, stay, None, 0)
    await hears(hotel, DeviceHealth("encoder-1", "online", (), NOON, None, None, "encoder"))
    with pytest.raises(Conflict, match="no such key"):
        await hotel.do(keys.cut_key, stay, "encoder-1", "new")
    await hotel.do(keys.add_key, stay)
    job = await hotel.do(keys.cut_key, stay, "encoder-1", "new")
    seen = await hotel.ask(lambda conn, slug: views.reservation_view(conn, hotel.services.vault, slug, stay, NOON))
    assert [(one.job_id, one.kind, one.target) for one in seen.jobs] == [(job, "cut_key", "encoder-1")]


async def test_a_card_is_cut_only_on_an_encoder_that_the_box_has_told_of(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    with pytest.raises(Invalid, match="No encoder is known"):
        await hotel.do(keys.cut_key, stay, "encoder-1", "new")
    await hears(hotel, DeviceHealth("lock-201", "online", (), NOON, 80, "201", "lock"))
    with pytest.raises(Invalid, match="No encoder is known"):
        await hotel.do(keys.cut_key, stay, "lock-201", "new")
    await hears(hotel, DeviceHealth("encoder-1", "offline", (), NOON, None, None, "encoder"))
    with pytest.raises(Invalid, match=r"no encoder 'lock-201'.*Choose one of: encoder-1\."):
        await hotel.do(keys.cut_key, stay, "lock-201", "new")
    await hotel.do(keys.cut_key, stay, "encoder-1", "new")


async def test_a_reservation_says_what_may_be_done_and_why_not(hotel: Hotel) -> None:
    stay = await hotel.book(first=3)
    seen = await hotel.ask(lambda conn, slug: views.reservation_view(conn, hotel.services.vault, slug, stay, NOON))
    actions = {one.action: (one.allowed, one.reason_code) for one in seen.actions}
    assert actions["cancel"] == (True, None)
    assert actions["check_in"] == (False, "not_due_yet")
    assert actions["cut_key"] == (False, "not_in_house")
    assert set(actions) == {str(action) for action in books.OFFERED}


# ---------------------------------------------------------------- what the box reports


def fact(of: Fact, at: datetime = NOON) -> FactRow:
    return FactRow(1, "f1", type(of).__name__, "x/1", at, "synced", "box", {})


async def hears(hotel: Hotel, of: Any) -> None:
    """Let central take in a fact."""
    handler: Callable[[Turn, FactRow, Any], None] = facts.HANDLERS[type(of)]
    await hotel.do(handler, fact(of), of)


async def test_a_check_in_at_the_box_is_a_check_in_here(hotel: Hotel) -> None:
    stay = await hotel.book()
    for _ in range(2):
        await hears(hotel, StayCheckedIn(stay, ("202",), NOON))
    assert (await read(hotel, stay)).room == "202"
    assert await axes(hotel, "202") == ("occupied", "clean")
    assert (await told_stay(hotel, stay)).in_house_since == NOON


async def test_a_guest_who_stands_in_the_room_beats_a_cancellation(hotel: Hotel) -> None:
    from central.bookings.orders import cancel_order, take_order

    taken = await hotel.do(take_order, order())
    await hotel.do(cancel_order, taken["order_id"], "")
    stay = taken["reservations"][0]["reservation_id"]
    await hears(hotel, StayCheckedIn(stay, ("201",), NOON))
    assert (await read(hotel, stay)).status is Status.IN_HOUSE
    assert await left(hotel) == (2,)


async def test_a_check_in_that_our_books_cannot_hold_is_a_conflict_for_a_person(hotel: Hotel) -> None:
    first, second = await hotel.book("first"), await hotel.book("second")
    await hears(hotel, StayCheckedIn(first, ("201",), NOON))
    with pytest.raises(Conflict) as refused:
        await hears(hotel, StayCheckedIn(second, ("201",), NOON))
    await hotel.do(facts.refused, fact(StayCheckedIn(second, ("201",), NOON)), StayCheckedIn(second, ("201",), NOON), refused.value)
    (task,) = await hotel.ask(open_tasks)
    assert (task.kind, task.reservation_id, task.args["code"]) == ("fact_refused", second, "room_taken")


async def test_a_check_out_at_the_box_is_final_and_never_refused(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    gone = NOON + timedelta(minutes=5)
    for _ in range(2):
        await hears(hotel, StayCheckedOut(stay, gone))
    await hears(hotel, StayCheckedIn(stay, ("201",), NOON))
    body = await told_stay(hotel, stay)
    assert (body.status, body.checked_out_at) == (StayStatus.CHECKED_OUT, gone)
    assert [task.kind for task in await hotel.ask(open_tasks)] == ["open_balance"]


async def test_a_move_and_another_departure_at_the_box_are_taken_over(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    await hears(hotel, StayMoved(stay, "201", "203", NOON))
    await hears(hotel, StayDatesChanged(stay, datetime.combine(day(4), NOON.timetz())))
    after = await read(hotel, stay)
    assert (after.room, after.departure) == ("203", day(4))


async def test_the_state_of_a_key_at_a_door_is_shown_on_its_stay(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    (key,) = await hotel.ask(lambda conn, slug: keys.of_stay(conn, slug, stay))
    for state in (RightState.PUSHING, RightState.ACTIVE):
        await hears(hotel, RightChanged(key.key_id, 201, state, "online", NOON))
    with hotel.store.hub.subscribe("demo") as mine:
        await hears(hotel, RightChanged(key.key_id, 201, RightState.REFUSED, "online", NOON, code="RESOURCE_EXHAUSTED"))
        assert ("stay", stay) in {(one.topic, one.entity) for one in await mine.get()}
    seen = await hotel.ask(lambda conn, slug: views.reservation_view(conn, hotel.services.vault, slug, stay, NOON))
    (door,) = seen.keys[0].doors
    assert (door.door, door.state, door.code) == (201, "refused", "RESOURCE_EXHAUSTED")


async def test_a_key_made_or_lost_at_the_box_is_known_here(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    for _ in range(2):
        await hears(hotel, KeyIssued("01-box", "rfid", NOON + timedelta(days=1), stay_id=stay, copy_no=1))
    await hears(hotel, KeyLost("01-box"))
    known = await hotel.ask(lambda conn, slug: keys.of_stay(conn, slug, stay))
    assert [(key.copy_no, key.status) for key in known] == [(0, KeyStatus.WANTED), (1, KeyStatus.LOST)]


async def test_what_doors_sensors_and_devices_say_is_on_the_board(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    await hears(hotel, RoomOccupancy("201", "occupied", "motion", NOON))
    await hears(hotel, RoomService("201", "dnd", "panel", NOON))
    await hears(hotel, CareSet("202", Care.PICKUP))
    await hears(hotel, DeviceHealth("lock-201", "online", (), NOON, 80, "201"))
    await hears(hotel, DeviceHealth("lock-201", "degraded", ("battery_low",), NOON, 9, "201"))
    event = DoorEvent("lock-201", 201, 1, 1, "lock_operation", NOON, "set", {"op": "unlock"}, stay_id=stay)
    await hotel.do(facts.door_events, [(fact(event), event)])
    cells = {cell.room: cell for cell in await hotel.ask(lambda conn, slug: boards.board(conn, hotel.services.vault, slug, NOON))}
    here = cells["201"]
    assert (here.word, here.occupancy, here.service, here.stay and here.stay.guest) == ("occupied", "occupied", "dnd", "Ada Lovelace")
    assert [(one.device, one.health, one.flags, one.battery_percent) for one in here.devices] == [
        ("lock-201", "degraded", ("battery_low",), 9)
    ]
    assert (cells["202"].word, cells["203"].word) == ("vacant_dirty", "vacant")
    seen = await hotel.ask(lambda conn, slug: views.reservation_view(conn, hotel.services.vault, slug, stay, NOON))
    assert [(one.door, one.type) for one in seen.door_events] == [(201, "lock_operation")]


async def test_a_task_of_the_box_is_a_task_here_once(hotel: Hotel) -> None:
    for _ in range(2):
        await hears(hotel, TaskRaised("t1", "door_ajar", NOON, room="201", args={"door": 201}))
    (task,) = await hotel.ask(open_tasks)
    assert (task.task_id, task.kind, task.room) == ("t1", "door_ajar", "201")


async def test_money_taken_at_the_box_counts_once(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    for _ in range(2):
        await hears(hotel, PaymentTaken("p1", stay, "cash", 4000, "EUR", "", NOON))
    with pytest.raises(Conflict, match="USD"):
        await hears(hotel, PaymentTaken("p2", stay, "cash", 4000, "USD", "", NOON))
    assert (await told_stay(hotel, stay)).balance_minor == -4000


async def test_the_board_is_drawn_with_the_same_few_queries_for_any_hotel(hotel: Hotel) -> None:
    async def cost() -> int:
        with statements() as counted:
            await hotel.ask(lambda conn, slug: boards.board(conn, hotel.services.vault, slug, NOON))
        return len(counted)

    empty = await cost()
    for n in range(3):
        await stay_in(hotel, f"r{n}")
    assert await cost() == empty <= 9
