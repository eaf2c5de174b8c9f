"""A real central and the desk of a real box, with a line between that a test cuts: both on the same standing clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from central.app import create
from central.staff.people import add_staff, credentials, pin_key
from central.store.database import Store as CentralStore
from central.sync.enrolment import add_box
from gateway.desk import schema
from gateway.desk.line import Line
from gateway.desk.office import Office
from gateway.desk.people import People, Person
from gateway.store import Store
from gateway.sync import journal
from gateway.sync.link import Link, Peer
from host.clock import ManualClock
from host.serving import serve
from tests.central.hotel import NOON, Hotel, found, small_hotel
from tests.gateway_desk.desks import UNITS, FakeJobs, nothing_to_settle
from tests.sync.relay import Relay

ROOMS = {"201": "A", "202": "A", "203": "A", "204": "A", "205": "A", "301": "B", "302": "B"}
PATIENCE_S = 30.0  # two cores shared with others; nothing here is a measurement


async def until(true: Callable[[], Any]) -> None:
    """Return as soon as `true()`; fail when it never becomes so."""
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit, "it never came true"
        await asyncio.sleep(0.01)


@dataclass
class Pair:
    """Both ends. `who` = the receptionist, signed in with the PIN that central made."""

    central: Hotel
    relay: Relay
    store: Store
    link: Link
    office: Office
    who: Person
    token: str
    pin: str

    def down(self) -> None:
        """Cut the line."""
        self.relay.up = False
        self.relay.cut()

    async def up(self) -> None:
        """Mend the line and wait until central holds everything and the box knows what it made of it."""
        self.relay.up = True
        await until(lambda: sum(self.link.health().backlog.values()) == 0 and self.link.health().state == "live")
        await self.level()

    async def level(self) -> None:
        """Wait until the box is where central is."""
        await until(lambda: (health := self.link.health()).cursor == health.head and health.head > 0)

    def stay(self, stay_id: str) -> Any:
        return self.store.peek(lambda db: journal.body(db, "stay", stay_id))

    async def agreed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both ends' digests, once they are at the same number."""
        await self.level()
        async with httpx.AsyncClient(base_url=self.relay.url, headers={"Authorization": f"Bearer {self.token}"}) as web:
            for _ in range(100):
                theirs = (await web.get("/sync/v1/digest")).raise_for_status().json()
                ours = asdict(self.link.agreement())
                if theirs["feed_seq"] == ours["feed_seq"]:
                    return theirs, ours
                await asyncio.sleep(0.05)
        raise AssertionError("the two ends never came to the same number")


@asynccontextmanager
async def box(folder: Path, relay: Relay, enrolment: dict[str, Any], clock: ManualClock) -> AsyncIterator[tuple[Store, Link, Office]]:
    """The box's store, link and desk; run it again on the same folder and it goes on."""
    store = Store(folder / "box.db", journal.STEPS, schema.STEPS)
    store.open()
    link = Link(store, Peer(relay.url, enrolment["token"], enrolment["box_id"], "test"), clock, lambda job, deadline: None)
    people, line = People(store, clock, bytes.fromhex(enrolment["k_pin"])), Line(store, clock, link)
    public = bytes.fromhex(enrolment["central_public"])
    office = Office(store, clock, people, line, FakeJobs(), UNITS, settle=nothing_to_settle, central_public=public)
    link.start()
    try:
        yield store, link, office
    finally:
        people.close()
        await link.stop()
        await store.close()


@asynccontextmanager
async def pair(store: CentralStore, folder: Path) -> AsyncIterator[Pair]:
    """A hotel of seven rooms, a box that has been enrolled, and a receptionist."""
    hotel = await found(store, small_hotel(rooms=ROOMS))
    serving = await serve(create(hotel.services), "127.0.0.1", 0)
    try:
        async with Relay(serving.port) as relay:
            enrolment = await hotel.do(add_box, relay.url)
            given = credentials("rita", await hotel.do(pin_key))
            await hotel.do(add_staff, given, "Rita", ["desk"])
            async with box(folder, relay, enrolment, ManualClock(NOON)) as (opened, link, office):
                await until(office.people.choices)
                _, who = await office.people.sign_in("rita", given.pin)
                yield Pair(hotel, relay, opened, link, office, who, enrolment["token"], given.pin)
    finally:
        await serving.stop()
