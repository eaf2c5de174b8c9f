"""Who owes a bottle and at which price: those of the time when it was taken, whenever that is found out."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.charges import Fridge, owed, price
from gateway.rules.minibar import Take
from gateway.rules.tenancy import Tenancy, followed, tenant
from tests.gateway.bars import LOG, NOON, at
from tests.gateway.houses import left, stay
from wire.entities import Item, PriceListBody
from wire.facts import ConsumptionReview, ItemConsumed

FRIDGE = Fridge("bar-201", "201", {1: "cola", 2: "beer"})
HOUR = timedelta(hours=1)


def listed(version: int, valid_from: datetime, outlet: str = "minibar", **cost: int) -> PriceListBody:
    return PriceListBody(outlet, version, valid_from, tuple(Item(sku, {"en": sku}, minor, "goods") for sku, minor in cost.items()))


def taken(slot: int = 1, seconds: float = 0) -> Take:
    return Take(LOG, slot, 7, at(seconds), 3)


CHEAP_THEN_DEAR = (listed(1, NOON - HOUR, cola=300, beer=400), listed(2, at(300), cola=450, beer=500))


@pytest.mark.parametrize(("seconds", "minor", "version"), [(0, 300, 1), (299, 300, 1), (300, 450, 2), (5000, 450, 2)])
def test_a_bottle_costs_what_it_cost_when_it_was_taken(seconds: int, minor: int, version: int) -> None:
    found = price(CHEAP_THEN_DEAR, "cola", at(seconds))
    assert found is not None
    assert (found.item.gross_minor, found.version) == (minor, version)


def test_the_bar_does_not_sell_at_the_restaurants_prices() -> None:
    assert price([listed(9, NOON - HOUR, outlet="restaurant", cola=900)], "cola", NOON) is None


def test_of_two_lists_of_the_same_moment_the_later_version_counts() -> None:
    found = price([listed(2, NOON, cola=2), listed(3, NOON, cola=3)], "cola", at(1))
    assert found is not None
    assert found.version == 3


def test_a_bottle_is_on_the_folio_of_who_lived_there_when_it_was_taken() -> None:
    fact = owed(FRIDGE, taken(), Tenancy("201", "s1", NOON - HOUR), CHEAP_THEN_DEAR)
    assert isinstance(fact, ItemConsumed)
    assert (fact.stay_id, fact.sku, fact.gross_minor, fact.tax_code) == ("s1", "cola", 300, "goods")
    assert (fact.removed_at, fact.late) == (NOON, False)


def test_what_is_heard_of_after_the_check_out_is_a_late_charge_and_never_dropped() -> None:
    fact = owed(FRIDGE, taken(), Tenancy("201", "s1", NOON - HOUR, at(10)), CHEAP_THEN_DEAR, late=True)
    assert isinstance(fact, ItemConsumed)
    assert (fact.stay_id, fact.late) == ("s1", True)


def test_in_an_empty_room_nobody_is_charged_and_somebody_is_asked() -> None:
    fact = owed(FRIDGE, taken(), None, CHEAP_THEN_DEAR)
    assert isinstance(fact, ConsumptionReview)
    assert (fact.reason, fact.stay_id) == ("consumption_unassigned", None)


@pytest.mark.parametrize("slot", [3])
def test_a_bottle_without_a_price_is_asked_about(slot: int) -> None:
    fact = owed(FRIDGE, taken(slot), Tenancy("201", "s1", NOON - HOUR), CHEAP_THEN_DEAR)
    assert isinstance(fact, ConsumptionReview)
    assert (fact.reason, fact.stay_id) == ("no_price", "s1")


def test_a_guest_who_may_not_charge_to_the_room_is_asked_about() -> None:
    fact = owed(FRIDGE, taken(), Tenancy("201", "s1", NOON - HOUR), CHEAP_THEN_DEAR, no_post=True)
    assert isinstance(fact, ConsumptionReview)
    assert fact.reason == "no_post"


# ---------------------------------------------------------------- who lived where

THREE = datetime.fromisoformat("2026-11-21T15:00:00+00:00")


def test_a_guest_lives_in_a_room_from_check_in_to_check_out() -> None:
    body = stay(201, in_house_since=THREE)
    first = followed((), "s1", body, THREE)
    assert first == (Tenancy("201", "s1", THREE),)
    gone = left(body)
    end = THREE + HOUR
    assert followed(first, "s1", gone, end) == (Tenancy("201", "s1", THREE, end),)
    assert tenant(followed(first, "s1", gone, end), "201", end) is None


def test_after_a_move_the_old_rooms_bottles_are_still_the_guests() -> None:
    first = followed((), "s1", stay(202, in_house_since=THREE), THREE)
    moved_at = THREE + HOUR
    both = followed(first, "s1", stay(204, in_house_since=THREE, moved_at=moved_at), moved_at + HOUR)
    assert both == (Tenancy("202", "s1", THREE, moved_at), Tenancy("204", "s1", moved_at))
    before = tenant(both, "202", moved_at - timedelta(seconds=1))
    assert before is not None
    assert before.stay_id == "s1"


def test_a_stay_that_was_over_before_it_was_heard_of_still_lived_there() -> None:
    gone = left(stay(201, in_house_since=THREE, checked_out_at=THREE + HOUR))
    assert followed((), "s1", gone, THREE + 5 * HOUR) == (Tenancy("201", "s1", THREE, THREE + HOUR),)


def test_a_check_out_that_was_undone_never_was() -> None:
    body = stay(201, in_house_since=THREE)
    closed = followed(followed((), "s1", body, THREE), "s1", left(body), THREE + HOUR)
    assert followed(closed, "s1", body, THREE + 2 * HOUR) == (Tenancy("201", "s1", THREE),)


@given(st.lists(st.sampled_from(("in", "move", "out", "gone")), max_size=8))
def test_the_same_news_again_changes_nobodys_room(steps: list[str]) -> None:
    known: tuple[Tenancy, ...] = ()
    for hours, step in enumerate(steps):
        now = THREE + hours * HOUR
        body = {
            "in": stay(201, in_house_since=THREE),
            "move": stay(202, in_house_since=THREE, moved_at=THREE + HOUR / 2),
            "out": left(stay(202, in_house_since=THREE, moved_at=THREE + HOUR / 2, checked_out_at=THREE + 30 * HOUR)),
            "gone": None,
        }[step]
        known = followed(known, "s1", body, now)
        assert followed(known, "s1", body, now + HOUR) == known
        assert sum(one.end is None for one in known) <= 1
