"""What every part of a running central is given by the composition root: store, vault, clocks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from central.store.database import Store
from central.store.turn import Turn
from central.store.vault import Vault
from host.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """The running program's parts; one per process."""

    store: Store
    vault: Vault
    clock: Clock  # business time
    real_now: Callable[[], datetime] = lambda: datetime.now(UTC)  # of sessions and throttles: a stepped day signs nobody out

    async def change(
        self, property_id: str, actor: str, use_case: Callable[Concatenate[Turn, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `use_case(turn, …)` in one transaction, the property's turn taken first; return its answer after COMMIT."""
        now = self.clock.now()

        def run(conn: Connection) -> T:
            return use_case(Turn.take(conn, property_id, actor, now, self.vault), *args, **kwargs)

        return await self.store.write(run)
