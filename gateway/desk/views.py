"""What the desk shows, as plain data: pure functions of one look at the store. Codes stay codes; guests' names are in it."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway import ledger, sights
from gateway.desk import law
from gateway.desk.house import House
from gateway.desk.line import Word
from gateway.desk.roles import Permission, granted
from gateway.engine import Unit
from gateway.rules.book import Right
from gateway.sync import journal
from wire import codec
from wire.entities import KeyBody, KeyStatus, StaffBody, StayBody, StayStatus
from wire.facts import Fact, ItemConsumed, PaymentTaken
from wire.rooms import Front, Room, shown
from wire.stays import Action

OFFERED = (Action.CHECK_IN, Action.CHECK_OUT, Action.MOVE, Action.EXTEND, Action.SHORTEN, Action.CUT_KEY)
EVENTS = 20
QUIET_FLAGS = frozenset({"event_overflow", "nvram_reset"})  # for engineering, not for the desk
_LOG = (
    "SELECT device, seq, at, type, data FROM event WHERE device IN (SELECT value FROM json_each(?)) AND at >= ?"
    " ORDER BY at DESC, seq DESC LIMIT ?"
)
_JOBS = (
    "SELECT * FROM job_run WHERE kind = 'cut_key' AND json_extract(args, '$.key_id') IN (SELECT value FROM json_each(?))"
    " ORDER BY taken_at DESC, job_id DESC LIMIT 20"
)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that a view is drawn from, read in one transaction."""

    house: House
    db: sqlite3.Connection
    word: Word
    units: Mapping[str, Unit]


def _own(db: sqlite3.Connection, stay_id: str) -> list[tuple[int, Fact]]:
    rows = db.execute("SELECT seq, fact, body FROM own WHERE kind = 'stay' AND id = ? ORDER BY seq", (stay_id,))
    return [(row["seq"], codec.decode_fact_text(row["fact"], row["body"])) for row in rows]


def unsent_of(db: sqlite3.Connection, stay_id: str) -> int:
    """Return how many of the box's own changes of a stay central does not hold yet."""
    asked = "SELECT count(*) FROM own WHERE kind = 'stay' AND id = ? AND seq > (SELECT acked FROM lane WHERE lane = 'desk')"
    return int(db.execute(asked, (stay_id,)).fetchone()[0])


# ---------------------------------------------------------------- stays


def stay(look: Look, stay_id: str) -> dict[str, Any]:
    """Return one stay as lists show it."""
    house = look.house
    body = house.stay(stay_id)
    return {
        "stay_id": stay_id,
        "number": body.number,
        "status": body.status,
        "guest": body.guest.display_name,
        "language": body.guest.language,
        "persons": body.persons,
        "rooms": body.rooms,
        "doors": house.doors(body),
        "room_type": body.room_type,
        "arrive": body.arrive,
        "depart": body.depart,
        "arrival": house.arrival(body),
        "departure": house.departure(body),
        "in_house_since": body.in_house_since,
        "checked_out_at": body.checked_out_at,
        "nightly_gross_minor": body.nightly_gross_minor,
        "balance_minor": body.balance_minor,
        "balance_as_of": look.word.heard_at,
        "currency": house.told.currency,
        "unsent": unsent_of(look.db, stay_id),
        "actions": _actions(house, stay_id, body),
    }


def _actions(house: House, stay_id: str, body: StayBody) -> list[dict[str, Any]]:
    judged = law.verdicts(house, stay_id, body)
    return [{"action": action, "allowed": judged[action].ok, "reason_code": judged[action].reason_code} for action in OFFERED]


def lists(house: House) -> dict[str, list[str]]:
    """Return who is expected, who is here, and who leaves or has left today, by id."""
    today = house.business_date
    stays = sorted(house.stays.items(), key=lambda item: (item[1].arrive, item[1].number))
    here = [name for name, one in stays if one.status is StayStatus.IN_HOUSE]
    leaving = [name for name in here if house.departure(house.stays[name]) <= today]
    left = [name for name, one in stays if one.checked_out_at is not None and house.day_of(one.checked_out_at) >= today]
    return {
        "arrivals": [
            name for name, one in stays if one.status is StayStatus.DUE_IN and one.depart > house.now and house.arrival(one) <= today
        ],
        "in_house": sorted(here, key=lambda name: house.stays[name].rooms),
        "departures": [*leaving, *left],
    }


def day(look: Look) -> dict[str, Any]:
    """Return the business date and the lists of the day, each stay as lists show it."""
    named = lists(look.house)
    return {"business_date": look.house.business_date} | {which: [stay(look, name) for name in names] for which, names in named.items()}


def one(look: Look, stay_id: str) -> dict[str, Any]:
    """Return all of one stay: with keys, doors, jobs, tab and what its doors said."""
    body = look.house.stay(stay_id)
    keys = look.house.keys_of(stay_id)
    return {
        **stay(look, stay_id),
        "keys": [_key(look.db, body, key_id, key) for key_id, key in keys.items()],
        "jobs": jobs(look.db, list(keys)),
        "tab": tab(look, stay_id),
        "door_events": door_events(look, look.house.doors(body), body.in_house_since),
    }


def _key(db: sqlite3.Connection, body: StayBody, key_id: str, key: KeyBody) -> dict[str, Any]:
    """One key. A stay that has ended wants no key any more, whether or not central has said so."""
    ended = body.status not in {StayStatus.DUE_IN, StayStatus.IN_HOUSE} and key.status is KeyStatus.WANTED
    newest: dict[int, Right] = {}
    for right in sorted(ledger.rights_of(db, key_id), key=lambda one: (one.wanted, one.right_ref)):
        newest[right.door] = right
    return {
        "key_id": key_id,
        "kind": key.kind,
        "copy_no": key.copy_no,
        "status": KeyStatus.WITHDRAWN if ended else key.status,
        "until": key.until,
        "doors": [
            {
                "door": door,
                "state": right.state,
                "lock": right.lock,
                "code": right.code,
                "at": right.changed_at,
                "exposure_until": right.exposure_until,
            }
            for door, right in sorted(newest.items())
        ],
    }


def jobs(db: sqlite3.Connection, key_ids: list[str]) -> list[dict[str, Any]]:
    """Return the card jobs of these keys, newest first, at most 20."""
    return [job_view(row) for row in db.execute(_JOBS, (json.dumps(key_ids),))]


def job_view(row: sqlite3.Row) -> dict[str, Any]:
    """One job as its row says; `status` started until it has ended."""
    return {
        "job_id": row["job_id"],
        "kind": row["kind"],
        "target": row["target"],
        "key_id": json.loads(row["args"]).get("key_id"),
        "status": row["state"] if row["ended_at"] is not None else "started",
        "code": row["code"],
        "result": json.loads(row["result"]) if row["result"] else {},
        "asked_at": ledger.instant(row["taken_at"]),
    }


def job(db: sqlite3.Connection, job_id: str) -> dict[str, Any] | None:
    """Return one job, None when it has not been begun."""
    row = db.execute("SELECT * FROM job_run WHERE job_id = ?", (job_id,)).fetchone()
    return None if row is None else job_view(row)


def tab(look: Look, stay_id: str) -> dict[str, Any]:
    """Return the bill as far as the box knows it: central's balance with its age, and the box's own lines on top of it."""
    heard, lines = look.word.heard_at, []
    acked = int(look.db.execute("SELECT acked FROM lane WHERE lane = 'desk'").fetchone()["acked"])
    for seq, fact in _own(look.db, stay_id):
        if isinstance(fact, PaymentTaken):
            lines.append({"kind": "payment", "text": fact.method, "amount_minor": -fact.amount_minor, "at": fact.at, "sent": seq <= acked})
        elif isinstance(fact, ItemConsumed):
            lines.append({"kind": "item", "text": fact.sku, "amount_minor": fact.gross_minor, "at": fact.removed_at, "sent": seq <= acked})
    return {
        "as_of": heard,
        "age_s": None if heard is None else max(0.0, (look.house.now - heard).total_seconds()),
        "balance_minor": look.house.stay(stay_id).balance_minor,
        "own_lines": lines,
    }


def door_events(look: Look, doors: tuple[int, ...], since: datetime | None) -> list[dict[str, Any]]:
    """Return what the locks of these doors said last, newest first: during the stay, or in the last two days."""
    locks = {unit.name: unit.door for unit in look.units.values() if unit.device_class == "lock" and unit.door in doors}
    start = since or look.house.now - timedelta(days=2)
    copies = _copies(look)
    found = []
    for row in look.db.execute(_LOG, (json.dumps(list(locks)), ledger.millis(start), EVENTS)):
        data = json.loads(row["data"])
        ref = data.get("credential_ref")
        told = {name: value for name, value in data.items() if isinstance(value, str | int | float | bool)}
        event = {"door": locks[row["device"]], "type": row["type"], "at": ledger.instant(row["at"]), "data": told}
        found.append({**event, "key_id": copies.get(ref)})
    return found


def _copies(look: Look) -> dict[int, str]:
    return {row["credential_ref"]: row["key_id"] for row in look.db.execute("SELECT credential_ref, key_id FROM credential")}


# ---------------------------------------------------------------- rooms


def board(look: Look) -> list[dict[str, Any]]:
    """Return every room as the board shows it."""
    house = look.house
    devices = _devices(look)
    return [_cell(look, number, devices.get(number, [])) for number in sorted(house.rooms)]


def tonight(house: House, number: str) -> tuple[str, StayBody] | None:
    """Return who is in the room, or else who is to come there by tonight."""
    here = house.living_in(number)
    if here is not None:
        return here, house.stays[here]
    due = [
        (one.arrive, stay_id)
        for stay_id, one in house.of_room(number)
        if house.arrival(one) <= house.business_date and one.depart > house.now
    ]
    return (min(due)[1], house.stays[min(due)[1]]) if due else None


def _cell(look: Look, number: str, devices: list[dict[str, Any]]) -> dict[str, Any]:
    house = look.house
    room, guest = house.rooms[number], tonight(house, number)
    front = Front.OCCUPIED if guest is not None and guest[1].status is StayStatus.IN_HOUSE else Front.VACANT
    services = [one["service"] for one in devices if one["service"] not in {None, "none"}]
    return {
        "room": number,
        "room_type": room.room_type,
        "floor": room.floor,
        "front": front,
        "care": room.care,
        "shown": asdict(shown(Room(front, room.care, room.maintenance), guest[1] if guest else None, house.now)),
        "stay_id": guest[0] if guest else None,
        "guest": guest[1].guest.display_name if guest else None,
        "arrive": guest[1].arrive if guest else None,
        "depart": guest[1].depart if guest else None,
        "occupancy": str(sights.load(look.db, number).sight.occupancy),
        "service": services[0] if services else "none",
        "trouble": [{"device": one["device"], "code": code} for one in devices for code in one["codes"]],
        "held_tonight": bool(house.held(number, house.business_date, house.business_date + timedelta(days=1))),
    }


def _devices(look: Look) -> dict[str, list[dict[str, Any]]]:
    """The devices of each room, and what is wrong with them: bad health first, then flags."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in look.db.execute("SELECT name, health, flags, attributes, battery_percent, known_at FROM device ORDER BY name"):
        unit = look.units.get(row["name"])
        if unit is None or unit.room is None:
            continue
        flags = [flag for flag in json.loads(row["flags"]) if flag not in QUIET_FLAGS]
        codes = ([] if row["health"] == "online" else [row["health"]]) + flags
        told = {"device": row["name"], "class": unit.device_class, "health": row["health"], "flags": flags, "codes": codes}
        known = ledger.instant(row["known_at"]) if row["known_at"] is not None else None
        service = json.loads(row["attributes"]).get("service")
        battery = {"battery_percent": row["battery_percent"], "service": service, "known_at": known}
        found.setdefault(unit.room, []).append({**told, **battery})
    return found


def devices_of(look: Look, rooms: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the devices of these rooms."""
    found = _devices(look)
    return [one for number in rooms for one in found.get(number, [])]


def holds(house: House) -> list[dict[str, Any]]:
    """Return the room nights that the box may sell, in order of the nights."""
    rows = sorted(house.holds.items(), key=lambda item: (item[1].night, item[1].room))
    return [{"hold_id": hold_id, "room": hold.room, "room_type": hold.room_type, "night": hold.night} for hold_id, hold in rows]


def encoders(look: Look) -> list[dict[str, Any]]:
    """Return the hotel's encoders and how they are."""
    health = {row["name"]: row["health"] for row in look.db.execute("SELECT name, health FROM device")}
    return [{"device": name, "health": health.get(name, "offline")} for name, unit in look.units.items() if unit.device_class == "encoder"]


def managers(look: Look) -> tuple[tuple[str, str], ...]:
    """Return (id, name) of everybody whose PIN sells what no hold covers, by name."""
    staff = journal.bodies(look.db, "staff").items()
    able = [(name, body) for name, body in staff if isinstance(body, StaffBody) and body.active and body.pin_hash]
    mine = [(staff_id, body.display_name) for staff_id, body in able if Permission.UNBACKED in granted(body.roles)]
    return tuple(sorted(mine, key=lambda one: (one[1].casefold(), one[0])))


def without_guest(room: dict[str, Any]) -> dict[str, Any]:
    """The same cell for those who may see rooms but not stays."""
    return {**room, "guest": None, "stay_id": None, "arrive": None, "depart": None}
