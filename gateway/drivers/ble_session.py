"""One encrypted conversation with a lock over one BLE connection: handshake, commands with their replies, events."""

import asyncio
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.buses.ble import GattLink
from gateway.buses.failures import LinkDown
from gateway.device import Command
from gateway.drivers import ble_commands, ble_frames
from gateway.drivers.ble_commands import ReplyFrame
from gateway.drivers.ble_frames import Assembler, EventFrame, HelloAck, Info, Keys, Message
from gateway.drivers.mqtt_envelope import BadFrame
from gateway.drivers.ops import limits

T = TypeVar("T")
HELLO_S = 2.0  # write and notification took 0.4 s at worst on the real stack
AGAIN_S = (0.8, 0.8, 1.4)  # a lost notification is noticed by nobody: the same cmd_id again, then accept-by (3 s) is over
ENDS_IT = frozenset({"bad_tag", "replay"})  # the sheet: disconnect


class WrongKey(Exception):
    """The device could not prove that it holds our key."""


@dataclass(slots=True)
class _Asked:
    """A command on its way."""

    accepted: asyncio.Future[None]
    final: asyncio.Future[ReplyFrame]


class BleConversation:
    """Open it with `begin`; then `ask` may be called any number of times. Bad frames go to `dropped(reason)`, events to `heard(event)`."""

    def __init__(self, link: GattLink, k_dev: bytes, heard: Callable[[EventFrame], None], dropped: Callable[[str], None]) -> None:
        self._link, self._k_dev, self._heard, self._dropped = link, k_dev, heard, dropped
        self._loop = asyncio.get_running_loop()
        self._assemblers = {ble_frames.TX: Assembler(), ble_frames.EVT: Assembler()}
        self._keys: Keys | None = None
        self._sent = 0
        self._received = 0
        self._room = 20
        self._writing = asyncio.Lock()
        self._hello: asyncio.Future[HelloAck] = self._loop.create_future()
        self._asked: dict[uuid.UUID, _Asked] = {}
        self._ended: asyncio.Future[None] = self._loop.create_future()
        link.when_lost(self._end)
        self.broken = False  # a bad tag or a replay: nothing more may be said on this connection

    async def begin(self) -> tuple[Info, HelloAck]:
        """Shake hands. Raises LinkDown, SaidNo, WrongKey; BadFrame for an INFO that cannot be read."""
        link = self._link
        self._room = max(20, link.room(ble_frames.RX))
        await link.notify(ble_frames.TX, lambda data: self._fragment(ble_frames.TX, data))
        await link.notify(ble_frames.EVT, lambda data: self._fragment(ble_frames.EVT, data))
        info = ble_frames.info(await link.read(ble_frames.INFO))
        gw_nonce = secrets.token_bytes(16)
        await self._write(ble_frames.plain(ble_frames.HELLO, gw_nonce))
        ack = await self._or_lost(self._hello, HELLO_S, "no answer to HELLO")
        wanted = ble_frames.proof(self._k_dev, gw_nonce, ack.dev_nonce, ack.boot_counter, ack.clock)
        if not secrets.compare_digest(wanted, ack.proof):
            self._dropped("bad_tag")
            raise WrongKey
        self._keys = ble_frames.session_keys(self._k_dev, gw_nonce, ack.dev_nonce)
        return info, ack

    async def ask(self, command: Command) -> ReplyFrame:
        """Send one command and return its final reply. Raises LinkDown when the link breaks or the device does not end it in time."""
        asked = self._asked[command.cmd_id] = _Asked(self._loop.create_future(), self._loop.create_future())
        limit = limits(command.op)
        try:
            payload = ble_commands.command(command)
            for wait_s in AGAIN_S:
                await self._say(ble_frames.CMD, payload)
                await self._first_sign(asked, wait_s)
                if asked.accepted.done():
                    break
            else:
                raise LinkDown("no answer to a command")
            return await self._or_lost(asked.final, limit.done_s, "a command was accepted and never ended")
        finally:
            del self._asked[command.cmd_id]

    async def acknowledge(self, log_id: int, upto: int) -> None:
        """Tell the lock what it may forget. Raises LinkDown."""
        await self._say(ble_frames.EVENT_ACK, ble_frames.event_ack(log_id, upto))

    # ------------------------------------------------------------ sending

    async def _say(self, kind: int, payload: bytes) -> None:
        if self._keys is None or self.broken:
            raise LinkDown("the conversation has ended")
        self._sent += 1
        await self._write(ble_frames.sealed(self._keys, kind, self._sent, payload))

    async def _write(self, message: bytes) -> None:
        """One message at a time: fragments of two must not mix."""
        async with self._writing:
            for fragment in ble_frames.fragments(message, self._room):
                await self._link.write(ble_frames.RX, fragment)

    async def _first_sign(self, asked: _Asked, limit_s: float) -> None:
        """Wait for a first answer, at most `limit_s`. Raises LinkDown when the link has ended."""
        await asyncio.wait((asked.accepted, self._ended), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            raise LinkDown("the connection was lost")

    async def _or_lost(self, wanted: "asyncio.Future[T]", limit_s: float, what: str) -> T:
        """Wait for `wanted`, for the end of the link or of the conversation, or for the limit. Raises LinkDown for all but the first."""
        await asyncio.wait((wanted, self._ended), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done() and not wanted.cancelled():
            return wanted.result()
        raise LinkDown("the connection was lost" if self._ended.done() else what)

    # ------------------------------------------------------------ hearing

    def _fragment(self, characteristic: str, data: bytes) -> None:
        """Take one notification; whatever is wrong with it is counted once."""
        assembled = self._assemblers[characteristic].add(data, self._loop.time())
        if assembled.lost:
            self._dropped("gap")
        if assembled.message is None or self.broken:
            return
        try:
            message = ble_frames.opened(assembled.message, self._keys, self._received)
            self._received = max(self._received, message.counter)
            self._message(message)
        except BadFrame as bad:
            self._dropped(str(bad))
            if str(bad) in ENDS_IT:
                self.broken = True
                self._end()

    def _message(self, message: Message) -> None:
        """Act on one readable message. Raises BadFrame."""
        if message.type == ble_frames.REPLY:
            self._reply(ble_commands.reply(message.payload))
        elif message.type == ble_frames.EVENT:
            self._heard(ble_frames.event(message.payload))
        elif message.type == ble_frames.HELLO_ACK and self._keys is None and not self._hello.done():
            self._hello.set_result(ble_frames.hello_ack(message.payload))
        elif message.type == ble_frames.ERROR and self._keys is None:
            self._end()  # it does not talk to us now; the reason is plain text that anybody may say
        else:
            raise BadFrame("unexpected")

    def _reply(self, said: ReplyFrame) -> None:
        asked = self._asked.get(said.cmd_id)
        if asked is None:
            return  # the repeat of an answer that somebody has already
        if said.final() and not asked.final.done():
            asked.final.set_result(said)
        if not asked.accepted.done():
            asked.accepted.set_result(None)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
