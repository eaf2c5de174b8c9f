"""Minibars in the box's store: each bottle is charged once, to the right guest, at its price, through restarts and lost lines."""

from datetime import timedelta
from pathlib import Path

from gateway.device import BarLock, BarUnlock, Code
from gateway.witness import Witness
from tests.gateway.bars import NOON
from tests.gateway.houses import left, stay
from tests.gateway.rooms import Rooms, opened, prices, rooms
from wire.facts import ConsumptionReview, ItemConsumed, Restocked, StayCheckedOut, TaskRaised

HOUR = timedelta(hours=1)
GUEST = stay(201, arrive=NOON - HOUR, in_house_since=NOON - HOUR)


def owed(hotel: Rooms) -> list[tuple[str | None, str, int, bool]]:
    return [(fact.stay_id, fact.sku, fact.gross_minor, fact.late) for fact in hotel.facts(ItemConsumed)]


def reviews(hotel: Rooms) -> list[tuple[str, str | None]]:
    return [(fact.reason, fact.stay_id) for fact in hotel.facts(ConsumptionReview)]


def tasks(hotel: Rooms) -> list[str]:
    return [fact.kind for fact in hotel.facts(TaskRaised)]


async def test_look_and_put_back(tmp_path: Path) -> None:
    """Cola out for 40 s, water out for 75 s, everything told twice: one charge, one question."""
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        for _ in range(2):
            await hotel.took(1, 1, 1)
        await hotel.later(5)
        for _ in range(2):
            await hotel.took(2, 3, 2)
        await hotel.later(35)
        for _ in range(2):
            await hotel.gave(3, 1, 1, 40)
        await hotel.later(40)
        for _ in range(2):
            await hotel.gave(4, 3, 2, 75)
        await hotel.later(500)
        assert owed(hotel) == [("s1", "water", 200, False)]
        assert reviews(hotel) == [("returned_late", "s1")]


async def test_a_bottle_costs_what_it_cost_when_it_was_taken_though_the_price_has_changed_since(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.took(1, 1, 1)
        await hotel.put("price_list", "minibar/2", prices(2, NOON + timedelta(seconds=30), cola=999))
        await hotel.later(61)
        assert owed(hotel) == [("s1", "cola", 300, False)]


async def test_the_grace_goes_on_while_the_box_is_off(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.took(1, 1, 1)
    async with rooms(tmp_path, NOON + HOUR) as hotel:
        await hotel.later(0)
        assert owed(hotel) == []  # the bar may still tell that the bottle is back
        await hotel.is_("bar-201")
        await hotel.gave(2, 1, 1, 30, ago=3570)
        await hotel.later(1)
        assert owed(hotel) == []
        await hotel.took(3, 2, 2)
    async with rooms(tmp_path, NOON + 2 * HOUR) as hotel:
        await hotel.is_("bar-201")
        await hotel.later(1)
        assert owed(hotel) == [("s1", "beer", 450, False)]


async def test_a_bar_that_never_comes_back_does_not_keep_its_charges(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.took(1, 1, 1)
        await hotel.is_("bar-201", "offline")
        await hotel.later(600)
        assert owed(hotel) == []
        await hotel.later(1300)
        assert owed(hotel) == [("s1", "cola", 300, False)]


async def test_in_an_empty_room_nobody_pays_and_somebody_is_asked(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.took(1, 1, 1)
        await hotel.put("stay", "s1", stay(201, in_house_since=NOON + timedelta(seconds=30)))
        await hotel.later(61)
        assert (owed(hotel), reviews(hotel)) == ([], [("consumption_unassigned", None)])


async def test_at_check_out_at_central_the_bar_is_settled_at_once_and_locked(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        bar = hotel.devices["bar-201"]
        await hotel.until(lambda: any(isinstance(op, BarUnlock) for op in bar.told))
        await hotel.later(100)
        await hotel.took(1, 1, 1)
        gone = left(stay(201, arrive=NOON - HOUR, in_house_since=NOON - HOUR, checked_out_at=hotel.clock.now() + timedelta(seconds=1)))
        await hotel.put("stay", "s1", gone)
        await hotel.until(lambda: bool(owed(hotel)) and isinstance(bar.told[-1], BarLock))
        assert owed(hotel) == [("s1", "cola", 300, True)]


async def test_at_check_out_at_the_boxs_own_desk_the_bottle_is_on_the_bill_before_the_guest_leaves(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.later(100)
        await hotel.took(1, 1, 1)
        witness = Witness.at(hotel.clock, "staff/1")

        def check_out(tx: object) -> None:
            hotel.minibars.settle_stay(tx, "s1", witness)  # type: ignore[arg-type]
            witness.tell(tx, StayCheckedOut("s1", witness.now), entity="stay/s1")  # type: ignore[arg-type]

        await hotel.store.write(check_out)
        await hotel.later(100)
        assert owed(hotel) == [("s1", "cola", 300, False)]


async def test_what_is_heard_of_after_the_check_out_is_a_late_charge(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.later(1000)
        await hotel.put("stay", "s1", left(stay(201, in_house_since=NOON - HOUR, checked_out_at=hotel.clock.now())))
        await hotel.put("stay", "s2", stay(201, in_house_since=hotel.clock.now() + timedelta(seconds=60)))
        await hotel.later(600)
        await hotel.took(1, 1, 1, ago=900)
        await hotel.later(1)
        assert owed(hotel) == [("s1", "cola", 300, True)]


async def test_after_a_room_move_the_old_rooms_bottles_are_the_same_guests(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.later(1000)
        await hotel.took(1, 1, 1)
        await hotel.put("stay", "s1", stay(202, in_house_since=NOON - HOUR, moved_at=hotel.clock.now() + timedelta(seconds=1)))
        await hotel.until(lambda: bool(owed(hotel)))
        assert [(stay_id, sku) for stay_id, sku, _, _ in owed(hotel)] == [("s1", "cola")]


async def test_a_move_is_no_check_out_so_the_charge_is_not_late(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.later(1000)
        await hotel.took(1, 1, 1)
        await hotel.put("stay", "s1", stay(202, in_house_since=NOON - HOUR, moved_at=hotel.clock.now() + timedelta(seconds=1)))
        await hotel.until(lambda: bool(owed(hotel)))
        assert [late for *_, late in owed(hotel)] == [False]


async def test_restocking_charges_nothing_and_says_who_did_it(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.store.write(lambda tx: tx.db.execute("INSERT INTO credential VALUES ('k', 99, NULL, 'staff-7', 0)"))
        await hotel.said(1, "restock", state="begin", attendant="99")
        await hotel.took(2, 1, 1)
        await hotel.said(3, "restock", state="end", attendant="99")
        await hotel.later(100)
        assert (owed(hotel), reviews(hotel)) == ([], [])
        assert [fact.attendant for fact in hotel.facts(Restocked)] == ["staff-7"]


async def test_a_faulty_slot_asks_for_an_inspection_once(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", GUEST)
        await hotel.took(1, 1, 1)
        for seq in (2, 3):
            await hotel.said(seq, "slot_fault", slot=1)
        await hotel.took(4, 1, 2)
        await hotel.later(100)
        assert owed(hotel) == []
        assert tasks(hotel) == ["minibar_slot"]


async def test_a_guest_who_may_not_charge_is_asked_and_a_bottle_without_price_too(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", stay(201, in_house_since=NOON - HOUR, no_post=True))
        await hotel.took(1, 1, 1)
        await hotel.later(61)
        await hotel.put("stay", "s1", GUEST)
        await hotel.took(2, 7, 2)
        await hotel.later(61)
        assert reviews(hotel) == [("no_post", "s1"), ("no_price", "s1")]
        assert owed(hotel) == []


async def test_something_in_a_bar_that_has_no_price_is_told_once_a_version(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.put("price_list", "minibar/2", prices(2, NOON - timedelta(minutes=1), cola=310, beer=460))
        await hotel.until(lambda: tasks(hotel) == ["minibar_sku"])
        await hotel.put("price_list", "minibar/2", prices(2, NOON - timedelta(minutes=1), cola=310, beer=460))
        await hotel.later(1)
        (task,) = hotel.facts(TaskRaised)
        assert task.args == {"device": "bar-201", "slot": 3, "sku": "water", "version": 2}


# ---------------------------------------------------------------- the bar's lock


async def test_an_empty_rooms_bar_is_locked_and_a_guests_is_open(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        bar = hotel.devices["bar-201"]
        await opened(hotel)
        await hotel.until(lambda: [type(op) for op in bar.told] == [BarLock])
        await hotel.put("stay", "s1", GUEST)
        await hotel.until(lambda: [type(op) for op in bar.told] == [BarLock, BarUnlock])


async def test_a_box_that_has_never_met_central_locks_nobodys_bar(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await hotel.is_("bar-201")
        await hotel.later(10)
        assert hotel.devices["bar-201"].commands == []


async def test_a_lock_whose_answer_was_lost_is_asked_again_with_the_same_command(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        bar = hotel.devices["bar-201"]
        bar.away = True
        await opened(hotel)
        await hotel.until(lambda: bool(bar.commands))
        bar.away = False
        await hotel.is_("bar-201", "offline")
        await hotel.is_("bar-201", "online")
        await hotel.until(lambda: bool(bar.told))
        assert len({command.cmd_id for command in bar.commands}) == 1


async def test_a_bar_that_cannot_be_locked_is_left_alone(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        bar = hotel.devices["bar-201"]
        bar.code = Code.UNSUPPORTED
        await opened(hotel)
        await hotel.until(lambda: bool(bar.commands))
        await hotel.later(5000)
        assert len(bar.commands) == 1
        assert tasks(hotel) == []


async def test_a_bar_that_was_swapped_is_locked_again(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        bar = hotel.devices["bar-201"]
        await opened(hotel)
        await hotel.until(lambda: len(bar.told) == 1)
        await hotel.is_("bar-201", boot=2)
        await hotel.until(lambda: len(bar.told) == 2)


async def test_a_bar_that_staff_opened_in_an_empty_room_is_locked_again_after_a_while(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        bar = hotel.devices["bar-201"]
        await opened(hotel)
        await hotel.until(lambda: len(bar.told) == 1)
        await hotel.said(1, "bar_lock", on=False, source="remote")
        await hotel.later(1100)
        assert len(bar.told) == 1
        await hotel.later(101)
        await hotel.until(lambda: len(bar.told) == 2)


async def test_a_jammed_bolt_is_a_task_and_not_tried_for_ever(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        bar = hotel.devices["bar-201"]
        bar.code = Code.ACTUATOR_JAM
        await opened(hotel)
        await hotel.until(lambda: tasks(hotel) == ["setting_refused"])
        await hotel.later(5000)
        assert len(bar.commands) == 1
