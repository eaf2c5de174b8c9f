"""The transport-free core of every simulated device, above all how it takes commands.

How a binding (MQTT, Modbus, BLE) uses a device `d`, all in one asyncio loop:

    reply = await d.execute(Command(cmd_id, op, args, issued_at, expires_at), progress)
        `cmd_id` 16 bytes (Modbus knows 8: zero-padded on the left); `args` by the JSON names of the device sheet
        (right_ref, version, generation, from, until, credential_ref, cred_hash as 16 hex digits, flags, role, copy,
        door_first, door_count, areas, s, floor, epoch, mode, schedule {days, start, end} ...); `codes.ARG_NAMES` says
        what the one number `arg` of Modbus and BLE is called for an op. Times are epoch seconds or None.
        Returns the final Reply (status done, error or expired), after the device's latency has passed; call it in a
        task of its own. `progress`, if given, is called with `accepted` and `running` replies (encoders).
        Returns None when the device sends no answer (a fault, or its power went): then send nothing.
        A repeated cmd_id gives the stored reply with `replayed`; a bad op or argument gives an error reply. Never raises.
        The binding has checked the tag before. `reply.cmd_id` is what to send; a fault may make it another one.
    d.on_event(callback)     callback(Event) at once after an event is stored; `event_log.numbers(event, d.index)` for Modbus and BLE.
                             The binding lets `d.faults.draw_latency()` pass before it sends.
    d.unacknowledged()       events to send again after a reconnect or 30 s, oldest first
    d.acknowledge(log_id, upto)     False when the log_id is another (nothing happens)
    d.on_reach(callback)     callback(bool): power and link come and go; `d.reachable` tells. False = drop the connection
                             without a good-bye; True = connect anew, with the new `d.boot_counter`.
    d.on_change(callback)    callback(): `state()` or `health()` may have changed
    d.state(), d.health()    the attributes of chapter 2 and of `health`, as JSON values
    d.log.newest, d.log.oldest, d.k_dev, d.serial, d.boot_counter, d.log_id, d.device_class, d.battery, d.fw, d.name
    d.now(), d.tq()          epoch seconds by the device's own clock, and its quality
    d.faults.fate("in"|"out")       drop, dup, reorder and half_open for each message
    d.refuse_frame(reason)   count a frame that was dropped (bad tag, malformed ...)

Hands (tap, move ...) are methods of the classes in lock.py, encoder.py, minibar.py, room.py, sensor.py.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_sim.arguments import Refuse, number
from firmware_sim.codes import MOMENTARY
from firmware_sim.event_log import Draft, Event
from firmware_sim.faults import PowerLost
from firmware_sim.nvram import Nvram, StorageFault
from firmware_sim.replies import Replies, Reply
from firmware_sim.unit import Setup, Unit
from firmware_sim.world import World

__all__ = ["Command", "Device", "Draft", "Event", "Outcome", "Progress", "Reply", "Setup"]


@dataclass(frozen=True, slots=True)
class Command:
    """An order to a device; the same `cmd_id` is the same order."""

    cmd_id: bytes
    op: str
    args: Mapping[str, Any] = field(default_factory=dict)
    issued_at: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation wants to happen: memory `keys` and event `drafts` are stored together, then `settle`, then `act`.

    `act` moves metal and returns a code; when it is not OK the reply says so.
    """

    code: str = "OK"
    result: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    drafts: tuple[Draft, ...] = ()
    settle: Callable[[], None] = lambda: None
    act: Callable[[], str] | None = None


Progress = Callable[[Reply], None]


class Device(Unit):
    """One device that takes commands. Subclasses give `operations`, `attributes`, `readback` and hands."""

    def __init__(self, setup: Setup, world: World, nvram: Nvram) -> None:
        super().__init__(setup, world, nvram)
        self.replies = Replies()
        self.running: dict[bytes, str] = {}
        self.identified = 0
        self.power_on("power")

    def operations(self) -> Mapping[str, Callable[[Command], Outcome]]:
        """What the device can do, by op. An operation decides; it changes nothing itself and may raise Refuse."""
        return {"PING": self._ping, "SET_CLOCK": self._set_clock, "IDENTIFY": self._identify}

    def attributes(self) -> dict[str, Any]:
        """The attributes of the class by their names in chapter 2."""
        return {}

    def readback(self, op: str) -> dict[str, Any]:
        """What every final reply to `op` carries, read from the memory."""
        return {}

    def state(self) -> dict[str, Any]:
        """The full attribute set of the class, with the number of the last event included."""
        return {**self.attributes(), "seq": self.log.newest}

    def started(self) -> None:
        self.replies.restore(int(self.nvram.table.get("turn", 0)), self.nvram.section("reply"))
        self.running.clear()

    async def execute(self, command: Command, progress: Progress | None = None) -> Reply | None:
        """Do `command` once and answer; see the head of this module."""
        if not self.powered:
            return None
        boot, fault = self.boot_counter, self.faults.next_reply()
        kind = "normal" if fault is None else fault.kind
        try:
            self.faults.counted()
            reply = await self._answer(command, progress, kind, "TIMEOUT" if fault is None else fault.code)
        except PowerLost:
            if self.powered and self.boot_counter == boot:
                self.reboot("power")
            return None
        self.world.trace.add(self.name, "command", op=command.op, status=reply.status, code=reply.code, replayed=reply.replayed)
        await self.faults.wait(slow=command.op in MOMENTARY)
        if fault is not None and kind == "late":
            await asyncio.sleep(fault.ms / 1000)
        if not self.powered or self.boot_counter != boot or kind in ("none", "did_without_reply"):
            return None
        return replace(reply, cmd_id=bytes(range(16))) if kind == "wrong_id" else reply

    async def _answer(self, command: Command, progress: Progress | None, fault: str, code: str) -> Reply:
        """The reply, before a fault of the line touches it."""
        stored = self.replies.find(command.cmd_id)
        if stored is not None:
            return stored
        if command.cmd_id in self.running:
            return self.answer(command, "running", "OK", replayed=True)
        if fault in ("none", "error"):
            return self.answer(command, "error", code)
        try:
            if self._expired(command):
                return self._keep(self.answer(command, "expired", "EXPIRED"))
            if fault == "done_without_doing":
                return self._keep(self.answer(command, "done", "OK", self.readback(command.op)))
            return await self._do(command, progress)
        except StorageFault as full:
            return self.answer(command, "error", full.code, self.readback(command.op))

    async def _do(self, command: Command, progress: Progress | None) -> Reply:
        """Perform and commit, refusals included. Raises StorageFault."""
        self.running[command.cmd_id] = command.op
        try:
            outcome = await self.perform(command, progress)
        except Refuse as refused:
            outcome = Outcome(refused.code, self.readback(command.op))
        finally:
            self.running.pop(command.cmd_id, None)
        return self._commit(command, outcome)

    async def perform(self, command: Command, progress: Progress | None) -> Outcome:
        """Decide what the op does. Raises Refuse. Changes nothing by itself."""
        operation = self.operations().get(command.op)
        if operation is None:
            raise Refuse("UNSUPPORTED")
        if command.op in MOMENTARY and command.expires_at is None:
            raise Refuse("BAD_REQUEST")
        return operation(command)

    def _commit(self, command: Command, outcome: Outcome) -> Reply:
        """Store change, events and reply in one step, then act, then tell."""
        self.faults.crash("before_persist")
        reply = self.answer(command, "done" if outcome.code == "OK" else "error", outcome.code, outcome.result)
        self.store({**outcome.keys, **self.replies.keys_for(reply)}, outcome.drafts)
        self.replies.keep(reply)
        outcome.settle()
        self.faults.crash("after_persist")
        if outcome.act is not None and (code := outcome.act()) != "OK":
            reply = self._keep(replace(reply, status="error", code=code))
        self.faults.crash("after_bolt")
        self.tell()
        return reply

    def _keep(self, reply: Reply) -> Reply:
        self.nvram.put(self.replies.keys_for(reply))
        self.replies.keep(reply)
        return reply

    def _expired(self, command: Command) -> bool:
        if not self.clock.valid:
            return command.op in MOMENTARY
        return command.expires_at is not None and self.now() >= command.expires_at

    def answer(self, command: Command, status: str, code: str, result: Mapping[str, Any] | None = None, replayed: bool = False) -> Reply:
        """An answer to `command` at the device's present time."""
        return Reply(command.cmd_id, status, code, result or {}, int(self.now()), replayed)

    def _ping(self, command: Command) -> Outcome:
        return Outcome(result={**self.readback("PING"), "health": self.health(), "state": self.state()})

    def _identify(self, command: Command) -> Outcome:
        def blink() -> None:
            self.identified += 1

        return Outcome(settle=blink)

    def _set_clock(self, command: Command) -> Outcome:
        epoch = number(command.args, "epoch")
        version = number(command.args, "version")
        if version <= int(self.nvram.table.get("v/clock", 0)):
            raise Refuse("STALE_VERSION")
        base, delta = self.world.now(), round(epoch - self.now())
        keys = {"v/clock": version, "clock": {"offset": epoch - base, "set_at": base, "valid": True}}
        drafts = (Draft("clock_set", {"delta_s": delta}), *self.clock_stepped(delta))
        return Outcome(keys=keys, drafts=drafts, settle=lambda: self.clock.put(base, epoch))

    def clock_stepped(self, delta_s: int) -> tuple[Draft, ...]:
        """What else a device logs when its clock is set; locks raise an alarm at a step back."""
        return ()
