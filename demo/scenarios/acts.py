"""The acts of scenario files, by name: what a receptionist, a guest, a technician or bad luck does. Each begins with the stage."""

import time
from datetime import date, datetime, timedelta
from typing import Any

import httpx

from demo.desk import NotSeen, until
from demo.first_doors import cut_card
from demo.plan import demo_hotel
from demo.scenarios.box import BoxDesk
from demo.scenarios.script import Act
from demo.scenarios.stage import Stage

ACTS: dict[str, Act] = {}
DEVICES = {device.name: device for device in demo_hotel()}


def act(function: Act) -> Act:
    """Make a function an act under its own name."""
    ACTS[function.__name__] = function
    return function


def transport_of(room: str) -> str:
    """Return how the box reaches the lock of a room: mqtt, modbus, ble, or none."""
    return DEVICES[f"lock-{room}"].binding


# ---------------------------------------------------------------- at central


@act
async def order(stage: Stage, room_type: str, nights: int, guest: str, price_minor: int, channel: str = "direct") -> dict[str, Any]:
    """Take an order for one room from today on; return its reservation. A run of its own has references of its own."""
    today = date.fromisoformat(stage.kept["today"])
    body = {
        "channel": channel,
        "channel_reference": f"day-{stage.kept['run']}-{guest}",
        "guest": {"display_name": guest, "language": "en"},
        "arrival": today.isoformat(),
        "departure": (today + timedelta(days=nights)).isoformat(),
        "room_type": room_type,
        "adults": 1,
        "nightly_gross_minor": [price_minor] * nights,
    }
    taken = await stage.desk.order(body)
    found: dict[str, Any] = taken["reservations"][0]
    return found


@act
async def arrival(
    stage: Stage, transport: str = "", lock: str = "online", room_type: str = "", bar: bool = False, most_nights: int = 99
) -> dict[str, Any]:
    """Return the first guest still to come today whose room has such a door (is of this type, has a minibar), for so many nights."""
    rooms = {d.room for d in DEVICES.values() if d.cls == "lock" and transport in ("", d.binding) and d.lock == lock}
    used = stage.kept.setdefault("used", [])
    for stay in sorted(await stage.desk.day(), key=lambda one: one["number"]):
        fits = stay["room"] in rooms and room_type in ("", stay["room_type"]) and (not bar or f"bar-{stay['room']}" in DEVICES)
        fits = fits and len(stay["nightly_gross_minor"]) <= most_nights
        if fits and stay["status"] == "confirmed" and stay["reservation_id"] not in used:
            used.append(stay["reservation_id"])
            return stay
    wanted = f"{lock} lock{f' on {transport}' if transport else ''}{' and a minibar' if bar else ''}"
    raise NotSeen(f"no guest is due in a room with an {wanted}")


@act
async def check_in(stage: Stage, stay: dict[str, Any], keys: int = 1) -> dict[str, Any]:
    """Check in at central and wait until each online door has taken the right; time it by transport."""
    room = stay["room"]
    begun = time.perf_counter()
    await stage.desk.check_in(stay["reservation_id"], keys)
    if DEVICES[f"lock-{room}"].lock == "online":
        await stage.desk.doors(stay["reservation_id"], "active")
        stage.timed(transport_of(room), (time.perf_counter() - begun) * 1000)
    stage.counted(transport_of(room), "checked_in")
    found: dict[str, Any] = (await stage.desk.stay(stay["reservation_id"]))["reservation"]
    return found


@act
async def check_out(stage: Stage, stay: dict[str, Any]) -> dict[str, Any]:
    """Check out at central, whatever is open."""
    return await stage.desk.check_out(stay["reservation_id"])


@act
async def cut(stage: Stage, stay: dict[str, Any], encoder: str, purpose: str = "new") -> str:
    """Cut a card for a guest on an encoder and return the card."""
    return await cut_card(stage.desk, stage.hands, stay["reservation_id"], encoder, purpose)


# ---------------------------------------------------------------- hands


@act
async def tap(stage: Stage, card: str, room: str) -> bool:
    """Hold a card to a door."""
    return await stage.hands.tap(f"lock-{room}", card)


@act
async def bottle(stage: Stage, stay: dict[str, Any], slot: int, hand: str) -> None:
    """Take a bottle from the bar of the guest's room (`remove`) or put it back (`return`)."""
    await stage.hands.do(f"bar-{stay['room']}", hand, slot=slot)


@act
async def hand(stage: Stage, stay: dict[str, Any], device: str, does: str) -> None:
    """Any other gesture at the lock, bar or room controller of the guest's room: open_door, close_door, move."""
    await stage.hands.do(f"{device}-{stay['room']}", does)


@act
async def fault(stage: Stage, stay: dict[str, Any], device: str, knob: str, value: Any) -> None:
    """Turn a fault knob of the lock, bar or room controller of the guest's room; null puts it back."""
    await stage.hands.fault(f"{device}-{stay['room']}", **{knob: value})


@act
async def later(stage: Stage, seconds: float) -> None:
    """Let business time pass by stepping; every program has worked off what fell due."""
    await stage.hands.step(seconds)


# ---------------------------------------------------------------- bad luck


@act
async def line(stage: Stage, mode: str) -> None:
    """Cut the line between box and central (down, blackhole), slow it, or mend it (up)."""
    await stage.line(mode)


@act
async def kill(stage: Stage, program: str) -> None:
    """End a program as a power cut would."""
    await stage.process(program, "kill9")


@act
async def start(stage: Stage, program: str) -> None:
    """Start a program that was killed; returns when it answers."""
    await stage.process(program, "start")
    if program == "gateway":
        await sign_in(stage)


# ---------------------------------------------------------------- at the box


@act
async def sign_in(stage: Stage) -> None:
    """Sign in at the box with the PIN."""
    await BoxDesk(stage.box).sign_in(stage.status["login"]["user"], stage.status["pin"])


@act
async def box_walk_in(stage: Stage, room_type: str, nights: int, guest: str) -> dict[str, Any]:
    """Take a guest without an order at the box, from its holds."""
    return await BoxDesk(stage.box).walk_in(room_type=room_type, nights=nights, display_name=guest, language="en", persons=1)


@act
async def box_doors(stage: Stage, stay_id: str, state: str) -> None:
    """Wait until every door of a stay is in this state at the box."""
    await BoxDesk(stage.box).doors(stay_id, state)


@act
async def box_cut(stage: Stage, stay_id: str, encoder: str) -> str:
    """Cut a card at the box and return it."""
    card = await stage.hands.blank_card()
    await stage.hands.do(encoder, "lay_card", card=card)
    job = await BoxDesk(stage.box).cut_key(stay_id, encoder)
    await stage.hands.do(encoder, "lift_card")
    if job["status"] != "done":
        raise NotSeen(f"the card on {encoder} was not cut at the box: {job['status']} {job.get('code')}")
    return card


@act
async def box_check_out(stage: Stage, stay: dict[str, Any]) -> None:
    """Check a guest out at the box."""
    await BoxDesk(stage.box).act(stay["reservation_id"], "check-out", open_balance=True)


@act
async def box_extend(stage: Stage, stay: dict[str, Any], nights: int) -> str:
    """Let a guest stay longer, at the box; return the new day of departure."""
    departure = (date.fromisoformat(stay["departure"]) + timedelta(days=nights)).isoformat()
    await BoxDesk(stage.box).act(stay["reservation_id"], "extend", departure=departure)
    return departure


@act
async def box_until(stage: Stage, stay: dict[str, Any], departure: str) -> None:
    """Wait until the guest's online door holds a right that ends on the new day of departure, by the lock's own digest."""

    async def there() -> bool | None:
        door = (await stage.box.get(f"/doors/{stay['room']}")).json()
        ends = [right["until"][:10] for right in door["rights"] if right["stay_id"] == stay["reservation_id"] and right["wanted"]]
        return True if door["agrees"] and ends and all(end == departure for end in ends) else None

    await until(there, lambda: f"door {stay['room']} does not hold the longer right", 30)


@act
async def at_central(stage: Stage, stay_id: str) -> dict[str, Any]:
    """Return a stay that the box took, as central has it once the box has sent it."""

    async def there() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = (await stage.desk.stay(stay_id))["reservation"]
        except httpx.HTTPStatusError:
            return None
        return found

    return await until(there, lambda: f"central does not know the stay {stay_id}", 20)


@act
async def until_its_end(stage: Stage, stay: dict[str, Any]) -> None:
    """Let time pass until the released card of a stay has ended by its own clock."""
    keys = (await stage.desk.stay(stay["reservation_id"]))["keys"]
    end = max(datetime.fromisoformat(door["exposure_until"]) for key in keys for door in key["doors"] if door["exposure_until"])
    while (left := (end - await stage.hands.now()).total_seconds() + 60) > 0:
        await stage.hands.step(min(left, 6 * 3600))  # as a night watchman sees it: a few looks, each with all that fell due
