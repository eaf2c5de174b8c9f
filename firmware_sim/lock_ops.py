"""What a lock does when it is told to over the link: the operations of device sheet 2.1 as decisions over its memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sim import lock_memory
from firmware_sim.arguments import U16, Refuse, number
from firmware_sim.codes import Mode, Source
from firmware_sim.device import Command, Draft, Outcome

if TYPE_CHECKING:
    from firmware_sim.lock import Lock

HYBRID = frozenset({"RAISE_FLOOR", "BLOCK_CRED", "UNBLOCK_CRED", "SET_MODE", "UNLOCK_PULSE"})  # a hybrid lock has no rights to put
READ_BACK = frozenset({"PUT_RIGHT", "DEL_RIGHT", "RAISE_FLOOR", "BLOCK_CRED", "UNBLOCK_CRED", "SET_MODE", "PING", "LIST_RIGHTS"})


@dataclass(frozen=True, slots=True)
class LockOps:
    """The table of operations of one lock."""

    lock: "Lock"
    kind: str

    def table(self) -> Mapping[str, Callable[[Command], Outcome]]:
        """By op, as far as the lock's kind knows it."""
        ops: dict[str, Callable[[Command], Outcome]] = {
            "PUT_RIGHT": self.put_right,
            "DEL_RIGHT": lambda c: self.kept(lock_memory.del_right(self.lock.memory, c.args, self.lock.now())),
            "RAISE_FLOOR": lambda c: self.kept(lock_memory.raise_floor(self.lock.memory, c.args)),
            "BLOCK_CRED": lambda c: self.guard(c, True),
            "UNBLOCK_CRED": lambda c: self.guard(c, False),
            "LIST_RIGHTS": self.list_rights,
            "UNLOCK_PULSE": self.unlock_pulse,
            "SET_MODE": self.set_mode,
        }
        return ops if self.kind == "online" else {op: do for op, do in ops.items() if op in HYBRID}

    def kept(self, change: lock_memory.Changed, act: Callable[[], str] | None = None) -> Outcome:
        """The outcome that makes `change` the lock's memory; the reply reads back what it will hold."""
        new, drafts = change

        def settle() -> None:
            self.lock.memory = new

        return Outcome(result=new.readback(), keys=self.lock.memory.changes_to(new), drafts=drafts, settle=settle, act=act)

    def put_right(self, command: Command) -> Outcome:
        """Add or replace."""
        return self.kept(lock_memory.put_right(self.lock.memory, command.args, self.lock.now(), self.lock.rights_capacity))

    def guard(self, command: Command, on: bool) -> Outcome:
        """Block or unblock."""
        return self.kept(lock_memory.guard(self.lock.memory, command.args, on, self.lock.settings.block_capacity))

    def list_rights(self, command: Command) -> Outcome:
        """All live rights, by ref; a message of 64 KiB holds the full table."""
        rights = [lock_memory.listed(self.lock.memory.rights[ref]) for ref in sorted(self.lock.memory.rights)]
        return Outcome(result={**self.lock.memory.readback(), "rights": rights})

    def unlock_pulse(self, command: Command) -> Outcome:
        """Open for so many seconds."""
        seconds = number(command.args, "s", U16)
        if self.lock.memory.mode in (Mode.NO_REMOTE, Mode.LOCKOUT):
            raise Refuse("CONFLICT")
        if self.lock.private:
            raise Refuse("PRIVACY_ACTIVE")
        if self.lock.battery.dead:
            raise Refuse("LOW_POWER")
        drafts = (self.lock.operation("unlock", Source.REMOTE),)
        return Outcome(drafts=drafts, act=lambda: self.lock.move_bolt(Source.REMOTE, None, seconds))

    def set_mode(self, command: Command) -> Outcome:
        """Change the mode; passage holds the bolt back, its end lets go."""
        before = self.lock.memory.mode
        new, _ = lock_memory.set_mode(self.lock.memory, command.args)
        if new.mode == Mode.PASSAGE and before != Mode.PASSAGE:
            drafts: tuple[Draft, ...] = (self.lock.operation("unlock", Source.REMOTE),)
            return self.kept((new, drafts), act=lambda: self.lock.move_bolt(Source.REMOTE, None, None))
        if before == Mode.PASSAGE and new.mode != Mode.PASSAGE:
            return self.kept((new, (self.lock.operation("lock", Source.REMOTE),)), act=self._extend)
        return self.kept((new, ()))

    def _extend(self) -> str:
        self.lock.bolt.extend()
        return "OK"
