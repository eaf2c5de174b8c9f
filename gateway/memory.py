"""What a driver must not forget, kept in the box's store together with the driver's next report."""

from collections.abc import Callable

from gateway.store import Store, Tx


class DeviceMemory:
    """The `Memory` of one device. What was put is committed with, or before, the next report of the same driver."""

    def __init__(self, device: str, held: dict[str, str]) -> None:
        self._device, self._held = device, held
        self._pending: dict[str, str] = {}

    @classmethod
    def load(cls, store: Store, device: str) -> "DeviceMemory":
        """Read what was committed."""
        rows = store.peek(lambda db: db.execute("SELECT key, value FROM memory WHERE device = ?", (device,)).fetchall())
        return cls(device, {row["key"]: row["value"] for row in rows})

    def get(self, key: str) -> str | None:
        return self._held.get(key)

    def put(self, key: str, value: str) -> None:
        self._held[key] = self._pending[key] = value

    def taken(self) -> Callable[[Tx], None] | None:
        """Return what writes the pending values, None when there are none; they are no longer pending.

        When that transaction fails the values are lost, and so is the report: the driver is started again from what was committed.
        """
        if not self._pending:
            return None
        rows = [(self._device, key, value) for key, value in self._pending.items()]
        self._pending = {}

        def write(tx: Tx) -> None:
            tx.db.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?, ?)", rows)

        return write
