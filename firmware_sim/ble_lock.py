"""The Bluetooth binding of a simulated lock (device sheet 4.4): advertisement, GATT tree, session, commands, events."""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from firmware_sim import ble_frames
from firmware_sim.ble_frames import Assembler, Frame, Malformed, Order, Type
from firmware_sim.ble_session import NONCE, BadTag, Replayed, Session, hello_ack, key_material
from firmware_sim.bluez.peripheral import Advertisement, AttError, Characteristic, GattService, Link, Radio, assigned
from firmware_sim.codes import CODES
from firmware_sim.device import Device, Reply
from firmware_sim.event_log import Event

_BASE: Final = "5ffa{:04x}-8d15-4636-9f8a-8f504c4613ab"
SERVICE, INFO, RX, TX, EVT = (_BASE.format(number) for number in range(1, 6))
BATTERY_LEVEL: Final = assigned(0x2A19)
MANUFACTURER, MODEL, SERIAL, FIRMWARE = (assigned(number) for number in (0x2A29, 0x2A24, 0x2A25, 0x2A26))
GATT: Final = (
    GattService(
        SERVICE,
        (
            Characteristic(INFO, ("read",)),
            Characteristic(RX, ("write", "write-without-response")),
            Characteristic(TX, ("notify",)),
            Characteristic(EVT, ("notify",)),
        ),
    ),
    GattService(assigned(0x180F), (Characteristic(BATTERY_LEVEL, ("read", "notify")),)),
    GattService(assigned(0x180A), tuple(Characteristic(uuid, ("read",)) for uuid in (MANUFACTURER, MODEL, SERIAL, FIRMWARE))),
)
RESEND_S: Final = 30.0  # device sheet 1: events not acknowledged go out again
BAD_TAGS: Final = 5  # in a row, then the lock rests
REST_S: Final = 60.0
_WRONG_LENGTH: Final = 0x0D  # ATT: invalid attribute value length


class BleLock:
    """A lock as the radio sees it. `rest_s` and `resend_s` are shortened in tests only.

    Of the line's knobs, drop, dup and half_open act on whole messages; reorder has no effect, because the radio keeps the order.
    """

    address_type = "random"
    gatt: Sequence[GattService] = GATT

    def __init__(self, device: Device, address: str, *, interval_s: float = 1.0, mtu: int = 247) -> None:
        self.device = device
        self.address = address
        self.interval_s = interval_s
        self.mtu = mtu
        self.rest_s = REST_S
        self.resend_s = RESEND_S
        self._connection: _Connection | None = None
        self._bad_tags = 0
        self._rests_until = 0.0  # on the loop's clock
        device.on_event(self._on_event)
        device.on_reach(self._on_reach)

    @property
    def on_air(self) -> bool:
        return self.device.reachable

    def placed(self, radio: Radio) -> None:
        """The lock advertises at its interval only: it runs on batteries."""

    def advertisement(self) -> Advertisement:
        return Advertisement({ble_frames.COMPANY: ble_frames.advertised(self.device)}, uuids=(SERVICE,), rssi=-52)

    async def read(self, char: str) -> bytes:
        device = self.device
        values = {
            INFO: ble_frames.info(device),
            BATTERY_LEVEL: bytes((device.battery.percent,)),
            MANUFACTURER: b"Latchkey",
            MODEL: str(device.model).encode(),
            SERIAL: f"{device.serial:016x}".encode(),
            FIRMWARE: device.fw.encode(),
        }
        return values[char]

    async def write(self, char: str, data: bytes) -> None:
        if not 1 <= len(data) <= self.mtu - 3:
            raise AttError(_WRONG_LENGTH)
        if self._connection is not None:
            self._connection.take(data)

    def on_connect(self, link: Link) -> None:
        self._connection = _Connection(self, link)

    def on_disconnect(self) -> None:
        if self._connection is not None:
            self._connection.end()
            self._connection = None

    @property
    def resting(self) -> bool:
        """Whether the lock refuses sessions after too many bad tags."""
        return asyncio.get_running_loop().time() < self._rests_until

    def bad_tag(self) -> None:
        """Count one; the fifth in a row starts the rest."""
        self._bad_tags += 1
        if self._bad_tags >= BAD_TAGS:
            self._bad_tags = 0
            self._rests_until = asyncio.get_running_loop().time() + self.rest_s

    def good_tag(self) -> None:
        """The row of bad ones is over."""
        self._bad_tags = 0

    def _on_event(self, event: Event) -> None:
        if self._connection is not None:
            self._connection.happened(event)

    def _on_reach(self, reachable: bool) -> None:
        """Without power or radio the link is gone; the other side only notices that nothing comes any more."""
        if not reachable and self._connection is not None:
            self._connection.link.drop()


class _Connection:
    """One connection of a gateway to the lock, from HELLO to the end of the link."""

    def __init__(self, lock: BleLock, link: Link) -> None:
        self.link = link
        self._lock = lock
        self._device = lock.device
        self._assembler = Assembler()
        self._session: Session | None = None
        self._greeted = False  # a valid CMD has come: events may go out
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._send_events())

    def end(self) -> None:
        """The link is gone. A command under way goes on in the device; its answer is lost."""
        self._session = None
        for task in tuple(self._tasks):
            task.cancel()

    def happened(self, event: Event) -> None:
        """Send a fresh event, if the gateway has shown that it is one."""
        if self._greeted:
            self._events.put_nowait(event)

    def take(self, fragment: bytes) -> None:
        """One written fragment."""
        message = self._assembler.add(fragment, asyncio.get_running_loop().time())
        if message is not None:
            for _ in range(self._device.faults.fate("in").copies):
                self._message(message)

    def _message(self, message: bytes) -> None:
        try:
            frame = ble_frames.taken_apart(message)
            if frame.type == Type.HELLO:
                self._hello(frame)
            elif self._session is None:
                self._error("UNAUTHENTICATED")
            else:
                self._opened(frame.type, self._session.open(frame))
        except Malformed:
            self._device.refuse_frame("malformed")
            if self._session is None:
                self._error("BAD_REQUEST")
        except Replayed:
            self._device.refuse_frame("replay")
            self.link.drop()
        except BadTag:
            self._device.refuse_frame("bad_tag")
            self._lock.bad_tag()
            self.link.drop()

    def _hello(self, frame: Frame) -> None:
        if self._lock.resting:
            self._error("BUSY")
            return
        if len(frame.body) != NONCE or frame.tag:
            raise Malformed("HELLO carries one nonce")
        device, dev_nonce = self._device, secrets.token_bytes(NONCE)
        self._session = Session(key_material(device.k_dev, frame.body, dev_nonce))
        self._greeted = False
        ack = hello_ack(device.k_dev, frame.body, dev_nonce, device.boot_counter, int(device.now()))
        self._send(TX, ble_frames.plain(Type.HELLO_ACK, ack))

    def _opened(self, kind: int, body: bytes) -> None:
        self._lock.good_tag()
        if kind == Type.CMD:
            self._spawn(self._do(ble_frames.order(body)))
            if not self._greeted:
                self._greeted = True
                self._spawn(self._repeat_events())
        elif kind == Type.EVENT_ACK:
            log_id, upto = ble_frames.event_ack(body)
            if not self._device.acknowledge(log_id, upto):
                self._device.refuse_frame("other_log")
        else:
            raise Malformed(f"message type {kind:#04x}")

    async def _do(self, order: Order) -> None:
        if order.command is None:
            refusal = Reply(order.cmd_id, "error", "BAD_REQUEST", {}, int(self._device.now()))
            self._reply(refusal)
            return
        # the device finishes what it has begun even when the link goes, hence the shield
        reply = await asyncio.shield(asyncio.ensure_future(self._device.execute(order.command, self._reply)))
        if reply is not None:
            self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        self._sealed(TX, Type.REPLY, ble_frames.reply(reply))

    async def _send_events(self) -> None:
        """One by one in their order, each after the device's latency."""
        while True:
            event = await self._events.get()
            await asyncio.sleep(self._device.faults.draw_latency())
            self._sealed(EVT, Type.EVENT, ble_frames.event(event, self._device.index))

    async def _repeat_events(self) -> None:
        """Everything not acknowledged, now and again every 30 s."""
        while True:
            for event in self._device.unacknowledged():
                self._events.put_nowait(event)
            await asyncio.sleep(self._lock.resend_s)

    def _sealed(self, char: str, kind: Type, body: bytes) -> None:
        if self._session is not None:
            self._send(char, self._session.seal(kind, body))

    def _error(self, code: str) -> None:
        self._send(TX, ble_frames.plain(Type.ERROR, bytes((CODES[code],))))

    def _send(self, char: str, message: bytes) -> None:
        for _ in range(self._device.faults.fate("out").copies):
            for fragment in ble_frames.fragments(message, self.link.mtu):
                self.link.notify(char, fragment)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
