"""The book of rights in the store: read it whole or by door, write back what changed, together with the facts that say so."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from gateway.device import AccessRight, BlockCred, Confirmed, LockKind, LockOp, Role, UnblockCred
from gateway.rules.book import EPOCH_BITS, Block, Book, Credential, Grant, Right, wanted
from gateway.rules.door import DoorState
from gateway.store import Tx
from gateway.sync import journal
from gateway.witness import Witness
from wire.facts import RightChanged, RightState

_COLUMNS = (
    "right_ref", "key_id", "stay_id", "door", "lock", "wanted", "version", "body", "state", "changed_at", "code", "final", "encoded",
    "exposed_until", "exposure_until", "alarmed",
)  # fmt: skip
_RIGHTS = "SELECT * FROM door_right"  # its columns are those above, in that order
_NUMBER = "number"


def millis(at: datetime) -> int:
    """Return whole milliseconds since 1970: how instants lie in the store."""
    return round(at.timestamp() * 1000)


def instant(value: int) -> datetime:
    """Return the instant of whole milliseconds since 1970."""
    return datetime.fromtimestamp(value / 1000, UTC)


def _maybe(value: int | None) -> datetime | None:
    return None if value is None else instant(value)


# ---------------------------------------------------------------- reading


def load(db: sqlite3.Connection) -> Book:
    """Return the whole book."""
    rights = [_right(row) for row in db.execute(_RIGHTS)]
    grants = [
        Grant(row["stay_id"], row["door"], row["generation"], bool(row["begun"]), bool(row["closed"]))
        for row in db.execute("SELECT * FROM stay_grant")
    ]
    keys = [
        Credential(row["key_id"], row["credential_ref"], row["stay_id"], row["staff_id"], bool(row["lost"]))
        for row in db.execute("SELECT * FROM credential")
    ]
    return Book(
        last_number=_last_number(db),
        credentials={key.key_id: key for key in keys},
        grants={(grant.stay_id, grant.door): grant for grant in grants},
        rights={right.right_ref: right for right in rights},
        floors=dict(db.execute("SELECT door, floor FROM door_floor").fetchall()),
        blocks={(row["door"], row["credential_ref"]): _block(row) for row in db.execute("SELECT * FROM door_block")},
    )


def issue(tx: Tx) -> int:
    """Return the next number that the box issues (a version that belongs to no right): higher than every one before it."""
    number = _last_number(tx.db) + 1
    tx.db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (_NUMBER, number))
    return number


def _last_number(db: sqlite3.Connection) -> int:
    """Return the last number issued; a raised epoch puts all that follow above it."""
    row = db.execute("SELECT value FROM counter WHERE name = ?", (_NUMBER,)).fetchone()
    epoch = journal.cursor(db)[1]
    return max(row["value"] if row else 0, epoch << EPOCH_BITS)


@dataclass(frozen=True, slots=True)
class DoorPage:
    """All that the store says about one door. `known` None = nobody knows what it holds; `said` = its own last answer."""

    door: int
    wanted: DoorState
    rights: tuple[Right, ...]
    known: DoorState | None
    said: Confirmed | None
    compared_at: datetime | None
    agrees: bool


def page(db: sqlite3.Connection, door: int) -> DoorPage:
    """Return one door's page."""
    rights = tuple(_right(row) for row in db.execute(f"{_RIGHTS} WHERE door = ? ORDER BY right_ref", (door,)))
    blocks = [_block(row) for row in db.execute("SELECT * FROM door_block WHERE door = ?", (door,))]
    floor = db.execute("SELECT floor FROM door_floor WHERE door = ?", (door,)).fetchone()
    known = db.execute("SELECT * FROM door_known WHERE door = ?", (door,)).fetchone()
    return DoorPage(
        door,
        wanted(floor["floor"] if floor else 0, rights, blocks),
        rights,
        _held(known["held"]) if known and known["held"] else None,
        Confirmed(*json.loads(known["said"])) if known and known["said"] else None,
        _maybe(known["compared_at"]) if known else None,
        bool(known and known["agrees"]),
    )


def rights_of(db: sqlite3.Connection, key_id: str) -> tuple[Right, ...]:
    """Return one key's rights at all doors, ended ones too."""
    return tuple(_right(row) for row in db.execute(f"{_RIGHTS} WHERE key_id = ? ORDER BY right_ref", (key_id,)))


def _right(row: sqlite3.Row) -> Right:
    return _made(tuple(row))


@lru_cache(maxsize=4096)  # a hotel's rights are read far more often than they change, and a Right never changes
def _made(values: tuple[Any, ...]) -> Right:
    row = dict(zip(_COLUMNS, values, strict=True))
    return Right(
        right_ref=row["right_ref"],
        key_id=row["key_id"],
        stay_id=row["stay_id"],
        door=row["door"],
        lock=LockKind(row["lock"]),
        wanted=bool(row["wanted"]),
        version=row["version"],
        body=unpacked(json.loads(row["body"])),
        state=RightState(row["state"]),
        changed_at=instant(row["changed_at"]),
        code=row["code"],
        final=RightState(row["final"]),
        encoded=row["encoded"],
        exposed_until=_maybe(row["exposed_until"]),
        exposure_until=_maybe(row["exposure_until"]),
        alarmed=bool(row["alarmed"]),
    )


def _block(row: sqlite3.Row) -> Block:
    return Block(row["door"], row["credential_ref"], row["version"], row["generation"], instant(row["until"]), bool(row["wanted"]))


def packed(right: AccessRight) -> list[Any]:
    """Return a right as a list that JSON can carry; times as epoch seconds, as the lock has them."""
    return [
        right.right_ref,
        right.version,
        right.credential_ref,
        right.door_first,
        right.door_count,
        right.generation,
        int(right.start.timestamp()),
        int(right.until.timestamp()),
        int(right.role),
        right.flags,
        right.copy,
        right.areas,
        right.cred_hash.hex(),
    ]


def unpacked(values: list[Any]) -> AccessRight:
    """Return the right that `packed` wrote."""
    ref, version, credential, first, count, generation, start, until, role, flags, copy, areas, cred_hash = values
    return AccessRight(
        ref,
        version,
        credential,
        first,
        count,
        generation,
        datetime.fromtimestamp(start, UTC),
        datetime.fromtimestamp(until, UTC),
        Role(role),
        flags,
        copy,
        areas,
        bytes.fromhex(cred_hash),
    )


def _held(text: str) -> DoorState:
    floor, rights, blocked = json.loads(text)
    bodies = [unpacked(values) for values in rights]
    return DoorState(floor, {right.right_ref: right for right in bodies}, dict(blocked))


# ---------------------------------------------------------------- writing


def save(tx: Tx, before: Book, after: Book, witness: Witness) -> None:
    """Write what differs and the RightChanged facts of it; touch every door whose wanted state may have changed."""
    if after.last_number != before.last_number:
        tx.db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (_NUMBER, after.last_number))
    _save_holders(tx, before, after)
    doors = _save_guards(tx, before, after)
    for ref in before.rights.keys() - after.rights.keys():
        tx.db.execute("DELETE FROM door_right WHERE right_ref = ?", (ref,))
    doors |= save_rights(tx, before.rights, _new(before.rights, after.rights), witness)
    tx.touch(*(f"door/{door}" for door in doors))


def _save_holders(tx: Tx, before: Book, after: Book) -> None:
    """Credentials and grants."""
    for key_id in before.credentials.keys() - after.credentials.keys():
        tx.db.execute("DELETE FROM credential WHERE key_id = ?", (key_id,))
    for key in _new(before.credentials, after.credentials):
        row = (key.key_id, key.ref, key.stay_id, key.staff_id, key.lost)
        tx.db.execute("INSERT OR REPLACE INTO credential VALUES (?, ?, ?, ?, ?)", row)
    for place in before.grants.keys() - after.grants.keys():
        tx.db.execute("DELETE FROM stay_grant WHERE stay_id = ? AND door = ?", place)
    for grant in _new(before.grants, after.grants):
        held = (grant.stay_id, grant.door, grant.generation, grant.begun, grant.closed)
        tx.db.execute("INSERT OR REPLACE INTO stay_grant VALUES (?, ?, ?, ?, ?)", held)


def _save_guards(tx: Tx, before: Book, after: Book) -> set[int]:
    """Floors and blocks; return the doors concerned."""
    doors: set[int] = set()
    for door, floor in after.floors.items():
        if before.floors.get(door) != floor:
            raise_floor(tx, door, floor)
            doors.add(door)
    for spot in before.blocks.keys() - after.blocks.keys():
        tx.db.execute("DELETE FROM door_block WHERE door = ? AND credential_ref = ?", spot)
    for block in _new(before.blocks, after.blocks):
        entry = (block.door, block.credential_ref, block.version, block.generation, millis(block.until), block.wanted)
        tx.db.execute("INSERT OR REPLACE INTO door_block VALUES (?, ?, ?, ?, ?, ?)", entry)
        doors.add(block.door)
    return doors


def _new(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> list[Any]:
    return [value for key, value in after.items() if (old := before.get(key)) is not value and old != value]


def raise_floor(tx: Tx, door: int, floor: int) -> None:
    """Keep the higher of the floor held and `floor`."""
    tx.db.execute("INSERT INTO door_floor VALUES (?, ?) ON CONFLICT (door) DO UPDATE SET floor = max(floor, excluded.floor)", (door, floor))


def renumber_block(tx: Tx, door: int, op: LockOp, version: int) -> None:
    """Give the block of `op` (BlockCred, UnblockCred) a higher version; other ops have none."""
    if isinstance(op, BlockCred | UnblockCred):
        tx.db.execute("UPDATE door_block SET version = ? WHERE door = ? AND credential_ref = ?", (version, door, op.credential_ref))


def save_rights(tx: Tx, before: Mapping[int, Right], rights: Iterable[Right], witness: Witness) -> set[int]:
    """Write rights and a RightChanged for each whose state, code or exposure differs from `before`; return their doors."""
    doors: set[int] = set()
    for right in rights:
        tx.db.execute("INSERT OR REPLACE INTO door_right VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", _row(right))
        doors.add(right.door)
        old = before.get(right.right_ref)
        if old is None or (old.state, old.code, old.exposure_until) != (right.state, right.code, right.exposure_until):
            witness.tell(tx, _changed(right, witness.now), entity=f"key/{right.key_id}")
            tx.touch(f"right/{right.key_id}")
            if right.stay_id is not None and right.state in {RightState.ACTIVE, RightState.ENCODED} and _leaving(tx, right.stay_id):
                tx.touch(f"moving/{right.stay_id}")
    return doors


def _row(right: Right) -> tuple[Any, ...]:
    return (
        right.right_ref,
        right.key_id,
        right.stay_id,
        right.door,
        right.lock,
        right.wanted,
        right.version,
        json.dumps(packed(right.body)),
        right.state,
        millis(right.changed_at),
        right.code,
        right.final,
        right.encoded,
        millis(right.exposed_until) if right.exposed_until else None,
        millis(right.exposure_until) if right.exposure_until else None,
        right.alarmed,
    )


def _changed(right: Right, now: datetime) -> RightChanged:
    return RightChanged(
        key_id=right.key_id,
        door=right.door,
        state=right.state,
        lock=right.lock,
        at=now,
        stay_id=right.stay_id,
        code=right.code,
        exposure_until=right.exposure_until,
    )


def _leaving(tx: Tx, stay_id: str) -> bool:
    """Whether the stay still has a door that it is moving out of."""
    grants = tx.db.execute("SELECT count(DISTINCT generation) AS n FROM stay_grant WHERE stay_id = ? AND closed = 0", (stay_id,))
    return int(grants.fetchone()["n"]) > 1


def save_known(tx: Tx, door: int, known: DoorState | None, said: Confirmed | None, now: datetime, *, agrees: bool) -> None:
    """Keep what the door is known to hold and what it said itself."""
    held = None
    if known is not None:
        rights = [packed(right) for right in known.rights.values()]
        held = json.dumps([known.floor, rights, sorted(known.blocked.items())])
    words = json.dumps([said.rights_count, said.rights_digest, said.guard_digest, said.floor, said.generation]) if said else None
    row = (door, held, words, said.generation if said else None, millis(now) if said else None, agrees)
    tx.db.execute("INSERT OR REPLACE INTO door_known VALUES (?, ?, ?, ?, ?, ?)", row)
    tx.touch(f"known/{door}")
