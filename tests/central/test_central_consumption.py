"""Bottles at central: once on the folio whatever the line does, collected or asked about after check-out; prices by version."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from central.bookings import consumption, facts, stays
from central.folio import ledger
from central.problems import Conflict, NotFound
from central.rooms.price_lists import MINIBAR, set_prices
from central.store.turn import Turn
from central.sync import feed
from central.upkeep.tasks import open_tasks
from tests.central.hotel import NOON, Hotel
from tests.central.test_central_stays import stay_in, told_stay
from wire.codec import decode_body
from wire.entities import Item, PriceListBody
from wire.facts import ConsumptionReview, ItemConsumed, Restocked, StayCheckedOut
from wire.messages import FactRow


async def hears(hotel: Hotel, of: Any) -> None:
    """Let central take in a fact; the same fact has the same id."""
    told = asdict(of)
    fact_id = f"{type(of).__name__}/{told.get('removal_no')}"
    row = FactRow(1, fact_id, type(of).__name__, "room/201", NOON, "synced", "device/bar-201", {})
    await hotel.do(facts.HANDLERS[type(of)], row, of)


def bottle(stay: str | None, slot: int = 3, no: int = 7, minor: int = 450, **more: Any) -> ItemConsumed:
    told: dict[str, Any] = {"removed_at": NOON, "sku": "beer", "price_version": 1, "tax_code": "room", "stay_id": stay}
    return ItemConsumed("bar-201", 77, slot, no, "201", **{**told, "gross_minor": minor, **more})


async def minibar_lines(hotel: Hotel, stay: str) -> list[ledger.Posting]:
    return [line for line in await hotel.ask(lambda conn, slug: ledger.lines(conn, slug, stay)) if line.code == consumption.MINIBAR]


async def asked(hotel: Hotel) -> list[tuple[str, str | None]]:
    return [(task.kind, task.reservation_id) for task in await hotel.ask(open_tasks)]


async def test_a_bottle_is_on_the_folio_once_however_often_it_is_told(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    for _ in range(3):
        await hears(hotel, bottle(stay))
    (line,) = await minibar_lines(hotel, stay)
    assert (line.gross_minor, line.tax_minor, line.detail["sku"]) == (450, 41, "beer")
    assert (await told_stay(hotel, stay)).balance_minor == 450
    assert await asked(hotel) == []


async def test_another_slot_another_removal_and_another_log_are_other_bottles(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    for one in (bottle(stay, 3, 7), bottle(stay, 4, 7), bottle(stay, 3, 8)):
        await hears(hotel, one)
    wiped = ItemConsumed("bar-201", 78, 3, 7, "201", NOON, "beer", 1, 450, "room", stay)
    await hears(hotel, wiped)
    assert len(await minibar_lines(hotel, stay)) == 4


async def test_after_the_check_out_it_is_posted_and_somebody_collects_it(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    await hears(hotel, StayCheckedOut(stay, NOON))
    for _ in range(2):
        await hears(hotel, bottle(stay, late=True))
    assert [line.detail["late"] for line in await minibar_lines(hotel, stay)] == [True]
    assert [kind for kind, _ in await asked(hotel)].count("late_charge") == 1


async def test_what_cannot_be_posted_raises_and_becomes_a_task_of_the_intake(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    with pytest.raises(NotFound):
        await hears(hotel, bottle("nobody"))
    with pytest.raises(Conflict):
        await hears(hotel, bottle(stay, tax_code="moon"))


async def test_a_return_after_the_charge_names_the_line_that_a_rebate_would_reverse(hotel: Hotel) -> None:
    stay = await stay_in(hotel)
    await hears(hotel, bottle(stay))
    review = ConsumptionReview("bar-201", "201", 3, 7, "returned_late", NOON, stay, 77)
    for _ in range(2):
        await hears(hotel, review)
    (task,) = await hotel.ask(open_tasks)
    (line,) = await minibar_lines(hotel, stay)
    assert (task.kind, task.reservation_id, task.args["posting_id"]) == ("minibar_returned_late", stay, line.posting_id)
    await hotel.do(stays.reverse, task.args["posting_id"], "returned unopened")
    assert await hotel.ask(lambda conn, slug: ledger.balance(conn, slug, stay)) == 0


async def test_a_bottle_out_of_an_empty_room_is_a_question(hotel: Hotel) -> None:
    await hears(hotel, ConsumptionReview("bar-201", "201", 3, 7, "consumption_unassigned", NOON, None, 77))
    await hears(hotel, bottle(None, no=8))
    assert await asked(hotel) == [("consumption_unassigned", None), ("consumption_unassigned", None)]


async def test_a_restocking_is_in_the_trail(hotel: Hotel) -> None:
    with hotel.store.hub.subscribe("demo") as mine:
        await hears(hotel, Restocked("bar-201", "201", "staff-7", NOON))
        assert ("room", "201") in {(one.topic, one.entity) for one in await mine.get()}


def test_every_kind_of_a_bars_facts_has_its_handler() -> None:
    assert {ItemConsumed, ConsumptionReview, Restocked} <= facts.HANDLERS.keys()


# ---------------------------------------------------------------- prices


def items(**cost: int) -> list[Item]:
    return [Item(sku, {"en": sku, "zh": sku}, minor, "room") for sku, minor in cost.items()]


async def lists(hotel: Hotel) -> dict[str, PriceListBody]:
    """The lists of the bars that the box is told; what a night costs is another outlet's."""
    entries = await hotel.ask(lambda conn, slug: feed.read(conn, hotel.services.vault, slug, 0, 500))
    found = {entry.id: decode_body("price_list", entry.body) for entry in entries if entry.kind == "price_list" and entry.body}
    return {name: body for name, body in found.items() if isinstance(body, PriceListBody) and body.outlet == MINIBAR}


async def priced(hotel: Hotel, **cost: int) -> int | None:
    def use_case(turn: Turn) -> int | None:
        return set_prices(turn, MINIBAR, items(**cost))

    return await hotel.do(use_case)


async def test_the_same_prices_again_are_no_new_version(hotel: Hotel) -> None:
    assert [await priced(hotel, cola=300), await priced(hotel, cola=300), await priced(hotel, cola=310)] == [1, 1, 2]
    found = await lists(hotel)
    assert {name: body.items[0].gross_minor for name, body in found.items()} == {"minibar/1": 300, "minibar/2": 310}
    assert found["minibar/1"].valid_from < found["minibar/2"].valid_from == NOON


async def test_a_version_stays_known_for_sixty_days_after_it_was_followed(hotel: Hotel) -> None:
    await priced(hotel, cola=300)
    hotel.clock.move(timedelta(days=100))
    await priced(hotel, cola=310)
    hotel.clock.move(timedelta(days=59))
    await priced(hotel, cola=320)
    assert set(await lists(hotel)) == {"minibar/1", "minibar/2", "minibar/3"}
    hotel.clock.move(timedelta(days=2))
    await priced(hotel, cola=330)
    assert set(await lists(hotel)) == {"minibar/2", "minibar/3", "minibar/4"}


async def test_a_house_without_a_minibar_has_no_list(hotel: Hotel) -> None:
    assert await lists(hotel) == {}
