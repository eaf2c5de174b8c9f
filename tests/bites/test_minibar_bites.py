"""Minibar charging with one guard taken away: each time the test that watches over it notices."""

from datetime import timedelta
from itertools import count

import pytest

from gateway.rules import charges, minibar
from gateway.rules.charges import Fridge, owed
from gateway.rules.tenancy import Tenancy
from tests.gateway.bars import LOG, Script, at, played
from tests.gateway.test_minibar_charges import CHEAP_THEN_DEAR, taken
from tests.gateway.test_minibar_rules import consumed
from wire.facts import ItemConsumed

ONE_BOTTLE_TOLD_TWICE = Script().take(1, 0).told * 2


def test_told_twice_a_bottle_is_charged_once_because_its_identity_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    _, effects = played(ONE_BOTTLE_TOLD_TWICE)
    assert consumed(effects) == [(1, 1)]
    fresh = count()
    monkeypatch.setattr(minibar, "identity", lambda log_id, slot, no: (log_id, slot, no, next(fresh)))
    _, effects = played(ONE_BOTTLE_TOLD_TWICE)
    assert consumed(effects) == [(1, 1), (1, 1)]


def test_the_price_is_that_of_the_removal_and_not_that_of_the_posting(monkeypatch: pytest.MonkeyPatch) -> None:
    fridge, guest = Fridge("bar-201", "201", {1: "cola"}), Tenancy("201", "s1", at(-9000))
    fact = owed(fridge, taken(seconds=0), guest, CHEAP_THEN_DEAR)
    assert isinstance(fact, ItemConsumed)
    assert fact.gross_minor == 300
    when_told = charges.price
    monkeypatch.setattr(charges, "price", lambda lists, sku, then: when_told(lists, sku, then + timedelta(minutes=10)))
    fact = owed(fridge, taken(seconds=0), guest, CHEAP_THEN_DEAR)
    assert isinstance(fact, ItemConsumed)
    assert fact.gross_minor == 450


def test_the_log_id_keeps_two_lives_of_a_bar_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    first = minibar.Take(LOG, 1, 1, at(0), 1)
    second = minibar.Take(LOG + 1, 1, 1, at(500), 1)  # its memory was wiped: it counts from 1 again

    def charged() -> int:
        bar = minibar.Bar()
        for take in (first, second):
            bar, _ = minibar.removed(bar, take)
            bar, _ = minibar.settled(bar, take.at + timedelta(seconds=90))
        return sum(take.fate is minibar.Fate.CONSUMED for take in bar.takes.values())

    assert charged() == 2
    monkeypatch.setattr(minibar, "identity", lambda log_id, slot, no: (0, slot, no))
    assert charged() == 1
