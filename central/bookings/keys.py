"""Keys of a stay: wanted here, derived into rights and brought to the doors by the box; a card is cut by a job."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from central.bookings import books
from central.bookings.books import Reservation
from central.problems import Conflict, Invalid, NotAllowed, NotFound
from central.store import audit
from central.store.tables import access_key, device
from central.store.turn import Turn
from central.store.wakeups import announce
from central.sync import feed, jobs
from wire.entities import KeyBody, KeyKind, KeyStatus
from wire.ids import new_id
from wire.jobs import JobKind
from wire.stays import Action, Context, judge

PURPOSES = ("new", "copy", "extend")
_ADD = insert(access_key)
_OF = (
    select(access_key)
    .where(access_key.c.property_id == bindparam("p"), access_key.c.reservation_id == bindparam("r"))
    .order_by(access_key.c.copy_no, access_key.c.key_id)
)
_ONE = select(access_key).where(access_key.c.property_id == bindparam("p"), access_key.c.key_id == bindparam("k"))
_DEVICES = select(device.c.device, device.c.device_class).where(device.c.property_id == bindparam("p"))
_SET = (
    update(access_key)
    .where(access_key.c.property_id == bindparam("p"), access_key.c.key_id == bindparam("k"))
    .values(status=bindparam("status_"), until=bindparam("until_", type_=access_key.c.until.type))
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `copy_no` counts from 0 within a stay."""

    key_id: str
    kind: KeyKind
    copy_no: int
    until: datetime
    status: KeyStatus
    reservation_id: str | None


def _key(row: RowMapping) -> Key:
    return Key(row["key_id"], KeyKind(row["kind"]), row["copy_no"], row["until"], KeyStatus(row["status"]), row["reservation_id"])


def of_stay(conn: Connection, property_id: str, reservation_id: str) -> list[Key]:
    """Return every key that a stay ever had, oldest copy first."""
    return [_key(row) for row in conn.execute(_OF, {"p": property_id, "r": reservation_id}).mappings()]


def read_key(conn: Connection, property_id: str, key_id: str) -> Key:
    """Return one key; raise NotFound."""
    row = conn.execute(_ONE, {"p": property_id, "k": key_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("key", key_id)
    return _key(row)


def issue(turn: Turn, stay: Reservation, copy_no: int, kind: KeyKind = KeyKind.RFID) -> Key:
    """Want one more key for a stay, until its departure."""
    key = Key(new_id(), kind, copy_no, stay.depart, KeyStatus.WANTED, stay.reservation_id)
    row = {
        "property_id": turn.property_id, "key_id": key.key_id, "reservation_id": stay.reservation_id, "kind": str(kind),
        "copy_no": copy_no, "until": key.until, "status": str(key.status), "made_at": turn.now,
    }  # fmt: skip
    turn.conn.execute(_ADD, row)
    _publish(turn, key)
    return key


def add_key(turn: Turn, reservation_id: str) -> Key:
    """Want a further key for a guest in house; raise NotAllowed otherwise."""
    stay = must_be_in_house(turn, reservation_id)
    copies = [key.copy_no for key in of_stay(turn.conn, turn.property_id, reservation_id)]
    key = issue(turn, stay, max(copies, default=-1) + 1)
    audit.record(turn, "key_added", f"key/{key.key_id}", stay=reservation_id, copy_no=key.copy_no)
    return key


def lose_key(turn: Turn, key_id: str) -> Key:
    """Note that a key is lost: it is blocked at its doors. May be repeated; a withdrawn key stays withdrawn."""
    key = read_key(turn.conn, turn.property_id, key_id)
    if key.status is not KeyStatus.WANTED:
        return key
    audit.record(turn, "key_lost", f"key/{key_id}", stay=key.reservation_id)
    return _set(turn, key, KeyStatus.LOST, key.until)


def withdraw_all(turn: Turn, reservation_id: str) -> None:
    """Withdraw every key that a stay still has."""
    for key in of_stay(turn.conn, turn.property_id, reservation_id):
        if key.status is KeyStatus.WANTED:
            _set(turn, key, KeyStatus.WITHDRAWN, key.until)


def prolong_all(turn: Turn, stay: Reservation) -> None:
    """Let every key of a stay end with its departure."""
    for key in of_stay(turn.conn, turn.property_id, stay.reservation_id):
        if key.status is KeyStatus.WANTED and key.until != stay.depart:
            _set(turn, key, key.status, stay.depart)


def cut_key(turn: Turn, reservation_id: str, encoder: str, purpose: str, key_id: str | None = None) -> str:
    """Ask the box to cut a card on `encoder` and return the job's id. `key_id` None: the stay's first key that is wanted.

    Raises NotAllowed when nobody is in house, Conflict when no key is wanted or while the encoder is busy, Invalid for an encoder of
    which the property's box has told nothing: nobody would ever take the job.
    """
    must_be_in_house(turn, reservation_id)
    _must_be_an_encoder(turn, encoder)
    wanted = [key for key in of_stay(turn.conn, turn.property_id, reservation_id) if key.status is KeyStatus.WANTED]
    if key_id is not None:
        wanted = [key for key in wanted if key.key_id == key_id]
    if not wanted:
        raise Conflict("no_key_wanted", "The stay has no such key that is valid.", "Add a key first.")
    args = {"key_id": wanted[0].key_id, "purpose": purpose}
    job_id = jobs.ask(turn, JobKind.CUT_KEY, encoder, args, reservation_id=reservation_id)
    audit.record(turn, "cut_key", f"key/{wanted[0].key_id}", encoder=encoder, purpose=purpose, stay=reservation_id)
    announce(turn.conn, turn.property_id, "stay", reservation_id)
    return job_id


def _must_be_an_encoder(turn: Turn, name: str) -> None:
    """Raise Invalid unless the box has told of an encoder with this name; one without a class is believed by its name, as on the pages."""
    told = turn.conn.execute(_DEVICES, {"p": turn.property_id}).all()
    known = sorted(device for device, kind in told if kind == "encoder" or (kind is None and "encoder" in device))
    if not known:
        raise Invalid("no_encoder_known", "No encoder is known: no box of this hotel has told of one.", "Start the hotel's box.")
    if name not in known:
        raise Invalid("no_such_encoder", f"There is no encoder {name!r} in this hotel.", f"Choose one of: {', '.join(known)}.")


def must_be_in_house(turn: Turn, reservation_id: str) -> Reservation:
    """Return the reservation when keys may be made for it; raise NotAllowed with the reason otherwise."""
    stay = books.read(turn.conn, turn.property_id, reservation_id)
    verdict = judge(Action.CUT_KEY, books.view(stay), Context(turn.now))
    if not verdict.ok:
        raise NotAllowed(str(Action.CUT_KEY), [str(verdict.reason_code)])
    return stay


def _set(turn: Turn, key: Key, status: KeyStatus, until: datetime) -> Key:
    after = Key(key.key_id, key.kind, key.copy_no, until, status, key.reservation_id)
    turn.conn.execute(_SET, {"p": turn.property_id, "k": key.key_id, "status_": str(status), "until_": until})
    _publish(turn, after)
    return after


def _publish(turn: Turn, key: Key) -> None:
    body: dict[str, Any] = {"kind": key.kind, "until": key.until, "status": key.status, "copy_no": key.copy_no}
    feed.put(turn, "key", key.key_id, KeyBody(stay_id=key.reservation_id, **body))
    if key.reservation_id is not None:
        announce(turn.conn, turn.property_id, "stay", key.reservation_id)
