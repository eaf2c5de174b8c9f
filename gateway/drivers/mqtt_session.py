"""One device over MQTT, whatever its class: birth and will, tagged messages in, commands with their replies out."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.mqtt import Message, MqttBus
from gateway.buses.open import Buses
from gateway.device import (
    Code,
    Command,
    Condition,
    Confirmed,
    DeviceError,
    Drops,
    Emit,
    Event,
    Garbled,
    Health,
    Memory,
    Ping,
    Refused,
    Reply,
    Setting,
    State,
    Unreachable,
)
from gateway.drivers import attributes, event_data, mqtt_bodies, mqtt_envelope
from gateway.drivers.event_intake import EventIntake
from gateway.drivers.mqtt_bodies import HealthBody, ReplyBody
from gateway.drivers.mqtt_commands import MqttCommands
from gateway.drivers.mqtt_envelope import BadFrame, Boot
from gateway.drivers.ops import CLASS_OPS, READS_BACK, limits
from gateway.drivers.reports import seen

HELD = 64  # messages that arrived before the birth message that their tags need
BIRTH_S = 5.0  # how long they wait for it
WATCH_S = 5.0
HEARTBEAT_S = {True: 30.0, False: 300.0}  # on mains, on batteries
AWAY_S = 10.0  # a broker that is away for longer takes its devices with it


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class MqttDeviceSettings:
    """The `settings:` block of every MQTT device."""

    heartbeat_s: float | None = Field(default=None, gt=0, le=3600)  # if not given: 30 on mains, 300 on batteries


class MqttDevice:
    """One device. `device_class` is lock, encoder, minibar or room."""

    def __init__(
        self, setting: Setting, mqtt: MqttBus, memory: Memory, drops: Drops, now: Callable[[], datetime], device_class: str
    ) -> None:
        self._name, self._k_dev = setting.name, setting.k_dev
        self._topic = partial(mqtt_envelope.topic, setting.property_slug, setting.name)
        self._settings = MqttDeviceSettings(**setting.settings)
        self._mqtt, self._memory, self._drops, self._now = mqtt, memory, drops, now
        self._class = device_class
        self._emit: Emit | None = None
        self._intake: EventIntake | None = None
        self._boot: Boot | None = None
        self._online = False
        self._born, self._known = asyncio.Event(), asyncio.Event()
        self._heard_at = 0.0
        self._health = HealthBody((), None, None)
        self._offset_s: int | None = None
        self._shown: Health | None = None
        self._held: deque[tuple[str, Message, asyncio.Future[None]]] = deque()
        self._commands = MqttCommands(setting.name, self._send, now)

    # ------------------------------------------------------------ the contract

    async def run(self, emit: Emit) -> None:
        """See Driver.run. Never ends by itself: the broker's session outlives a device that is away."""
        self._emit, self._intake = emit, EventIntake(emit, self._memory, self._acknowledge)
        self._heard_at = asyncio.get_running_loop().time()
        pinging = asyncio.create_task(self._ping_each_birth(), name=f"{self._name} birth")
        ends = [self._mqtt.subscribe(self._topic(part), partial(self._arrived, part), self._name) for part in mqtt_envelope.PARTS]
        try:
            while True:
                await asyncio.sleep(min(WATCH_S, (self._settings.heartbeat_s or WATCH_S) / 3))
                self._check_alive()
        finally:
            pinging.cancel()
            for end in ends:
                end()
            self._intake.close()
            self._emit = self._intake = None
            self._online, self._boot, self._shown = False, None, None
            self._known.clear()
            while self._held:
                self._held.popleft()[2].set_result(None)  # the device sends it again

    async def apply(self, command: Command) -> Reply:
        """See Driver.apply. Sent again with the same cmd_id until the final reply, the command's limit or its expiry."""
        if type(command.op) not in CLASS_OPS[self._class]:
            return Reply(Code.UNSUPPORTED)
        if self._commands.busy(command):
            return Reply(Code.BUSY)
        await self._birth_heard(limits(command.op).accept_s)
        if self._commands.expired(command):
            return Reply(Code.EXPIRED)
        return self._read(command, await self._commands.ask(command))

    async def confirmed(self) -> Confirmed:
        """See Driver.confirmed: a PING's reply."""
        if self._class != "lock":
            raise Refused(self._name, Code.UNSUPPORTED, f"a {self._class} holds no rights", "Nothing to do.")
        reply = await self.apply(Command(uuid.uuid4(), Ping(), self._now()))
        if reply.confirmed is None:
            raise Garbled(self._name, f"answered a ping with {reply.code.name} and no digests", "Check its firmware.")
        return reply.confirmed

    # ------------------------------------------------------------ commands

    async def _birth_heard(self, limit_s: float) -> None:
        """A box that has just started has not heard the birth messages yet: give them a moment."""
        if self._boot is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._known.wait()

    def _send(self, body: str) -> None:
        """Publish once with the tag of the device's present boot. Raises Unreachable when there is nobody to send to."""
        if not self._mqtt.connected:
            raise Unreachable(self._name, "the broker is not connected", "Check the broker.")
        if self._boot is None or not self._online:
            raise Unreachable(self._name, "it is not online", "Check its power and its network.")
        _ = self._mqtt.publish(self._topic("cmd"), mqtt_envelope.seal(self._k_dev, self._name, self._boot, body))

    def _read(self, command: Command, said: ReplyBody) -> Reply:
        """Turn the final reply into the contract's. Raises Garbled."""
        result = said.result or {}
        try:
            code = mqtt_bodies.outcome(said)
            held = mqtt_bodies.confirmed(result) if self._class == "lock" and type(command.op) in READS_BACK else None
        except BadFrame as bad:
            self._drops.drop("mqtt", self._name, str(bad))
            raise Garbled(self._name, f"its reply is {bad}", "Check its firmware.") from None
        if said.ts is not None and not said.replayed:
            self._offset_s = round((said.ts - self._now()).total_seconds())
        if held is not None:
            self._health = replace(self._health, confirmed=held)
        return Reply(code, attributes.in_words(result) if isinstance(command.op, Ping) else result, said.replayed, held)

    # ------------------------------------------------------------ what arrives

    def _arrived(self, part: str, message: Message) -> "asyncio.Future[None] | None":
        """Take one message of the device's folder; bad ones are counted once and acknowledged."""
        try:
            if part == "online":
                self._birth(mqtt_envelope.online(message.payload))
                return None
            if self._boot is None:
                return self._hold(part, message)
            body = mqtt_envelope.opened(self._k_dev, self._name, self._boot, message.payload)
            return self._take(part, body, retained=message.retained)
        except BadFrame as bad:
            self._drops.drop("mqtt", self._name, str(bad))
            return None

    def _hold(self, part: str, message: Message) -> "asyncio.Future[None] | None":
        """Keep what came before the birth message; its tag cannot be judged yet."""
        if len(self._held) >= HELD:
            self._drops.drop("mqtt", self._name, "before_birth")
            return None
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.append((part, message, taken))
        asyncio.get_running_loop().call_later(BIRTH_S, self._give_up, taken)
        return taken

    def _give_up(self, taken: "asyncio.Future[None]") -> None:
        """No birth message came in time: the message is dropped, so that it holds up nobody else's acknowledgements."""
        if not taken.done():
            taken.set_result(None)
            self._held = deque(held for held in self._held if held[2] is not taken)
            self._drops.drop("mqtt", self._name, "before_birth")

    def _birth(self, said: mqtt_envelope.Online) -> None:
        """The device came up, came back or went away."""
        loop = asyncio.get_running_loop()
        if not said.online:
            self._online = False
            self._show("offline")
            return
        if said.boot_counter is None or said.log_id is None:
            raise BadFrame("malformed")
        boot = Boot(said.log_id, said.boot_counter)
        reborn, self._boot = self._boot is not None and boot != self._boot, boot
        self._online, self._heard_at = True, loop.time()
        if reborn:
            self._health = HealthBody((), None, None)
            self._commands.reborn()
        self._show("online", always=True)
        self._born.set()
        self._known.set()
        held, self._held = self._held, deque()
        for part, message, taken in held:
            if taken.done():
                continue
            _chain(self._arrived(part, message), taken)

    def _take(self, part: str, body: bytes, *, retained: bool) -> "asyncio.Future[None] | None":
        """Act on one authentic message. Raises BadFrame."""
        self._heard_at = asyncio.get_running_loop().time()
        if part == "event":
            return self._take_events(body)
        if part == "cmd/reply":
            self._commands.take(mqtt_bodies.reply(body))
        elif part == "state":
            said = mqtt_bodies.attributes(body)
            if not retained:
                self._read_clock(said)
            return self._report(State(self._name, attributes.in_words(said)))
        elif part == "health":
            said = mqtt_bodies.attributes(body)
            self._health = mqtt_bodies.health(said)
            if not retained:
                self._read_clock(said)
            self._show("online", always=True)
        return None

    def _take_events(self, body: bytes) -> "asyncio.Future[None] | None":
        if self._intake is None or self._boot is None:
            return None
        events = []
        for said in mqtt_bodies.events(body, self._name):
            if said.log_id != self._boot.log_id:
                raise BadFrame("wrong_log")
            kind, data = self._in_words(said)
            events.append(Event(self._name, said.log_id, said.seq, said.ts, said.tq, kind, data))
        return self._intake.take(events)

    def _in_words(self, said: mqtt_bodies.EventBody) -> tuple[str, dict[str, object]]:
        """Type and data; an event of our own device that makes no sense is counted, and kept so that its log flows on."""
        try:
            return said.type, event_data.from_json(said.type, said.data)
        except BadFrame as bad:
            self._drops.drop("mqtt", self._name, str(bad))
            return event_data.unreadable(said.type, said.data)

    def _read_clock(self, said: Mapping[str, object]) -> None:
        """The device's clock against ours, from the `ts` of a message that was not kept by the broker."""
        at = mqtt_bodies.instant(said.get("ts"))
        if at is not None:
            self._offset_s = round((at - self._now()).total_seconds())

    def _acknowledge(self, log_id: int, upto: int) -> None:
        """Tell the device what it may forget; lost acknowledgements are repeated when it repeats its events."""
        if self._boot is not None and self._boot.log_id == log_id:
            body = mqtt_bodies.acknowledgement(log_id, upto)
            _ = self._mqtt.publish(self._topic("event/ack"), mqtt_envelope.seal(self._k_dev, self._name, self._boot, body))

    # ------------------------------------------------------------ how it is

    async def _ping_each_birth(self) -> None:
        """After each birth message ask for digests and clock, and report them."""
        while True:
            await self._born.wait()
            self._born.clear()
            with contextlib.suppress(DeviceError):  # it answers later, or it is gone again: both are reported elsewhere
                await self.apply(Command(uuid.uuid4(), Ping(), self._now()))
                self._show("online", always=True)

    def _check_alive(self) -> None:
        """Three heartbeats without a word are "offline"; so is a broker that is away."""
        silent = asyncio.get_running_loop().time() - self._heard_at
        beat = self._settings.heartbeat_s or HEARTBEAT_S[self._health.on_mains]
        if silent > 3 * beat or (silent > AWAY_S and not self._mqtt.connected):
            self._online = False
            self._show("offline")

    def _show(self, health: Health, *, always: bool = False) -> None:
        """Report the device's condition when it changed, or always."""
        if health == self._shown and not always:
            return
        self._shown = health
        boot = self._boot or Boot(0, 0)
        said = self._health
        report = Condition(
            self._name, health, boot.boot_counter, boot.log_id, said.flags, said.battery_percent, said.confirmed, self._offset_s
        )
        self._report(report)

    def _report(self, report: State | Condition) -> "asyncio.Future[None] | None":
        if self._emit is None:
            return None
        taken = self._emit(report)
        taken.add_done_callback(seen)
        return taken


def _chain(taken: "asyncio.Future[None] | None", waiting: "asyncio.Future[None]") -> None:
    """Let `waiting` end as `taken` does, at once when there is none."""

    def end(done: "asyncio.Future[None]") -> None:
        if waiting.done():
            return
        if done.cancelled():
            waiting.cancel()
        elif (error := done.exception()) is not None:
            waiting.set_exception(error)
        else:
            waiting.set_result(None)

    if taken is None:
        waiting.set_result(None)
    else:
        taken.add_done_callback(end)


def connect_mqtt(
    setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime], device_class: str
) -> MqttDevice:
    """One MQTT device of `device_class`. Raises DeviceError when the box has no MQTT."""
    if buses.mqtt is None:
        raise Unreachable(setting.name, "the box has no MQTT", "Add buses.mqtt to gateway.yaml.")
    return MqttDevice(setting, buses.mqtt, memory, drops, now, device_class)
