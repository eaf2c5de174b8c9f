"""The box's one connection to the broker: MQTT 3.1.1 by paho inside the asyncio loop. No device is known here.

What comes in is acknowledged (PUBACK) in the order of arrival and only when the handler's future is done, so a message lives in the
broker's persistent session until the box has committed it. Every connection gets a new paho client: nothing that was published over a
broken link is sent again by the library, because a momentary command must never be replayed from a queue.
"""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.matcher import MQTTMatcher
from pydantic import ConfigDict, field_validator, model_validator
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.buses.failures import LinkDown
from gateway.device import Drops

LARGEST = 64 * 1024  # device sheet, MQTT: larger messages are dropped
DRAIN = 50  # packets a wake; then the loop serves somebody else
IN_FLIGHT = 200  # unacknowledged publishes of ours; mosquitto hands us as many
QUEUED = 2_000  # beyond that publish() refuses instead of growing
KEEPALIVE_S = 15
CONNECT_S = 5.0
RECONNECT_CAP_S = 5.0  # the LAN's cap
REDELIVER_S = 5.0  # after a message could not be taken, the session is opened anew and the broker hands it over again
STARTING_S = 5.0  # the session's messages come before the drivers have subscribed: they wait so long for them, unacknowledged
STALLED_S = 60.0  # a handler that has not finished by then counts as failed

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it arrived. `retained` = it was kept by the broker and says what was, not what happens."""

    topic: str
    payload: bytes
    retained: bool


Handler = Callable[[Message], "asyncio.Future[None] | None"]
"""Takes one message, in arrival order. None: acknowledged at once. A future: acknowledged when it is done; not, if it fails."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One who asked for messages; what he cannot take is counted under `owner`."""

    handler: Handler
    owner: str | None


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Tls:
    """How the broker proves itself."""

    ca: Path


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class MqttSettings:
    """The `buses.mqtt` block. The password is in keys/devices.json under `username`."""

    host: str
    port: int = 1883
    username: str | None = None
    tls: Tls | None = None

    @field_validator("port")
    @classmethod
    def _port(cls, port: int) -> int:
        if not 0 < port < 65536:
            raise ValueError("a port is 1..65535")
        return port

    @model_validator(mode="after")
    def _plain_only_on_loopback(self) -> "MqttSettings":
        if self.tls is None and not loopback(self.host):
            raise ValueError(f"{self.host} is not this machine: add tls: {{ca: FILE}}")
        return self


def loopback(host: str) -> bool:
    """Whether `host` names this machine without asking anybody."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class _Delivery:
    """One message that the broker waits to hear about."""

    mid: int
    taken: "asyncio.Future[None] | None"
    since: float


class MqttBus:
    """One session with the broker for all MQTT devices. `run()` keeps it; everything else may be called at any time."""

    def __init__(self, settings: MqttSettings, drops: Drops, *, client_id: str, password: str | None = None) -> None:
        self._settings = settings
        self._drops = drops
        self._client_id = client_id
        self._password = password
        self._handlers: dict[str, list[_Asked]] = {}
        self._matcher: Any = MQTTMatcher()  # type: ignore[no-untyped-call]
        self._link: _Link | None = None
        self._up = asyncio.Event()
        self._early: list[tuple[Message, asyncio.Future[None]]] = []
        self._starting_until: float | None = None
        self.connections = 0  # how often the broker has accepted us

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the socket still stands."""
        return self._up.is_set()

    @property
    def trouble(self) -> str | None:
        """What is wrong with the bus itself, in words; None while it stands."""
        return None if self.connected else f"the MQTT broker at {self._settings.host}:{self._settings.port} is not connected"

    async def until_connected(self) -> None:
        """Return as soon as the broker has accepted us."""
        await self._up.wait()

    async def run(self) -> None:
        """Keep a connection until cancelled; reconnect with jitter, capped at 5 s. Never raises for a broker that is away."""
        tries, loop = 0, asyncio.get_running_loop()
        self._starting_until = loop.time() + STARTING_S
        while True:
            link = _Link(self._settings, self._client_id, self._password, self._arrived)
            try:
                await link.open()
                self._link, tries = link, 0
                self.connections += 1
                link.subscribe(list(self._handlers))
                self._up.set()
                await link.lost()
            except (OSError, LinkDown):
                tries += 1
            finally:
                self._up.clear()
                self._link = None
                link.close()
            await asyncio.sleep(random.uniform(0.05, min(RECONNECT_CAP_S, 0.1 * 2**tries)))  # noqa: S311 - jitter, not a secret

    def subscribe(self, topic_filter: str, handler: Handler, owner: str | None = None) -> Callable[[], None]:
        """Hand every message that matches to `handler`, on this and every later connection; return what ends it.

        Retained messages come (again) after each subscribing and each reconnect. What is dropped here is counted under `owner`.
        """
        handlers = self._handlers.setdefault(topic_filter, [])
        asked = _Asked(handler, owner)
        handlers.append(asked)
        self._matcher[topic_filter] = handlers
        if self._link is not None:
            self._link.subscribe([topic_filter])
        self._serve_early(topic_filter)

        def end() -> None:
            if asked in handlers:
                handlers.remove(asked)
            if not handlers and self._handlers.get(topic_filter) is handlers:
                del self._handlers[topic_filter]
                del self._matcher[topic_filter]
                if self._link is not None:
                    self._link.unsubscribe(topic_filter)

        return end

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> "asyncio.Future[None]":
        """Send one message; the future is done when the broker has it (QoS 1) or it has left (QoS 0).

        Fails with LinkDown when there is no connection or it breaks before that; the message is then never sent again by us.
        """
        if self._link is None:
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(LinkDown("the broker is not connected"))
            failed.exception()  # a caller who does not wait is not warned about it
            return failed
        return self._link.publish(topic, payload, qos, retain)

    def _arrived(self, message: Message) -> "asyncio.Future[None] | None":
        """Hand one message to those who asked for it; count what is too large or nobody's."""
        asked = [one for handlers in self._matcher.iter_match(message.topic) for one in handlers]
        loop = asyncio.get_running_loop()
        if not asked and self._starting_until is not None and loop.time() < self._starting_until and len(message.payload) <= LARGEST:
            early = message, loop.create_future()
            self._early.append(early)
            loop.call_at(self._starting_until, self._nobodys, early)
            return early[1]
        if not asked or len(message.payload) > LARGEST:
            owner = next((one.owner for one in asked if one.owner is not None), None)
            self._drops.drop("mqtt", owner, "oversized" if len(message.payload) > LARGEST else "unknown_topic")
            return None
        waits = [taken for one in asked if (taken := self._hand(one, message)) is not None]
        if not waits:
            return None
        return waits[0] if len(waits) == 1 else asyncio.ensure_future(_all(waits))

    def _serve_early(self, topic_filter: str) -> None:
        """Somebody has subscribed: hand over what had come for him."""
        early, self._early = self._early, []
        for message, waiting in early:
            if waiting.done() or not paho.topic_matches_sub(topic_filter, message.topic):
                self._early.append((message, waiting))
            elif (taken := self._arrived(message)) is None:
                waiting.set_result(None)
            else:
                taken.add_done_callback(partial(_pass_on, waiting))

    def _nobodys(self, early: tuple[Message, "asyncio.Future[None]"]) -> None:
        """The drivers stand, and nobody asked for this message."""
        if early in self._early:
            self._early.remove(early)
            if not early[1].done():
                self._drops.drop("mqtt", None, "unknown_topic")
                early[1].set_result(None)

    def _hand(self, asked: _Asked, message: Message) -> "asyncio.Future[None] | None":
        """Hand over one message. One that its handler fails at is counted and done with: else the broker would repeat it for ever,
        and nobody behind it would be heard."""
        try:
            return asked.handler(message)
        except Exception as fault:  # noqa: BLE001 - one device's message stops no other device
            _log.error("a message on %s was dropped: its driver failed with %s", message.topic, type(fault).__name__)
            self._drops.drop("mqtt", asked.owner, "driver_failed")
            return None


async def _all(waits: list["asyncio.Future[None]"]) -> None:
    await asyncio.gather(*waits)


def _pass_on(waiting: "asyncio.Future[None]", taken: "asyncio.Future[None]") -> None:
    """Let `waiting` end as `taken` did."""
    if waiting.done():
        return
    if taken.cancelled():
        waiting.cancel()
    elif (error := taken.exception()) is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(None)


class _Link:
    """One TCP connection to the broker with one paho client, from CONNECT to its end."""

    def __init__(
        self, settings: MqttSettings, client_id: str, password: str | None, arrived: Callable[[Message], "asyncio.Future[None] | None"]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._arrived = arrived
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._received = 0
        self._sent: dict[int, asyncio.Future[None]] = {}
        self._socket: Any = None
        self._watching = False
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=paho.MQTTv311, manual_ack=True, reconnect_on_failure=False
        )
        self._acks = _Acknowledgements(client, self._not_taken)
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(IN_FLIGHT)
        client.max_queued_messages_set(QUEUED)
        if settings.username is not None:
            client.username_pw_set(settings.username, password)
        if settings.tls is not None:
            client.tls_set(ca_certs=str(settings.tls.ca), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        client.on_socket_register_write = self._want_write
        client.on_socket_unregister_write = self._no_write
        client.on_socket_close = self._socket_closed
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    async def open(self) -> None:
        """Connect and wait for the broker's answer. Raises OSError or LinkDown."""
        client = self._client
        client.connect_async(self._settings.host, self._settings.port, KEEPALIVE_S)
        # paho's connect and TLS handshake block, so they run in a thread; the socket joins the loop afterwards
        opening = asyncio.ensure_future(asyncio.to_thread(client.reconnect))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._opened_too_late)
            raise
        self._socket = client.socket()
        if self._socket is None:
            raise LinkDown("the broker closed the connection")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a small command must not wait for the next packet
        self._watching = True
        self._loop.add_reader(self._socket, self._read)
        if client.want_write():
            self._loop.add_writer(self._socket, self._client.loop_write)
        async with asyncio.timeout(CONNECT_S):
            await self._accepted

    def _opened_too_late(self, opening: "asyncio.Future[Any]") -> None:
        if not opening.cancelled():
            opening.exception()
        self.close()

    async def lost(self) -> None:
        """Return when the connection has ended; keeps it alive meanwhile."""
        while not self._lost.done():
            self._client.loop_misc()
            if self._acks.stalled:
                self._end("a message was not taken in time")
            await asyncio.wait((self._lost,), timeout=1.0)

    def close(self) -> None:
        """End the connection now; what was not acknowledged will be handed over again by the broker."""
        self._unwatch()
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
            self._client.loop_write()
        left = self._client.socket()
        if left is not None:  # the broker did not take the goodbye
            left.close()
        self._end("the connection was closed")

    def subscribe(self, filters: list[str]) -> None:
        """Ask for `filters` at QoS 1, a hundred in a packet."""
        for first in range(0, len(filters), 100):
            self._client.subscribe([(one, 1) for one in filters[first : first + 100]])

    def unsubscribe(self, topic_filter: str) -> None:
        """Stop asking for `topic_filter`."""
        self._client.unsubscribe(topic_filter)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> "asyncio.Future[None]":
        """See MqttBus.publish."""
        sent: asyncio.Future[None] = self._loop.create_future()
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            sent.set_exception(LinkDown("too many messages wait" if info.rc == paho.MQTT_ERR_QUEUE_SIZE else "the broker is not connected"))
            sent.exception()
        else:
            self._sent[info.mid] = sent
        return sent

    # ------------------------------------------------------------ socket

    def _read(self) -> None:
        """Read up to DRAIN packets; level-triggered, so the rest wakes us again."""
        for _ in range(DRAIN):
            before = self._received
            if self._client.loop_read() != paho.MQTT_ERR_SUCCESS or self._received == before:
                break
        pending = getattr(self._socket, "pending", None)  # TLS may hold decoded bytes that no select shows
        if self._watching and pending is not None and pending():
            self._loop.call_soon(self._read)

    def _want_write(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        if self._watching:
            self._loop.add_writer(sock, self._client.loop_write)

    def _no_write(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        if self._watching:
            self._loop.remove_writer(sock)

    def _socket_closed(self, _client: paho.Client, _userdata: Any, _sock: Any) -> None:
        self._unwatch()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    # ------------------------------------------------------------ what paho says

    def _on_connect(self, _client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._accepted.done():
            return
        if reason.is_failure:
            self._accepted.set_exception(LinkDown(f"the broker refused us: {reason}"))
        else:
            self._accepted.set_result(None)

    def _on_disconnect(self, _client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._end(f"the connection ended: {reason}")

    def _end(self, why: str) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        if not self._accepted.done():
            self._accepted.set_exception(LinkDown(why))
            self._accepted.exception()
        for sent in self._sent.values():
            if not sent.done():
                sent.set_exception(LinkDown(why))
                sent.exception()
        self._sent.clear()
        self._acks.forget()

    def _on_publish(self, _client: paho.Client, _userdata: Any, mid: int, _reason: Any, _properties: Any) -> None:
        sent = self._sent.pop(mid, None)
        if sent is not None and not sent.done():
            sent.set_result(None)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._received += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # nobody's: counted as an unknown topic
        taken = self._arrived(Message(topic, bytes(message.payload), message.retain))
        if message.qos == 0:
            return
        self._acks.add(message.mid, taken)

    def _not_taken(self) -> None:
        """The store refused a message: open the session anew in a while, so the broker hands it over again."""
        self._loop.call_later(REDELIVER_S, self._end, "a message could not be taken")


class _Acknowledgements:
    """PUBACKs in the order of arrival, in one batch for all that becomes done in a turn of the loop."""

    def __init__(self, client: paho.Client, failed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._failed = failed
        self._deliveries: deque[_Delivery] = deque()
        self._flushing = False

    def add(self, mid: int, taken: "asyncio.Future[None] | None") -> None:
        """Note one message; it is acknowledged when it was taken and everything before it was."""
        self._deliveries.append(_Delivery(mid, taken, self._loop.time()))
        if taken is None:
            self._soon()
        else:
            taken.add_done_callback(self._soon)

    def forget(self) -> None:
        """The connection is gone: nothing can be acknowledged on it."""
        self._deliveries.clear()

    @property
    def stalled(self) -> bool:
        """Whether a message has waited too long to be taken."""
        return bool(self._deliveries) and self._loop.time() - self._deliveries[0].since > STALLED_S

    def _soon(self, _taken: "asyncio.Future[None] | None" = None) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Acknowledge from the oldest on (MQTT 4.6: in the order received) as far as everything was taken."""
        self._flushing = False
        while self._deliveries:
            front = self._deliveries[0]
            if front.taken is not None:
                if not front.taken.done():
                    return
                if front.taken.cancelled() or front.taken.exception() is not None:
                    self._deliveries.clear()
                    self._failed()
                    return
            self._deliveries.popleft()
            self._client.ack(front.mid, 1)
