"""One MQTT connection in the event loop: dialling, the last will, publishing, hanging up with or without a good-bye. Knows no device."""

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_S = 60
RETRY_S = (0.2, 5.0)  # first and longest wait before dialling again
READ_PACKETS = 20  # at one wake-up
_SENT = (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)

Received = Callable[[str, bytes, bool], None]


class MqttLine:
    """A connection that keeps dialling until `hang_up`. `on_up()` is called at each CONNACK, `on_message(topic, payload, retained)`."""

    def __init__(self, account: tuple[str, str], address: tuple[str, int], will: tuple[str, str], on_up: Callable[[], None]) -> None:
        self.connected = False
        self.refused = ""  # why the broker did not let us in
        self.unsent = 0
        self.on_message: Received = lambda topic, payload, retained: None
        self._address, self._will, self._on_up = address, will, on_up
        self._loop = asyncio.get_running_loop()
        self._tries = itertools.count()
        self._redial: asyncio.TimerHandle | None = None
        self._ended = False
        self._client = self._made(account, will)

    def _made(self, account: tuple[str, str], will: tuple[str, str]) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=account[0], clean_session=False, protocol=MQTTProtocolVersion.MQTTv311)
        client.username_pw_set(*account)
        client.will_set(*will, qos=1, retain=True)
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._socket_close
        client.on_socket_register_write = self._wants_write
        client.on_socket_unregister_write = self._wants_no_write
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def dial(self) -> None:
        """Connect; try again later and later when nobody answers."""
        if self._ended:
            return
        try:
            self._client.connect(*self._address, keepalive=KEEPALIVE_S)
        except OSError:
            self._dial_later()

    def hang_up(self, goodbye: bool) -> None:
        """End for good. Without a good-bye the broker sends the last will."""
        self._ended, connected, self.connected = True, self.connected, False
        if self._redial is not None:
            self._redial.cancel()
        if goodbye and connected:
            self._client.publish(*self._will, qos=1, retain=True)
            self._client.disconnect()
            return
        line = self._client.socket()
        if isinstance(line, socket.socket):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def keep(self) -> None:
        """Keep-alive; to be called about once a second."""
        if self.connected:
            self._client.loop_misc()

    def subscribe(self, *topics: str) -> None:
        """Ask for these topics at QoS 1."""
        self._client.subscribe([(topic, 1) for topic in topics])

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Hand one message to the connection; a full queue is counted in `unsent`."""
        if self._client.publish(topic, payload, qos=qos, retain=retain).rc not in _SENT:
            self.unsent += 1

    def _dial_later(self) -> None:
        first, longest = RETRY_S
        wait = min(first * 2 ** min(next(self._tries), 10), longest) * random.uniform(0.5, 1.0)
        self._redial = self._loop.call_later(wait, self.dial)

    def _socket_open(self, client: paho.Client, _userdata: Any, line: Any) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(line, lambda: client.loop_read(READ_PACKETS))

    def _socket_close(self, _client: paho.Client, _userdata: Any, line: Any) -> None:
        self._loop.remove_reader(line)

    def _wants_write(self, client: paho.Client, _userdata: Any, line: Any) -> None:
        self._loop.add_writer(line, client.loop_write)

    def _wants_no_write(self, _client: paho.Client, _userdata: Any, line: Any) -> None:
        self._loop.remove_writer(line)

    def _on_connect(self, _c: paho.Client, _u: Any, _flags: Any, reason: ReasonCode, _p: Properties | None) -> None:
        if reason.is_failure:
            self.refused = str(reason)
        elif not self._ended:
            self.connected, self.refused, self._tries = True, "", itertools.count()
            self._on_up()

    def _on_disconnect(self, _c: paho.Client, _u: Any, _flags: Any, _reason: ReasonCode, _p: Properties | None) -> None:
        self.connected = False
        if not self._ended:
            self._dial_later()

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        if not self._ended:
            self.on_message(message.topic, bytes(message.payload), message.retain)
