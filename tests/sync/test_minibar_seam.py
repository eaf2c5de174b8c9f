"""A bottle from the bar to the folio: made with the line down it is posted once after it, and the tab at the box is right all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

from central.bookings import consumption, facts, stays
from central.bookings.orders import take_order
from central.folio import ledger
from central.rooms.loading import load_property
from central.rooms.price_lists import MINIBAR, set_prices
from central.store.database import Store
from central.sync.intake import Rules
from gateway.device import Condition, Event
from gateway.engine import Engine, Unit
from gateway.minibars import Minibars
from gateway.rules.charges import Fridge
from gateway.tenancies import Tenancies
from tests.central.hotel import TODAY, order, small_hotel
from tests.sync.hotel import NOON, SLUG, Box, Hotel, hotel, until
from wire.entities import Item, PriceListBody, StayBody, StayStatus

UNITS = {"bar-201": Unit("bar-201", "minibar", "201")}
REAL = Rules(facts.HANDLERS, facts.BULK, facts.refused, facts.alarm)


@asynccontextmanager
async def bars(box: Box) -> AsyncIterator[Engine]:
    """The box's minibars on the store of its line."""
    engine = Engine(box.store, box.clock, UNITS, lambda _: None)
    tenancies = Tenancies(box.store, box.clock)
    minibars = Minibars(box.store, box.clock, {"bar-201": Fridge("bar-201", "201", {1: "beer"})}, {}, delivery_s=0)
    engine.listeners = (minibars,)
    tasks = [asyncio.create_task(tenancies.run()), asyncio.create_task(minibars.run())]
    try:
        yield engine
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def checked_in(there: Hotel) -> str:
    """Found the house, sell beer for 4.50, and check one guest in to 201."""
    services = there.central.services
    file = small_hotel()
    await services.store.write(lambda conn: load_property(conn, file, "system", services.clock.now(), services.vault))
    await there.central.do(set_prices, MINIBAR, [Item("beer", {"en": "Beer"}, 450, "room")])
    taken = await there.central.do(take_order, order(first=(date(2026, 3, 1) - TODAY).days, booked_at=NOON))
    stay: str = taken["reservations"][0]["reservation_id"]
    await there.central.do(stays.check_in, stay)
    await until(lambda: seen(there, stay) is not None)
    await until(lambda: isinstance(there.box.sees("price_list", "minibar/1"), PriceListBody))
    return stay


def seen(there: Hotel, stay: str) -> StayBody | None:
    body = there.box.sees("stay", stay)
    return body if isinstance(body, StayBody) and body.status is StayStatus.IN_HOUSE else None


def owes(there: Hotel, stay: str) -> int:
    body = seen(there, stay)
    return body.balance_minor if body is not None else 0


async def test_a_bottle_taken_while_the_line_is_down_is_posted_once_after_it(store: Store, tmp_path: Path) -> None:
    async with hotel(store, tmp_path, lambda _: REAL) as there, bars(there.box) as engine:
        stay = await checked_in(there)
        there.relay.up = False
        there.relay.cut()
        await engine.emit(Condition("bar-201", "online", 1, 77))
        taken = Event("bar-201", 77, 1, there.box.clock.now() + timedelta(seconds=1), "set", "slot_removed", {"slot": 1, "removal_no": 1})
        there.box.clock.move(timedelta(seconds=1))
        for _ in range(3):
            await engine.emit(taken)
        there.box.clock.move(timedelta(seconds=62))
        await until(lambda: owes(there, stay) == 450)
        assert there.box.backlog > 0
        there.relay.up, there.relay.lose = True, 1  # the first answer is lost: the box must tell it again
        there.box.link.wake()
        await until(lambda: there.box.backlog == 0)
        lines = await store.read(lambda conn: ledger.lines(conn, SLUG, stay))
        assert [(line.code, line.gross_minor) for line in lines if line.code == consumption.MINIBAR] == [(consumption.MINIBAR, 450)]
        await until(lambda: there.box.store.peek(_own) == 0)
        assert owes(there, stay) == 450


def _own(db: object) -> int:
    row = db.execute("SELECT count(*) AS n FROM own").fetchone()  # type: ignore[attr-defined]
    return int(row["n"])
