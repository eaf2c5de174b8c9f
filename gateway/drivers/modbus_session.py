"""One device on a Modbus line, whatever its class: polling, reports, the event window. The mailbox is modbus_handshake.py."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.failures import LinkDown, Nonsense, SaidNo
from gateway.buses.modbus import ModbusLine
from gateway.buses.open import Buses
from gateway.device import (
    Code,
    Command,
    Condition,
    Confirmed,
    Drops,
    Emit,
    Event,
    Garbled,
    Memory,
    Ping,
    ReadCard,
    Refused,
    Reply,
    Setting,
    State,
    Unreachable,
)
from gateway.drivers import event_data, modbus_mailbox, modbus_registers
from gateway.drivers.event_intake import EventIntake
from gateway.drivers.modbus_handshake import Mailbox
from gateway.drivers.modbus_registers import Look
from gateway.drivers.mqtt_envelope import BadFrame
from gateway.drivers.ops import CLASS_OPS, MOMENTARY, READS_BACK
from gateway.drivers.reports import Reports, seen

MISSES = 3  # polls without an answer: offline
BEAT_S = 10.0  # our own heartbeat, holding register 3
EVERY_SECOND = frozenset({"since_motion_s"})  # attributes that change by themselves


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ModbusDeviceSettings:
    """The `settings:` block of every Modbus device."""

    line: str  # a name under buses.modbus.lines
    unit: int = Field(ge=1, le=247)
    poll_s: float = Field(default=1.0, ge=0.05, le=60)


class ModbusDevice:
    """One unit. `device_class` is lock, encoder, minibar or room."""

    def __init__(
        self, setting: Setting, line: ModbusLine, memory: Memory, drops: Drops, now: Callable[[], datetime], device_class: str
    ) -> None:
        settings = ModbusDeviceSettings(**setting.settings)
        self._name, self._class, self._unit, self._poll_s = setting.name, device_class, settings.unit, settings.poll_s
        self._line, self._memory, self._drops, self._now = line, memory, drops, now
        line.belongs(settings.unit, setting.name)
        self._mailbox = Mailbox(setting.k_dev, self._look_now, self._write_mailbox)
        self._reports = Reports(setting.name, changing=EVERY_SECOND)
        self._wake = asyncio.Event()
        self._forget: tuple[int, int] | None = None
        self._unreadable: set[tuple[int, int]] = set()
        self._one_read = True  # until the device says that its registers have holes
        self._beats, self._beat_at = 0, 0.0

    # ------------------------------------------------------------ the contract

    async def run(self, emit: Emit) -> None:
        """See Driver.run. Raises Unreachable after three polls without an answer, Garbled for a device of another kind."""
        intake = EventIntake(emit, self._memory, self._may_forget, lossless=True)
        self._reports.begin(emit)
        misses = 0
        try:
            while True:
                self._wake.clear()
                try:
                    await self._poll(intake)
                    misses = 0
                except LinkDown as silence:
                    misses += 1
                    self._silent(misses, silence)
                await self._pause()
        except (SaidNo, Nonsense) as bad:
            raise self._garbled(bad) from bad
        finally:
            intake.close()
            self._reports.end()

    async def apply(self, command: Command) -> Reply:
        """See Driver.apply. One mailbox, so one command at a time; CANCEL goes past a card that is being waited for."""
        if type(command.op) not in CLASS_OPS[self._class] or not modbus_mailbox.supported(command.op):
            return Reply(Code.UNSUPPORTED)
        if self._expired(command):
            return Reply(Code.EXPIRED)
        try:
            return await self._read(command, await self._mailbox.do(command, lambda: self._expired(command)))
        except LinkDown as silence:
            raise Unreachable(self._name, str(silence), "Check its line and its power.") from silence
        except (SaidNo, Nonsense) as bad:
            raise self._garbled(bad) from bad
        finally:
            self._wake.set()  # a command makes events

    async def confirmed(self) -> Confirmed:
        """See Driver.confirmed: a PING through the mailbox, so that it is the authentic device that answers."""
        if self._class != "lock":
            raise Refused(self._name, Code.UNSUPPORTED, f"a {self._class} holds no rights", "Nothing to do.")
        reply = await self.apply(Command(uuid.uuid4(), Ping(), self._now()))
        if reply.code is not Code.OK or reply.confirmed is None:
            raise Garbled(self._name, f"answered a ping with {reply.code.name}", "Check its key and its firmware.")
        return reply.confirmed

    # ------------------------------------------------------------ commands

    async def _read(self, command: Command, look: Look) -> Reply:
        """The contract's reply to a finished command."""
        try:
            code = Code(look.status.code)
        except ValueError:
            raise Nonsense(f"it answered with code {look.status.code}, which is in no table") from None
        if isinstance(command.op, ReadCard) and code is Code.OK:
            card = await self._line.read_input(self._unit, modbus_registers.CARD_FIRST, modbus_registers.CARD_COUNT, urgent=True)
            return Reply(code, modbus_registers.card(card))
        held = look.confirmed if type(command.op) in READS_BACK else None
        return Reply(code, look.attributes if isinstance(command.op, Ping) else {}, confirmed=held)

    def _expired(self, command: Command) -> bool:
        return type(command.op) in MOMENTARY and command.expires_at is not None and self._now() >= command.expires_at

    async def _look_now(self) -> Look:
        return await self._look(urgent=True)

    async def _write_mailbox(self, registers: Sequence[int]) -> None:
        await self._line.write_holding(self._unit, modbus_mailbox.FIRST, registers, urgent=True)

    def _garbled(self, bad: Exception) -> Garbled:
        self._drops.drop("modbus", self._name, "malformed")
        return Garbled(self._name, str(bad), "Check the unit number and the firmware.")

    # ------------------------------------------------------------ looking

    async def _look(self, *, urgent: bool = False) -> Look:
        """Read status and class registers. Raises LinkDown, SaidNo, Nonsense."""
        registers = await self._registers(urgent=urgent)
        try:
            return modbus_registers.look(registers, self._class)
        except ValueError as wrong:
            raise Nonsense(f"unit {self._unit}: {wrong}") from None

    async def _registers(self, *, urgent: bool) -> tuple[int, ...]:
        """IR 0.. as far as the class goes: in one request, or piece by piece where a device's map has holes."""
        count = modbus_registers.COUNT[self._class]
        if self._one_read:
            try:
                return await self._line.read_input(self._unit, 0, count, urgent=urgent)
            except SaidNo as no:
                if no.code != modbus_registers.ILLEGAL_ADDRESS:
                    raise
                self._one_read = False
        registers = [0] * count
        for first, length in modbus_registers.PIECES[self._class]:
            registers[first : first + length] = await self._line.read_input(self._unit, first, length, urgent=urgent)
        return tuple(registers)

    async def _poll(self, intake: EventIntake) -> None:
        """One round: acknowledge, look, report what changed, read events."""
        if self._forget is not None:
            log_id, upto = self._forget
            self._forget = None
            await self._line.write_holding(self._unit, 0, [*modbus_registers.split32(upto), log_id & 0xFFFF])
        look = await self._look()
        self._show(look)
        await self._beat()
        if look.status.oldest and look.status.newest != intake.upto:
            window = await self._line.read_input(self._unit, modbus_registers.WINDOW_FIRST, modbus_registers.WINDOW_COUNT)
            events = self._events(look.status.log_id, modbus_registers.window(window))
            if events:
                intake.take(events).add_done_callback(seen)

    def _events(self, log_id: int, records: list[modbus_registers.Record]) -> list[Event]:
        """The window's records in words; one that cannot be read is counted once and kept as `unreadable`."""
        events = []
        for record in records:
            try:
                kind, data = event_data.from_fixed(record.fixed)
            except BadFrame as bad:
                kind, data = event_data.unreadable(str(record.fixed.type), event_data.fields(record.fixed))
                if (log_id, record.seq) not in self._unreadable:
                    self._unreadable.add((log_id, record.seq))
                    self._drops.drop("modbus", self._name, str(bad))
            at = datetime.fromtimestamp(record.ts, UTC)
            events.append(Event(self._name, log_id, record.seq, at, record.tq, kind, data))
        return events

    def _may_forget(self, log_id: int, upto: int) -> None:
        self._forget = (log_id, upto)
        self._wake.set()

    def _show(self, look: Look) -> None:
        """Report condition and state as far as they have changed."""
        read = look.status
        offset = read.clock - round(self._now().timestamp())
        self._reports.condition(
            Condition(self._name, "online", read.boot_counter, read.log_id, read.flags, read.battery_percent, look.confirmed, offset)
        )
        self._reports.state(State(self._name, look.attributes))

    def _silent(self, misses: int, silence: LinkDown) -> None:
        """Report a unit that does not answer; raise Unreachable when it is lost."""
        if misses == MISSES - 1:
            self._reports.health("degraded")
        elif misses >= MISSES:
            self._reports.health("offline")
            raise Unreachable(self._name, str(silence), "Check its line and its power.") from silence

    async def _beat(self) -> None:
        """Tell the device now and then that the box is there."""
        time = asyncio.get_running_loop().time()
        if time - self._beat_at >= BEAT_S:
            self._beats, self._beat_at = (self._beats + 1) & 0xFFFF, time
            await self._line.write_holding(self._unit, 3, [self._beats])

    async def _pause(self) -> None:
        """Wait for the next round: the poll's time, or at once when there is something to acknowledge or to see."""
        try:
            async with asyncio.timeout(self._poll_s):
                await self._wake.wait()
        except TimeoutError:
            return


def connect_modbus(
    setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime], device_class: str
) -> ModbusDevice:
    """One Modbus device of `device_class`. Raises DeviceError when the box has no such line."""
    line = buses.modbus.get(str(setting.settings.get("line")))
    if line is None:
        known = ", ".join(buses.modbus) or "none"
        what = f"the box has no Modbus line {setting.settings.get('line')} (it has: {known})"
        raise Unreachable(setting.name, what, "Correct settings.line in gateway.yaml.")
    return ModbusDevice(setting, line, memory, drops, now, device_class)
