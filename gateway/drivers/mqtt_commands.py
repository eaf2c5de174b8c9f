"""Commands of one MQTT device that wait for their replies: sent again with the same cmd_id until the final one, the limit or the expiry."""

import asyncio
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.device import Command, Unreachable
from gateway.drivers import mqtt_bodies
from gateway.drivers.mqtt_bodies import ReplyBody
from gateway.drivers.ops import MOMENTARY, limits

FIRST_PAUSE_S = 1.0  # then twice as long each time; the device recognises the cmd_id


@dataclass(slots=True)
class _Waiting:
    """A command on its way. `heard` is set for every reply and every new boot."""

    heard: asyncio.Event = field(default_factory=asyncio.Event)
    final: ReplyBody | None = None
    reborn: bool = False


class MqttCommands:
    """What `device` was asked and has not answered. `send(body)` publishes once with the present tag; it raises Unreachable."""

    def __init__(self, device: str, send: Callable[[str], None], now: Callable[[], datetime]) -> None:
        self._device, self._send, self._now = device, send, now
        self._waiting: dict[uuid.UUID, _Waiting] = {}

    def busy(self, command: Command) -> bool:
        """Whether this very command is on its way already."""
        return command.cmd_id in self._waiting

    def expired(self, command: Command) -> bool:
        """Whether a momentary command must not be sent any more."""
        return type(command.op) in MOMENTARY and command.expires_at is not None and self._now() >= command.expires_at

    async def ask(self, command: Command) -> ReplyBody:
        """Send until the final reply. Raises Unreachable at the limit or the expiry, or when there is nobody to send to."""
        waiting = self._waiting[command.cmd_id] = _Waiting()
        try:
            return await self._until_final(command, waiting)
        finally:
            del self._waiting[command.cmd_id]

    def take(self, said: ReplyBody) -> None:
        """Wake whoever waits for this cmd_id; a reply that nobody waits for is an ordinary repeat."""
        waiting = self._waiting.get(said.cmd_id)
        if waiting is not None:
            waiting.final = said if said.final() else waiting.final
            waiting.heard.set()

    def reborn(self) -> None:
        """The device has started anew: what is on its way goes out again at once, with the same cmd_id and another tag."""
        for waiting in self._waiting.values():
            waiting.reborn = True
            waiting.heard.set()

    async def _until_final(self, command: Command, waiting: _Waiting) -> ReplyBody:
        loop, body, limit_s = asyncio.get_running_loop(), mqtt_bodies.command(command), limits(command.op).done_s
        deadline, pause, again = loop.time() + limit_s, FIRST_PAUSE_S, loop.time()
        while waiting.final is None:
            if loop.time() >= deadline or self.expired(command):
                raise Unreachable(self._device, f"no answer in {limit_s:g} s", "Check its power and its network.")
            if waiting.reborn:
                waiting.reborn, again, pause = False, loop.time(), FIRST_PAUSE_S
            if loop.time() >= again:
                self._send(body)
                again, pause = loop.time() + pause * random.uniform(0.9, 1.1), pause * 2  # noqa: S311 - jitter, not a secret
            waiting.heard.clear()
            await _either(waiting.heard, min(again, deadline) - loop.time())
        return waiting.final


async def _either(heard: asyncio.Event, limit_s: float) -> None:
    """Wait for `heard`, at most `limit_s` seconds."""
    try:
        async with asyncio.timeout(max(0.0, limit_s)):
            await heard.wait()
    except TimeoutError:
        return
