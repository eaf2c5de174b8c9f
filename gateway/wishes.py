"""What bars and room controllers shall be set to, and the loop that sets them: the newest wish wins, only the device's answer confirms it.

Wishes are rows of the store; so is each command, before it is sent. Locking a bar waits for the device however long; opening it is
momentary and made anew for each try; a climate setting expires and is then made anew.
"""

import asyncio
import logging
import random
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from gateway import ledger
from gateway.device import RETRY_BY_ITSELF, BarLock, BarUnlock, Code, Command, DeviceError, Op, SetProfile, SetRented
from gateway.reconcile import Port
from gateway.store import Store, StoreError, Tx
from gateway.witness import Witness
from host.clock import Clock

Setting = Literal["locked", "profile", "rented"]
LIFE: Final[Mapping[type[Op], timedelta | None]] = {  # device sheet, common contract: how long a command may be carried out
    BarLock: None,
    BarUnlock: timedelta(seconds=10),
    SetProfile: timedelta(seconds=300),
    SetRented: timedelta(seconds=300),
}
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
REST = timedelta(minutes=20)  # a bar that somebody opened against our wish stays so for as long as a restocking round may last

_log = logging.getLogger(__name__)


def want(tx: Tx, device: str, setting: Setting, value: str, now: datetime) -> None:
    """Have the device's setting become `value` (locked, rented: "yes" or "no"). The same wish again changes nothing."""
    row = tx.db.execute("SELECT wanted FROM wish WHERE device = ? AND setting = ?", (device, setting)).fetchone()
    if row is not None and row["wanted"] == value:
        return
    tx.db.execute(
        "INSERT INTO wish (device, setting, wanted) VALUES (?, ?, ?) ON CONFLICT (device, setting)"
        " DO UPDATE SET wanted = excluded.wanted, refused = NULL, rest_until = NULL, cmd_id = NULL",
        (device, setting, value),
    )
    tx.db.execute(
        "UPDATE command SET ended_at = ?, code = 'SUPERSEDED' WHERE device = ? AND ended_at IS NULL", (ledger.millis(now), device)
    )
    tx.touch(f"wish/{device}")


def said(tx: Tx, device: str, setting: Setting, value: str, now: datetime) -> None:
    """Take in what the device itself says of a setting; while a command for it is under way that says nothing."""
    row = tx.db.execute("SELECT wanted, confirmed, sent FROM wish WHERE device = ? AND setting = ?", (device, setting)).fetchone()
    if row is None or row["sent"] is not None or row["confirmed"] == value:
        return
    opened = setting == "locked" and row["wanted"] == "yes" and row["confirmed"] == "yes"
    rest = ledger.millis(now + REST) if opened else None
    tx.db.execute("UPDATE wish SET confirmed = ?, rest_until = ? WHERE device = ? AND setting = ?", (value, rest, device, setting))
    tx.touch(f"wish/{device}")


def restarted(tx: Tx, device: str) -> None:
    """The device was restarted or replaced: nobody knows what it is set to."""
    tx.db.execute("UPDATE wish SET confirmed = NULL, refused = NULL, rest_until = NULL, cmd_id = NULL WHERE device = ?", (device,))
    tx.touch(f"wish/{device}")


def back(tx: Tx, device: str) -> None:
    """The device answers again: try now."""
    tx.touch(f"wish/{device}")


def settings_of(db: sqlite3.Connection, device: str) -> dict[str, tuple[str, str | None]]:
    """Return (wanted, confirmed) of each setting of a device."""
    rows = db.execute("SELECT setting, wanted, confirmed FROM wish WHERE device = ? ORDER BY setting", (device,))
    return {row["setting"]: (row["wanted"], row["confirmed"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Errand:
    """One command under way for one wish."""

    setting: Setting
    wanted: str
    command: Command


class Wishes:
    """One task a device, for ever. `ports` by device name: bars and room controllers."""

    def __init__(self, store: Store, clock: Clock, ports: Mapping[str, Port]) -> None:
        self._store, self._clock, self._ports = store, clock, ports
        self._wake = {name: asyncio.Event() for name in ports}
        store.watch(self._heard)

    async def run(self) -> None:
        """Set what is wanted until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._ports:
                tasks.create_task(self._keep(name), name=f"settings of {name}")

    def _heard(self, touched: frozenset[str]) -> None:
        for what in touched:
            kind, _, name = what.partition("/")
            if kind == "wish" and name in self._wake:
                self._wake[name].set()

    async def _keep(self, name: str) -> None:
        pause = FIRST_WAIT_S
        while True:
            self._wake[name].clear()
            try:
                again = await self._try(name)
            except (DeviceError, StoreError) as why:
                _log.info("settings of %s: %s", name, why)
                again = True
            except Exception:  # noqa: BLE001 - a fault about one device must not stop the hotel
                _log.exception("settings of %s", name)
                again, pause = True, LONGEST_WAIT_S
            if not again:
                pause = FIRST_WAIT_S
            await self._rest(name, pause * random.uniform(0.5, 1.0) if again else None)  # noqa: S311 - spreads tries, guards nothing
            pause = min(pause * 2, LONGEST_WAIT_S) if again and not self._wake[name].is_set() else FIRST_WAIT_S

    async def _rest(self, name: str, seconds: float | None) -> None:
        """Wait until something is wanted, the next try is due, or a bar has been left open for long enough."""
        until = self._store.peek(lambda db: _rests_until(db, name))
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._wake[name].wait())]
        if seconds is not None:
            waits.append(asyncio.ensure_future(asyncio.sleep(seconds)))
        if until is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(until)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _try(self, name: str) -> bool:
        """Send what is missing, one command after the other; whether something must be tried again later. Raises DeviceError."""
        passed_over: set[str] = set()
        while True:
            witness = Witness.at(self._clock)
            errand = await self._store.write(lambda tx: _errand(tx, name, passed_over, witness))  # noqa: B023 - awaited here
            if errand is None:
                return bool(passed_over)
            reply = await self._ports[name].apply(errand.command)
            witness = Witness.at(self._clock)
            later = await self._store.write(lambda tx: _answered(tx, name, errand, reply.code, witness))  # noqa: B023
            if later:
                passed_over.add(errand.setting)


def _rests_until(db: sqlite3.Connection, device: str) -> datetime | None:
    row = db.execute("SELECT min(rest_until) AS at FROM wish WHERE device = ? AND wanted IS NOT confirmed", (device,)).fetchone()
    return ledger.instant(row["at"]) if row["at"] is not None else None


def _errand(tx: Tx, device: str, passed_over: set[str], witness: Witness) -> Errand | None:
    """Return the next command for the device, committed with this transaction; one whose outcome is unknown keeps its cmd_id."""
    now = ledger.millis(witness.now)
    rows = tx.db.execute(
        "SELECT * FROM wish WHERE device = ? AND wanted IS NOT confirmed AND refused IS NULL AND coalesce(rest_until, 0) <= ?"
        " ORDER BY setting",
        (device, now),
    ).fetchall()
    row = next((row for row in rows if row["setting"] not in passed_over), None)
    if row is None:
        return None
    op = _op(row["setting"], row["wanted"], row["version"] or 0)
    life = LIFE[type(op)]
    if row["cmd_id"] is not None and life != LIFE[BarUnlock]:
        issued = ledger.instant(row["issued_at"])
        if life is None or witness.now < issued + life:
            tx.db.execute("UPDATE command SET tries = tries + 1 WHERE cmd_id = ?", (row["cmd_id"],))
            return Errand(row["setting"], row["wanted"], Command(uuid.UUID(row["cmd_id"]), op, issued, issued + life if life else None))
    version = ledger.issue(tx)
    op, cmd_id = _op(row["setting"], row["wanted"], version), uuid.uuid4()
    expires = witness.now + life if life else None
    tx.db.execute("UPDATE command SET ended_at = ?, code = 'EXPIRED' WHERE cmd_id = ? AND ended_at IS NULL", (now, row["cmd_id"]))
    tx.db.execute(
        "INSERT INTO command (cmd_id, device, op, issued_at, expires_at, tries) VALUES (?, ?, ?, ?, ?, 1)",
        (str(cmd_id), device, repr(op), now, ledger.millis(expires) if expires else None),
    )
    # from here on nobody knows what the device is set to, until it says so
    made = (row["wanted"], str(cmd_id), version, now, device, row["setting"])
    tx.db.execute(
        "UPDATE wish SET confirmed = NULL, sent = ?, cmd_id = ?, version = ?, issued_at = ? WHERE device = ? AND setting = ?", made
    )
    return Errand(row["setting"], row["wanted"], Command(cmd_id, op, witness.now, expires))


def _op(setting: str, wanted: str, version: int) -> Op:
    match setting:
        case "locked":
            return BarLock(version) if wanted == "yes" else BarUnlock()
        case "profile":
            return SetProfile(wanted)  # type: ignore[arg-type]  # written by `want` only
        case _:
            return SetRented(wanted == "yes")


def _answered(tx: Tx, device: str, errand: Errand, code: Code, witness: Witness) -> bool:
    """Take in the device's final answer; whether it is to be asked again later."""
    tx.db.execute(
        "UPDATE command SET ended_at = ?, code = ? WHERE cmd_id = ? AND ended_at IS NULL",
        (ledger.millis(witness.now), code.name, str(errand.command.cmd_id)),
    )
    mine = (device, errand.setting, errand.wanted)
    if code in {Code.OK, Code.UNSUPPORTED}:  # what a model cannot do is not asked of it again
        done = "UPDATE wish SET confirmed = ?, sent = NULL, rest_until = NULL WHERE device = ? AND setting = ?"
        tx.db.execute(done, (errand.wanted, device, errand.setting))  # also when something else is wanted by now
    else:
        tx.db.execute("UPDATE wish SET sent = NULL WHERE device = ? AND setting = ?", (device, errand.setting))
    tx.db.execute("UPDATE wish SET cmd_id = NULL WHERE device = ? AND setting = ? AND wanted = ?", mine)
    tx.touch(f"device/{device}")
    if code in {Code.OK, Code.UNSUPPORTED}:
        return False
    if code in RETRY_BY_ITSELF or code in {Code.STALE_VERSION, Code.EXPIRED}:
        return True
    tx.db.execute("UPDATE wish SET refused = ? WHERE device = ? AND setting = ? AND wanted = ?", (code.name, *mine))
    witness.raise_task(tx, "setting_refused", device=device, setting=errand.setting, wanted=errand.wanted, code=code.name)
    return False
