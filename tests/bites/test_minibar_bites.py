"""Minibar charging with one guard taken away: each time the test that watches over it notices."""

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from gateway import bars, deadlines
from gateway.rules import charges, minibar
from gateway.rules.charges import Fridge, owed
from gateway.rules.tenancy import Tenancy
from gateway.store import Tx
from tests.gateway.bars import LOG, NOON, Script, at, played
from tests.gateway.houses import stay
from tests.gateway.rooms import opened, rooms
from tests.gateway.test_minibar_charges import CHEAP_THEN_DEAR, taken
from tests.gateway.test_minibar_rules import consumed
from wire.facts import ItemConsumed
from wire.ids import caused_by

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


async def put_back_while_the_box_was_off(folder: Path) -> int:
    """How many bottles are charged when one was put back after 30 s, and the box was off then for an hour."""
    async with rooms(folder) as hotel:
        await opened(hotel)
        await hotel.put("stay", "s1", stay(201, in_house_since=NOON - timedelta(hours=1)))
        await hotel.took(1, 1, 1)
    async with rooms(folder, NOON + timedelta(hours=1)) as hotel:
        await hotel.later(1)
        await hotel.is_("bar-201")
        await hotel.gave(2, 1, 1, 30, ago=3571)
        await hotel.later(1)
        return len(hotel.facts(ItemConsumed))


async def test_a_box_that_has_just_started_lets_the_bar_speak_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await put_back_while_the_box_was_off(tmp_path / "with") == 0
    monkeypatch.setattr(deadlines, "WAKING_S", -1.0)
    assert await put_back_while_the_box_was_off(tmp_path / "without") == 1


async def test_an_event_told_again_after_days_is_known_by_its_take_and_not_only_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def charged(folder: Path) -> int:
        async with rooms(folder) as hotel:
            await opened(hotel)
            await hotel.put("stay", "s1", stay(201, in_house_since=NOON - timedelta(hours=1)))
            await hotel.took(1, 1, 1)
            await hotel.later(61)
            await hotel.store.write(_forget)  # what is kept of events and confirmed facts is a week
            await hotel.took(1, 1, 1, ago=61)
            await hotel.later(61)
            return hotel.store.peek(
                lambda db: int(db.execute("SELECT count(*) AS n FROM outbox WHERE fact_id = ?", (fact_id,)).fetchone()["n"])
            )

    fact_id = caused_by("bar-201", LOG, 1, "ItemConsumed")
    assert await charged(tmp_path / "with") == 0  # told a week ago, and not again
    by_key = bars.load
    monkeypatch.setattr(bars, "load", lambda db, device, key=None: by_key(db, device))
    assert await charged(tmp_path / "without") == 1


def _forget(tx: Tx) -> None:
    for table in ("event", "outbox", "own"):
        tx.db.execute(f"DELETE FROM {table}")
