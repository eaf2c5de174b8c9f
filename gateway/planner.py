"""Keeps what is wanted at the doors in line with the mirror: whenever a stay, key, room or member of staff changes, and when time is up."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from gateway import ledger
from gateway.rules.access import Plan, hotel_doors, plan
from gateway.rules.hotel import Door, Hotel
from gateway.store import Store, StoreError, Tx
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import Clock
from wire.entities import Body, KeyBody, RoomBody, StaffBody, StayBody

B = TypeVar("B", bound=Body)
KINDS = frozenset({"stay", "key", "room", "staff", "property", "moving"})
AGAIN_S = 5.0

_log = logging.getLogger(__name__)


class Planner:
    """`doors` = the configured doors. One plan at a time; changes that come meanwhile share the next one."""

    def __init__(self, store: Store, clock: Clock, doors: Mapping[int, Door]) -> None:
        self._store, self._clock, self._doors = store, clock, doors
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._told = False
        store.watch(self._heard)

    async def run(self) -> None:
        """Plan at once, then on every change and whenever time alone changes something."""
        self._wake.set()
        while True:
            self._wake.clear()
            self._idle.clear()
            try:
                done = await self.plan_now()
            except StoreError as why:
                _log.error("rights: %s", why)
                await asyncio.sleep(AGAIN_S)
                self._wake.set()
                continue
            except Exception:  # noqa: BLE001 - one stay that cannot be reckoned with must not stop the house
                _log.exception("rights: the mirror holds something that cannot be planned")
                await self._give_up_for_now()
                continue
            self._told = False
            if not self._wake.is_set():
                self._idle.set()
            await self._wait(done)

    async def _give_up_for_now(self) -> None:
        """Tell a person, once for each time of trouble, and wait for the next change."""
        if not self._told:
            witness = Witness.at(self._clock)
            await self._store.write(lambda tx: witness.raise_task(tx, "rights_not_planned"))
            self._told = True
        self._idle.set()
        await self._wake.wait()

    async def plan_now(self, preparing: frozenset[str] = frozenset()) -> Plan:
        """Plan once and return when the result is committed. `preparing` = stays not in house for which a card is about to be cut."""
        witness = Witness.at(self._clock)
        return await self._store.write(lambda tx: self.plan(tx, witness, preparing))

    def plan(self, tx: Tx, witness: Witness, preparing: frozenset[str] = frozenset()) -> Plan:
        """Plan inside a transaction of the caller's."""
        before = ledger.load(tx.db)
        result = plan(self.hotel(tx), before, witness.now, witness.quality, preparing)
        ledger.save(tx, before, result.book, witness)
        for task in result.tasks:
            witness.raise_task(tx, task.kind, room=task.room, stay_id=task.stay_id, **task.args)
        return result

    async def caught_up(self) -> None:
        """Return when everything that has changed, or fallen due, up to now has been planned."""
        self._idle.clear()
        self._wake.set()
        await self._idle.wait()

    def _heard(self, touched: frozenset[str]) -> None:
        if any(what.partition("/")[0] in KINDS for what in touched):
            self._wake.set()

    async def _wait(self, done: Plan) -> None:
        if done.due is None:
            await self._wake.wait()
            return
        waits = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._clock.sleep_until(done.due))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def hotel(self, tx: Tx) -> Hotel:
        """Return the hotel as the mirror has it now, own changes on top."""
        rooms = _of(RoomBody, journal.bodies(tx.db, "room"))
        return Hotel(
            doors=hotel_doors(self._doors, rooms),
            stays=_of(StayBody, journal.bodies(tx.db, "stay")),
            keys=_of(KeyBody, journal.bodies(tx.db, "key")),
            staff=_of(StaffBody, journal.bodies(tx.db, "staff")),
            rooms=rooms,
        )


def _of(kind: type[B], found: Mapping[str, Any]) -> dict[str, B]:
    return cast("dict[str, B]", {name: body for name, body in found.items() if isinstance(body, kind)})
