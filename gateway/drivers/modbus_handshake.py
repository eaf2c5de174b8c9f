"""The mailbox handshake of a Modbus device: write, look until it is done, write again when it was lost. One command at a time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.buses.failures import LinkDown
from gateway.device import CancelCard, Command
from gateway.drivers import modbus_mailbox
from gateway.drivers.modbus_registers import Look, Status
from gateway.drivers.ops import CARD_WORK, limits

QUICK_S, SLOW_S = 0.02, 0.2  # between two looks; the sheet asks for 100-250 ms, a check-in for less at first
REWRITE_S = 1.0  # a mailbox that has not moved by then is written again
STUCK_S = {False: 3.0, True: 14.0}  # taken and not ended by then (card work, which waits 12 s for a card): asked again under a new number
FINAL = 3  # command state: 3 done, 4 error
LOST = 2  # looks without an answer before anything was written


@dataclass(frozen=True, slots=True)
class _Written:
    """A command as it lies in the mailbox."""

    cmd_seq: int
    boot: tuple[int, int]
    at: float


class Mailbox:
    """The one mailbox of a unit. `look` reads the registers, `write` writes HR 100..135; both raise LinkDown."""

    def __init__(self, k_dev: bytes, look: Callable[[], Awaitable[Look]], write: Callable[[Sequence[int]], Awaitable[None]]) -> None:
        self._k_dev, self._look, self._write = k_dev, look, write
        self._free = asyncio.Lock()

    async def do(self, command: Command, expired: Callable[[], bool]) -> Look:
        """Return the look that shows the command finished.

        Waits for its turn; a CANCEL goes past the card that is being waited for, which is then asked for its stored result. Raises LinkDown
        when the outcome is unknown at the command's limit, and at once when the unit cannot be reached and nothing was written.
        """
        deadline = asyncio.get_running_loop().time() + limits(command.op).done_s
        if isinstance(command.op, CancelCard):
            return await self._handshake(command, deadline, expired)
        try:
            async with asyncio.timeout_at(deadline):
                await self._free.acquire()
        except TimeoutError:
            raise LinkDown("it is busy with another command") from None
        try:
            return await self._handshake(command, deadline, expired)
        finally:
            self._free.release()

    async def _handshake(self, command: Command, deadline: float, expired: Callable[[], bool]) -> Look:
        loop, pause, failures = asyncio.get_running_loop(), QUICK_S, 0
        written: _Written | None = None
        stuck_s = STUCK_S[type(command.op) in CARD_WORK]
        while True:
            try:
                look = await self._look()
                if _finished(look.status, written):
                    return look
                if _must_write(look.status, written, loop.time(), stuck_s):
                    if expired():
                        raise LinkDown("it expired before the device had taken it")
                    written, pause = await self._put(command, look.status), QUICK_S
            except LinkDown:
                failures += 1
                if expired() or (written is None and failures >= LOST):
                    raise
                pause = SLOW_S
            if loop.time() + pause >= deadline:
                raise LinkDown(f"no answer in {limits(command.op).done_s:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, SLOW_S)

    async def _put(self, command: Command, status: Status) -> _Written:
        """Write the mailbox under the next number, with the tag of the device's present boot."""
        cmd_seq = modbus_mailbox.following(status.ack_seq)
        registers = modbus_mailbox.registers(command, cmd_seq, self._k_dev, status.log_id, status.boot_counter)
        written = _Written(cmd_seq, _boot(status), asyncio.get_running_loop().time())
        with contextlib.suppress(LinkDown):  # it may lie there all the same: the next look tells
            await self._write(registers)
        return written


def _boot(status: Status) -> tuple[int, int]:
    return status.log_id, status.boot_counter


def _finished(status: Status, written: _Written | None) -> bool:
    return written is not None and written.boot == _boot(status) and status.ack_seq == written.cmd_seq and status.cmd_state >= FINAL


def _must_write(status: Status, written: _Written | None, now: float, stuck_s: float) -> bool:
    """Nothing written yet, another boot since, not taken or not ended in time, or overtaken by another number."""
    if written is None or written.boot != _boot(status):
        return True
    if status.ack_seq == written.cmd_seq:
        return now - written.at >= stuck_s
    if modbus_mailbox.following(status.ack_seq) == written.cmd_seq:
        return now - written.at >= REWRITE_S
    return True
