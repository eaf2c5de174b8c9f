"""What `./dev run` does before it hands over: takes the day's real orders and opens a first door on each transport, with a card."""

import asyncio
import time
from dataclasses import dataclass
from datetime import date
from typing import Any

from demo.arrivals import arrivals, in_time
from demo.desk import Desk, NotSeen
from demo.hands import Hands
from demo.hotel import Hotel, Say

TRANSPORTS = ("mqtt", "modbus", "ble")
ENCODERS = ("encoder-1", "encoder-2")
Plates = asyncio.Queue[str]  # the encoders on which no card lies


@dataclass(frozen=True, slots=True)
class Opened:
    """A first guest's way through a door: how long the lock took to take the right, which card opened it."""

    transport: str
    room: str
    guest: str
    number: str
    reservation_id: str
    card: str
    right_ms: int


async def take_orders(desk: Desk, today: date) -> int:
    """Send every booking, and every cancellation, as it happened; return how many orders there are. May be repeated."""
    taken: dict[int, str] = {}
    for what, booking in in_time(arrivals()):
        if what == "book":
            taken[booking.source_row] = (await desk.order(booking.order(today)))["order_id"]
        else:
            await desk.cancel(taken[booking.source_row], "cancelled by the guest")
    return len(taken)


def first_on(transport: str, hotel: Hotel, day: list[dict[str, Any]], taken: set[str]) -> dict[str, Any]:
    """Return the first arrival whose room has an online lock on `transport`. Raises NotSeen when there is none."""
    rooms = {d.room for d in hotel.devices if d.cls == "lock" and d.binding == transport and d.lock == "online"}
    for stay in sorted(day, key=lambda s: s["number"]):
        if stay["status"] == "confirmed" and stay["room"] in rooms and stay["reservation_id"] not in taken:
            return stay
    raise NotSeen(f"no arrival has a room with a lock on {transport}")


async def open_one(transport: str, stay: dict[str, Any], desk: Desk, hands: Hands, free: Plates) -> Opened:
    """Check the guest in, cut a card while the lock takes the right, and open the door with it. Raises NotSeen with what went wrong."""
    begun = time.perf_counter()
    await desk.check_in(stay["reservation_id"])

    async def lock_took_it() -> int:
        await desk.doors(stay["reservation_id"], "active")
        return round((time.perf_counter() - begun) * 1000)

    right_ms, card = await asyncio.gather(lock_took_it(), _cut_on_any(desk, hands, stay["reservation_id"], free))
    if not await hands.tap(f"lock-{stay['room']}", card):
        raise NotSeen(f"the card {card} does not open room {stay['room']}")
    return Opened(transport, stay["room"], stay["guest"]["display_name"], stay["number"], stay["reservation_id"], card, right_ms)


async def _cut_on_any(desk: Desk, hands: Hands, reservation_id: str, free: Plates) -> str:
    """Cut a card on the first encoder that is free; return the card."""
    encoder = await free.get()
    try:
        return await cut_card(desk, hands, reservation_id, encoder)
    finally:
        free.put_nowait(encoder)


async def cut_card(desk: Desk, hands: Hands, reservation_id: str, encoder: str, purpose: str = "new") -> str:
    """Lay a blank card on the encoder, have it cut, lift it, and return its id. Raises NotSeen when it was not done."""
    card = await hands.blank_card()
    await hands.do(encoder, "lay_card", card=card)
    job = await desk.cut_key(reservation_id, encoder, purpose)
    await hands.do(encoder, "lift_card")
    if job["status"] != "done":
        raise NotSeen(f"the card on {encoder} was not cut: {job['status']} {job['code']}")
    return card


async def take_todays_orders(hotel: Hotel, say: Say) -> None:
    """Take the orders of the day by the hotel's own clock."""
    desk = Desk(hotel.central, hotel.prepared.token)
    try:
        count = await take_orders(desk, await hotel.today())
    finally:
        await desk.close()
    say(f"orders: {count} real bookings of one day, {sum(b.cancelled_before is not None for b in arrivals())} of them cancelled again")


async def open_first_doors(hotel: Hotel) -> list[Opened]:
    """Open a first door on each transport, side by side; nothing happens in a hotel that has guests already."""
    desk, hands = Desk(hotel.central, hotel.prepared.token), Hands(hotel.sim)
    try:
        day = await desk.day()
        if any(stay["status"] == "in_house" for stay in day):
            return []
        taken: set[str] = set()
        firsts = []
        for transport in TRANSPORTS:
            firsts.append((transport, first_on(transport, hotel, day, taken)))
            taken.add(firsts[-1][1]["reservation_id"])
        free: Plates = asyncio.Queue()
        for encoder in ENCODERS:
            free.put_nowait(encoder)
        return list(await asyncio.gather(*(open_one(way, stay, desk, hands, free) for way, stay in firsts)))
    finally:
        await desk.close()
        await hands.close()
