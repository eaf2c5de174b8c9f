"""A door lock over BLE.

Source: device sheet, BLE binding (docs/devices).
In gateway.yaml: `{name: lock-209, kind: ble_lock, settings: {address: "C4:00:00:00:02:09"}}`.
The box connects when a command waits or the lock advertises news, does what there is to do, and hangs up: a radio bears few connections.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.ble import Advertisement, BleBus
from gateway.buses.failures import BusError
from gateway.buses.open import Buses
from gateway.device import (
    Code,
    Command,
    Condition,
    Confirmed,
    DeviceError,
    Driver,
    Drops,
    Emit,
    Event,
    Garbled,
    Memory,
    Ping,
    Reply,
    Setting,
    State,
    Unreachable,
)
from gateway.drivers import ble_frames, event_data, words
from gateway.drivers.ble_frames import EventFrame, HelloAck, Info
from gateway.drivers.ble_session import BleConversation, WrongKey
from gateway.drivers.event_intake import EventIntake
from gateway.drivers.modbus_registers import quality
from gateway.drivers.mqtt_envelope import BadFrame
from gateway.drivers.ops import CLASS_OPS, MOMENTARY, READS_BACK
from gateway.drivers.reports import Reports, seen

NEWS_EVERY_S = 10.0  # device sheet: any radio can forge an advertisement, so news alone connect no more often
LINGER_S = 1.0  # a check-in is several commands; hanging up and connecting anew costs seconds
BRIEF_S = 0.2  # the same when another device waits for a connection
VISIT_S = 20.0  # the longest stay for events
WATCH_S = 2.0
MOMENTARY_S = 10.0
GIVE_UP_S = 30.0  # a command that does not expire by itself: connecting may take 20 s
RETRY_S = 0.25
KEY_PAUSE_S = 60.0  # a device that does not hold our key, real or not, is not asked again sooner
BAD_PROOFS = 5  # device sheet: in a row; anybody on the air can forge one, and that must not close a door's radio
DEGRADED_AFTER = 3  # connections in a row that failed


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Settings:
    """The `settings:` block of one BLE lock."""

    address: str = Field(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")
    silent_s: float = Field(default=90.0, gt=0)  # without any advertisement: offline


@dataclass(slots=True, eq=False)
class _Job:
    """A command that waits for the lock. `sent` = on some connection already, so its outcome may be unknown."""

    command: Command
    reply: asyncio.Future[Reply]
    sent: bool = False


class BleLock:
    """One lock. `run` makes the visits; `apply` only puts a command on the pile."""

    def __init__(self, setting: Setting, radio: BleBus, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> None:
        settings = Settings(**setting.settings)
        self._name, self._k_dev, self._address, self._silent_s = setting.name, setting.k_dev, settings.address.upper(), settings.silent_s
        self._radio, self._memory, self._drops, self._now = radio, memory, drops, now
        self._reports = Reports(setting.name)
        self._intake: EventIntake | None = None
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._forget: tuple[int, int] | None = None
        self._log_id = 0
        self._heard: tuple[int, int] | None = None  # advertised: event seq (low word), flags
        self._seen: tuple[int, int] | None = None  # the same, as the last complete visit answered it
        self._visited_at = self._answered_at = self._quiet_since = self._rests_until = float("-inf")
        self._failures, self._started = 0, float("inf")
        self._bad_proofs = 0  # in a row
        self._early: list[Event] | None = []  # events that came before this run's first condition

    # ------------------------------------------------------------ the contract

    async def run(self, emit: Emit) -> None:
        """See Driver.run. Never ends by itself but for an INFO that cannot be read; a lock that is silent is waited for."""
        self._reports.begin(emit)
        self._intake = EventIntake(emit, self._memory, self._may_forget)
        self._seen, self._early = None, []  # a new run tells everything again
        end = self._radio.watch(self._address, self._advertised)
        self._started = asyncio.get_running_loop().time()
        try:
            while True:
                await self._until_due()
                await self._visit()
        finally:
            end()
            self._intake.close()
            self._reports.end()

    async def apply(self, command: Command) -> Reply:
        """See Driver.apply. After a transport error the lock is read back, then the same cmd_id is sent again."""
        if type(command.op) not in CLASS_OPS["lock"]:
            return Reply(Code.UNSUPPORTED)
        if self._expired(command):
            return Reply(Code.EXPIRED)
        if self._away():
            raise Unreachable(self._name, f"not heard for {self._silent_s:g} s", "Check its batteries and the distance to the box.")
        if asyncio.get_running_loop().time() < self._rests_until:
            raise _wrong_key(self._name)
        limit_s = MOMENTARY_S if type(command.op) in MOMENTARY else GIVE_UP_S
        job = _Job(command, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._wake.set()
        try:
            async with asyncio.timeout(limit_s):
                return await job.reply
        except TimeoutError:
            raise Unreachable(self._name, f"no answer in {limit_s:g} s", "Check its batteries and the distance to the box.") from None
        finally:
            if job in self._jobs:
                self._jobs.remove(job)

    async def confirmed(self) -> Confirmed:
        """See Driver.confirmed: a PING's reply."""
        reply = await self.apply(Command(uuid.uuid4(), Ping(), self._now()))
        if reply.confirmed is None:
            raise Garbled(self._name, f"answered a ping with {reply.code.name} and no digests", "Check its firmware.")
        return reply.confirmed

    # ------------------------------------------------------------ when to connect

    def _advertised(self, said: Advertisement) -> None:
        """Look for news in an advertisement; anybody can forge one, so it only ever causes a visit."""
        data = said.manufacturer.get(ble_frames.COMPANY)
        if data is None:
            return
        try:
            advertised = ble_frames.advertised(data)
        except BadFrame as bad:
            self._drops.drop("ble", self._name, str(bad))
            return
        self._heard = (advertised.seq, advertised.flags)
        self._wake.set()

    async def _until_due(self) -> None:
        """Return when a visit is due: a command waits, or there is news and the last visit is long enough ago."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            pause = RETRY_S * 2 ** min(self._failures, 4) if self._failures else 0.0
            due = max(self._rests_until, self._visited_at + (pause if self._jobs else max(pause, NEWS_EVERY_S)))
            waiting = bool(self._jobs) or self._news()
            if waiting and loop.time() >= due:
                return
            if self._away():
                self._reports.health("offline")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(due - loop.time(), WATCH_S) if waiting else WATCH_S):
                    await self._wake.wait()

    def _away(self) -> bool:
        """Whether the lock has not been heard for too long, on the air or on a connection."""
        heard = max(self._radio.heard_at(self._address) or self._started, self._answered_at)
        return asyncio.get_running_loop().time() - heard > self._silent_s

    def _news(self) -> bool:
        """Whether the lock advertises something that no visit has answered."""
        if self._heard is None:
            return False
        if self._seen is None:
            return True
        upto = self._intake.upto if self._intake is not None else None
        answered = self._seen[0] if upto is None else upto & 0xFFFF
        return self._heard != (answered, self._seen[1])

    # ------------------------------------------------------------ a visit

    async def _visit(self) -> None:
        """Connect, do what waits, read what is new, hang up. A failure is counted and tried again later. Raises Garbled for a bad INFO."""
        heard = self._heard
        try:
            async with self._radio.session(self._address, urgent=bool(self._jobs)) as link:
                talk = BleConversation(link, self._k_dev, self._event, self._dropped)
                info, ack = await talk.begin()
                self._failures, self._bad_proofs, self._log_id = 0, 0, info.log_id
                await self._serve(talk, info, ack)
            if self._intake is not None and not self._intake.behind:
                self._seen = heard or (0, 0)
        except WrongKey:
            self._bad_proof()
        except BadFrame as bad:
            self._dropped(str(bad))
            raise Garbled(self._name, f"its INFO is {bad}", "Check its firmware.") from None
        except BusError:
            self._failed()
        else:
            self._answered_at = asyncio.get_running_loop().time()
        finally:
            self._visited_at = asyncio.get_running_loop().time()

    def _failed(self) -> None:
        """Note a connection that came to nothing."""
        self._failures += 1
        if self._failures == DEGRADED_AFTER:
            self._reports.health("degraded")

    def _bad_proof(self) -> None:
        """Try the session again; only several bad proofs in a row say that it is the device, and then it is left alone for a while."""
        self._bad_proofs += 1
        if self._bad_proofs < BAD_PROOFS:
            self._failed()
            return
        self._bad_proofs = self._failures = 0
        self._reports.health("fault")
        self._rests_until = asyncio.get_running_loop().time() + KEY_PAUSE_S
        while self._jobs:
            self._finish(self._jobs[0], _wrong_key(self._name))

    async def _serve(self, talk: BleConversation, info: Info, ack: HelloAck) -> None:
        """Commands first, then acknowledgements, then a PING for state; stay a little for what follows. Raises LinkDown, SaidNo."""
        loop = asyncio.get_running_loop()
        begun = self._quiet_since = loop.time()
        pinged = False
        if self._early is not None:
            await self._ping(talk, info, ack)
            pinged = True
        while True:
            self._wake.clear()
            if self._jobs:
                await self._do(talk, self._jobs[0], info, ack)
                pinged = False
            elif self._forget is not None:
                forget, self._forget = self._forget, None
                await talk.acknowledge(*forget)
            elif not pinged:
                await self._ping(talk, info, ack)
                pinged = True
            elif self._settled(loop.time()) or loop.time() - begun > VISIT_S:
                return
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_S / 10):
                        await self._wake.wait()

    async def _do(self, talk: BleConversation, job: _Job, info: Info, ack: HelloAck) -> None:
        """Do the first command of the pile; it stays there when the connection breaks."""
        if job.reply.done() or self._expired(job.command):
            self._finish(job, Reply(Code.EXPIRED))
            return
        if job.sent:
            await self._ping(talk, info, ack)  # the outcome is unknown: read back before sending again
        job.sent = True
        said = await talk.ask(job.command)
        self._quiet_since = asyncio.get_running_loop().time()
        try:
            held = said.confirmed() if type(job.command.op) in READS_BACK else None
            self._finish(job, Reply(said.outcome(), said.attributes(), said.replayed, held))
        except BadFrame as bad:
            self._dropped(str(bad))
            self._finish(job, Garbled(self._name, f"its reply is {bad}", "Check its firmware."))

    def _finish(self, job: _Job, outcome: Reply | DeviceError) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        if job.reply.done():
            return
        if isinstance(outcome, Reply):
            job.reply.set_result(outcome)
        else:
            job.reply.set_exception(outcome)

    async def _ping(self, talk: BleConversation, info: Info, ack: HelloAck) -> None:
        """Read state and health, and report them."""
        said = await talk.ask(Command(uuid.uuid4(), Ping(), self._now()))
        told = said.values
        clock = told.get(47, ack.clock)
        self._reports.condition(
            Condition(
                self._name,
                "online",
                ack.boot_counter,
                info.log_id,
                words.flags(told.get(46, 0)),
                told.get(45),
                said.confirmed(),
                clock - round(self._now().timestamp()),
            )
        )
        self._reports.state(State(self._name, said.attributes()))
        early, self._early = self._early, None
        if early and self._intake is not None:
            self._intake.take(early).add_done_callback(seen)

    def _settled(self, time: float) -> bool:
        """Whether nothing more is to be expected on this connection; others who wait for one cut the lingering short."""
        if self._intake is None or not self._intake.idle:
            return False
        return time - self._quiet_since >= (BRIEF_S if self._radio.wanted else LINGER_S)

    # ------------------------------------------------------------ events

    def _event(self, said: EventFrame) -> None:
        """Take one event off the air."""
        self._quiet_since = asyncio.get_running_loop().time()
        if self._intake is None:
            return
        try:
            kind, data = event_data.from_fixed(said.fixed)
        except BadFrame as bad:
            self._dropped(str(bad))
            kind, data = event_data.unreadable(str(said.fixed.type), event_data.fields(said.fixed))
        event = Event(self._name, self._log_id, said.seq, datetime.fromtimestamp(said.ts, UTC), quality(said.tq), kind, data)
        if self._early is not None:
            self._early.append(event)
        else:
            self._intake.take((event,)).add_done_callback(seen)

    def _may_forget(self, log_id: int, upto: int) -> None:
        self._forget = (log_id, upto)
        self._wake.set()

    def _dropped(self, reason: str) -> None:
        self._drops.drop("ble", self._name, reason)

    def _expired(self, command: Command) -> bool:
        return type(command.op) in MOMENTARY and command.expires_at is not None and self._now() >= command.expires_at


def _wrong_key(name: str) -> Garbled:
    return Garbled(name, "it does not hold our key", "Commission it again.")


def connect(setting: Setting, buses: Buses, memory: Memory, drops: Drops, now: Callable[[], datetime]) -> Driver:
    """The driver of one lock; nothing is sent before `run`. Raises DeviceError when the box has no radio."""
    if buses.ble is None:
        raise Unreachable(setting.name, "the box has no BLE", "Add buses.ble to gateway.yaml.")
    return BleLock(setting, buses.ble, memory, drops, now)
