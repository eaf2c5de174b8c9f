"""The vectors on the device sheets follow from the rules on the device sheets: worked out here without any code of ours."""

import hashlib
import hmac
import re
import struct
import zlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from tests.house.tree import text_of

K_DEV = bytes(range(32))
K_CARD = bytes([0x11]) * 32
UID = bytes.fromhex("04A1B2C3D4E5F6")
LOG_ID, BOOT, CLOCK = 0x1234ABCD, 9, 1795269600
CMD_ID = bytes.fromhex("018f5a10000070008000000000000001")
NONCES = bytes(range(0xA0, 0xB0)) + bytes(range(0xB0, 0xC0))


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), hashlib.sha256)


def bodies() -> list[str]:
    """The JSON bodies printed on the MQTT sheet, in order."""
    return re.findall(r"^`(\{.*\})`", text_of("docs/devices/mqtt.md"), re.MULTILINE)


def generation(start: datetime, issue: int) -> int:
    return int((start - datetime(2024, 1, 1, tzinfo=UTC)).total_seconds()) // 60 << 8 | issue


def image_1() -> bytes:
    begin, until = datetime(2026, 11, 21, 14, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)
    times = int(begin.timestamp()), int(until.timestamp())
    return struct.pack(">BBHHHIBBIIII", 1, 1, 42, 205, 1, generation(begin, 1), 0, 0, *times, 0xBEEF, 3)


def card_2() -> bytes:
    return bytes([2]) + image_1()[1:] + struct.pack(">5H", 207, 0, 0, 0, 0)


def mailbox() -> bytes:
    return struct.pack(">II", LOG_ID, BOOT) + struct.pack(">32H", 7, 0x0110, 0x018F, 0x5A10, 0, 1, *[0] * 26)


def the_right() -> bytes:
    return struct.pack(">IIIIIHBBHH", 71, 3, 389130241, 1795269600, 1795521600, 0, 1, 0, 205, 1)


def crc(raw: bytes) -> str:
    return f"{zlib.crc32(raw):08x}"


def ble_command() -> bytes:
    okm = mac(K_DEV, b"hgw-ble-v1 session", NONCES)
    plain = struct.pack("<H", 0x0120) + CMD_ID + struct.pack("<BBH", 1, 2, 5) + struct.pack("<BBI", 6, 4, 1795269610)
    head = struct.pack("<BBIH", 1, 0x10, 1, len(plain))
    return head + AESCCM(okm[:16], tag_length=8).encrypt(b"\x00" + struct.pack("<I", 1) + okm[16:24], plain, head)


FIXED = b"hgw-mq-v1" + b"lock-201\0" + struct.pack(">II", LOG_ID, BOOT)


@pytest.mark.parametrize(
    ("sheet", "vector"),
    [
        ("mqtt", mac(K_DEV, FIXED, bodies()[0].encode())[:8].hex()),
        ("modbus", mac(K_DEV, b"hgw-mb-v1", mailbox())[:8].hex()),
        ("card", image_1().hex()),
        ("card", mac(K_CARD, b"hgw-card-v1", UID, image_1())[:8].hex()),
        ("card", mac(K_CARD, b"hgw-card-v2", UID, card_2())[:8].hex()),
        ("card", mac(K_DEV, b"hgw-cred-v1", bytes(range(16)))[:8].hex()),
        ("contract", crc(b"")),
        ("contract", crc(the_right())),
        ("contract", crc(struct.pack(">I", 389130496))),
        ("contract", crc(struct.pack(">III", 389130496, 0xBEEF, 3))),
        ("ble", mac(K_DEV, b"hgw-ble-v1 session", NONCES)[:24].hex()),
        ("ble", mac(K_DEV, b"hgw-ble-v1 device", NONCES, struct.pack("<II", BOOT, CLOCK))[:8].hex()),
        ("ble", ble_command().hex()),
    ],
)
def test_a_sheet_says_what_its_rules_give(sheet: str, vector: str) -> None:
    assert vector in text_of(f"docs/devices/{sheet}.md")


def test_the_example_right_is_that_of_the_digest() -> None:
    for value in (71, 3, 48879, 389130241, 1795269600, 1795521600, 205):
        assert re.search(rf":{value}\b", bodies()[1])
    assert generation(datetime(2026, 11, 21, 14, tzinfo=UTC), 1) == 389130241
    assert ((389130241 >> 8) + 1) << 8 == 389130496


def test_the_example_is_told_apart_from_a_wrong_one() -> None:
    wrong = bodies()[0].replace('"s":5', '"s":6').encode()
    assert mac(K_DEV, FIXED, wrong)[:8].hex() not in text_of("docs/devices/mqtt.md")
