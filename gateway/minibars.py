"""The hotel's minibars: takes each bar's events into its posting machine, charges what is gone for good, and locks the bars of empty rooms.

One transaction for each event, state and facts together. Takes are rows kept for longer than any bar or line repeats itself.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from gateway import bars, tenancies, wishes
from gateway.deadlines import DELIVERY_S, Deadlines
from gateway.device import Event
from gateway.engine import News, Unit
from gateway.followers import Follower
from gateway.rules import charges, minibar
from gateway.rules.charges import Fridge
from gateway.rules.minibar import Bar, Consumed, Effect, Inspect, Returned, RoundEnded, Take
from gateway.store import Store, Tx
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import Clock
from wire.entities import PriceListBody, StayBody, StayStatus
from wire.facts import Fact, Restocked, TaskRaised
from wire.ids import caused_by

PRICES = "prices"  # among names of rooms: have the prices looked at
HOLD = timedelta(minutes=30)  # a bar that does not answer may still know that the bottle came back
Judge = Callable[[Bar, timedelta], tuple[Bar, tuple[Effect, ...]]]


class Minibars:
    """All bars that stand in a room. A listener of the engine; `run` does what time and departures call for.

    `heard` says whether a device has reported since the start: until then, and while it is away, its bottles may still come back.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        fridges: Mapping[str, Fridge],
        grace: Mapping[str, timedelta],
        heard: Callable[[str], bool] = lambda _: True,
        delivery_s: float = DELIVERY_S,
    ) -> None:
        self._store, self._clock, self._fridges, self._grace, self._heard_of = store, clock, fridges, grace, heard
        self._rooms = {room: [name for name, one in fridges.items() if one.room == room] for room in {one.room for one in fridges.values()}}
        self.deadlines = Deadlines(clock, self._earliest, self._settle_due, delivery_s)
        self._follower = Follower(self._follow, [*self._rooms, PRICES])
        store.watch(self._touched)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.deadlines.run())
            tasks.create_task(self._follower.run())

    async def caught_up(self) -> None:
        """Return when guests and prices have been followed, and what was due by now is done."""
        await self._follower.caught_up()
        await self.deadlines.caught_up()

    # ------------------------------------------------------------ what the engine tells, in its transaction

    def event(self, tx: Tx, unit: Unit, event: Event, witness: Witness) -> None:
        """Take in one event of a bar; of other devices nothing."""
        fridge = self._fridges.get(unit.name)
        if fridge is None:
            return
        at = witness.now if event.tq == "invalid" else min(event.at, witness.now)
        if event.type == "bar_lock":
            wishes.said(tx, unit.name, "locked", _yes(event.data.get("on")), witness.now)
        elif event.type == "temp_alarm":
            witness.raise_task(tx, "minibar_warm", room=fridge.room, device=unit.name, temp=event.data.get("temp"))
        elif event.type in bars.EVENTS:
            grace = self._grace.get(unit.name, minibar.PUT_BACK)
            before = bars.load(tx.db, unit.name, bars.identity(event))
            after, effects = bars.heard(before, event, at, grace)
            bars.save(tx, unit.name, before, after, grace)
            self._tell(tx, fridge, effects, witness)

    def state(self, tx: Tx, unit: Unit, before: Mapping[str, Any], now: Mapping[str, Any], witness: Witness) -> None:
        """Take in whether the bar says that it is locked."""
        if unit.name in self._fridges and isinstance(now.get("bar_locked"), bool):
            wishes.said(tx, unit.name, "locked", _yes(now["bar_locked"]), witness.now)

    def condition(self, tx: Tx, unit: Unit, news: News, witness: Witness) -> None:
        """Take in that a bar is there again, restarted or gone."""
        if unit.name in self._fridges:
            if news.restarted:
                wishes.restarted(tx, unit.name)
            elif news.came_up:
                wishes.back(tx, unit.name)
            if news.came_up or news.restarted or news.condition.health == "offline":
                tx.touch(f"bar/{unit.name}")

    # ------------------------------------------------------------ what time and departures call for

    def _touched(self, touched: frozenset[str]) -> None:
        for what in touched:
            kind, _, name = what.partition("/")
            if kind == "bar":
                self.deadlines.look()
            elif kind in {"tenancy", "room"} and name in self._rooms:
                self._follower.add(name)
            elif kind == "property":
                self._follower.add(*self._rooms)
            elif kind == "price_list":
                self._follower.add(PRICES)

    def _earliest(self) -> datetime | None:
        return min((due for _, due in self._dues()), default=None)

    def _dues(self) -> list[tuple[str, datetime]]:
        """Each bar with something to settle, and when. One that cannot be heard is given time to tell that the bottle is back."""
        waking, found = self.deadlines.waking, []
        for device, due, health in self._store.peek(bars.dues):
            spoken = self._heard_of(device)
            if spoken or not waking:
                found.append((device, due if spoken and health in {"online", "degraded"} else due + HOLD))
        return found

    async def _settle_due(self, now: datetime) -> None:
        """Each bar in a transaction of its own: what is wrong with one holds up no other."""
        witness = Witness.at(self._clock)
        due = [device for device, at in self._dues() if at <= now]
        done = [self._store.write(partial(self._settle_one, device, now, witness)) for device in due]
        for failed in [one for one in await asyncio.gather(*done, return_exceptions=True) if isinstance(one, Exception)]:
            raise failed

    def _settle_one(self, device: str, now: datetime, witness: Witness, tx: Tx) -> None:
        self._settle(tx, device, witness, lambda bar, grace: minibar.settled(bar, now, grace))

    async def _follow(self, names: frozenset[str]) -> None:
        witness = Witness.at(self._clock)
        await self._store.write(lambda tx: self._after_moves(tx, names - {PRICES}, witness, prices=PRICES in names))

    def _after_moves(self, tx: Tx, rooms: Iterable[str], witness: Witness, *, prices: bool) -> None:
        if tx.db.execute("SELECT 1 FROM mirror LIMIT 1").fetchone() is None:
            return  # a box that has never met central knows no guests: it locks nobody's bar
        for room in sorted(rooms):
            lived_in = (last := tenancies.newest(tx.db, room)) is not None and last.end is None
            for device in self._rooms[room]:
                self._settle(tx, device, witness, partial(minibar.left, gone=partial(_has_left, tx, room)))
                wishes.want(tx, device, "locked", _yes(not lived_in), witness.now)
        if prices:
            self._check_prices(tx, witness)

    def settle_stay(self, tx: Tx, stay_id: str, witness: Witness) -> None:
        """Settle all that the stay has taken and may no longer put back: it checks out in this very transaction, after this call."""
        tenancies.follow(tx, (stay_id,), witness.now)
        for room in tenancies.rooms_of(tx.db, stay_id):
            for device in self._rooms.get(room, ()):
                self._settle(tx, device, witness, partial(minibar.left, gone=partial(_is_of, tx, room, stay_id)))

    def _settle(self, tx: Tx, device: str, witness: Witness, judge: Judge) -> None:
        grace = self._grace.get(device, minibar.PUT_BACK)
        before = bars.load(tx.db, device)
        after, effects = judge(before, grace)
        if effects or after != before:
            bars.save(tx, device, before, after, grace)
            self._tell(tx, self._fridges[device], effects, witness)

    # ------------------------------------------------------------ telling

    def _tell(self, tx: Tx, fridge: Fridge, effects: Iterable[Effect], witness: Witness) -> None:
        for effect in effects:
            match effect:
                case Consumed(take):
                    _tell(tx, fridge, self._owed(tx, fridge, take, witness), (take.log_id, take.seq or 0), witness)
                case Returned(take, back, in_time):
                    guest = tenancies.tenant_at(tx.db, fridge.room, take.at)
                    reason = charges.RETURNED_IN_TIME if in_time else charges.RETURNED_LATE
                    fact = charges.review(fridge, take, reason, guest.stay_id if guest else None)
                    _tell(tx, fridge, fact, (take.log_id, back.seq), witness)
                case Inspect(slot, why, place):
                    task_id = caused_by(fridge.device, *place, "TaskRaised")
                    args = {"device": fridge.device, "slot": slot, "why": why}
                    _tell(tx, fridge, TaskRaised(task_id, "minibar_slot", witness.now, fridge.room, None, args), place, witness)
                case RoundEnded(begin, attendant, at):
                    _tell(tx, fridge, Restocked(fridge.device, fridge.room, _person(tx.db, attendant), at), begin, witness)

    def _owed(self, tx: Tx, fridge: Fridge, take: Take, witness: Witness) -> Fact:
        tenancies.follow_room(tx, fridge.room, witness.now)
        guest = tenancies.tenant_at(tx.db, fridge.room, take.at)
        stay = journal.body(tx.db, "stay", guest.stay_id) if guest else None
        if not isinstance(stay, StayBody):
            return charges.owed(fridge, take, guest, _lists(tx.db), late=True)
        late = stay.status is not StayStatus.IN_HOUSE
        return charges.owed(fridge, take, guest, _lists(tx.db), late=late, no_post=stay.no_post)

    def _check_prices(self, tx: Tx, witness: Witness) -> None:
        """Ask for a person once a version when something lies in a bar that has no price."""
        lists = [body for body in _lists(tx.db) if body.outlet == charges.OUTLET and body.valid_from <= witness.now]
        newest = max(lists, key=lambda body: (body.valid_from, body.version), default=None)
        if newest is None:
            return
        known = {item.sku for item in newest.items}
        for fridge in self._fridges.values():
            for slot, sku in fridge.slots.items():
                if sku not in known:
                    task_id = caused_by(fridge.device, slot, newest.version, f"unknown_sku/{sku}")
                    args = {"device": fridge.device, "slot": slot, "sku": sku, "version": newest.version}
                    task = TaskRaised(task_id, "minibar_sku", witness.now, fridge.room, None, args)
                    witness.tell(tx, task, entity=f"room/{fridge.room}", fact_id=task_id)


def _tell(tx: Tx, fridge: Fridge, fact: Fact, place: minibar.Place, witness: Witness) -> None:
    """Tell what the event at `place` of the bar's log caused: making it again makes the same fact."""
    stay_id = getattr(fact, "stay_id", None)
    entity = f"stay/{stay_id}" if stay_id else f"room/{fridge.room}"
    witness.tell(tx, fact, entity=entity, fact_id=caused_by(fridge.device, *place, type(fact).__name__))


def _has_left(tx: Tx, room: str, take: Take) -> bool:
    guest = tenancies.tenant_at(tx.db, room, take.at)
    return guest is not None and guest.end is not None


def _is_of(tx: Tx, room: str, stay_id: str, take: Take) -> bool:
    guest = tenancies.tenant_at(tx.db, room, take.at)
    return guest is not None and guest.stay_id == stay_id


def _lists(db: sqlite3.Connection) -> list[PriceListBody]:
    return [body for body in journal.bodies(db, "price_list").values() if isinstance(body, PriceListBody)]


def _person(db: sqlite3.Connection, attendant: str) -> str:
    """The member of staff whose card the bar read, else what it read."""
    row = None
    if attendant.isdecimal():
        row = db.execute("SELECT staff_id FROM credential WHERE credential_ref = ?", (int(attendant),)).fetchone()
    return str(row["staff_id"]) if row and row["staff_id"] else attendant


def _yes(on: object) -> str:
    return "yes" if on else "no"
