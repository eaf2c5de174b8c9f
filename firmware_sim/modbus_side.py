"""Devices on Modbus lines: one server per line, one unit per device; what a unit answers is modbus_map.py's business."""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_sim import modbus_map
from firmware_sim.codes import CODES
from firmware_sim.device import Command, Device, Reply
from firmware_sim.room import RoomController

COILS, INPUTS = 4, 12
NOBODY = 0  # pymodbus' name for every unit that is not listed; and on a wire, unit 0 is never answered
STATES = {"accepted": 1, "running": 2, "done": 3, "error": 4, "expired": 4}
_READ_INPUTS, _READ_HOLDING, _READ_IR, _WRITE_COILS, _WRITE_MANY = 2, 3, 4, (5, 15), 16
_ACK = range(3)  # HR 0..2, one write
_MAILBOX = range(modbus_map.MAILBOX_AT, modbus_map.MAILBOX_AT + modbus_map.MAILBOX_COUNT)


class ModbusUnit:
    """One device behind its unit id. Register reads are answered out of the device at that moment."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.ack_seq = 0
        self._state = self._code = self._result = 0
        self._cmd_id = b""
        self._tasks: set[asyncio.Task[None]] = set()
        device.on_reach(self._on_reach)

    def sim_device(self, unit: int) -> SimDevice:
        """The unit as pymodbus serves it. Addresses that are not listed are exception 2."""
        words = functools.partial(SimData, datatype=DataType.REGISTERS)
        coils = [SimData(0, values=[False] * COILS, datatype=DataType.BITS)]
        inputs = [SimData(0, values=[False] * INPUTS, datatype=DataType.BITS)]
        holding = [words(0, count=4), words(10, count=3), words(modbus_map.MAILBOX_AT, count=modbus_map.MAILBOX_COUNT)]
        registers = [words(0, count=modbus_map.STATUS_COUNT), words(modbus_map.WINDOW_AT, count=96)]
        return SimDevice(unit, (coils, inputs, holding, registers), action=self.action)

    async def action(self, code: int, first: int, at: int, count: int, registers: list[int], values: list[Any] | None) -> ExcCodes | None:
        """Called by pymodbus before each access. Raises NoSuchIdException for silence on the line."""
        if not self.device.reachable or self.device.faults.fate("in").copies == 0 or self.device.faults.fate("out").copies == 0:
            raise NoSuchIdException
        if values is not None:
            return self._written(code, at, values)
        if code == _READ_IR:
            self._fill(registers, at, count)
        elif code == _READ_INPUTS:
            registers[0] = modbus_map.inputs(self.device)
        elif code == _READ_HOLDING:
            registers[0:2] = modbus_map.u32(self._acked())
            if isinstance(self.device, RoomController):
                registers[10:13] = self.device.setpoint, self.device.profile, self.device.quiet_s
        return None

    def _fill(self, registers: list[int], at: int, count: int) -> None:
        if at < modbus_map.STATUS_COUNT:
            mailbox = (self.ack_seq, self._state, self._code, self._result)
            registers[: modbus_map.STATUS_COUNT] = modbus_map.status(self.device, mailbox)
        if at + count > modbus_map.WINDOW_AT:
            events = self.device.unacknowledged()
            registers[modbus_map.WINDOW_AT : modbus_map.WINDOW_AT + 96] = modbus_map.window(events, self.device.index)

    def _acked(self) -> int:
        return self.device.log.oldest - 1 if self.device.log.oldest else self.device.log.newest

    def _written(self, code: int, at: int, values: list[Any]) -> ExcCodes | None:
        if code in _WRITE_COILS:
            return self._coils(at, values)
        touched = range(at, at + len(values))
        if set(touched) & set(_MAILBOX):
            if code != _WRITE_MANY or touched != _MAILBOX:
                return ExcCodes.ILLEGAL_ADDRESS
            return self._mailbox(values)
        if set(touched) & set(_ACK):
            if code != _WRITE_MANY or touched != _ACK:
                return ExcCodes.ILLEGAL_ADDRESS
            self._acknowledge(values)
        elif at >= 10:
            return self._room(at, values)
        return None

    def _coils(self, at: int, values: list[Any]) -> ExcCodes | None:
        """Lamps and identify. No coil moves a bolt."""
        if at == 0 and values[0]:
            self.device.identified += 1
        return None if at + len(values) <= COILS else ExcCodes.ILLEGAL_ADDRESS

    def _room(self, at: int, values: list[Any]) -> ExcCodes | None:
        if not isinstance(self.device, RoomController):
            return ExcCodes.ILLEGAL_ADDRESS
        taken = [modbus_map.holding_room(self.device, at + offset, value) for offset, value in enumerate(values)]
        return None if all(taken) else ExcCodes.ILLEGAL_VALUE

    def _acknowledge(self, values: list[Any]) -> None:
        """Event acknowledgement; one for another log is ignored, and the registers keep what they held."""
        if values[2] == self.device.log_id & 0xFFFF:
            self.device.acknowledge(self.device.log_id, values[0] << 16 | values[1])
        else:
            self.device.refuse_frame("other_log")
        values[0:2] = modbus_map.u32(self._acked())

    def _mailbox(self, values: list[Any]) -> ExcCodes | None:
        """The handshake of the sheet. A number that is neither the next nor the last is exception 3."""
        cmd_seq = values[0]
        if cmd_seq not in (self.ack_seq, self.ack_seq % 0xFFFF + 1) or cmd_seq == 0:
            self.device.refuse_frame("out_of_sequence")
            return ExcCodes.ILLEGAL_VALUE
        if not modbus_map.authentic(self.device, values):
            self.device.refuse_frame("bad_tag")
            self.ack_seq, self._cmd_id = cmd_seq, b""
            self._show(4, "UNAUTHENTICATED", 0)
            return None
        command = modbus_map.order(values)
        if cmd_seq == self.ack_seq:
            if command.cmd_id != self._cmd_id:
                self._show(4, "BAD_REQUEST", 0)
            return None  # the same once more: its result stands in the registers
        self.ack_seq, self._cmd_id = cmd_seq, command.cmd_id
        self._show(1, "OK", 0)
        task = asyncio.get_running_loop().create_task(self._execute(cmd_seq, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _execute(self, cmd_seq: int, command: Command) -> None:
        reply = await self.device.execute(command, functools.partial(self._reply, cmd_seq, command))
        if reply is not None:
            self._reply(cmd_seq, command, reply)

    def _reply(self, cmd_seq: int, command: Command, reply: Reply) -> None:
        """Show the answer, unless a later command has taken the registers."""
        if cmd_seq != self.ack_seq:
            return
        if reply.cmd_id != command.cmd_id:
            self.ack_seq = (self.ack_seq + 1000) % 0xFFFF + 1  # the knob wrong_id: an answer under another number
        self._show(STATES[reply.status], reply.code, int(reply.result.get("credential_ref") or 0))

    def _show(self, state: int, code: str, result: int) -> None:
        self._state, self._code, self._result = state, CODES[code], result

    def _on_reach(self, reachable: bool) -> None:
        if not self.device.powered:
            self.ack_seq, self._cmd_id = 0, b""
            self._show(0, "OK", 0)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Where a line is: a TCP address, or a serial port (RTU, 19200 8E1)."""

    host: str = "127.0.0.1"
    port: int = 0
    serial: str | None = None
    baud: int = 19200
    parity: str = "E"


class ModbusLine:
    """One line with its units. Unknown units are silent, as on a wire."""

    def __init__(self, name: str, units: Mapping[int, Device], settings: LineSettings) -> None:
        self.name, self.settings = name, settings
        self.units = {unit: ModbusUnit(device) for unit, device in units.items()}
        self._server: ModbusTcpServer | ModbusSerialServer | None = None

    async def start(self) -> None:
        """Serve. Raises OSError when the port is taken."""
        devices = [unit.sim_device(number) for number, unit in self.units.items()]
        devices.append(SimDevice(NOBODY, SimData(0, count=65536, datatype=DataType.REGISTERS), action=_nobody))
        if self.settings.serial is not None:
            self._server = ModbusSerialServer(
                devices,
                framer=FramerType.RTU,
                port=self.settings.serial,
                baudrate=self.settings.baud,
                parity=self.settings.parity,
                ignore_missing_devices=True,
                trace_pdu=self._heard,
            )
        else:
            at = (self.settings.host, self.settings.port)
            self._server = ModbusTcpServer(devices, address=at, ignore_missing_devices=True, trace_pdu=self._heard)
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self.settings.host}:{self.settings.port} for the Modbus line {self.name}") from error

    def _heard(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Lead what is meant for a dead unit to nobody, before pymodbus looks at its addresses and answers for it."""
        unit = self.units.get(pdu.dev_id)
        if not sending and unit is not None and not unit.device.reachable:
            pdu.dev_id = NOBODY
        return pdu

    @property
    def port(self) -> int:
        """The TCP port that is served, also when any free one was asked for."""
        sockets = getattr(self._server.transport if self._server else None, "sockets", ())
        return int(sockets[0].getsockname()[1]) if sockets else self.settings.port

    async def stop(self) -> None:
        """Close the line. May be repeated."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None


async def _nobody(code: int, first: int, at: int, count: int, registers: list[int], values: list[Any] | None) -> ExcCodes | None:
    raise NoSuchIdException
