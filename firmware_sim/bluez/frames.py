"""D-Bus messages as bytes: framing, reading and writing of one message; nothing about who sends it to whom.

Encoding and decoding of values are dbus-fast's own (pinned to one version, because `Marshaller` and `Unmarshaller` are
its private modules). Its `Message` cannot write the SENDER field that a bus must add, hence the header written here.
"""

import io
import struct

from dbus_fast import Message, MessageType, Variant
from dbus_fast._private.marshaller import Marshaller
from dbus_fast._private.unmarshaller import Unmarshaller

LONGEST = 1 << 20  # bytes; a client of this bus sends commands, never bulk data
_FIXED = 16  # endian, type, flags, version, body length, serial, length of the header array
_LITTLE = ord("l")


class BadFrame(Exception):
    """What arrived is no D-Bus message; the connection cannot be read any further."""


def encoded(message: Message, sender: str, serial: int) -> bytes:
    """Return `message` as the bus sends it: little endian, with `sender` and `serial` filled in."""
    body = Marshaller(message.signature, message.body).marshall()
    wanted = (
        (1, "o", message.path),
        (2, "s", message.interface),
        (3, "s", message.member),
        (4, "s", message.error_name),
        (5, "u", message.reply_serial),
        (6, "s", message.destination),
        (7, "s", sender),
        (8, "g", message.signature),
        (9, "u", len(message.unix_fds)),
    )
    fields = [[code, Variant(kind, value)] for code, kind, value in wanted if value]
    head = [_LITTLE, message.message_type.value, message.flags.value, 1, len(body), serial, fields]
    header = Marshaller("yyyyuua(yv)", head).marshall()
    return bytes(header) + b"\0" * (-len(header) % 8) + bytes(body)


def frame_length(buffer: bytes | bytearray) -> int | None:
    """Return how long the first frame of `buffer` is, None while too little has arrived; raise BadFrame for nonsense."""
    if len(buffer) < _FIXED:
        return None
    order = {ord("l"): "<", ord("B"): ">"}.get(buffer[0])
    if order is None:
        raise BadFrame(f"byte order mark {buffer[0]:#04x}")
    (body,) = struct.unpack_from(f"{order}I", buffer, 4)
    (fields,) = struct.unpack_from(f"{order}I", buffer, 12)
    length = _FIXED + int(fields) + (-int(fields) % 8) + int(body)
    if length > LONGEST:
        raise BadFrame(f"a message of {length} bytes")
    return length


def decoded(frame: bytes) -> Message:
    """Return the message in one complete frame; raise BadFrame when it cannot be read."""
    try:
        message = Unmarshaller(io.BytesIO(frame)).unmarshall()  # type: ignore[arg-type]  # any binary stream will do
    except Exception as error:  # the compiled decoder raises whatever the bytes led it into
        raise BadFrame(str(error)) from error
    if message is None:
        raise BadFrame("a message shorter than its header says")
    if not message.serial or any(getattr(message, name) is None for name in _REQUIRED[message.message_type]):
        raise BadFrame("a message without its required fields")
    return message


_REQUIRED = {
    MessageType.METHOD_CALL: ("path", "member"),
    MessageType.SIGNAL: ("path", "member", "interface"),
    MessageType.ERROR: ("error_name",),
    MessageType.METHOD_RETURN: (),
}
