"""The demo property on an evening behind a real server: guests in house, arrivals to come, devices with moods. For browsers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path

from central import pages
from central.app import create
from central.bookings import books, keys, stays
from central.rooms.care import set_care
from central.rooms.property_file import read_property
from central.rooms.repairs import plan
from central.store.database import Store
from central.store.tables import device, room_signal
from central.sync import jobs
from host.serving import serve
from tests.central.hotel import Hotel, day, found
from tests.pages.desk import add_people, at_door, put, right
from wire.entities import Care, Guest
from wire.facts import JobDone, JobStarted

NAMES = (
    ("Lefèvre, Claire", "en"), ("王秀英", "zh"), ("Okafor, Chidi", "en"), ("Müller, Jürgen", "en"), ("李伟", "zh"), ("García, Lucía", "en"),
    ("O’Brien, Sean", "en"), ("Tanaka, Yuki", "en"), ("Rossi, Matteo", "en"), ("张敏", "zh"), ("Novák, Petr", "en"),
    ("Haddad, Leïla", "en"), ("Silva, João", "en"), ("Kowalska, Anna", "en"), ("陈静", "zh"), ("Nguyen, Minh", "en"),
)  # fmt: skip
TYPES = ("A", "A", "D", "A", "D", "E", "A", "A", "F", "A", "A", "D", "A", "G", "A", "A")
IN_HOUSE = 9  # the first of them have arrived
SIGNALS = {"201": ("occupied", "dnd"), "202": ("vacant", "none"), "203": ("verifying", "mur"), "211": ("occupied", "none")}
MOODS = {"lock-204": ("204", "offline", []), "lock-208": ("208", "online", ["low_battery"]), "lock-303": ("303", "fault", ["actuator_jam"])}
CARES = {"206": Care.DIRTY, "207": Care.PICKUP, "209": Care.DIRTY, "304": Care.INSPECTED, "307": Care.INSPECTED}


@dataclass(frozen=True, slots=True)
class Evening:
    """The hotel, where it is served, and the reservations in the order of NAMES."""

    hotel: Hotel
    url: str
    stays: list[str]


async def fill(hotel: Hotel) -> list[str]:
    """Let the evening come: orders, arrivals, one departure, repairs, moods, cards."""
    booked = []
    for at, ((name, language), kind) in enumerate(zip(NAMES, TYPES, strict=True)):
        guest = Guest(name, language)
        booked.append(await hotel.book(f"web-{at}", nights=1 + at % 4, guest=guest, room_type=kind, persons=1 + at % 2))
    hotel.clock.move(timedelta(hours=9, minutes=47))
    for stay in booked[:IN_HOUSE]:
        await hotel.do(stays.check_in, stay)
    await hotel.do(stays.check_out, booked[IN_HOUSE - 1], open_balance=True)
    for room, state in CARES.items():
        await hotel.do(set_care, room, state)
    await hotel.do(plan, "310", "out_of_order", day(0), day(3), "leak")
    await hotel.do(plan, "302", "out_of_service", day(0), day(1), "paint")
    now = hotel.clock.now()
    for room, (occupancy, service) in SIGNALS.items():
        await put(hotel, room_signal, room=room, occupancy=occupancy, service=service, occupancy_at=now, service_at=now)
    for name, (room, health, flags) in MOODS.items():
        await put(hotel, device, device=name, device_class="lock", room=room, health=health, flags=flags, at=now, battery_percent=18)
    for name, health in (("encoder-1", "online"), ("encoder-2", "offline")):
        await put(hotel, device, device=name, device_class="encoder", room=None, health=health, flags=[], at=now)
    await cards(hotel, booked[0])
    return booked


async def cards(hotel: Hotel, stay: str) -> None:
    """One guest's card was cut, opened the door, and a second one failed."""
    (first,) = await hotel.ask(lambda conn, p: keys.of_stay(conn, p, stay))
    room = (await hotel.do(lambda turn: books.read(turn.conn, turn.property_id, stay))).room
    assert room is not None
    await put(
        hotel,
        device,
        device=f"lock-{room}",
        device_class="lock",
        room=room,
        health="online",
        flags=[],
        at=hotel.clock.now(),
        battery_percent=84,
    )
    second = await hotel.do(keys.add_key, stay)
    for key, outcome, code in ((first, "done", "OK"), (second, "failed", "CARD_REMOVED")):
        job = await hotel.do(keys.cut_key, stay, "encoder-1", "copy" if key.copy_no else "new", key.key_id)
        await hotel.do(jobs.started, JobStarted(job))
        await hotel.do(jobs.done, JobDone(job, outcome, code))  # type: ignore[arg-type]
    await right(hotel, first.key_id, "active", int(room))
    await right(hotel, second.key_id, "pushing", int(room))
    hotel.clock.move(timedelta(minutes=4))
    await at_door(hotel, "access_denied", 1, int(room), reason="superseded")
    await at_door(hotel, "lock_operation", 2, int(room), key_id=first.key_id, op="unlock", source="rfid")
    await at_door(hotel, "door_state", 3, int(room), state="closed")


@asynccontextmanager
async def evening(store: Store) -> AsyncIterator[Evening]:
    """Serve the demo property, filled, on a free port of loopback."""
    demo = Path(str(resources.files("configs").joinpath("properties", "demo.yaml")))
    hotel = await found(store, read_property(demo))
    await add_people(hotel)
    booked = await fill(hotel)
    app = create(hotel.services)
    serving = await serve(app, "127.0.0.1", 0)
    try:
        yield Evening(hotel, serving.url, booked)
    finally:
        await pages.close(app)
        await serving.stop()
