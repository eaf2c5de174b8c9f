"""Who tells facts: one moment, its clock quality and its actor, and the way into the outbox."""

from dataclasses import dataclass
from datetime import datetime

from gateway.device import Event
from gateway.store import Tx
from gateway.sync import journal
from host.clock import Clock, Quality
from wire.facts import Fact, TaskRaised
from wire.ids import caused_by, new_id


@dataclass(frozen=True, slots=True)
class Witness:
    """One moment as the box saw it. Make it outside the transaction, with `at`."""

    now: datetime
    quality: Quality
    actor: str = "box"

    @classmethod
    def at(cls, clock: Clock, actor: str = "box") -> "Witness":
        """The present moment."""
        return cls(clock.now(), clock.quality, actor)

    def tell(self, tx: Tx, fact: Fact, *, entity: str, fact_id: str | None = None) -> None:
        """Append `fact` to the outbox in the transaction of the change that it tells. A known `fact_id` is told once."""
        journal.append(tx, fact, entity=entity, at=self.now, clock=self.quality, actor=self.actor, fact_id=fact_id)

    def tell_event(self, tx: Tx, fact: Fact, event: Event, *, entity: str) -> None:
        """Append what `event` caused: making it again makes the same fact."""
        self.tell(tx, fact, entity=entity, fact_id=caused_by(event.device, event.log_id, event.seq, type(fact).__name__))

    def raise_task(self, tx: Tx, kind: str, *, room: str | None = None, stay_id: str | None = None, **args: object) -> None:
        """Ask a person to look at something."""
        task = TaskRaised(new_id(), kind, self.now, room, stay_id, args)
        self.tell(tx, task, entity=f"room/{room}" if room else f"stay/{stay_id}" if stay_id else "box")
