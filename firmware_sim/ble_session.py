"""The lock's end of the encrypted Bluetooth session (device sheet 4.4): keys from nonces, AES-128-CCM, counters. No transport, no time.

okm = HMAC-SHA256(K_dev, label | gw_nonce | dev_nonce), key = okm[0:16], salt = okm[16:24]; nonce of a message =
direction u8 (0 to the device, 1 back) | counter u32 LE | salt; the 8 header bytes are the associated data.
"""

import hashlib
import hmac
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from firmware_sim.ble_frames import TAG, Frame, Malformed, Type, header

NONCE: Final = 16  # bytes that either side contributes
_SESSION_LABEL: Final = b"hgw-ble-v1 session"
_DEVICE_LABEL: Final = b"hgw-ble-v1 device"
_TO_DEVICE, _FROM_DEVICE = 0, 1


class BadTag(Exception):
    """Not sealed with this session's key."""


class Replayed(Exception):
    """The counter has not risen."""


def key_material(k_dev: bytes, gw_nonce: bytes, dev_nonce: bytes) -> bytes:
    """The 32 bytes of okm."""
    return hmac.digest(k_dev, _SESSION_LABEL + gw_nonce + dev_nonce, hashlib.sha256)


def hello_ack(k_dev: bytes, gw_nonce: bytes, dev_nonce: bytes, boot: int, clock: int) -> bytes:
    """The body of HELLO_ACK; its last 8 bytes prove that the device holds K_dev."""
    at = struct.pack("<II", boot, clock)
    proof = hmac.digest(k_dev, _DEVICE_LABEL + gw_nonce + dev_nonce + at, hashlib.sha256)
    return dev_nonce + at + proof[:8]


class Session:
    """Keys and counters of one connection."""

    def __init__(self, okm: bytes) -> None:
        self._cipher = AESCCM(okm[:16], tag_length=TAG)
        self._salt = okm[16:24]
        self._sent = 0
        self._received = 0

    def seal(self, kind: Type, body: bytes) -> bytes:
        """The whole message with the next counter."""
        self._sent += 1
        head = header(kind, self._sent, len(body))
        return head + self._cipher.encrypt(self._nonce(_FROM_DEVICE, self._sent), body, head)

    def open(self, frame: Frame) -> bytes:
        """The body of a message from the gateway. Raises Malformed without a tag, BadTag, then Replayed."""
        if len(frame.tag) != TAG:
            raise Malformed("a plain message within a session")
        try:
            body = self._cipher.decrypt(self._nonce(_TO_DEVICE, frame.counter), frame.body + frame.tag, frame.header)
        except InvalidTag:
            raise BadTag from None
        if frame.counter <= self._received:
            raise Replayed
        self._received = frame.counter
        return body

    def _nonce(self, direction: int, counter: int) -> bytes:
        return struct.pack("<BI", direction, counter) + self._salt
