"""Holds: rooms that the box may sell without a line, and that nobody else can sell meanwhile."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from central.bookings.orders import take_order
from central.problems import Conflict
from central.rooms.loading import load_property
from central.services import Services
from central.store.database import Store
from central.store.tables import hold, inventory_night, room_night
from central.store.vault import Vault
from central.sync import feed, holds
from central.sync.enrolment import add_box
from central.sync.holds import NIGHTS, PER_NIGHT, Held, choose
from host.clock import ManualClock
from tests.central.hotel import NOON, TODAY, day, order, small_hotel

SLUG = "demo"
ROOMS = {"201": "A", "202": "A", "203": "A", "204": "A", "301": "B", "302": "B"}


class House:
    """A property of four rooms A and two rooms B."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def do(self, use_case: Callable[..., Any], *args: Any) -> Any:
        return await self.services.change(SLUG, "staff/1", use_case, *args)

    async def told(self) -> set[str]:
        rows = await self.services.store.read(lambda conn: feed.snapshot(conn, self.services.vault, SLUG))
        return {row.id for row in rows if row.kind == "hold"}

    async def counts(self, night: date, room_type: str = "A") -> tuple[int, int]:
        """(held, sold) of one night."""
        query = select(inventory_night.c.held, inventory_night.c.sold).where(
            inventory_night.c.property_id == SLUG, inventory_night.c.room_type == room_type, inventory_night.c.night == night
        )
        return await self.services.store.read(lambda conn: tuple(conn.execute(query).one()))

    async def balanced(self) -> None:
        """Counters, room nights and holds say the same."""
        nights = select(room_night.c.night, func.count(room_night.c.hold_id)).group_by(room_night.c.night)
        rows = select(hold.c.night, func.count()).group_by(hold.c.night)
        counted = select(inventory_night.c.night, func.sum(inventory_night.c.held)).group_by(inventory_night.c.night)

        def read(conn: Any) -> list[dict[date, int]]:
            return [{night: int(many) for night, many in conn.execute(query) if many} for query in (nights, rows, counted)]

        by_room, by_hold, by_count = await self.services.store.read(read)
        assert by_room == by_hold == by_count


@pytest.fixture
async def house(store: Store) -> House:
    services = Services(store, Vault(bytes(32)), ManualClock(NOON))
    await store.write(lambda conn: load_property(conn, small_hotel(rooms=ROOMS), "system", NOON, services.vault))
    return House(services)


async def test_two_rooms_of_a_type_are_held_and_none_where_few_remain(house: House) -> None:
    given_ = await house.do(holds.renew, TODAY)
    assert {one.room_type for one in given_} == {"A"}
    assert len(given_) == PER_NIGHT * NIGHTS
    assert len({one.room for one in given_}) == PER_NIGHT
    assert await house.told() == {one.hold_id for one in given_}
    await house.balanced()


async def test_rooms_are_held_from_the_day_a_hotel_has_a_box(house: House) -> None:
    assert await house.do(holds.renew_for_box, TODAY) == []
    await house.do(add_box, "http://127.0.0.1:1")
    assert len(await house.told()) == PER_NIGHT * NIGHTS
    assert await house.do(holds.renew_for_box, TODAY) == []
    assert len(await house.do(holds.renew_for_box, day(1))) == PER_NIGHT


async def test_renewing_twice_gives_nothing_more(house: House) -> None:
    await house.do(holds.renew, TODAY)
    assert await house.do(holds.renew, TODAY) == []
    tomorrow = await house.do(holds.renew, day(1))
    assert {one.night for one in tomorrow} == {day(NIGHTS)}
    await house.balanced()


async def test_nobody_else_can_sell_a_held_room(house: House) -> None:
    await house.do(holds.renew, TODAY)
    await house.do(take_order, order("r1"))
    await house.do(take_order, order("r2"))
    with pytest.raises(Conflict):
        await house.do(take_order, order("r3"))


async def test_without_the_hold_the_same_room_would_be_sold(house: House) -> None:
    for reference in ("r1", "r2", "r3", "r4"):
        await house.do(take_order, order(reference))
    with pytest.raises(Conflict):
        await house.do(take_order, order("r5"))


async def test_a_spent_hold_becomes_a_night_of_the_reservation(house: House) -> None:
    given_: list[Held] = await house.do(holds.renew, TODAY)
    tonight = [one for one in given_ if one.night == TODAY]
    later = [one for one in given_ if one.night == day(1) and one.room == tonight[0].room]
    reservation_id = (await house.do(take_order, order("r1", first=3)))["reservations"][0]["reservation_id"]
    spent = await house.do(holds.spend, [tonight[0].hold_id, later[0].hold_id], reservation_id)
    assert [one.night for one in spent] == [TODAY, day(1)]
    assert await house.counts(TODAY) == (1, 1)
    assert tonight[0].hold_id not in await house.told()
    with pytest.raises(Conflict, match="not its own"):
        await house.do(holds.spend, [tonight[0].hold_id], reservation_id)
    await house.balanced()


async def test_a_hold_that_is_asked_back_is_free_when_the_box_has_answered(house: House) -> None:
    given_: list[Held] = await house.do(holds.renew, TODAY)
    one = given_[0]
    await house.do(holds.take_back, one.hold_id)
    assert one.hold_id not in await house.told()
    assert (await house.counts(one.night))[0] == PER_NIGHT
    assert await house.do(holds.returned, one.hold_id) is True
    assert (await house.counts(one.night))[0] == PER_NIGHT - 1
    assert await house.do(holds.returned, one.hold_id) is False
    await house.balanced()


NIGHT = date(2026, 3, 1)
DAYS = [NIGHT + timedelta(days=index) for index in range(6)]
HOUSE = ["201", "202", "203", "204"]
nights_of = st.sets(st.tuples(st.sampled_from(HOUSE), st.sampled_from(DAYS)), max_size=16)


@given(nights_of, st.dictionaries(st.sampled_from(DAYS), st.integers(0, 3)))
def test_only_free_rooms_are_chosen_and_never_more_than_wanted(taken: set[tuple[str, date]], wanted: dict[date, int]) -> None:
    chosen = choose(HOUSE, DAYS, taken, [], wanted)
    assert len(chosen) == len(set(chosen))
    assert not set(chosen) & taken
    for night in DAYS:
        free = len(HOUSE) - sum(at == night for _, at in taken)
        assert sum(at == night for _, at in chosen) == min(wanted.get(night, 0), free)


def test_the_same_room_is_held_from_night_to_night() -> None:
    chosen = choose(HOUSE, DAYS, [("201", DAYS[2])], [], dict.fromkeys(DAYS, 1))
    assert {number for number, _ in chosen} == {"202"}
