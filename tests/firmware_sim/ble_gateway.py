"""A gateway's end of the lock protocol for tests, written from the device sheet (4.4) on its own: it shares no code with the simulator."""

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

UUID = "5ffa{:04x}-8d15-4636-9f8a-8f504c4613ab"
INFO, RX, TX, EVT = (UUID.format(n) for n in (2, 3, 4, 5))
HELLO, HELLO_ACK, CMD, REPLY, EVENT, EVENT_ACK, ERROR = 0x01, 0x02, 0x10, 0x11, 0x20, 0x21, 0x7F


@dataclass(frozen=True)
class Answer:
    """A REPLY taken apart."""

    status: int
    code: int
    replayed: int
    cmd_id: bytes
    values: dict[int, int]


@dataclass(frozen=True)
class Happened:
    """An EVENT taken apart."""

    seq: int
    type: int
    sub: int
    ts: int
    tq: int
    index: int
    ref: int
    value: int


class Gateway:
    """One open session."""

    def __init__(self, client: BleakClient, k_dev: bytes) -> None:
        self.client = client
        self.k_dev = k_dev
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.events: asyncio.Queue[Happened] = asyncio.Queue()
        self.plain: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.counter = 0
        self.heard = 0
        self.key = self.salt = b""
        self._parts: dict[str, bytes] = {}

    async def hello(self) -> bool:
        """Open the session; tell whether the lock proved that it holds the key."""
        ours = secrets.token_bytes(16)
        await self.write(struct.pack("<BBIH", 1, HELLO, 0, 16) + ours)
        kind, body = await asyncio.wait_for(self.plain.get(), 5.0)
        if kind != HELLO_ACK:
            raise ConnectionRefusedError(body[0])
        theirs, when, proof = body[:16], body[16:24], body[24:]
        okm = hmac.digest(self.k_dev, b"hgw-ble-v1 session" + ours + theirs, hashlib.sha256)
        self.key, self.salt = okm[:16], okm[16:24]
        return proof == hmac.digest(self.k_dev, b"hgw-ble-v1 device" + ours + theirs + when, hashlib.sha256)[:8]

    def sealed(self, kind: int, body: bytes) -> bytes:
        """A message to the lock."""
        self.counter += 1
        head = struct.pack("<BBIH", 1, kind, self.counter, len(body))
        return head + AESCCM(self.key, tag_length=8).encrypt(struct.pack("<BI", 0, self.counter) + self.salt, body, head)

    async def command(self, opcode: int, tlvs: bytes = b"", cmd_id: bytes = b"") -> Answer:
        """Send an order and wait for its answer."""
        await self.write(self.sealed(CMD, struct.pack("<H", opcode) + (cmd_id or secrets.token_bytes(16)) + tlvs))
        return await asyncio.wait_for(self.answers.get(), 5.0)

    async def event(self) -> Happened:
        """The next event."""
        return await asyncio.wait_for(self.events.get(), 5.0)

    async def acknowledge(self, log_id: int, upto: int) -> None:
        """Tell the lock what has been kept."""
        await self.write(self.sealed(EVENT_ACK, struct.pack("<II", log_id, upto)))

    async def write(self, message: bytes) -> None:
        """Send one message in pieces of the size that the characteristic allows."""
        rx = self.client.services.get_characteristic(RX)
        assert rx is not None
        size = rx.max_write_without_response_size - 1
        pieces = [message[at : at + size] for at in range(0, len(message), size)]
        for n, piece in enumerate(pieces):
            head = (0x80 if n == 0 else 0) | (0x40 if n == len(pieces) - 1 else 0) | n
            await self.client.write_gatt_char(rx, bytes((head,)) + piece, response=True)

    def take(self, char: str, fragment: bytes) -> None:
        """One notification."""
        so_far = b"" if fragment[0] & 0x80 else self._parts[char]
        self._parts[char] = so_far + fragment[1:]
        if fragment[0] & 0x40:
            self._message(self._parts[char])

    def _message(self, message: bytes) -> None:
        version, kind, counter, length = struct.unpack_from("<BBIH", message)
        assert version == 1
        if counter == 0:
            assert len(message) == 8 + length
            self.plain.put_nowait((kind, message[8:]))
            return
        assert counter > self.heard, "the lock repeated a counter"
        self.heard = counter
        body = AESCCM(self.key, tag_length=8).decrypt(struct.pack("<BI", 1, counter) + self.salt, message[8:], message[:8])
        assert len(body) == length
        if kind == EVENT:
            self.events.put_nowait(Happened(*struct.unpack("<IHHIBBII", body)))
        else:
            assert kind == REPLY
            self.answers.put_nowait(Answer(body[0], body[1], body[2], body[3:19], numbers(body[19:])))


def numbers(data: bytes) -> dict[int, int]:
    """TLVs as tag -> number."""
    found: dict[int, int] = {}
    while data:
        found[data[0]] = int.from_bytes(data[2 : 2 + data[1]], "little")
        data = data[2 + data[1] :]
    return found


def tlv(tag: int, value: int, size: int = 4) -> bytes:
    """One number for a command."""
    return bytes((tag, size)) + value.to_bytes(size, "little")


@contextlib.asynccontextmanager
async def gateway(device: BLEDevice, k_dev: bytes, greet: bool = True) -> AsyncIterator[Gateway]:
    """Connected, subscribed and, if `greet`, with a session that both ends believe in."""
    client = BleakClient(device, disconnected_callback=lambda _: opened.gone.set(), timeout=10.0)
    opened = Gateway(client, k_dev)
    async with client:
        await client.start_notify(TX, lambda _, data: opened.take(TX, bytes(data)))
        await client.start_notify(EVT, lambda _, data: opened.take(EVT, bytes(data)))
        if greet:
            assert await opened.hello()
        yield opened
