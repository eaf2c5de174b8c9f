"""A small hotel for tests of central: founded in a fresh store, with builders that take the shortest possible arguments."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest_asyncio
from sqlalchemy import Connection

from central.bookings.orders import NewOrder, take_order
from central.rooms.loading import load_property
from central.rooms.property_file import Price, PropertyFile, Room, RoomType
from central.services import Services
from central.store.database import Store
from central.store.turn import Turn
from central.store.vault import Vault
from host.clock import ManualClock
from wire.entities import Guest

P = ParamSpec("P")
T = TypeVar("T")
TODAY = date(2026, 7, 1)  # a Wednesday
NOON = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)  # 12:00 in Paris
ROOMS = {"201": "A", "202": "A", "203": "A", "301": "B"}


def day(n: int) -> date:
    """The n-th day from the hotel's today."""
    return TODAY + timedelta(days=n)


def small_hotel(slug: str = "demo", number: int = 42, rooms: dict[str, str] | None = None) -> PropertyFile:
    """Three rooms of type A at 100.00, one of type B at 200.00."""
    told = rooms or ROOMS
    kinds = sorted(set(told.values()))
    return PropertyFile(
        slug=slug,
        number=number,
        name="Test House",
        time_zone="Europe/Paris",
        currency="EUR",
        check_in="15:00",
        check_out="11:00",
        languages=["en", "zh"],
        simulated=True,
        taxes={"room": Decimal(10)},
        room_types=[RoomType(code=kind, names={"en": kind, "zh": kind}, capacity=2) for kind in kinds],
        rooms=[Room(number=room, type=kind, floor=int(room[0]), doors=[int(room)]) for room, kind in told.items()],
        prices=[Price(type=kind, gross_minor=10000 * (1 + at), tax="room") for at, kind in enumerate(kinds)],
    )


def order(reference: str = "r1", first: int = 0, nights: int = 1, **changes: Any) -> NewOrder:
    """An order of the web channel that arrives `first` days from today."""
    told: dict[str, Any] = {
        "channel": "web",
        "channel_reference": reference,
        "version": 1,
        "booked_at": NOON,
        "guest": Guest("Ada Lovelace", "en"),
        "room_type": "A",
        "arrival": day(first),
        "departure": day(first + nights),
        "persons": 1,
    }
    return NewOrder(**told | changes)


class Hotel:
    """One property in a store, with a clock that a test moves."""

    def __init__(self, services: Services, clock: ManualClock, slug: str) -> None:
        self.services, self.clock, self.slug = services, clock, slug

    @property
    def store(self) -> Store:
        return self.services.store

    async def do(self, use_case: Callable[Concatenate[Turn, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case as a member of staff."""
        return await self.services.change(self.slug, "staff/test", use_case, *args, **kwargs)

    async def book(self, reference: str = "r1", first: int = 0, nights: int = 1, **changes: Any) -> str:
        """Take an order for one room and return its reservation's id."""
        taken = await self.do(take_order, order(reference, first, nights, **changes))
        stay: str = taken["reservations"][0]["reservation_id"]
        return stay

    async def ask(self, query: Callable[[Connection, str], T]) -> T:
        """Read something of this property."""
        return await self.store.read(lambda conn: query(conn, self.slug))


async def found(store: Store, told: PropertyFile | None = None) -> Hotel:
    """Found a property in `store` at noon of the first day."""
    clock = ManualClock(NOON)
    services = Services(store, Vault(bytes(32)), clock)
    file = told or small_hotel()
    await store.write(lambda conn: load_property(conn, file, "system", clock.now(), services.vault))
    return Hotel(services, clock, file.slug)


@pytest_asyncio.fixture
async def hotel(store: Store) -> AsyncIterator[Hotel]:
    """The small hotel, founded, on each database."""
    yield await found(store)
