"""Overselling is impossible; and here is what happens when the guards are taken away."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import CheckConstraint, Connection, Update, bindparam, create_engine, func, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError

from central.bookings.orders import take_order
from central.problems import Conflict
from central.rooms import inventory
from central.services import Services
from central.store.database import Store
from central.store.metadata import metadata
from central.store.tables import inventory_night, property_, room_night
from central.store.turn import take_turn
from tests.central.hotel import Hotel, found, order, small_hotel

BUYERS = 10
ROOMS = {"201": "A", "202": "A", "203": "A"}


def without_guard() -> Update:
    """The statement that sells a night, its condition on what is left cut out."""
    return update(inventory_night).where(*inventory.SPAN).values(sold=inventory_night.c.sold + bindparam("count"))


async def rush(*hotels: Hotel) -> list[object]:
    """Let many buyers order one night at once, over every hotel object given (a process each, as it were)."""
    wanted = [hotels[n % len(hotels)].do(take_order, order(f"r{n}")) for n in range(BUYERS)]
    return list(await asyncio.gather(*wanted, return_exceptions=True))


async def sold(hotel: Hotel) -> int:
    return await hotel.ask(lambda conn, _: int(conn.execute(select(func.max(inventory_night.c.sold))).scalar_one()))


async def test_a_rush_sells_each_room_once(hotel: Hotel, address: URL) -> None:
    other = Store(address)
    try:
        second = Hotel(Services(other, hotel.services.vault, hotel.clock), hotel.clock, hotel.slug)
        outcomes = await rush(hotel, second)
    finally:
        other.close()
    assert sum(isinstance(one, dict) for one in outcomes) == 3
    assert sum(isinstance(one, Conflict) for one in outcomes) == BUYERS - 3
    assert await sold(hotel) == 3


async def test_without_the_guard_the_schema_still_refuses(hotel: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "TAKE", without_guard())
    outcomes = await rush(hotel)
    assert sum(isinstance(one, dict) for one in outcomes) == 3
    assert {type(one) for one in outcomes} == {dict, IntegrityError}


@pytest_asyncio.fixture
async def unchecked(address: URL) -> AsyncIterator[Store]:
    """A database whose schema lets a hotel oversell."""
    if address.get_backend_name() == "postgresql":
        engine = create_engine(address)
        with engine.begin() as conn:
            conn.execute(text("ALTER TABLE inventory_night DROP CONSTRAINT ck_inventory_night_not_oversold"))
        engine.dispose()
        store = Store(address)
        yield store
        store.close()
        engine = create_engine(address)
        with engine.begin() as conn:
            conn.execute(text("DELETE FROM inventory_night"))
            conn.execute(text(f"ALTER TABLE inventory_night ADD CONSTRAINT ck_inventory_night_not_oversold CHECK ({RULE.sqltext})"))
        engine.dispose()
        return
    loose = address.set(database=f"{address.database}.loose")
    inventory_night.constraints.discard(RULE)
    try:
        engine = create_engine(loose)
        metadata.create_all(engine)
        engine.dispose()
    finally:
        inventory_night.constraints.add(RULE)
    store = Store(loose)
    yield store
    store.close()


RULE = next(one for one in inventory_night.constraints if isinstance(one, CheckConstraint) and "physical" in str(one.sqltext))


async def test_without_guard_and_schema_the_hotel_is_oversold(unchecked: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hotel = await found(unchecked, small_hotel(rooms=ROOMS))
    monkeypatch.setattr(inventory, "TAKE", without_guard())
    outcomes = await rush(hotel)
    assert all(isinstance(one, dict) for one in outcomes)
    assert await sold(hotel) == BUYERS > len(ROOMS)
    taken = await hotel.ask(lambda conn, _: conn.execute(select(func.count()).select_from(room_night)).scalar_one())
    assert taken == len(ROOMS), "a room night has one holder even then: the others are without a room"


def step(conn: Connection, meet: threading.Barrier, *, with_turn: bool) -> int:
    """Read the last number, meet the other writer, write the next."""
    if with_turn:
        take_turn(conn, "demo")
    number = int(conn.execute(select(property_.c.last_number)).scalar_one())
    try:
        meet.wait(timeout=0.5)
    except threading.BrokenBarrierError:
        assert with_turn, "only the property's turn keeps the second from coming so far"
    conn.execute(update(property_).values(last_number=number + 1))
    return number + 1


@pytest.mark.postgresql
@pytest.mark.parametrize(("with_turn", "numbers"), [(True, {1001, 1002}), (False, {1001})])
async def test_without_the_turn_two_writers_lose_a_step(postgresql_hotel: Hotel, numbers: set[int], *, with_turn: bool) -> None:
    meet = threading.Barrier(2)
    store = postgresql_hotel.store
    given = await asyncio.gather(*(store.write(lambda conn: step(conn, meet, with_turn=with_turn)) for _ in range(2)))
    assert set(given) == numbers


@pytest_asyncio.fixture
async def postgresql_hotel(request: pytest.FixtureRequest) -> AsyncIterator[Hotel]:
    """The small hotel on PostgreSQL, where writers of one process run at the same time."""
    server = request.getfixturevalue("postgresql_server")
    name = server.fresh(request.getfixturevalue("postgresql_template"))
    store = Store(server.url(name))
    yield await found(store)
    store.close()
    server.give_back(name)
