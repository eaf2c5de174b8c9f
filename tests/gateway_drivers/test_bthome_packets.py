"""BTHome v2 packets. The first two vectors are the examples of bthome.io/format and bthome.io/encryption."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gateway.drivers import bthome
from gateway.drivers.bthome_sensor import attributes
from gateway.drivers.mqtt_envelope import BadFrame

MAC = "54:48:E6:8F:80:A5"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")


def test_the_plain_example_is_read() -> None:
    packet = bthome.packet(bytes.fromhex("4002c40903bf13"), MAC, None)
    assert packet.values == {"temp_hundredths": (2500,), "humidity_hundredths": (5055,)}
    assert attributes(packet) == {"temp": 250, "humidity": 51}


def test_the_encrypted_example_is_read() -> None:
    packet = bthome.packet(bytes.fromhex("41a47266c95f730011223378237214"), MAC, KEY)
    assert packet.values == {"temp_hundredths": (2506,), "humidity_hundredths": (5055,)}
    assert packet.counter == 0x33221100


def test_an_unknown_object_ends_the_reading_and_keeps_what_was_read() -> None:
    assert bthome.packet(bytes.fromhex("401a01" + "ee" + "2101"), MAC, None).values == {"door": (1,)}


def test_the_same_object_twice_is_two_sensors() -> None:
    assert bthome.packet(bytes.fromhex("401a011a00"), MAC, None).values == {"door": (1, 0)}


@pytest.mark.parametrize(
    ("data", "key", "reason"),
    [
        ("", None, "malformed"),
        ("401a", None, "malformed"),
        ("201a01", None, "unknown_version"),
        ("401a01", KEY, "unencrypted"),
        ("41a47266c95f730011223378237214", None, "no_key"),
        ("41a47266c95f730011223378237215", KEY, "bad_tag"),
        ("4153ff00", KEY, "malformed"),
        ("4053ff00", None, "malformed"),
    ],
)
def test_a_bad_packet_has_a_reason(data: str, key: bytes | None, reason: str) -> None:
    with pytest.raises(BadFrame, match=reason):
        bthome.packet(bytes.fromhex(data), MAC, key)


def test_the_nonce_binds_a_packet_to_its_sender() -> None:
    sealed = AESCCM(KEY, 4).encrypt(bytes.fromhex("5448e68f80a5") + b"\xd2\xfc\x41\x01\x00\x00\x00", b"\x21\x01", None)
    data = b"\x41" + sealed[:-4] + b"\x01\x00\x00\x00" + sealed[-4:]
    assert bthome.packet(data, MAC, KEY).values == {"motion": (1,)}
    with pytest.raises(BadFrame, match="bad_tag"):
        bthome.packet(data, "54:48:E6:8F:80:A6", KEY)
