"""The checks of scenario files: each holds central's answer against the simulator's truth, never a program against itself."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from demo.desk import NotSeen, until
from demo.prepare import property_file
from demo.scenarios.acts import DEVICES, act, transport_of
from demo.scenarios.box import BoxDesk
from demo.scenarios.runner import Seen
from demo.scenarios.stage import Stage

ARRIVES_S = 10.0  # what a device did is at central by then: the slowest, a lock on the radio, is visited within 5 s


async def settled(look: Callable[[], Awaitable[Seen]], limit_s: float = ARRIVES_S) -> Seen:
    """Return the first look that agrees, or the last one when none did in time."""
    last: list[Seen] = []

    async def agrees() -> Seen | None:
        last[:] = [await look()]
        return last[0] if last[0].ok else None

    try:
        return await until(agrees, lambda: "no agreement", limit_s)
    except NotSeen:
        return last[0]


def price_of(sku: str) -> int:
    """Return what a bottle costs, in minor units, by the shipped property file."""
    items = yaml.safe_load(property_file().read_text())["minibar"]
    return int(next(item["gross_minor"] for item in items if item["sku"] == sku))


def locks() -> list[str]:
    """Return the rooms of all locks."""
    return sorted(device.room for device in DEVICES.values() if device.cls == "lock" and device.room)


@act
async def opens(stage: Stage, card: str, room: str) -> Seen:
    """The card moves the bolt of its door."""
    moved = await stage.hands.tap(f"lock-{room}", card)
    if moved:
        stage.counted(transport_of(room), "opened")
    return Seen(expected=True, seen=moved, source="simulator: bolt_openings")


@act
async def opens_no_other(stage: Stage, card: str, room: str) -> Seen:
    """The card moves no other bolt in the house."""
    others = [f"lock-{other}" for other in locks() if other != room]
    before = await stage.hands.truth()
    for lock in others:
        await stage.hands.do(lock, "tap", card=card)
    after = await stage.hands.truth()
    moved = [lock for lock in others if before[lock]["bolt_openings"] != after[lock]["bolt_openings"]]
    return Seen(expected=[], seen=moved, source="simulator: bolt_openings of every other lock")


@act
async def shut(stage: Stage, card: str, room: str) -> Seen:
    """The card moves no bolt; nobody is asked, for the line may be down."""
    return Seen(expected=False, seen=await stage.hands.tap(f"lock-{room}", card), source="simulator: bolt_openings")


@act
async def work_is_open(stage: Stage) -> Seen:
    """The box has a desk fact that central has not confirmed, a bottle within its grace and a command without an answer."""
    wanted = {"desk fact unsent": True, "bottle in grace": True, "command unanswered": True}
    counts: dict[str, int] = {}

    async def look() -> Seen:
        unsent = await BoxDesk(stage.box).unsent()
        work = (await stage.box.get("/health")).json()["open_work"]
        counts.update(zip(wanted, (unsent["desk"], work["bottles_in_grace"], work["commands_unanswered"]), strict=True))
        return Seen(wanted, {name: count > 0 for name, count in counts.items()}, f"box: {counts}")

    return await settled(look)


@act
async def refused(stage: Stage, card: str, room: str, stay: dict[str, Any]) -> Seen:
    """The card no longer opens, and central is told of exactly one denial."""
    lock = f"lock-{room}"
    before = await _denials(stage, stay, int(room))
    openings = await stage.hands.openings(lock)
    await stage.hands.do(lock, "tap", card=card)
    moved = await stage.hands.openings(lock) - openings

    async def look() -> Seen:
        told = await _denials(stage, stay, int(room)) - before
        return Seen({"openings": 0, "denials": 1}, {"openings": moved, "denials": told}, "simulator: bolt_openings; central: door events")

    found = await settled(look)
    if found.ok:
        stage.counted(transport_of(room), "refused_after")
    return found


async def _denials(stage: Stage, stay: dict[str, Any], door: int) -> int:
    events = (await stage.desk.stay(stay["reservation_id"]))["door_events"]
    return sum(int(event["data"].get("count") or 1) for event in events if event["type"] == "access_denied" and event["door"] == door)


@act
async def openings_are_known(stage: Stage, stay: dict[str, Any]) -> Seen:
    """Central knows of as many openings of the guest's door as there really were."""
    room = stay["room"]

    async def look() -> Seen:
        truth = await stage.hands.openings(f"lock-{room}")
        events = (await stage.desk.stay(stay["reservation_id"]))["door_events"]
        told = [e for e in events if e["door"] == int(room) and e["type"] == "lock_operation" and e["data"].get("op") == "unlock"]
        return Seen(truth, len(told), "simulator: bolt_openings; central: door events of the stay")

    return await settled(look)


@act
async def is_(stage: Stage, stay: dict[str, Any], status: str) -> Seen:
    """Central has the reservation in this state, with a room."""
    found = (await stage.desk.stay(stay["reservation_id"]))["reservation"]
    return Seen([status, True], [found["status"], found["room"] is not None], "central: reservation")


@act
async def board_shows(stage: Stage, room: str, front: str) -> Seen:
    """The room board shows the room vacant or occupied."""

    async def look() -> Seen:
        found = next(one for one in await stage.desk.board() if one["room"] == room)
        return Seen(front, found["front"], "central: room board")

    return await settled(look)


@act
async def door_state(stage: Stage, stay: dict[str, Any], state: str) -> Seen:
    """Central shows every key of the stay in this state at its room's door."""

    async def look() -> Seen:
        keys = (await stage.desk.stay(stay["reservation_id"]))["keys"]
        states = sorted({door["state"] for key in keys for door in key["doors"] if door["door"] == int(stay["room"])})
        return Seen([state], states, "central: keys of the stay, by the box's word")

    return await settled(look, 30)


@act
async def still_opens_until(stage: Stage, stay: dict[str, Any], card: str) -> Seen:
    """A door that only reads cards: central says released with an end, and the card truly opens before it."""
    keys = (await stage.desk.stay(stay["reservation_id"]))["keys"]
    ends = [door["exposure_until"] for key in keys for door in key["doors"] if door["state"] == "released"]
    moved = await stage.hands.tap(f"lock-{stay['room']}", card)
    return Seen(
        {"released_with_an_end": True, "opens": True},
        {"released_with_an_end": bool(ends) and all(ends), "opens": moved},
        "central: exposure_until; simulator: bolt_openings",
    )


@act
async def owes(stage: Stage, stay: dict[str, Any], nights: int, beers: int = 0) -> Seen:
    """The folio is exact: the agreed price of the nights used and what was really taken from the bar, to the cent."""
    expected = sum(stay["nightly_gross_minor"][:nights]) + beers * price_of("beer")

    async def look() -> Seen:
        return Seen(
            expected, (await stage.desk.stay(stay["reservation_id"]))["balance_minor"], "price agreed and bottles gone; central: folio"
        )

    return await settled(look)


@act
async def charged(stage: Stage, stay: dict[str, Any]) -> Seen:
    """The folio has one line for each bottle that is really gone, and no other."""

    async def look() -> Seen:
        stock = (await stage.hands.truth())[f"bar-{stay['room']}"]["true_stock"]
        gone = sum(not present for present in stock.values())
        lines = [line for line in (await stage.desk.stay(stay["reservation_id"]))["folio"] if line["code"] not in ("room", "payment")]
        return Seen(gone, len(lines), "simulator: true_stock; central: folio")

    return await settled(look)


@act
async def occupied(stage: Stage, stay: dict[str, Any]) -> Seen:
    """Somebody is in the room, and central's board knows by the sensors."""
    room = stay["room"]

    async def look() -> Seen:
        truth = (await stage.hands.truth())[f"room-{room}"]["true_presence"]
        found = next(one for one in await stage.desk.board() if one["room"] == room)
        return Seen(bool(truth), found["occupancy"] == "occupied", "simulator: true_presence; central: room board")

    return await settled(look)


@act
async def both_ends_agree(stage: Stage) -> Seen:
    """The digests of box and central, at the same numbers, are equal."""
    token = json.loads((Path(stage.status["home"]) / "box" / "keys" / "box.json").read_text())["token"]

    async def look() -> Seen:
        async with httpx.AsyncClient(timeout=10) as client:
            there = await client.get(f"{stage.status['central']}/sync/v1/digest", headers={"Authorization": f"Bearer {token}"})
        here = await stage.box.get("/digest")
        return Seen(there.json(), here.json(), "central: digest; box: digest")

    return await settled(look, 20)
