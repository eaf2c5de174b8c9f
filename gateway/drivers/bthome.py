"""BTHome v2 service data as values: object ids, lengths and factors, and the encrypted variant. Pure.

Source: bthome.io/format, as summed up in the device sheets. An unknown id ends the reading: lengths are implied by the id.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gateway.drivers.mqtt_envelope import BadFrame

UUID = b"\xd2\xfc"
VERSION = 2
LARGEST = 255  # an extended advertisement's service data


@dataclass(frozen=True, slots=True)
class _Object:
    """One object id: its name, size in bytes, whether signed, and the divisor that makes the unit of the name."""

    name: str
    size: int
    signed: bool = False
    divisor: int = 1


OBJECTS = {
    0x00: _Object("packet_id", 1),
    0x01: _Object("battery_percent", 1),
    0x02: _Object("temp_hundredths", 2, signed=True),
    0x03: _Object("humidity_hundredths", 2),
    0x05: _Object("lux_hundredths", 3),
    0x06: _Object("mass_hundredths", 2),
    0x09: _Object("count", 1),
    0x0C: _Object("battery_mv", 2),
    0x11: _Object("opening", 1),
    0x15: _Object("battery_low", 1),
    0x1A: _Object("door", 1),
    0x1F: _Object("lock", 1),
    0x21: _Object("motion", 1),
    0x23: _Object("occupancy", 1),
    0x25: _Object("presence", 1),
    0x26: _Object("problem", 1),
    0x28: _Object("safety", 1),
    0x2B: _Object("tamper", 1),
    0x2D: _Object("window", 1),
    0x2E: _Object("humidity_percent", 1),
    0x3A: _Object("button", 1),
    0x3D: _Object("count", 2),
    0x3E: _Object("count", 4),
    0x45: _Object("temp_tenths", 2, signed=True),
    0x4A: _Object("voltage_tenths", 2),
    0x50: _Object("timestamp", 4),
    0x57: _Object("temp_degrees", 1, signed=True),
    0xF0: _Object("device_type", 2),
    0xF1: _Object("firmware", 4),
    0xF2: _Object("firmware", 3),
}
VARIABLE = frozenset({0x53, 0x54})  # text and raw: a length byte, then data


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. `values` by name, in raw units (the name says which); the same id twice = two sensors, by order."""

    packet_id: int | None = None
    counter: int | None = None  # of the encrypted variant
    values: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def first(self, *names: str) -> int | None:
        """The first value that goes by one of `names`."""
        for name in names:
            if name in self.values:
                return self.values[name][0]
        return None


def packet(data: bytes, address: str, key: bytes | None) -> Packet:
    """Read service data 0xFCD2 of `address`; `key` (16 bytes) means that only the encrypted variant is taken.

    Raises BadFrame: malformed, unknown_version, unencrypted (from a device with a key), no_key, bad_tag.
    """
    if not data or len(data) > LARGEST:
        raise BadFrame("malformed")
    if data[0] >> 5 != VERSION:
        raise BadFrame("unknown_version")
    if data[0] & 1:
        return _decrypted(data, address, key)
    if key is not None:
        raise BadFrame("unencrypted")
    return _objects(data[1:], None)


def _decrypted(data: bytes, address: str, key: bytes | None) -> Packet:
    """nonce = MAC ‖ D2FC ‖ device info ‖ counter; after the info byte: ciphertext, counter (4, LE), tag (4)."""
    if key is None:
        raise BadFrame("no_key")
    if len(data) < 9:
        raise BadFrame("malformed")
    sealed, counter, tag = data[1:-8], data[-8:-4], data[-4:]
    nonce = bytes.fromhex(address.replace(":", "")) + UUID + data[:1] + counter
    try:
        said = AESCCM(key, tag_length=4).decrypt(nonce, sealed + tag, None)
    except InvalidTag:
        raise BadFrame("bad_tag") from None
    return _objects(said, int.from_bytes(counter, "little"))


def _objects(data: bytes, counter: int | None) -> Packet:
    values: dict[str, tuple[int, ...]] = {}
    at = 0
    while at < len(data):
        number, at = data[at], at + 1
        if number in VARIABLE:
            if at >= len(data) or at + 1 + data[at] > len(data):
                raise BadFrame("malformed")
            at += 1 + data[at]
            continue
        known = OBJECTS.get(number)
        if known is None:
            break
        if at + known.size > len(data):
            raise BadFrame("malformed")
        value = int.from_bytes(data[at : at + known.size], "little", signed=known.signed)
        values[known.name] = (*values.get(known.name, ()), value)
        at += known.size
    packet_id = values.pop("packet_id", (None,))[0]
    return Packet(packet_id, counter, values)
