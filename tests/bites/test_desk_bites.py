"""The desk's dangerous claims: each holds, and here is what happens when its guard is taken away."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central.store.database import Store
from central.sync import holds
from central.upkeep.tasks import open_tasks
from gateway.desk import throttle, walkins
from gateway.desk.problems import NeedsManager, SignedOut, Throttled
from gateway.desk.walkins import Wish
from tests.gateway_desk.desks import OTHER_PIN, PIN, Desk, fill, opened
from tests.gateway_desk.pairs import Pair, pair
from tests.gateway_desk.test_desk_pair import left, read
from wire import overlay
from wire.facts import Fact, HoldReturned, WalkInTaken

WISH = Wish("Grace Hopper", "en", 1, 1)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as made:
        await fill(made)
        yield made


# ---------------------------------------------------------------- a hold is sold once


async def test_one_hold_takes_one_guest(desk: Desk) -> None:
    await desk.hold("202", 0)
    await desk.do(walkins.take, "w1", WISH)
    with pytest.raises(NeedsManager):
        await desk.do(walkins.take, "w2", WISH)


def without_holds(fact: Fact) -> tuple[overlay.Subject, ...]:
    """What a fact changes in sight, the holds that it spends left out."""
    return tuple(one for one in overlay.subjects(fact) if one[0] != "hold" or isinstance(fact, HoldReturned))


async def test_a_hold_that_stays_in_sight_is_sold_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sync.journal.subjects", without_holds)
    await desk.hold("202", 0)
    for stay_id in ("w1", "w2"):
        await desk.do(walkins.take, stay_id, WISH)
    spent = [hold_id for fact in desk.facts() if isinstance(fact, WalkInTaken) for hold_id in fact.holds]
    assert spent == ["hold-202-0", "hold-202-0"]


async def test_with_holds_spent_at_central_the_house_is_sold_out_exactly(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        assert await _sold_on_both_sides(there) == 5


async def test_a_night_that_the_box_sold_twice_is_seen_at_central(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rooms are held tonight; a box that does not let go of spent holds sells three. Central keeps its books and asks a person."""
    monkeypatch.setattr("gateway.sync.journal.subjects", without_holds)
    async with pair(store, tmp_path) as there:
        await there.level()
        there.down()
        stays = [await there.office.walk_in(there.who, Wish(name, "en", 1, 1, "A")) for name in ("Ada", "Grace", "Rosalind")]
        await there.up()
        assert (await left(there, 1))[0] == 3
        told = [(task.kind, task.args.get("code"), task.reservation_id) for task in await there.central.ask(open_tasks)]
        assert ("fact_refused", "hold_spent", stays[2]) in told


async def _sold_on_both_sides(there: Pair) -> int:
    """Sell tonight at the box and at central until neither has a room of type A left, and return how many different rooms went."""
    await there.level()
    there.down()
    stays = [await there.office.walk_in(there.who, Wish(name, "en", 1, 1, "A")) for name in ("Ada", "Grace")]
    while (await left(there, 1))[0] > 0:
        stays.append(await there.central.book(f"web-{len(stays)}"))
    await there.up()
    rooms = {(await read(there, one)).room for one in stays}
    assert len(rooms) == len(stays)
    assert holds.PER_NIGHT == 2
    return len(rooms)


# ---------------------------------------------------------------- a PIN is not guessed


async def tried(desk: Desk, times: int) -> int:
    """Return how many of these guesses were looked at."""
    looked_at = 0
    for guess in range(times):
        try:
            await desk.office.people.sign_in("boss", f"{guess:06d}")
        except SignedOut:
            looked_at += 1
        except Throttled:
            continue
    return looked_at


async def test_a_thief_gets_five_guesses(desk: Desk) -> None:
    assert await tried(desk, 12) == throttle.SHORT


async def test_without_the_throttle_a_pin_is_a_matter_of_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "wait_s", lambda tries, now: 0)
    assert await tried(desk, 12) == 12
    assert (await desk.office.people.sign_in("boss", OTHER_PIN))[1].staff_id == "boss"
    assert PIN != OTHER_PIN
