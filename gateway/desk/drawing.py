"""The desk's pages as views: pure functions of one look at the store, in the shapes that both desks' templates draw (`web.views`)."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.desk import rates
from gateway.desk import views as told
from gateway.desk.house import House
from gateway.desk.stays import LONGEST, backing
from gateway.desk.views import Look
from web import views
from wire.entities import KeyStatus, StayBody, StayStatus
from wire.stays import Action

BOARD = "/desk/board"
LIVED = frozenset({"occupied", "due_out", "booked", "booked_dirty"})  # the stay is what the tile is about
WORST = frozenset({"fault", "offline"})
TALKED_OF = timedelta(minutes=30)  # how long an outcome stays on the page
BADLY = frozenset({"failed", "unknown", "expired"})
NO = views.ActionView("assign", ok=False)  # rooms before arrival are central's


def base_of(stay_id: str) -> str:
    """The address of one stay."""
    return f"/desk/stays/{stay_id}"


def line_state(look: Look, unsent: int) -> views.LineState:
    """How the box stands with central."""
    at = look.word.heard_at
    shown = None if at is None or look.word.state == "live" else look.house.local(at)
    return views.LineState(look.word.state, shown, look.house.local(look.house.now).date(), unsent)


# ---------------------------------------------------------------- the board


def board(look: Look) -> views.Board:
    """Draw the room board."""
    house = look.house
    tiles = tuple(_tile(house, room) for room in told.board(look))
    return views.Board(tiles, views.counts(tiles, BOARD), _due(look))


def _tile(house: House, room: dict[str, Any]) -> views.Tile:
    word = room["shown"]["word"]
    lived = room["stay_id"] is not None and word in LIVED
    at = room["depart"] if room["front"] == "occupied" else room["arrive"]
    here = f"{BOARD}#room-{room['room']}"
    return views.Tile(
        room=room["room"],
        room_type=room["room_type"],
        type_names=rates.type_names(house, room["room_type"]),
        floor=room["floor"],
        word=word,
        care=str(room["care"]),
        presence=room["occupancy"],
        service=room["service"],
        guest=room["guest"] if lived else "",
        moment=house.local(at) if lived else None,
        today=house.business_date,
        href=base_of(room["stay_id"]) if lived else f"/desk/walk-in?room={room['room']}",
        room_href=here,
        trouble=tuple(sorted((views.Trouble(**one) for one in room["trouble"]), key=lambda one: one.code not in WORST)),
    )


def _due(look: Look) -> views.Due:
    day = lines(look)
    return views.Due(
        day["arrivals"],
        tuple(line for line in day["departures"] if line.status != "checked_out"),
        look.house.business_date,
        "/desk/arrivals",
        "/desk/departures",
    )


# ---------------------------------------------------------------- lists


def lines(look: Look) -> dict[str, tuple[views.Line, ...]]:
    """Return the lists of the day: arrivals, in-house, departures."""
    named = told.lists(look.house)
    return {which.replace("_", "-"): tuple(line(look.house, one) for one in names) for which, names in named.items()}


def line(house: House, stay_id: str) -> views.Line:
    """One stay for a list."""
    stay = house.stays[stay_id]
    room = stay.rooms[0] if stay.rooms else None
    return views.Line(
        href=base_of(stay_id),
        number=stay.number,
        guest=stay.guest.display_name,
        status=status_of(house, stay),
        room=room,
        room_type=stay.room_type,
        type_names=rates.type_names(house, stay.room_type),
        arrive=house.local(stay.arrive),
        depart=house.local(stay.depart),
        nights=(house.departure(stay) - house.arrival(stay)).days,
        persons=stay.persons,
        balance_minor=stay.balance_minor,
        currency=house.told.currency,
        care=str(house.rooms[room].care) if room in house.rooms else None,
    )


def status_of(house: House, stay: StayBody) -> str:
    """The word of a stay today; due-out is computed."""
    leaves = stay.status is StayStatus.IN_HOUSE and house.departure(stay) <= house.business_date
    return "due_out" if leaves else str(stay.status)


def found(house: House, text: str) -> list[str]:
    """Return the stays that are meant by a room, a number or a part of a name: those who are here first."""
    wanted = text.strip().casefold()
    order = {StayStatus.IN_HOUSE: 0, StayStatus.DUE_IN: 1}
    hits = [
        (order.get(stay.status, 2), stay.arrive, stay_id)
        for stay_id, stay in house.stays.items()
        if wanted
        and (
            wanted in stay.guest.display_name.casefold()
            or wanted == stay.number.casefold()
            or (wanted in stay.rooms and stay.status in order)
        )
    ]
    return [stay_id for _, _, stay_id in sorted(hits)]


# ---------------------------------------------------------------- one stay


@dataclass(frozen=True, slots=True)
class StayPage:
    """The page of one stay."""

    head: views.Head
    desk: views.Desk
    keys: views.Keys
    doors: views.Doors
    departure: views.Departure
    tab: views.Tab

    def parts(self) -> dict[str, Hashable]:
        """The parts of the page by the id of their element."""
        return {
            "order-head": self.head,
            "order-desk": self.desk,
            "order-keys": self.keys,
            "order-doors": self.doors,
            "stay-departure": self.departure,
            "stay-tab": self.tab,
        }


def stay_page(look: Look, stay_id: str) -> StayPage:
    """Draw one stay together: who, what may be done, keys and doors, the tab, the doors' own words."""
    house, one = look.house, told.one(look, stay_id)
    stay = house.stay(stay_id)
    verdicts = {act["action"]: views.ActionView(act["action"], act["allowed"], act["reason_code"]) for act in one["actions"]}
    return StayPage(
        head=_head(house, stay),
        desk=_desk(house, stay_id, stay, verdicts),
        keys=_keys(look, one, verdicts[Action.CUT_KEY]),
        doors=_doors(look, stay, one),
        departure=_departure(look, stay_id, stay, verdicts),
        tab=_tab(house, stay_id, stay, one["tab"]),
    )


def _head(house: House, stay: StayBody) -> views.Head:
    room = stay.rooms[0] if stay.rooms else None
    word = status_of(house, stay)
    return views.Head(
        number=stay.number,
        guest=stay.guest.display_name,
        status=str(stay.status),
        due=word if word != stay.status else None,
        room=room,
        room_type=stay.room_type,
        type_names=rates.type_names(house, stay.room_type),
        care=str(house.rooms[room].care) if room in house.rooms else None,
        arrive=house.local(stay.arrive),
        depart=house.local(stay.depart),
        nights=(house.departure(stay) - house.arrival(stay)).days,
        persons=stay.persons,
        balance_minor=stay.balance_minor,
        currency=house.told.currency,
        channel="",
        language=stay.guest.language,
        today=house.business_date,
        in_house_since=_local(stay.in_house_since, house.zone),
        checked_out_at=_local(stay.checked_out_at, house.zone),
    )


def _local(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if at is None else at.astimezone(zone)


def _desk(house: House, stay_id: str, stay: StayBody, verdicts: Mapping[Any, views.ActionView]) -> views.Desk:
    first = max(house.arrival(stay), house.business_date)
    free = house.free(None, first, max(house.departure(stay), first), stay_id) if stay.status is StayStatus.IN_HOUSE else []
    ranked = sorted(free, key=lambda number: house.rooms[number].room_type != stay.room_type)
    choices = [(number, house.rooms[number]) for number in ranked]
    return views.Desk(
        base=base_of(stay_id),
        check_in=verdicts[Action.CHECK_IN],
        check_out=verdicts[Action.CHECK_OUT],
        move=verdicts[Action.MOVE],
        assign=NO,
        rooms=tuple(
            views.Choice(number, number, str(room.care), names=rates.type_names(house, room.room_type)) for number, room in choices
        ),
        balance_minor=stay.balance_minor,
        currency=house.told.currency,
    )


def _keys(look: Look, one: dict[str, Any], cut: views.ActionView) -> views.Keys:
    house = look.house
    zone, today, jobs = house.zone, house.business_date, one["jobs"]
    last: dict[str, dict[str, Any]] = {}  # key -> its last card job
    finished: dict[str, dict[str, Any]] = {}  # key -> the last one that came out right
    for job in reversed(jobs):
        last[job["key_id"]] = job
        if job["status"] == "done":
            finished[job["key_id"]] = job
    bare = next((key["key_id"] for key in one["keys"] if key["status"] == KeyStatus.WANTED and key["key_id"] not in finished), None)
    return views.Keys(
        base=base_of(one["stay_id"]),
        cut=cut,
        keys=tuple(_key(key, finished.get(key["key_id"]), zone, today) for key in one["keys"]),
        encoders=_encoders(told.encoders(look), jobs[0]["target"] if jobs else None),
        job=_job(jobs[0], house) if jobs else None,
        next_key=bare,
        again=bare is not None and bare in last and last[bare]["status"] in BADLY,
        today=today,
    )


def _key(key: dict[str, Any], cut: dict[str, Any] | None, zone: ZoneInfo, today: date) -> views.KeyView:
    doors = (
        views.DoorRight(
            one["door"], str(one["state"]), str(one["lock"]), one["at"].astimezone(zone), one["code"], _local(one["exposure_until"], zone)
        )
        for one in key["doors"]
    )
    return views.KeyView(
        key_id=key["key_id"],
        kind=str(key["kind"]),
        copy_no=key["copy_no"],
        status=str(key["status"]),
        until=key["until"].astimezone(zone),
        doors=tuple(doors),
        today=today,
        cut_at=cut["asked_at"].astimezone(zone) if cut else None,
        cut_on=cut["target"] if cut else "",
    )


def _job(job: dict[str, Any], house: House) -> views.JobView | None:
    """The newest card job, as long as it is worth talking of."""
    if job["status"] != "started" and house.now - job["asked_at"] > TALKED_OF:
        return None
    return views.JobView(job["job_id"], job["status"], job["target"], house.local(job["asked_at"]), job["code"])


def _encoders(devices: Iterable[dict[str, Any]], used: str | None) -> tuple[views.Choice, ...]:
    """The encoders; chosen is the one used last, else the first that answers."""
    mine = list(devices)
    names = [one["device"] for one in mine]
    answering = next((one["device"] for one in mine if one["health"] == "online"), names[0] if names else None)
    chosen = used if used in names else answering
    tone = {"online": "good", "degraded": "warn"}
    return tuple(
        views.Choice(one["device"], one["device"], one["health"], tone.get(one["health"], "bad"), one["device"] == chosen) for one in mine
    )


def _doors(look: Look, stay: StayBody, one: dict[str, Any]) -> views.Doors:
    house = look.house
    copies = {key["key_id"]: key["copy_no"] for key in one["keys"]}
    devices = [dev for dev in told.devices_of(look, stay.rooms) if dev["class"] == "lock" or dev["health"] != "online"]
    events = one["door_events"] if stay.in_house_since is not None else []
    return views.Doors(
        lines=tuple(
            views.DoorLine(
                event["door"], event["type"], tuple(sorted(event["data"].items())), house.local(event["at"]), copies.get(event["key_id"])
            )
            for event in events
        ),
        devices=tuple(
            views.LockView(
                dev["device"], dev["health"], tuple(dev["flags"]), dev["battery_percent"], house.local(dev["known_at"] or house.now)
            )
            for dev in devices
        ),
        today=house.business_date,
    )


def _departure(look: Look, stay_id: str, stay: StayBody, verdicts: Mapping[Any, views.ActionView]) -> views.Departure:
    house, last = look.house, look.house.departure(stay)
    kind = house.rooms[stay.rooms[0]].room_type if stay.rooms and stay.rooms[0] in house.rooms else stay.room_type
    until = last
    if verdicts[Action.EXTEND].ok:
        while until - last < LONGEST and backing(house, stay.rooms[0] if stay.rooms else "", kind, [until]):
            until += timedelta(days=1)
    return views.Departure(
        base=base_of(stay_id),
        extend=verdicts[Action.EXTEND],
        shorten=verdicts[Action.SHORTEN],
        departure=last,
        earliest=house.business_date + timedelta(days=1),
        backed_until=until,
        managers=told.managers(look),
    )


def _tab(house: House, stay_id: str, stay: StayBody, tab: dict[str, Any]) -> views.Tab:
    own = tuple(
        views.TabLine(line["kind"], line["text"], line["amount_minor"], house.local(line["at"]), line["sent"]) for line in tab["own_lines"]
    )
    first = house.arrival(stay)
    return views.Tab(
        base=base_of(stay_id),
        balance_minor=stay.balance_minor,
        central_minor=stay.balance_minor - sum(line.amount_minor for line in own),
        currency=house.told.currency,
        heard_at=_local(tab["as_of"].replace(second=0, microsecond=0), house.zone) if tab["as_of"] else None,
        lines=own,
        nightly=tuple((first + timedelta(days=at), gross) for at, gross in enumerate(stay.nightly_gross_minor)),
        today=house.business_date,
        may_pay=stay.status in {StayStatus.DUE_IN, StayStatus.IN_HOUSE, StayStatus.CHECKED_OUT},
    )


def day_after(house: House, days: int) -> date:
    """The business date some days on."""
    return house.business_date + timedelta(days=days)
