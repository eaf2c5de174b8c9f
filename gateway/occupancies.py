"""The hotel's rooms as their sensors see them: takes reports into the rules, tells transitions, sets climate profiles, asks people.

Raw movement stays in the box; only transitions are told. What is found to disagree with the front office is a task and nothing else.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from gateway import sights, tenancies, wishes
from gateway.deadlines import DELIVERY_S, Deadlines
from gateway.device import Event
from gateway.engine import News, Unit
from gateway.followers import Follower
from gateway.rules import discrepancies, occupancy
from gateway.rules.discrepancies import Front
from gateway.rules.occupancy import Changed, Effect, Policy, Reboot, Sees, Signal
from gateway.sights import Kept
from gateway.store import Store, Tx
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import Clock
from wire.entities import PropertyBody, StayBody
from wire.facts import RoomOccupancy
from wire.ids import caused_by

SENSORS = frozenset({"room", "sensor"})
PROPERTY = "property"  # among names of rooms: have the property's time zone looked at
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LOOK_BACK = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class _Scene:
    """One room in one transaction, and the event that is being worked off, if it is one."""

    tx: Tx
    room: str
    witness: Witness
    event: Event | None = None


class Occupancies:
    """All rooms that have a sensor. A listener of the engine; `run` does what time, guests and the property's settings call for.

    `heard` says whether a device has reported since the start.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        units: Mapping[str, Unit],
        policy: Policy | None = None,
        heard: Callable[[str], bool] = lambda _: True,
        delivery_s: float = DELIVERY_S,
    ) -> None:
        self._store, self._clock, self._policy, self._heard_of = store, clock, policy or Policy(), heard
        self._sensors: dict[str, list[str]] = {}
        self._controllers: dict[str, list[str]] = {}
        for unit in units.values():
            if unit.room is not None and unit.device_class in SENSORS:
                self._sensors.setdefault(unit.room, []).append(unit.name)
                if unit.device_class == "room":
                    self._controllers.setdefault(unit.room, []).append(unit.name)
        self.deadlines = Deadlines(clock, self._earliest, self._pass_due, delivery_s)
        self._follower = Follower(self._follow, [*self._sensors, PROPERTY])
        store.watch(self._touched)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.deadlines.run())
            tasks.create_task(self._follower.run())

    async def caught_up(self) -> None:
        """Return when guests and the property have been followed, and what was due by now is done."""
        await self._follower.caught_up()
        await self.deadlines.caught_up()

    # ------------------------------------------------------------ what the engine tells, in its transaction

    def event(self, tx: Tx, unit: Unit, event: Event, witness: Witness) -> None:
        """Take in one event of a room's sensor, or of its lock."""
        room = unit.room
        if room not in self._sensors or room is None:
            return
        at = witness.now if event.tq == "invalid" else min(event.at, witness.now)
        signals = sights.of_event(event)
        if not signals and event.type != "lock_operation":
            return
        before = sights.load(tx.db, room)
        self._take(_Scene(tx, room, witness, event), before, sights.entered(before, tx.db, event, at), signals, at)

    def state(self, tx: Tx, unit: Unit, before: Mapping[str, object], now: Mapping[str, object], witness: Witness) -> None:
        """Take in a full state: levels, and changes whose events were lost."""
        if unit.room not in self._sensors or unit.room is None:
            return
        kept = sights.load(tx.db, unit.room)
        self._take(_Scene(tx, unit.room, witness), kept, kept, sights.of_state(unit.name, now), witness.now)
        if unit.device_class == "room" and isinstance(profile := now.get("profile"), str):
            wishes.said(tx, unit.name, "profile", profile, witness.now)
        if unit.device_class == "room" and isinstance(rented := now.get("rented"), bool):
            wishes.said(tx, unit.name, "rented", "yes" if rented else "no", witness.now)

    def condition(self, tx: Tx, unit: Unit, news: News, witness: Witness) -> None:
        """Take in that a sensor is there, restarted or gone."""
        room = unit.room
        if room not in self._sensors or room is None or unit.device_class not in SENSORS:
            return
        up = news.condition.health in {"online", "degraded"}
        faulty = "sensor_fault" in news.condition.flags
        signals: list[Signal] = [Sees(unit.name, up), Sees(f"{unit.name} sensor_fault", not faulty)]
        if news.restarted:
            signals.append(Reboot(unit.name))
            wishes.restarted(tx, unit.name)
        elif news.came_up:
            wishes.back(tx, unit.name)
        kept = sights.load(tx.db, room)
        self._take(_Scene(tx, room, witness), kept, kept, signals, witness.now)

    # ------------------------------------------------------------ one room, in a transaction

    def _take(self, scene: _Scene, before: Kept, kept: Kept, signals: Iterable[Signal], at: datetime) -> None:
        sight, effects = kept.sight, list[Effect]()
        for signal in signals:
            sight, more = occupancy.heard(sight, signal, at, self._policy)
            effects += more
        self._keep(scene, before, replace(kept, sight=sight), effects)

    def _keep(self, scene: _Scene, before: Kept, after: Kept, effects: Iterable[Effect]) -> None:
        """Write what has changed, tell it, and set the climate."""
        tx, room = scene.tx, scene.room
        for effect in effects:
            if isinstance(effect, Changed):
                after = replace(after, told=(), compared=None)
                _tell(scene, effect)
            else:
                scene.witness.raise_task(tx, effect.kind, room=room, since=effect.at.isoformat(), detail=effect.detail)
        if after.sight.occupancy is not before.sight.occupancy:
            self._set_climate(tx, room, after, scene.witness)
        if after != before:
            sights.save(tx, room, after, self._due(tx, room, after))

    def _due(self, tx: Tx, room: str, kept: Kept) -> datetime | None:
        front = _front(tx, room)
        times = (
            occupancy.due(kept.sight, self._policy),
            discrepancies.due(kept.sight, front, kept.entry, _looked(kept, front), self._policy.zone),
        )
        return min((at for at in times if at is not None), default=None)

    def _set_climate(self, tx: Tx, room: str, kept: Kept, witness: Witness) -> None:
        last = tenancies.newest(tx.db, room)
        sold = last is not None and last.end is None
        for device in self._controllers.get(room, ()):
            wishes.want(tx, device, "profile", occupancy.profile(kept.sight.occupancy, sold=sold), witness.now)
            wishes.want(tx, device, "rented", "yes" if sold else "no", witness.now)

    # ------------------------------------------------------------ what time, guests and settings call for

    def _touched(self, touched: frozenset[str]) -> None:
        for what in touched:
            kind, _, name = what.partition("/")
            if kind == "sight":
                self.deadlines.look()
            elif kind in {"tenancy", "room"} and name in self._sensors:
                self._follower.add(name)
            elif kind == "property":
                self._follower.add(PROPERTY, *self._sensors)

    def _earliest(self) -> datetime | None:
        waking = self.deadlines.waking
        return min((at for room, at in self._store.peek(sights.dues) if not waking or self._told_all(room)), default=None)

    def _told_all(self, room: str) -> bool:
        """Whether every sensor of the room has spoken since the start; before that time alone decides nothing."""
        return all(self._heard_of(name) for name in self._sensors.get(room, ()))

    async def _pass_due(self, now: datetime) -> None:
        """Each room in a transaction of its own: what is wrong with one holds up no other."""
        witness = Witness.at(self._clock)
        waking = self.deadlines.waking
        rooms = [room for room, at in self._store.peek(sights.dues) if at <= now and (not waking or self._told_all(room))]

        done = [self._store.write(partial(self._pass, room, now, witness)) for room in rooms]
        for failed in [one for one in await asyncio.gather(*done, return_exceptions=True) if isinstance(one, Exception)]:
            raise failed

    def _pass(self, room: str, now: datetime, witness: Witness, tx: Tx) -> None:
        """Work off what fell due in a room, and look whether it disagrees with the front office."""
        before = sights.load(tx.db, room)
        sight, effects = occupancy.passed(before.sight, now, self._policy)
        self._keep(_Scene(tx, room, witness), before, replace(before, sight=sight), effects)
        changed = any(isinstance(effect, Changed) for effect in effects)
        kept = replace(before, sight=sight, told=(), compared=None) if changed else replace(before, sight=sight)
        kept = self._compared(tx, room, kept, now, witness)
        sights.save(tx, room, kept, self._due(tx, room, kept))

    def _compared(self, tx: Tx, room: str, kept: Kept, now: datetime, witness: Witness) -> Kept:
        """Ask about each disagreement with the front office once, also those that showed only in the middle of a long step."""
        front, zone = _departing(tx, _front(tx, room)), self._policy.zone
        at: datetime | None = max(_looked(kept, front), now - LOOK_BACK)
        while at is not None and at <= now:
            for finding in discrepancies.found(kept.sight, front, kept.entry, at, zone):
                if (mark := f"{finding.kind}/{finding.mark}") not in kept.told:
                    kept = replace(kept, told=(*kept.told, mark))
                    since = kept.sight.since.isoformat() if kept.sight.since else ""
                    witness.raise_task(tx, finding.kind, room=room, stay_id=front.stay_id, since=since)
            at = discrepancies.due(kept.sight, front, kept.entry, at, zone)
        return replace(kept, compared=now)

    async def _follow(self, names: frozenset[str]) -> None:
        witness = Witness.at(self._clock)
        zone = await self._store.write(lambda tx: self._look_round(tx, names - {PROPERTY}, witness, everything=PROPERTY in names))
        if zone is not None:
            self._policy = replace(self._policy, zone=zone)
        self.deadlines.look()

    def _look_round(self, tx: Tx, rooms: Iterable[str], witness: Witness, *, everything: bool) -> ZoneInfo | None:
        """Follow guests who came and went; return the property's time zone if it may be new."""
        if tx.db.execute("SELECT 1 FROM mirror LIMIT 1").fetchone() is not None:
            for room in sorted(rooms):
                kept = replace(sights.load(tx.db, room), compared=None)
                self._set_climate(tx, room, kept, witness)
                sights.save(tx, room, kept, self._due(tx, room, kept))
        if not everything:
            return None
        body = next(iter(journal.bodies(tx.db, "property").values()), None)
        return ZoneInfo(body.time_zone) if isinstance(body, PropertyBody) else None


def _tell(scene: _Scene, change: Changed) -> None:
    """Tell a transition; what an event caused is the same fact when it is made again."""
    event, fact_id = scene.event, None
    if event is not None:
        fact_id = caused_by(event.device, event.log_id, event.seq, f"RoomOccupancy/{change.occupancy}/{change.cause}")
    fact = RoomOccupancy(scene.room, str(change.occupancy), change.cause, change.at)  # type: ignore[arg-type]  # the same words
    scene.witness.tell(scene.tx, fact, entity=f"room/{scene.room}", fact_id=fact_id)


def _front(tx: Tx, room: str) -> Front:
    """The front office's view of a room, but for the departure."""
    last = tenancies.newest(tx.db, room)
    if last is None or last.end is not None:
        return Front(False, last.end if last is not None and last.end is not None else LONG_AGO)
    return Front(True, last.start, None, last.stay_id)


def _looked(kept: Kept, front: Front) -> datetime:
    """Up to when the room has been compared with the front office; both have been as they are since then."""
    return kept.compared or max(kept.sight.since or LONG_AGO, front.since)


def _departing(tx: Tx, front: Front) -> Front:
    """The same view with the departure of who lives there."""
    stay = journal.body(tx.db, "stay", front.stay_id) if front.stay_id is not None else None
    return replace(front, depart=stay.depart) if isinstance(stay, StayBody) else front
