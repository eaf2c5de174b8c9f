"""The tagged envelope and the topics of the MQTT binding: bytes in, bytes out, nothing else.

Source: device sheets, MQTT binding. The tag covers the very bytes of the body; nothing is canonicalised.
"""

import hmac
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

LARGEST = 64 * 1024
DOWN = b"hgw-mq-v1"
UP = b"hgw-mq-v1 up"
Part = Literal["online", "state", "event", "event/ack", "cmd", "cmd/reply", "health"]
PARTS: tuple[Part, ...] = ("online", "state", "event", "health", "cmd/reply")  # what a device writes
U32 = Annotated[int, Field(ge=0, le=0xFFFF_FFFF, strict=True)]


class BadFrame(ValueError):
    """A frame that has no effect; the text is the reason under which it is counted."""


@dataclass(frozen=True, slots=True)
class Boot:
    """Which life of which memory a device is in; every tag is bound to it."""

    log_id: int
    boot_counter: int


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class Online:
    """The birth message, or the last will (`online` false, nothing else)."""

    online: Annotated[bool, Field(strict=True)]
    boot_counter: U32 | None = None
    log_id: U32 | None = None
    fw: str = ""


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class _Envelope:
    v: int
    body: str
    tag: str


_ONLINE = TypeAdapter(Online)
_ENVELOPE = TypeAdapter(_Envelope)


def topic(property_slug: str, device: str, part: Part) -> str:
    """The topic of one part of one device's folder."""
    return f"hgw/v1/{property_slug}/{device}/{part}"


def tag(k_dev: bytes, label: bytes, device: str, boot: Boot, body: bytes) -> bytes:
    """HMAC-SHA256(K_dev, label ‖ device_id ‖ 0x00 ‖ log_id u32 ‖ boot_counter u32 ‖ body)[:8], big-endian."""
    head = label + device.encode() + b"\0" + struct.pack(">II", boot.log_id, boot.boot_counter)
    return hmac.digest(k_dev, head + body, "sha256")[:8]


def seal(k_dev: bytes, device: str, boot: Boot, body: str, label: bytes = DOWN) -> bytes:
    """Wrap `body` for the device as it is in this boot."""
    mark = tag(k_dev, label, device, boot, body.encode()).hex()
    return _ENVELOPE.dump_json(_Envelope(1, body, mark))


def opened(k_dev: bytes, device: str, boot: Boot, payload: bytes) -> bytes:
    """Return the body of a message from the device. Raises BadFrame: oversized, malformed, unknown_version, bad_tag."""
    if len(payload) > LARGEST:
        raise BadFrame("oversized")
    try:
        envelope = _ENVELOPE.validate_json(payload)
    except ValidationError as error:
        raise BadFrame("untagged" if _lacks_tag(error) else "malformed") from None
    if envelope.v != 1:
        raise BadFrame("unknown_version")
    try:
        body = envelope.body.encode()
    except UnicodeEncodeError:
        raise BadFrame("malformed") from None
    wanted = tag(k_dev, UP, device, boot, body).hex()
    if not hmac.compare_digest(wanted.encode(), envelope.tag.encode(errors="replace")):
        raise BadFrame("bad_tag")
    return body


def online(payload: bytes) -> Online:
    """Read a birth message or will. Raises BadFrame."""
    if len(payload) > LARGEST:
        raise BadFrame("oversized")
    try:
        said = _ONLINE.validate_json(payload)
    except ValidationError:
        raise BadFrame("malformed") from None
    if said.online and (said.boot_counter is None or said.log_id is None):
        raise BadFrame("malformed")
    return said


def _lacks_tag(error: ValidationError) -> bool:
    """Whether the message is readable JSON of another form: a plain body without an envelope."""
    return all(line["type"] == "missing" for line in error.errors())
