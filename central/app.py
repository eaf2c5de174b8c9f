"""The composition root: everything that central is made of is put together here, and only here the system's clock is read.

create(services)             the application, for any server or test client
Central(...).start()/stop()  the running program: store, clock, turn of the day, pages
"""

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import Connection, select
from sqlalchemy.engine import URL

from central import pages, problem_json
from central.bookings import facts, list_routes, order_routes, stay_routes
from central.configuration import CentralConfiguration, database_url
from central.limits import BodyLimit
from central.rooms import routes as room_routes
from central.rooms.day import turn_of_day
from central.rooms.house import all_properties
from central.rooms.loading import load_property
from central.rooms.property_file import read_property
from central.services import Services
from central.staff import routes as staff_routes
from central.store import migrations
from central.store.database import Store, opening
from central.store.tables import property_
from central.store.vault import Vault
from central.sync import intake
from central.sync import routes as sync_routes
from host.clock import Clock, SystemClock
from host.configuration import ConfigurationError, Document, Problem
from host.exits import HostError
from host.home import Home
from host.serving import Serving, serve
from host.simulated_clock import SimulatedClock

VERSION = "1"
API = (staff_routes.routes, room_routes.routes, order_routes.routes, list_routes.routes, stay_routes.routes)
RULES = intake.Rules(facts.HANDLERS, facts.BULK, facts.refused, facts.alarm)
log = logging.getLogger(__name__)


def create(services: Services) -> FastAPI:
    """Return central's application over open services. Routes: /api/v1 (people and channels), /sync/v1 (boxes), /healthz, pages."""
    app = FastAPI(
        title="Latchkey central",
        version=VERSION,
        description="Orders, stays, rooms and keys of a hotel. Money is whole minor units; instants are RFC 3339, nights half-open.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    problem_json.install(app)
    app.add_middleware(BodyLimit)
    for routes in API:
        app.include_router(routes)
    app.include_router(sync_routes.router(services, RULES), include_in_schema=False)
    app.add_api_route("/healthz", _ready, include_in_schema=False)
    pages.attach(app)
    return app


async def _ready() -> dict[str, bool]:
    """Say that requests are answered."""
    return {"ready": True}


def database_of(configuration: CentralConfiguration, home: Home) -> URL:
    """Return the database's address."""
    return database_url(configuration.database or f"sqlite:///{home.data / 'central.db'}")


def shipped_properties() -> list[Path]:
    """Return the property files that come with the program."""
    folder = Path(str(resources.files("configs").joinpath("properties")))
    return sorted(folder.glob("*.yaml"))


async def open_store(address: URL, home: Home, now: datetime, *, shipped: bool = True) -> tuple[Store, Vault]:
    """Open the database and the vault. An empty database is migrated and (`shipped`) given the shipped properties.

    Raises HostError when the database is of another version than the program, or is none; Unreachable when it does not answer.
    """
    with opening(address):
        return await _open_store(address, home, now, shipped=shipped)


async def _open_store(address: URL, home: Home, now: datetime, *, shipped: bool) -> tuple[Store, Vault]:
    vault = Vault.in_folder(home.keys)
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).exists():
        migrations.upgrade(address)
    store = Store(address)
    try:
        version, empty = await store.read(lambda conn: (migrations.version(conn), migrations.is_empty(conn)))
        if version is None and empty:
            migrations.upgrade(address)
        elif version != migrations.newest():
            raise HostError(
                f"the database is of version {version}, this program of {migrations.newest()}", "Run `latchkey-central migrate` first"
            )
        if shipped and not await store.read(all_properties):
            for path in shipped_properties():
                told = read_property(path)
                await store.write(lambda conn, told=told: load_property(conn, told, "system", now, vault))  # type: ignore[misc]
    except BaseException:
        store.close()
        raise
    return store, vault


class Central:
    """The running program. `start` returns when requests are answered; `stop` ends everything that it began."""

    def __init__(self, configuration: CentralConfiguration, home: Home, document: Document | None = None) -> None:
        self.configuration, self.home, self.document = configuration, home, document
        self._ends = contextlib.AsyncExitStack()
        self._days: list[asyncio.Task[None]] = []
        self.serving: Serving | None = None

    async def start(self) -> Serving:
        """Open the store, find the time, and serve. Raises HostError with what to do."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> Serving:
        address = database_of(self.configuration, self.home)
        store, vault = await open_store(address, self.home, SystemClock().now())
        self._ends.push_async_callback(asyncio.to_thread, store.close)
        clock = await self._clock(store)
        services = Services(store, vault, clock)
        for slug in await store.read(all_properties):
            await services.change(slug, "system", turn_of_day)
            self._days.append(asyncio.create_task(self._turn_days(services, slug), name=f"days:{slug}"))
        self._ends.push_async_callback(self._end_days)
        if isinstance(clock, SimulatedClock):
            clock.on_step(lambda: self._step(services))
        app = create(services)
        self.serving = await serve(app, self.configuration.listen.host, self.configuration.listen.port)
        self._ends.push_async_callback(self.serving.stop)
        self._ends.push_async_callback(pages.close, app)  # ends the event streams, so that serving can end
        log.info("serving at %s", self.serving.url)
        return self.serving

    async def stop(self) -> None:
        """Serve no more, finish what is queued, close; may be repeated."""
        await self._ends.aclose()

    async def _clock(self, store: Store) -> Clock:
        told = self.configuration.clock
        if told is None:
            return SystemClock()
        real = await store.read(_not_simulated)
        if real:
            text = f"expected no simulated clock, because {', '.join(real)} is not marked simulated"
            problem = (
                self.document.problem("clock.simulated", text) if self.document else Problem(Path("central.yaml"), 0, 0, "clock", text)
            )
            raise ConfigurationError([problem])
        clock = SimulatedClock(told.simulated, "central")
        await clock.start()
        self._ends.push_async_callback(clock.stop)
        return clock

    async def _turn_days(self, services: Services, slug: str) -> None:
        """Turn the property's day whenever it is due, for ever."""
        while True:
            try:
                due = await services.change(slug, "system", turn_of_day)
            except Exception:
                log.exception("the day of %s could not be turned; next try in a minute", slug)
                due = services.clock.now() + timedelta(minutes=1)
            await services.clock.sleep_until(due)

    async def _step(self, services: Services) -> None:
        """Work off what has fallen due when the clock was stepped, before the step returns."""
        for slug in await services.store.read(all_properties):
            await services.change(slug, "system", turn_of_day)

    async def _end_days(self) -> None:
        for task in self._days:
            task.cancel()
        await asyncio.gather(*self._days, return_exceptions=True)


def _not_simulated(conn: Connection) -> list[str]:
    return [str(slug) for slug in conn.execute(select(property_.c.property_id).where(~property_.c.simulated)).scalars()]
