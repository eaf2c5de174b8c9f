"""One property at a real central application and its real journal and link, over loopback HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, insert

from central.problems import Problem
from central.services import Services
from central.store.database import Store as CentralStore
from central.store.tables import feed_head, property_
from central.store.turn import Turn
from central.store.vault import Vault
from central.sync import feed
from central.sync.enrolment import add_box
from central.sync.intake import Rules
from central.sync.routes import router
from gateway.store import Store as BoxStore
from gateway.sync import journal
from gateway.sync.link import Link, Peer
from host.clock import ManualClock
from host.serving import Serving, serve
from tests.sync.relay import Relay
from wire.entities import Body, Guest, StayBody, StayStatus
from wire.facts import Fact
from wire.jobs import Job
from wire.messages import FactRow

T = TypeVar("T")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLUG = "demo"
PATIENCE_S = 20.0  # two cores shared with others; nothing here is a measurement


def stay(status: StayStatus = StayStatus.DUE_IN, room: str = "201", number: str = "1001") -> StayBody:
    """A stay of two nights from NOON."""
    return StayBody(number, status, (room,), (int(room),), "A", NOON, NOON + timedelta(days=2), Guest("Ada", "en"))


async def until(true: Callable[[], bool]) -> None:
    """Return as soon as `true()`; fail when it never becomes so."""
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit, "it never came true"
        await asyncio.sleep(0.005)


def make_property(conn: Connection) -> None:
    """The least that a property is."""
    conn.execute(
        insert(property_),
        {
            "property_id": SLUG, "number": 42, "name": "Demo", "time_zone": "Europe/Paris", "currency": "EUR", "check_in": "15:00",
            "check_out": "11:00", "business_date": date(2026, 3, 1), "languages": ["en", "zh"], "simulated": True,
        },
    )  # fmt: skip
    conn.execute(insert(feed_head), {"property_id": SLUG})


@dataclass
class Central:
    """The running central of one property. `heard` = what its handlers were given, in order."""

    services: Services
    app: FastAPI
    heard: list[tuple[FactRow, Fact]] = field(default_factory=list)

    async def do(self, use_case: Callable[..., T], *args: Any) -> T:
        return await self.services.change(SLUG, "staff/1", use_case, *args)

    async def put(self, kind: str, entity_id: str, body: Body) -> int:
        return await self.do(feed.put, kind, entity_id, body)


@asynccontextmanager
async def central(store: CentralStore, rules: Callable[[Central], Rules]) -> AsyncIterator[tuple[Central, Serving]]:
    """Serve one property's central on loopback. `rules` may use what the central hears."""
    services = Services(store, Vault(bytes(32)), ManualClock(NOON))
    await store.write(make_property)
    app = FastAPI()
    here = Central(services, app)
    app.include_router(router(services, rules(here)))

    @app.exception_handler(Problem)
    async def told(request: Request, problem: Problem) -> JSONResponse:
        return JSONResponse({"code": problem.code, "title": problem.what}, problem.status)

    serving = await serve(app, "127.0.0.1", 0)
    try:
        yield here, serving
    finally:
        await serving.stop()


def hears(here: Central) -> Rules:
    """Rules that only remember what came."""

    def hear(turn: Turn, row: FactRow, fact: Fact) -> None:
        here.heard.append((row, fact))

    return Rules(handlers=dict.fromkeys(_all_kinds(), hear))


def _all_kinds() -> tuple[type[Any], ...]:
    from wire.facts import KINDS

    return tuple(KINDS.values())


@dataclass
class Box:
    """The running box's end. `jobs` = what it was asked to do."""

    store: BoxStore
    link: Link
    clock: ManualClock
    jobs: list[tuple[Job, float]] = field(default_factory=list)

    async def tell(self, fact: Fact, entity: str = "stay/s1", fact_id: str | None = None) -> int:
        return await self.store.write(
            lambda tx: journal.append(tx, fact, entity=entity, at=self.clock.now(), clock="synced", actor="staff/7", fact_id=fact_id)
        )

    def sees(self, kind: str, entity_id: str) -> Body | None:
        return self.store.peek(lambda db: journal.body(db, kind, entity_id))

    @property
    def backlog(self) -> int:
        return sum(self.link.health().backlog.values())


@asynccontextmanager
async def box(folder: Path, url: str, token: str, box_id: str) -> AsyncIterator[Box]:
    """Run the box's journal and link on the store in `folder`; run it again there and it goes on where it was."""
    opened = BoxStore(folder / "box.db", journal.STEPS)
    opened.open()
    clock = ManualClock(NOON)
    jobs: list[tuple[Job, float]] = []
    link = Link(opened, Peer(url, token, box_id, "test"), clock, lambda job, deadline: jobs.append((job, deadline)))
    link.start()
    try:
        yield Box(opened, link, clock, jobs)
    finally:
        await link.stop()
        await opened.close()


@dataclass
class Hotel:
    """Both ends and the line between."""

    central: Central
    box: Box
    relay: Relay
    enrolment: dict[str, Any]


@asynccontextmanager
async def hotel(store: CentralStore, folder: Path, rules: Callable[[Central], Rules] = hears) -> AsyncIterator[Hotel]:
    """Central, relay and box, connected."""
    async with central(store, rules) as (here, serving), Relay(serving.port) as relay:
        enrolment = await here.do(add_box, relay.url)
        async with box(folder, relay.url, enrolment["token"], enrolment["box_id"]) as there:
            yield Hotel(here, there, relay, enrolment)
