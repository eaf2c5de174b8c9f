"""Random days of a hotel: whatever desk, channels and box do in whatever order, the books agree with one another."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from central.bookings import books, facts, keys, stays
from central.bookings.books import Reservation
from central.bookings.orders import Amendment, amend_order, cancel_order, take_order
from central.problems import Problem
from central.rooms import repairs
from central.rooms.day import give_holds, turn_of_day
from central.rooms.house import read_house
from central.rooms.rules import nights
from central.store.database import Store
from central.store.tables import access_key, hold, inventory_night, reservation, room, room_night
from central.sync import feed
from central.sync.enrolment import add_box
from tests.central.hotel import Hotel, found, order, small_hotel
from wire.codec import decode_body
from wire.entities import StayBody
from wire.facts import StayCheckedIn, StayCheckedOut, StayMoved, WalkInTaken
from wire.messages import FactRow
from wire.stays import Status, on_box

ROOMS = {"201": "A", "202": "A", "203": "A", "301": "B", "302": "B"}
STEPS = 60
ACTIVE = {Status.CONFIRMED, Status.IN_HOUSE}


def everything(conn: Connection, slug: str) -> list[Reservation]:
    return [books.of_row(row) for row in conn.execute(select(reservation).where(reservation.c.property_id == slug)).mappings()]


class Day:
    """Somebody who does things at random, and an auditor who looks at the books after each."""

    def __init__(self, hotel: Hotel, seed: int) -> None:
        self.hotel, self.random, self.booked = hotel, random.Random(seed), 0
        self.refused: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    async def act(self) -> None:
        """Do one thing; what the house refuses counts as done well."""
        name = self.random.choice(
            ["book"] * 5
            + ["check_in"] * 4
            + ["check_out"] * 2
            + ["move", "dates", "amend", "cancel", "no_show", "repair", "day", "day", "box", "box", "key", "holds", "walk_in", "walk_in"]
        )
        try:
            await getattr(self, name)()
            self.done[name] += 1
        except Problem as problem:
            self.refused[problem.code] += 1

    async def some(self, *statuses: Status) -> Reservation:
        found = [one for one in await self.hotel.ask(everything) if one.status in (statuses or tuple(Status))]
        if not found:
            raise Problem("nobody", "Nobody is there.")
        return self.random.choice(found)

    async def today(self) -> int:
        house = await self.hotel.ask(read_house)
        return (house.business_date - order().arrival).days

    async def book(self) -> None:
        self.booked += 1
        first, length = await self.today() + self.random.randrange(3), self.random.randint(1, 4)
        wanted = order(f"r{self.booked}", first, length, room_type=self.random.choice("AAB"), rooms=self.random.choice([1, 1, 1, 2]))
        await self.hotel.do(take_order, wanted)

    async def check_in(self) -> None:
        stay = await self.some(Status.CONFIRMED)
        number = self.random.choice([None, None, *ROOMS])
        await self.hotel.do(stays.check_in, stay.reservation_id, number, self.random.randrange(3))

    async def check_out(self) -> None:
        await self.hotel.do(stays.check_out, (await self.some(Status.IN_HOUSE)).reservation_id, open_balance=True)

    async def move(self) -> None:
        stay = await self.some(Status.IN_HOUSE, Status.CONFIRMED)
        use_case = stays.move if stay.status is Status.IN_HOUSE else stays.assign
        await self.hotel.do(use_case, stay.reservation_id, self.random.choice(list(ROOMS)))

    async def dates(self) -> None:
        stay = await self.some(Status.IN_HOUSE)
        await self.hotel.do(stays.change_departure, stay.reservation_id, stay.departure + timedelta(days=self.random.randint(-2, 2)))

    async def amend(self) -> None:
        stay = await self.some()
        length = self.random.randint(1, 4)
        change = Amendment(
            arrival=stay.arrival, departure=stay.arrival + timedelta(days=length), room_type=self.random.choice([None, "A", "B"])
        )
        await self.hotel.do(amend_order, stay.order_id, change)

    async def cancel(self) -> None:
        await self.hotel.do(cancel_order, (await self.some()).order_id, "random")

    async def no_show(self) -> None:
        await self.hotel.do(stays.no_show, (await self.some()).reservation_id)

    async def repair(self) -> None:
        first = (await self.hotel.ask(read_house)).business_date + timedelta(days=self.random.randrange(4))
        end = first + timedelta(days=self.random.randint(1, 2))
        await self.hotel.do(repairs.plan, self.random.choice(list(ROOMS)), self.random.choice(repairs.KINDS), first, end, "")

    async def day(self) -> None:
        self.hotel.clock.move(timedelta(hours=self.random.choice([2, 9, 24])))
        await self.hotel.do(turn_of_day)

    async def key(self) -> None:
        stay = await self.some(Status.IN_HOUSE)
        key = await self.hotel.do(keys.add_key, stay.reservation_id)
        if self.random.random() < 0.5:
            await self.hotel.do(keys.lose_key, key.key_id)

    async def holds(self) -> None:
        await self.hotel.do(give_holds)

    async def walk_in(self) -> None:
        """The box sells a room for some nights, with the holds that it has of them."""
        number, length = self.random.choice(list(ROOMS)), self.random.randint(1, 3)
        today, now = (await self.hotel.ask(read_house)).business_date, self.hotel.clock.now()
        days = nights(today, today + timedelta(days=length))
        mine = await self.hotel.ask(lambda conn, _: conn.execute(select(hold).where(hold.c.room == number, hold.c.night.in_(days))).all())
        self.booked += 1
        told = WalkInTaken(
            f"walk-{self.booked}", number, ROOMS[number], now, now + timedelta(days=length), days, "Nobody Special", "en", 1,
            (9000,) * length, tuple(one.hold_id for one in mine),
        )  # fmt: skip
        row = FactRow(1, "f", "WalkInTaken", f"stay/walk-{self.booked}", now, "synced", "box", {})
        await self.hotel.do(facts.HANDLERS[WalkInTaken], row, told)

    async def box(self) -> None:
        stay, now, number = await self.some(), self.hotel.clock.now(), self.random.choice(list(ROOMS))
        told = self.random.choice(
            [
                StayCheckedIn(stay.reservation_id, (stay.room or number,), now),
                StayCheckedOut(stay.reservation_id, now),
                StayMoved(stay.reservation_id, stay.room or "", number, now),
            ]
        )
        row = FactRow(1, "f", type(told).__name__, f"stay/{stay.reservation_id}", now, "synced", "box", {})
        await self.hotel.do(facts.HANDLERS[type(told)], row, told)


def faults(conn: Connection, hotel: Hotel) -> list[str]:
    """Look at all the books at once and return what does not agree."""
    known = everything(conn, hotel.slug)
    kinds = {row.room: row.room_type for row in conn.execute(select(room))}
    rows = conn.execute(select(room_night)).all()
    held = [(row.room, row.night, row.reservation_id) for row in rows if row.hold_id is None]
    expected = Counter((kinds[number], night) for number, night, _ in held)
    for stay in known:
        if stay.status in ACTIVE and stay.room is None:
            expected.update((stay.stock_type, night) for night in nights(stay.arrival, stay.departure))
    counted = {(row.room_type, row.night): row.sold for row in conn.execute(select(inventory_night)) if row.sold}
    wrong = [
        f"sold {key}: {counted.get(key)} counted, {expected.get(key)} true"
        for key in counted | expected
        if counted.get(key) != expected.get(key)
    ]
    lent = Counter((kinds[row.room], row.night) for row in rows if row.hold_id is not None)
    wrong += [
        f"{row.room_type} {row.night}: {row.held} held"
        for row in conn.execute(select(inventory_night))
        if row.held != lent[row.room_type, row.night]
    ]
    by_stay: dict[str, set[object]] = {}
    for _, night, stay_id in held:
        by_stay.setdefault(stay_id, set()).add(night)
    for stay in known:
        mine = by_stay.get(stay.reservation_id, set())
        if stay.status in ACTIVE and stay.room is not None and mine != set(nights(stay.arrival, stay.departure)):
            wrong.append(f"{stay.number} {stay.status} holds {sorted(map(str, mine))} for {stay.arrival} to {stay.departure}")
        if stay.status in {Status.CANCELLED, Status.NO_SHOW} and mine:
            wrong.append(f"{stay.number} {stay.status} holds {mine}")
    inside = Counter(stay.room for stay in known if stay.status is Status.IN_HOUSE)
    front = {row.room for row in conn.execute(select(room)) if row.front == "occupied"}
    if set(inside) != front or any(count > 1 for count in inside.values()):
        wrong.append(f"in house {dict(inside)}, occupied {front}")
    return wrong + list(_keys(conn, known)) + list(_told(conn, hotel, known))


def _keys(conn: Connection, known: list[Reservation]) -> list[str]:
    stays_by_id = {stay.reservation_id: stay for stay in known}
    wanted = [row for row in conn.execute(select(access_key)) if row.status == "wanted"]
    return [
        f"key of {stays_by_id[row.reservation_id].number} is valid"
        for row in wanted
        if stays_by_id[row.reservation_id].status is not Status.IN_HOUSE or row.until != stays_by_id[row.reservation_id].depart
    ]


def _told(conn: Connection, hotel: Hotel, known: list[Reservation]) -> list[str]:
    entries = feed.snapshot(conn, hotel.services.vault, hotel.slug)
    bodies = {entry.id: decode_body("stay", entry.body or b"") for entry in entries if entry.kind == "stay"}
    wrong = []
    for stay in known:
        body = bodies[stay.reservation_id]
        assert isinstance(body, StayBody)
        told = (body.status, body.rooms, body.arrive, body.depart, body.nightly_gross_minor)
        true = (on_box(stay.status), (stay.room,) if stay.room else (), stay.arrive, stay.depart, stay.nightly_gross_minor)
        if told != true:
            wrong.append(f"{stay.number}: the box knows {told}, true is {true}")
    return wrong


@pytest.mark.parametrize("seed", range(4))
async def test_the_books_agree_after_every_step_of_a_random_week(store: Store, seed: int) -> None:
    hotel = await found(store, small_hotel(rooms=ROOMS))
    await hotel.do(add_box, "http://central")
    someone = Day(hotel, seed)
    for step in range(STEPS):
        await someone.act()
        wrong = await store.read(lambda conn: faults(conn, hotel))
        assert wrong == [], f"after step {step} of seed {seed}: {someone.done}, refused {someone.refused}"
    assert sum(someone.done.values()) > STEPS // 6, someone.refused
