"""The desk as the console serves it: the box's parts that it needs, and each thing that a person asks for as one call."""

import base64
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Protocol, TypeVar

from gateway.desk import stays, views, walkins
from gateway.desk.house import read_house
from gateway.desk.line import Line, unsent
from gateway.desk.people import People, Person
from gateway.desk.problems import Forbidden, Invalid, NotFound
from gateway.desk.roles import Permission
from gateway.desk.views import Look
from gateway.desk.walkins import Wish
from gateway.engine import Unit
from gateway.ledger import millis
from gateway.store import Store, Tx
from gateway.sync import journal
from gateway.witness import Witness
from host.clock import Clock
from host.sealing import seal
from wire.entities import StaffBody
from wire.ids import new_id
from wire.jobs import DESK_WAIT_S, Job, JobKind

T = TypeVar("T")
FORMS_KEPT = timedelta(days=2)
ASKED = 64  # jobs of which somebody may ask before they are begun
PURPOSES = frozenset({"new", "copy", "extend"})


class TakesJobs(Protocol):
    """The box's jobs, as far as the desk asks them."""

    def take(self, job: Job, deadline: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Manager:
    """Whose word an unbacked night is sold on: a PIN, and whose it is (None: the person at the desk, or the only manager)."""

    pin: str
    who: str | None = None


class Office:
    """One for the box. Everything that changes something is one transaction, done once for each form."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        people: People,
        line: Line,
        jobs: TakesJobs,
        units: Mapping[str, Unit],
        *,
        settle: stays.Settle | None = None,
        central_public: bytes | None = None,
    ) -> None:
        self.store, self.clock, self.people, self.line = store, clock, people, line
        self._jobs, self._units, self._settle, self._central_public = jobs, units, settle, central_public
        self._asked: deque[str] = deque(maxlen=ASKED)

    # ------------------------------------------------------------ reading

    async def look(self, see: Callable[[Look], T]) -> T:
        """Return what `see` sees of one consistent state of the store."""
        word, now = self.line.word(), self.clock.now()

        def read(db: sqlite3.Connection) -> T:
            return see(Look(read_house(db, now), db, word, self._units))

        return await self.store.read(read)

    async def stay(self, stay_id: str) -> dict[str, Any]:
        """Return one stay as lists show it."""
        return await self.look(lambda look: views.stay(look, stay_id))

    async def unsent(self) -> dict[str, float | int | None]:
        """Return what central does not hold yet."""
        now = self.clock.now()
        return await self.store.read(lambda db: unsent(db, now))

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return one job; raise NotFound."""
        found = await self.store.read(lambda db: views.job(db, job_id))
        if found is None and job_id in self._asked:
            return {"job_id": job_id, "status": "waiting", "code": None, "result": {}}
        if found is None:
            raise NotFound("job", job_id)
        return found

    # ------------------------------------------------------------ acting

    async def _once(self, who: Person, key: str | None, act: Callable[[Tx, Witness], str]) -> tuple[str, bool]:
        """Do `act` in one transaction and return (its answer, True); a form that was sent before is (the first answer, False)."""
        witness = Witness.at(self.clock, who.actor)

        def once(tx: Tx) -> tuple[str, bool]:
            known = tx.db.execute("SELECT answer FROM desk_form WHERE form_key = ?", (key,)).fetchone() if key else None
            if known is not None:
                return str(known["answer"]), False
            answer = act(tx, witness)
            if key:
                tx.db.execute("DELETE FROM desk_form WHERE at < ?", (millis(witness.now - FORMS_KEPT),))
                tx.db.execute("INSERT INTO desk_form VALUES (?, ?, ?)", (key, answer, millis(witness.now)))
            return answer, True

        return await self.store.write(once)

    async def check_in(self, who: Person, stay_id: str, *, room: str | None = None, keys: int = 1, form: str | None = None) -> None:
        """Let a guest in."""
        who.must(Permission.STAYS_ACT)
        await self._once(who, form, lambda tx, witness: stays.check_in(tx, witness, stay_id, room, keys))

    async def check_out(self, who: Person, stay_id: str, *, form: str | None = None) -> None:
        """Let a guest go."""
        who.must(Permission.STAYS_ACT)
        await self._once(who, form, lambda tx, witness: stays.check_out(tx, witness, stay_id, self._settle))

    async def move(self, who: Person, stay_id: str, room: str, *, form: str | None = None) -> None:
        """Give a guest another room."""
        who.must(Permission.STAYS_ACT)
        await self._once(who, form, lambda tx, witness: stays.move(tx, witness, stay_id, room))

    async def extend(self, who: Person, stay_id: str, departure: date, *, manager: Manager | None = None, form: str | None = None) -> None:
        """Change a guest's departure."""
        who.must(Permission.STAYS_ACT)
        word = await self._manager(who, manager)
        await self._once(who, form, lambda tx, witness: stays.change_departure(tx, witness, stay_id, departure, manager=word))

    async def walk_in(self, who: Person, wish: Wish, *, document: str = "", manager: Manager | None = None, form: str | None = None) -> str:
        """Take a guest without an order in and return the stay's id. `document` is sealed here and written nowhere else."""
        who.must(Permission.STAYS_ACT)
        word, stay_id = await self._manager(who, manager), new_id()
        meant = replace(wish, sealed=self._sealed(stay_id, document))
        answer, _ = await self._once(who, form, lambda tx, witness: walkins.take(tx, witness, stay_id, meant, manager=word))
        return answer

    def _sealed(self, stay_id: str, document: str) -> str | None:
        if not document:
            return None
        if self._central_public is None:
            raise Invalid("not_enrolled", "Without central's key no document can be taken.", "Leave it out, or enrol the box.")
        text = json.dumps({"document": document}, ensure_ascii=False).encode()
        return base64.b64encode(seal(self._central_public, text, f"walk-in/{stay_id}")).decode()

    async def pay(self, who: Person, stay_id: str, payment: Mapping[str, Any], *, form: str | None = None) -> None:
        """Note money received: payment_id, method, amount_minor, reference."""
        who.must(Permission.MONEY_TAKE)
        await self._once(who, form, lambda tx, witness: stays.pay(tx, witness, stay_id, **payment))

    async def cut_key(
        self, who: Person, stay_id: str, encoder: str, purpose: str = "new", *, key_id: str | None = None, form: str | None = None
    ) -> str:
        """Have a card cut and return the job's id: the same machinery as for central's jobs, committed before the encoder is touched."""
        who.must(Permission.KEYS_ACT)
        unit = self._units.get(encoder)
        if unit is None or unit.device_class != "encoder":
            raise NotFound("encoder", encoder)
        if purpose not in PURPOSES:
            raise Invalid("purpose", "A card is cut as new, copy or extend.", "Choose one.")
        job_id = new_id()

        def choose(tx: Tx, witness: Witness) -> str:
            return f"{job_id} {stays.card_key(tx, witness, stay_id, purpose, key_id)}"

        answer, fresh = await self._once(who, form, choose)
        asked, _, chosen = answer.partition(" ")
        if fresh:
            self._asked.append(asked)
            args = {"key_id": chosen, "purpose": purpose}
            job = Job(asked, JobKind.CUT_KEY, encoder, who.actor, int(DESK_WAIT_S * 1000), args)
            self._jobs.take(job, self.clock.monotonic() + DESK_WAIT_S)
        return asked

    # ------------------------------------------------------------ a manager's word

    async def _manager(self, who: Person, manager: Manager | None) -> bool:
        """Whether a manager has given the PIN. Raises SignedOut or Throttled for a wrong one, Forbidden for somebody else's."""
        if manager is None or not manager.pin:
            return False
        named = manager.who or (who.staff_id if Permission.UNBACKED in who.permissions else self._only_manager())
        person = await self.people.check(named, manager.pin)
        if Permission.UNBACKED not in person.permissions:
            raise Forbidden("not_a_manager", "This PIN is not a manager's.", "Ask a manager.")
        return True

    def _only_manager(self) -> str:
        people = self.store.peek(lambda db: journal.bodies(db, "staff"))
        managers = [name for name, body in people.items() if isinstance(body, StaffBody) and body.active and "manager" in body.roles]
        if len(managers) != 1:
            raise Invalid("which_manager", "Several managers could have given this PIN.", "Say which one.")
        return managers[0]
