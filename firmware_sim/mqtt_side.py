"""Devices on MQTT (device sheet 4.1): one account and one connection each, all in the one event loop."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from firmware_sim.device import Command, Device, Event, Reply
from firmware_sim.mqtt_codec import BATCH, Dropped, acknowledged, command, compact, events_body, opened, reply_body, sealed
from firmware_sim.mqtt_line import MqttLine
from firmware_sim.world import rfc3339

RESEND_S = 30.0  # device sheet 1
HEARTBEAT_S = {True: 30.0, False: 300.0}  # mains, battery
STATE_GAP_S = 0.05  # changes that come together are told together
TICK_S = 1.0
HOLD_S = 1.0  # how long a message waits at most for another that overtakes it


class MqttDevice:
    """One device on the broker. Each power-on has a connection of its own, so that nothing of an earlier life is sent under a new boot."""

    def __init__(self, device: Device, slug: str, address: tuple[str, int], password: str) -> None:
        self.device = device
        self.root = f"hgw/v1/{slug}/{device.name}"
        self.line: MqttLine | None = None
        self._address, self._password = address, password
        self._loop = asyncio.get_running_loop()
        self._sent = 0
        self._sent_at = self._beat_at = self._held_at = 0.0
        self._told: dict[str, str] = {}
        self._held: list[tuple[str, bytes, int, bool]] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        device.on_event(self._on_event)
        device.on_change(self._on_change)
        device.on_reach(self._on_reach)

    @property
    def standing(self) -> str:
        """connected, offline, or why the broker refused."""
        if self.line is None:
            return "offline"
        return "connected" if self.line.connected else self.line.refused or "offline"

    def start(self) -> None:
        """Connect, and keep trying."""
        self._on_reach(self.device.reachable)

    def stop(self, goodbye: bool = True) -> None:
        """Hang up; without a good-bye the broker sends the last will."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self.line is not None:
            self.line.hang_up(goodbye)
            self.line = None

    def tick(self, now: float) -> None:
        """Keep-alive, heartbeat and the resending of what nobody acknowledged; about once a second."""
        if self.line is None or not self.line.connected or self.device.faults.half_open:
            return
        self.line.keep()
        if self._held and now - self._held_at > HOLD_S:
            self._release()
        if now - self._beat_at > HEARTBEAT_S[self.device.battery.mains]:
            self._told.pop("health", None)
            self._tell_state()
        if self._sent and now - self._sent_at > RESEND_S and self.device.log.oldest:
            self._sent = 0
            self._flush()

    def _on_reach(self, reachable: bool) -> None:
        self.stop(goodbye=False)
        if reachable:
            will = (f"{self.root}/online", compact({"online": False}))
            self.line = MqttLine((self.device.name, self._password), self._address, will, self._on_up)
            self.line.on_message = self._on_message
            self.line.dial()

    def _on_up(self) -> None:
        if self.line is None:
            return
        self.line.subscribe(f"{self.root}/cmd", f"{self.root}/event/ack")
        birth = {"online": True, "boot_counter": self.device.boot_counter, "log_id": self.device.log_id, "fw": self.device.fw}
        self.line.publish(f"{self.root}/online", compact(birth).encode(), 1, True)
        self._told.clear()
        self._tell_state()
        self._sent = 0
        self._flush()

    def _on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        fate = self.device.faults.fate("in")
        for _ in range(fate.copies):
            try:
                self._take(topic, payload, retained)
            except Dropped as dropped:
                self.device.refuse_frame(str(dropped))

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained:
            raise Dropped("retained")
        body = opened(self.device, payload)
        if topic.endswith("/event/ack"):
            if not self.device.acknowledge(*acknowledged(body)):
                raise Dropped("other_log")
            return
        task = self._loop.create_task(self._execute(command(body)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, order: Command) -> None:
        reply = await self.device.execute(order, self._reply)
        if reply is not None:
            self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        self._send("cmd/reply", sealed(self.device, reply_body(reply)))

    def _on_event(self, event: Event) -> None:
        if "flush" not in self._timers:
            self._later("flush", self.device.faults.draw_latency(), self._flush)

    def _on_change(self) -> None:
        if "state" not in self._timers:
            self._later("state", STATE_GAP_S, self._tell_state)

    def _flush(self) -> None:
        """Send all events after the last one sent, oldest first."""
        if self.line is None or not self.line.connected:
            return
        waiting = [event for event in self.device.unacknowledged() if event.seq > self._sent]
        for first in range(0, len(waiting), BATCH):
            self._send("event", sealed(self.device, events_body(waiting[first : first + BATCH])))
        if waiting:
            self._sent, self._sent_at = waiting[-1].seq, self._loop.time()

    def _tell_state(self) -> None:
        """State and health, each only when it differs from what was told last."""
        if self.line is None or not self.line.connected:
            return
        state, health = self.device.state(), self.device.health()
        stable = {key: value for key, value in health.items() if key != "clock"}
        now = rfc3339(self.device.now())
        for leaf, told, mark, qos in (("state", state, compact(state), 1), ("health", health, compact(stable), 0)):
            if self._told.get(leaf) != mark:
                self._told[leaf] = mark
                self._send(leaf, sealed(self.device, compact({**told, "ts": now})), qos, True)
                self._beat_at = self._loop.time()

    def _send(self, leaf: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish as the faults allow; what is held goes out after the next message."""
        if self.line is None or not self.line.connected:
            return
        fate, message = self.device.faults.fate("out"), (f"{self.root}/{leaf}", payload, qos, retain)
        if fate.held:
            self._held.append(message)
            self._held_at = self._loop.time()
            return
        for one in [message] * fate.copies:
            self.line.publish(*one)
        self._release()

    def _release(self) -> None:
        """Let go what the knob `reorder` held back."""
        held, self._held = self._held, []
        for one in held:
            if self.line is not None:
                self.line.publish(*one)

    def _later(self, name: str, seconds: float, do: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.pop(name, None)
            do()

        self._timers[name] = self._loop.call_later(seconds, run)


class MqttSide:
    """All MQTT devices of one hotel. Build, then `start` in the loop in which the devices live."""

    def __init__(self, devices: Sequence[Device], slug: str, host: str, port: int, passwords: Mapping[str, str]) -> None:
        self._devices, self._slug, self._address, self._passwords = devices, slug, (host, port), passwords
        self.lines: dict[str, MqttDevice] = {}
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Dial for each device; a broker that is not there yet is tried again."""
        for device in self._devices:
            line = MqttDevice(device, self._slug, self._address, self._passwords.get(device.name, ""))
            self.lines[device.name] = line
            line.start()
            await asyncio.sleep(0)
        self._ticking = asyncio.create_task(self._tick(), name="mqtt-tick")

    async def stop(self) -> None:
        """Hang up everywhere. May be repeated."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            self._ticking = None
            for line in self.lines.values():
                line.stop()
            await asyncio.sleep(0.05)  # the good-byes leave

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            for line in self.lines.values():
                line.tick(loop.time())
