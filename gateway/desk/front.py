"""Puts the desk on the box's console: builds it from the box's parts and gives the application its routes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from fastapi import FastAPI

import web
from gateway.desk import routes
from gateway.desk.line import HasHealth, Line
from gateway.desk.office import Office, TakesJobs
from gateway.desk.pages import Pages
from gateway.desk.people import People
from gateway.desk.stays import Settle
from gateway.engine import Unit
from gateway.keys import Enrolled
from gateway.store import Store
from host.clock import Clock


def office(
    store: Store,
    clock: Clock,
    jobs: TakesJobs,
    units: Mapping[str, Unit],
    *,
    link: HasHealth | None,
    enrolled: Enrolled | None,
    settle: Settle,
) -> Office:
    """Return the desk of a box. Before it is enrolled nobody can sign in."""
    k_pin = bytes.fromhex(enrolled.k_pin) if enrolled and enrolled.k_pin else None
    public = bytes.fromhex(enrolled.central_public) if enrolled and enrolled.central_public else None
    people, line = People(store, clock, k_pin), Line(store, clock, link)
    return Office(store, clock, people, line, jobs, units, settle=settle, central_public=public)


def attach(app: FastAPI, desk: Office) -> None:
    """Give the console the desk's routes, static files and headers. Call it once, before it serves."""
    app.state.office = desk
    app.state.desk_pages = Pages(desk.store)
    app.add_api_route("/", routes.start, include_in_schema=False)
    app.include_router(routes.router)
    web.attach(app)


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """What the desk does while the console serves: it keeps the age of central's word."""
    desk: Office = app.state.office
    keeping = asyncio.create_task(desk.line.run(), name="central's last word")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await app.state.desk_pages.live.close()
        desk.people.close()
