"""The answers that a device remembers: its last 64 command ids with their final replies, kept across reboots."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

REMEMBERED = 64  # device sheet 1


@dataclass(frozen=True, slots=True)
class Reply:
    """The device's answer. `status` is accepted, running, done, error or expired; `code` a name of `codes.CODES`."""

    cmd_id: bytes
    status: str
    code: str
    result: Mapping[str, Any]
    ts: int
    replayed: bool = False


class Replies:
    """Final replies by command id. The owner stores what `keys_for` returns before it calls `keep`."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, tuple[int, Reply]] = {}
        self._turn = 0

    def restore(self, turn: int, kept: Mapping[str, Any]) -> None:
        """Take over what the memory held."""
        self._turn = turn
        rows = ((int(slot), bytes.fromhex(row["cmd_id"]), row) for slot, row in kept.items())
        self._by_id = {cmd_id: (slot, Reply(**{**row, "cmd_id": cmd_id})) for slot, cmd_id, row in rows}

    def find(self, cmd_id: bytes) -> Reply | None:
        """The stored reply marked as a replay, or None."""
        found = self._by_id.get(cmd_id)
        return None if found is None else replace(found[1], replayed=True)

    def keys_for(self, reply: Reply) -> dict[str, Any]:
        """The memory changes that keep `reply`, in the place of an earlier one to the same command if there is one."""
        row = {**asdict(reply), "cmd_id": reply.cmd_id.hex()}
        if reply.cmd_id in self._by_id:
            return {f"reply/{self._by_id[reply.cmd_id][0]}": row}
        return {f"reply/{self._turn % REMEMBERED}": row, "turn": self._turn + 1}

    def keep(self, reply: Reply) -> None:
        """Remember `reply`, which the memory holds by now."""
        if reply.cmd_id in self._by_id:
            self._by_id[reply.cmd_id] = (self._by_id[reply.cmd_id][0], reply)
            return
        slot = self._turn % REMEMBERED
        self._by_id = {key: kept for key, kept in self._by_id.items() if kept[0] != slot}
        self._by_id[reply.cmd_id] = (slot, reply)
        self._turn += 1
