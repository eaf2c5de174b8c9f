"""One Modbus line, TCP or RTU, shared by many units: pymodbus inside the asyncio loop. No device is known here.

Requests on a line run one at a time, urgent ones first. A unit that does not answer is left alone for a while (back-off per unit), so it
never holds the line for the others: its requests fail at once until the next probe is due.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as settings_dataclass
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import ModbusPDU

from gateway.buses.failures import LinkDown, Nonsense, SaidNo
from gateway.buses.modbus_answers import BUFFER, Answers
from gateway.buses.turns import Turns
from gateway.device import Drops

CONNECT_S = 3.0
RECONNECT_CAP_S = 5.0
DEAD_CAP_S = 15.0  # between two probes of a dead unit
SILENT = 5  # that many time-outs in a row, whoever was asked: the connection itself is opened anew

NOBODY_THERE = frozenset({10, 11})  # a converter says that the unit behind it is away

# What the library says about a bad frame is counted and reported by us, per unit.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

Client = AsyncModbusTcpClient | AsyncModbusSerialClient


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class LineSettings:
    """One entry of `buses.modbus.lines`: `host` and `port` (Modbus TCP) or `serial` (RTU)."""

    host: str | None = None
    port: int = Field(default=502, gt=0, lt=65536)
    serial: str | None = None
    baud: int = 19200
    parity: Literal["N", "E", "O"] = "E"
    limit_s: float = Field(default=1.0, gt=0, le=10)  # how long one unit may take to answer

    @model_validator(mode="after")
    def _one_of_two(self) -> "LineSettings":
        if (self.host is None) == (self.serial is None):
            raise ValueError("a line has either a host or a serial port")
        return self


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ModbusSettings:
    """The `buses.modbus` block."""

    lines: dict[str, LineSettings]


@dataclass(slots=True)
class _Unit:
    """How one unit has answered so far."""

    misses: int = 0
    asleep_until: float = 0.0


class ModbusLine:
    """One line. Every call raises LinkDown when nobody answered (outcome unknown), SaidNo for a Modbus exception, Nonsense."""

    def __init__(self, name: str, settings: LineSettings, drops: Drops | None = None) -> None:
        """`drops` is told of each answer that cannot be used, under the name that the unit was given by `belongs`."""
        self.name = name
        self._settings, self._drops = settings, drops
        self._owners: dict[int, str] = {}
        self._answers: Answers | None = None  # of the open connection
        self._dropped = 0
        self._heard = b""  # on a serial line: what came since the last request
        self._limit: asyncio.Timeout | None = None  # of the request that is out
        self._client: Client | None = None
        self._units: dict[int, _Unit] = {}
        self._turns = Turns()
        self._silent = 0
        self._connect_tries = 0
        self._connect_after = 0.0
        self.transactions = 0  # requests that were put on the line

    async def read_input(self, unit: int, first: int, count: int, *, urgent: bool = False) -> tuple[int, ...]:
        """Read `count` input registers (FC04, at most 125) from zero-based `first`."""
        answer = await self._ask(unit, urgent, lambda c: c.read_input_registers(first, count=count, device_id=unit))
        return _registers(answer, count)

    async def read_holding(self, unit: int, first: int, count: int, *, urgent: bool = False) -> tuple[int, ...]:
        """Read `count` holding registers (FC03, at most 125) from zero-based `first`."""
        answer = await self._ask(unit, urgent, lambda c: c.read_holding_registers(first, count=count, device_id=unit))
        return _registers(answer, count)

    async def read_discrete(self, unit: int, first: int, count: int, *, urgent: bool = False) -> tuple[bool, ...]:
        """Read `count` discrete inputs (FC02) from zero-based `first`."""
        answer = await self._ask(unit, urgent, lambda c: c.read_discrete_inputs(first, count=count, device_id=unit))
        if len(answer.bits) < count:
            raise Nonsense(f"unit {unit} sent {len(answer.bits)} of {count} inputs")
        return tuple(answer.bits[:count])

    async def write_holding(self, unit: int, first: int, values: Sequence[int], *, urgent: bool = False) -> None:
        """Write `values` from zero-based `first` in one request (FC16)."""
        await self._ask(unit, urgent, lambda c: c.write_registers(first, list(values), device_id=unit))

    def belongs(self, unit: int, device: str) -> None:
        """Note whose unit it is: its bad answers are counted under that name."""
        self._owners[unit] = device

    @property
    def trouble(self) -> str | None:
        """What is wrong with the line itself, in words; None while one unit on it answers, or none has been asked."""
        where = self._settings.serial or f"{self._settings.host}:{self._settings.port}"
        if self._connect_tries:
            return f"the Modbus line {self.name} at {where} cannot be opened"
        if self._units and all(state.misses > 1 for state in self._units.values()):
            return f"nobody answers on the Modbus line {self.name} at {where}"
        return None

    def dead(self, unit: int) -> bool:
        """Whether `unit` did not answer the last time it was asked."""
        return self._units.get(unit, _Unit()).misses > 0

    async def close(self) -> None:
        """Close the connection; the next request opens it again."""
        async with self._turns.mine(urgent=True):
            self._hang_up()

    # ------------------------------------------------------------ one transaction

    async def _ask(self, unit: int, urgent: bool, request: Callable[[Client], Awaitable[ModbusPDU]]) -> ModbusPDU:
        """Wait for the line, send one request, return the unit's answer."""
        state = self._units.setdefault(unit, _Unit())
        self._refuse_if_asleep(unit, state)
        async with self._turns.mine(urgent=urgent):
            self._refuse_if_asleep(unit, state)
            client = await self._connected()
            self.transactions += 1
            before = self._dropped
            try:
                async with asyncio.timeout(self._settings.limit_s) as self._limit:
                    answer = await request(client)
            except ConnectionException as broken:
                self._hang_up()
                raise LinkDown(f"line {self.name} broke") from broken
            except (TimeoutError, ModbusException) as silence:
                raise self._missed(unit, state, before) from silence
            finally:
                self._over()
        self._silent = 0
        if answer.isError() and answer.exception_code in NOBODY_THERE:
            self._miss(state)
            raise LinkDown(f"unit {unit} on line {self.name} does not answer its converter")
        state.misses, state.asleep_until = 0, 0.0
        if answer.isError():
            raise SaidNo(answer.exception_code, f"unit {unit} answered with Modbus exception {answer.exception_code}")
        return answer

    def _refuse_if_asleep(self, unit: int, state: _Unit) -> None:
        if asyncio.get_running_loop().time() < state.asleep_until:
            raise LinkDown(f"unit {unit} on line {self.name} has not answered {state.misses} times; it is probed again soon")

    def _missed(self, unit: int, state: _Unit, before: int) -> LinkDown:
        """Note that there was no answer, and return what to raise; `before` = how much had been dropped when the unit was asked."""
        if self._heard:
            self._drop(unit, "wrong_unit" if self._heard[0] != unit and _sound(self._heard) else "malformed")
        self._over()
        self._miss(state)
        if self._dropped > before:
            return LinkDown(f"unit {unit} on line {self.name} did not answer with anything that can be used")
        return LinkDown(f"unit {unit} on line {self.name} did not answer in {self._settings.limit_s:g} s")

    def _miss(self, state: _Unit) -> None:
        state.misses += 1
        if state.misses > 1:  # one lost frame is no death
            wait = min(DEAD_CAP_S, 0.25 * 2**state.misses)
            state.asleep_until = asyncio.get_running_loop().time() + wait
        self._silent += 1
        if self._silent >= SILENT:
            self._hang_up()

    async def _connected(self) -> Client:
        """Return the open client, opening it first if need be; called by the one whose turn it is."""
        if self._client is not None:
            if self._client.connected and not (self._answers is not None and self._answers.broken):
                return self._client
            self._hang_up()
        loop = asyncio.get_running_loop()
        if loop.time() < self._connect_after:
            raise LinkDown(f"line {self.name} is not connected")
        client = self._new_client()
        if not await client.connect():
            client.close()
            self._connect_tries += 1
            self._connect_after = loop.time() + min(RECONNECT_CAP_S, 0.1 * 2**self._connect_tries)
            raise LinkDown(f"line {self.name} cannot be opened")
        self._client, self._connect_tries, self._silent = client, 0, 0
        return client

    def _new_client(self) -> Client:
        """A fresh pymodbus client without its own retries and reconnecting: the line does both."""
        settings = self._settings
        client: Client
        if settings.host is not None:
            self._answers = Answers(self._drop, self._give_up)
            client = AsyncModbusTcpClient(
                settings.host, port=settings.port, timeout=CONNECT_S, retries=0, reconnect_delay=0, trace_packet=self._answers.trace
            )
            client.ctx.max_buffer_size = BUFFER  # else the library throws a flood away unseen
        else:
            client = AsyncModbusSerialClient(
                str(settings.serial),
                framer=FramerType.RTU,
                baudrate=settings.baud,
                parity=settings.parity,
                timeout=CONNECT_S,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._trace_serial,
            )
        client.set_max_no_responses(1_000_000)
        return client

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = self._answers = None

    # ------------------------------------------------------------ answers that cannot be used

    def _drop(self, unit: int, reason: str) -> None:
        self._dropped += 1
        if self._drops is not None:
            self._drops.drop("modbus", self._owners.get(unit), reason)

    def _give_up(self) -> None:
        """Let the request that is out fail now: the connection is out of step, and others wait for the line."""
        if self._limit is not None:
            with contextlib.suppress(RuntimeError):  # its time is up already
                self._limit.reschedule(asyncio.get_running_loop().time())

    def _over(self) -> None:
        """The request has ended: whatever comes now is late."""
        self._heard = b""
        if self._answers is not None:
            self._answers.over()
            if self._answers.broken:
                self._hang_up()

    def _trace_serial(self, sending: bool, data: bytes) -> bytes:
        """Keep what is heard on a serial line until the request has ended: one that nobody could answer with it is dropped and counted."""
        self._heard = b"" if sending else data
        return data


def _sound(frame: bytes) -> bool:
    """Whether a frame of a serial line has the right check sum."""
    return len(frame) >= 4 and FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))


def _registers(answer: ModbusPDU, count: int) -> tuple[int, ...]:
    """The registers of an answer; Nonsense when there are not as many as asked."""
    if len(answer.registers) != count:
        raise Nonsense(f"{len(answer.registers)} of {count} registers came back")
    return tuple(answer.registers)
