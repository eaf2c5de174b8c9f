"""The frames of the BLE binding: fragments, messages, their encryption, and the fixed payloads. Bytes in, values out, nothing else.

Source: device sheets, BLE binding. Everything is little-endian.
"""

import hmac
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gateway.drivers.event_data import Fixed
from gateway.drivers.mqtt_envelope import BadFrame

BASE = "5ffa{:04x}-8d15-4636-9f8a-8f504c4613ab"
INFO, RX, TX, EVT = (BASE.format(number) for number in (2, 3, 4, 5))
COMPANY = 0xFFFF
HELLO, HELLO_ACK, CMD, REPLY, EVENT, EVENT_ACK, ERROR = 0x01, 0x02, 0x10, 0x11, 0x20, 0x21, 0x7F
PLAIN = frozenset({HELLO, HELLO_ACK, ERROR})
TO_DEVICE, FROM_DEVICE = 0, 1
FRAGMENTS = 64  # the index has six bits
PAUSE_S = 2.0  # between two fragments of a message
TAG = 8
_HEAD = struct.Struct("<BBIH")  # ver, type, counter, len
_EVENT = struct.Struct("<IHHIBBII")
_INFO = struct.Struct("<BBQII")
_ADVERTISED = struct.Struct("<BBIHBB")


def fragments(message: bytes, room: int) -> list[bytes]:
    """Cut a message into fragments of at most `room` bytes with their first byte. Raises ValueError when 64 do not suffice."""
    step = room - 1
    parts = [message[at : at + step] for at in range(0, len(message), step)] or [b""]
    if len(parts) > FRAGMENTS:
        raise ValueError(f"{len(message)} bytes do not fit {FRAGMENTS} fragments of {room}")
    last = len(parts) - 1
    return [bytes([(index == 0) << 7 | (index == last) << 6 | index]) + part for index, part in enumerate(parts)]


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a fragment brought: a whole message or None, and whether one was lost on the way."""

    message: bytes | None
    lost: bool


class Assembler:
    """Puts the fragments of one characteristic together again. A gap or a pause of 2 s loses the message, once; its rest is skipped."""

    def __init__(self) -> None:
        self._parts: list[bytes] | None = []  # None: skipping the rest of what was lost
        self._at = 0.0

    def add(self, fragment: bytes, now: float) -> Assembled:
        """Take one fragment that arrived at `now` (seconds)."""
        head = fragment[0] if fragment else 0
        first, last, index = head & 0x80, head & 0x40, head & 0x3F
        lost = False
        if first and index == 0:
            lost, self._parts = bool(self._parts), []
        elif self._parts is None:
            return Assembled(None, False)
        elif first or not self._parts or index != len(self._parts) or now - self._at > PAUSE_S:
            self._parts = None
            return Assembled(None, True)
        self._parts.append(fragment[1:])
        self._at = now
        if not last:
            return Assembled(None, lost)
        message, self._parts = b"".join(self._parts), []
        return Assembled(message, lost)


@dataclass(frozen=True, slots=True)
class Message:
    """One message, decrypted."""

    type: int
    counter: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """What both ends derive from K_dev and the two nonces, for one connection."""

    key: bytes
    salt: bytes


def session_keys(k_dev: bytes, gw_nonce: bytes, dev_nonce: bytes) -> Keys:
    """okm = HMAC-SHA256(K_dev, "hgw-ble-v1 session" ‖ gw_nonce ‖ dev_nonce); key = okm[0:16], salt = okm[16:24]."""
    okm = hmac.digest(k_dev, b"hgw-ble-v1 session" + gw_nonce + dev_nonce, "sha256")
    return Keys(okm[:16], okm[16:24])


def proof(k_dev: bytes, gw_nonce: bytes, dev_nonce: bytes, boot: int, clock: int) -> bytes:
    """How a device proves that it holds K_dev: HMAC-SHA256(K_dev, "hgw-ble-v1 device" ‖ gw_nonce ‖ dev_nonce ‖ boot ‖ clock)[:8]."""
    said = b"hgw-ble-v1 device" + gw_nonce + dev_nonce + struct.pack("<II", boot, clock)
    return hmac.digest(k_dev, said, "sha256")[:8]


def plain(kind: int, payload: bytes) -> bytes:
    """A message before there is a session: counter 0, no tag."""
    return _HEAD.pack(1, kind, 0, len(payload)) + payload


def sealed(keys: Keys, kind: int, counter: int, payload: bytes, direction: int = TO_DEVICE) -> bytes:
    """A message of a session; the 8 header bytes are associated data."""
    head = _HEAD.pack(1, kind, counter, len(payload))
    return head + AESCCM(keys.key, tag_length=TAG).encrypt(_nonce(keys, direction, counter), payload, head)


def opened(data: bytes, keys: Keys | None, above: int, direction: int = FROM_DEVICE) -> Message:
    """Read one message. A session's message needs `keys` and a counter over `above`.

    Raises BadFrame: malformed, unknown_version, unknown_type, no_session, replay, bad_tag.
    """
    if len(data) < _HEAD.size:
        raise BadFrame("malformed")
    version, kind, counter, length = _HEAD.unpack_from(data)
    if version != 1:
        raise BadFrame("unknown_version")
    if kind in PLAIN:
        if len(data) != _HEAD.size + length:
            raise BadFrame("malformed")
        return Message(kind, counter, data[_HEAD.size :])
    if kind not in {CMD, REPLY, EVENT, EVENT_ACK}:
        raise BadFrame("unknown_type")
    if len(data) != _HEAD.size + length + TAG:
        raise BadFrame("malformed")
    if keys is None:
        raise BadFrame("no_session")
    try:
        payload = AESCCM(keys.key, tag_length=TAG).decrypt(_nonce(keys, direction, counter), data[_HEAD.size :], data[: _HEAD.size])
    except InvalidTag:
        raise BadFrame("bad_tag") from None
    if counter <= above:
        raise BadFrame("replay")
    return Message(kind, counter, payload)


def _nonce(keys: Keys, direction: int, counter: int) -> bytes:
    return struct.pack("<BI", direction, counter) + keys.salt


# ---------------------------------------------------------------- fixed payloads


@dataclass(frozen=True, slots=True)
class HelloAck:
    """How a device answers HELLO."""

    dev_nonce: bytes
    boot_counter: int
    clock: int
    proof: bytes


@dataclass(frozen=True, slots=True)
class Info:
    """The INFO characteristic."""

    device_class: int
    serial: int
    boot_counter: int
    log_id: int


@dataclass(frozen=True, slots=True)
class Advertised:
    """The manufacturer data of an advertisement; not authentic, any radio can say it."""

    device_class: int
    short_id: int
    seq: int  # low 16 bits of the newest event
    battery: int
    flags: int


@dataclass(frozen=True, slots=True)
class EventFrame:
    """One event."""

    seq: int
    ts: int
    tq: int
    fixed: Fixed


def hello_ack(payload: bytes) -> HelloAck:
    """Read HELLO_ACK. Raises BadFrame."""
    if len(payload) != 32:
        raise BadFrame("malformed")
    boot, clock = struct.unpack_from("<II", payload, 16)
    return HelloAck(payload[:16], boot, clock, payload[24:])


def info(payload: bytes) -> Info:
    """Read INFO. Raises BadFrame."""
    if len(payload) != _INFO.size:
        raise BadFrame("malformed")
    version, device_class, serial, boot, log_id = _INFO.unpack(payload)
    if version != 1:
        raise BadFrame("unknown_version")
    return Info(device_class, serial, boot, log_id)


def advertised(data: bytes) -> Advertised:
    """Read manufacturer data 0xFFFF. Raises BadFrame."""
    if len(data) != _ADVERTISED.size:
        raise BadFrame("malformed")
    version, device_class, short_id, seq, battery, flags = _ADVERTISED.unpack(data)
    if version != 1:
        raise BadFrame("unknown_version")
    return Advertised(device_class, short_id, seq, battery, flags)


def event(payload: bytes) -> EventFrame:
    """Read EVENT. Raises BadFrame."""
    if len(payload) != _EVENT.size:
        raise BadFrame("malformed")
    seq, kind, sub, ts, tq, index, ref, value = _EVENT.unpack(payload)
    return EventFrame(seq, ts, tq, Fixed(kind, sub, index, ref, value))


def event_ack(log_id: int, upto: int) -> bytes:
    """The payload of EVENT_ACK."""
    return struct.pack("<II", log_id, upto)
