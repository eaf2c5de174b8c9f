"""A box's desk in a test: a store that central has filled once, a clock that stands, people with PINs, and no line at all."""

import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi import FastAPI

from gateway.desk import front, schema
from gateway.desk.house import House, read_house
from gateway.desk.line import Line
from gateway.desk.office import Office
from gateway.desk.people import People, Person
from gateway.desk.roles import granted
from gateway.device import LockKind
from gateway.engine import Unit
from gateway.planner import Planner
from gateway.rules.hotel import Door
from gateway.store import Store, Tx
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import ManualClock
from wire import codec
from wire.entities import (
    Body,
    Care,
    Guest,
    HoldBody,
    KeyBody,
    KeyKind,
    PropertyBody,
    RoomBody,
    StaffBody,
    StayBody,
    StayStatus,
)
from wire.facts import Fact
from wire.jobs import Job
from wire.messages import FeedRow

T = TypeVar("T")
TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)  # 13:00 in Paris
DAY = timedelta(days=1)
K_PIN = bytes(range(32))
CENTRAL = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PIN, OTHER_PIN = "246810", "135791"
_CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)  # the box takes the parameters from the hash
PROPERTY = PropertyBody(42, "Test House", "Europe/Paris", "EUR", "15:00", "11:00", TODAY, ("en", "zh"), simulated=True)
ROOMS = {"201": "A", "202": "A", "203": "A", "211": "B"}
UNITS = {
    **{f"lock-{n}": Unit(f"lock-{n}", "lock", n, int(n), LockKind.ONLINE) for n in ROOMS},
    "encoder-1": Unit("encoder-1", "encoder"),
}


def pin_hash(pin: str) -> str:
    """As central makes it, only quicker."""
    return _CHEAP.hash(hmac.digest(K_PIN, pin.encode(), "sha256"))


def day(n: int) -> date:
    return TODAY + n * DAY


def due(room: str | None = "201", nights: int = 2, first: int = 0, **more: Any) -> StayBody:
    """A stay that arrives `first` days from today."""
    rooms = (room,) if room else ()
    at = datetime(2026, 11, 21, 14, tzinfo=UTC) + first * DAY
    told: dict[str, Any] = {"status": StayStatus.DUE_IN, "guest": Guest("Ada Lovelace", "en"), "room_type": "A", **more}
    depart = datetime(2026, 11, 21, 10, tzinfo=UTC) + (first + nights) * DAY
    return StayBody("1001", rooms=rooms, doors=tuple(int(one) for one in rooms), arrive=at, depart=depart, **told)


def here(room: str = "201", nights: int = 1, **more: Any) -> StayBody:
    """A stay in house since yesterday."""
    return due(room, nights + 1, -1, status=StayStatus.IN_HOUSE, in_house_since=NOON - DAY, **more)


def key(stay_id: str, copy_no: int = 0) -> KeyBody:
    return KeyBody(KeyKind.RFID, datetime(2026, 11, 22, 10, tzinfo=UTC), stay_id=stay_id, copy_no=copy_no)


@dataclass
class FakeJobs:
    """Takes jobs and does nothing with them."""

    taken: list[Job] = field(default_factory=list)

    def take(self, job: Job, deadline: float) -> None:
        self.taken.append(job)


@dataclass
class Desk:
    """The desk and what is behind it."""

    store: Store
    clock: ManualClock
    office: Office
    jobs: FakeJobs
    app: FastAPI
    seq: int = 0

    async def put(self, kind: str, name: str, body: Body, seen: int = 0) -> None:
        """Central puts one entity."""
        self.seq += 1
        row = FeedRow(self.seq, kind, name, "put", seen, json.loads(codec.canonical(body)))
        await self.store.write(lambda tx: journal.take_row(tx, row))

    async def hold(self, room: str, *nights: int) -> None:
        """Central gives the box a room on these nights from today."""
        for night in nights:
            await self.put("hold", f"hold-{room}-{night}", HoldBody(room, ROOMS[room], day(night)))

    async def do(self, use_case: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a use case as a receptionist."""
        witness = Witness.at(self.clock, "staff/desk")
        return await self.store.write(lambda tx: use_case(tx, witness, *args, **kwargs))

    def house(self) -> House:
        return self.store.peek(lambda db: read_house(db, self.clock.now()))

    def stay(self, stay_id: str) -> StayBody:
        return self.house().stay(stay_id)

    def facts(self) -> list[Fact]:
        """What the box told, in order."""
        rows = self.store.peek(lambda db: db.execute("SELECT seq, row FROM outbox WHERE lane = 'desk' ORDER BY seq").fetchall())
        read = [codec.read_row(row["seq"], bytes(row["row"])) for row in rows]
        return [codec.decode_fact(row.kind, row.body) for row in read]

    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts()]

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://box")

    async def signed_in(self, client: httpx.AsyncClient, who: str = "desk", pin: str = PIN) -> None:
        """Sign in as a program does."""
        answer = await client.post("/desk/sign-in", json={"staff": who, "pin": pin})
        assert answer.status_code == 200, answer.text
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"


RECEPTIONIST = Person("desk", "Rita", ("desk",), "en", granted(("desk",)))
MANAGER = Person("boss", "Max", ("manager",), "en", granted(("manager",)))


def nothing_to_settle(tx: Tx, stay_id: str, witness: Witness) -> None:
    """There are no minibars."""


def build(store: Store, clock: ManualClock) -> Desk:
    """Put a desk on an open store."""
    jobs = FakeJobs()
    people, line = People(store, clock, K_PIN), Line(store, clock, None)
    public = CENTRAL.public_key().public_bytes_raw()
    office = Office(store, clock, people, line, jobs, UNITS, settle=nothing_to_settle, central_public=public)
    app = FastAPI()
    front.attach(app, office)
    return Desk(store, clock, office, jobs, app)


async def fill(desk: Desk) -> None:
    """What central told once."""
    await desk.put("property", "demo", PROPERTY)
    for number, kind in ROOMS.items():
        await desk.put("room", number, RoomBody(kind, int(number[0]), (int(number),), Care.INSPECTED))
    await desk.put("staff", "desk", StaffBody("Rita", ("desk",), "en", pin_hash(PIN)))
    await desk.put("staff", "boss", StaffBody("Max", ("manager",), "en", pin_hash(OTHER_PIN)))
    await desk.put("staff", "maid", StaffBody("Mia", ("housekeeping",), "zh", pin_hash(PIN)))


@asynccontextmanager
async def opened(folder: Path, now: datetime = NOON) -> AsyncIterator[Desk]:
    """A desk on the store in `folder`; open it there again and it goes on where it was."""
    store = Store(folder / "box.db", journal.STEPS, schema.STEPS)
    store.open()
    desk = build(store, ManualClock(now))
    try:
        yield desk
    finally:
        desk.office.people.close()
        await store.close()


def doors() -> dict[int, Door]:
    return {int(number): Door(int(number), LockKind.ONLINE, f"lock-{number}") for number in ROOMS}


def planner(desk: Desk) -> Planner:
    """The planner that would make rights of what the desk does."""
    return Planner(desk.store, desk.clock, doors())
