"""What goes over MQTT, as bytes (device sheet 4.1): the envelope with its tag, commands in, replies, events and state out. Pure."""

import hmac
import json
import struct
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from firmware_sim.device import Command, Event, Reply
from firmware_sim.unit import Unit
from firmware_sim.world import rfc3339

LARGEST = 64 * 1024
BATCH = 32  # events in one message
DOWN, UP = b"hgw-mq-v1", b"hgw-mq-v1 up"


class Dropped(Exception):
    """The message has no effect; the text is the reason it is counted under."""


def tag(key: bytes, label: bytes, name: str, log_id: int, boot: int, body: bytes) -> str:
    """16 hex digits over the very bytes of the body, bound to the device's log and boot."""
    head = label + name.encode() + b"\0" + struct.pack(">II", log_id, boot)
    return hmac.digest(key, head + body, "sha256")[:8].hex()


def sealed(unit: Unit, body: str) -> bytes:
    """A message from the device to the gateway."""
    mark = tag(unit.k_dev, UP, unit.name, unit.log_id, unit.boot_counter, body.encode())
    return compact({"v": 1, "body": body, "tag": mark}).encode()


def opened(unit: Unit, payload: bytes) -> dict[str, Any]:
    """The JSON object in a message from the gateway. Raises Dropped: oversized, malformed, unknown_version, bad_tag."""
    if len(payload) > LARGEST:
        raise Dropped("oversized")
    envelope = _object(payload)
    if envelope.get("v") != 1:
        raise Dropped("unknown_version" if "v" in envelope else "malformed")
    body, given = envelope.get("body"), envelope.get("tag")
    if not isinstance(body, str) or not isinstance(given, str):
        raise Dropped("untagged" if isinstance(body, str) else "malformed")
    try:
        content = body.encode()
    except UnicodeEncodeError:
        raise Dropped("malformed") from None
    wanted = tag(unit.k_dev, DOWN, unit.name, unit.log_id, unit.boot_counter, content)
    if not hmac.compare_digest(wanted.encode(), given.encode(errors="replace")):
        raise Dropped("bad_tag")
    return _object(content)


def command(body: Mapping[str, Any]) -> Command:
    """The command in an opened message. Raises Dropped: malformed, unknown_version."""
    if body.get("v") != 1:
        raise Dropped("unknown_version" if "v" in body else "malformed")
    op, args = body.get("op"), body.get("args", {})
    if not isinstance(op, str) or not isinstance(args, dict) or len(op) > 40:
        raise Dropped("malformed")
    try:
        cmd_id = uuid.UUID(str(body.get("cmd_id"))).bytes
        return Command(cmd_id, op, args, _epoch(body.get("issued_at")), _epoch(body.get("expires_at")))
    except (ValueError, OverflowError):
        raise Dropped("malformed") from None


def acknowledged(body: Mapping[str, Any]) -> tuple[int, int]:
    """log_id and number up to which events are acknowledged. Raises Dropped(malformed)."""
    log_id, upto = body.get("log_id"), body.get("upto")
    if type(log_id) is not int or type(upto) is not int:
        raise Dropped("malformed")
    return log_id, upto


def reply_body(reply: Reply) -> str:
    """One reply."""
    told = {
        "cmd_id": str(uuid.UUID(bytes=reply.cmd_id)),
        "status": reply.status,
        "code": reply.code,
        "result": dict(reply.result),
        "ts": rfc3339(reply.ts),
        "replayed": reply.replayed,
    }
    return compact(told)


def events_body(events: Sequence[Event]) -> str:
    """One event, or an array of at most BATCH."""
    told = [
        {
            "v": 1,
            "device_id": event.device_id,
            "log_id": event.log_id,
            "seq": event.seq,
            "ts": rfc3339(event.ts),
            "tq": event.tq,
            "type": event.type,
            "data": dict(event.data),
        }
        for event in events
    ]
    return compact(told[0] if len(told) == 1 else told)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise Dropped("malformed") from None
    if not isinstance(value, dict):
        raise Dropped("malformed")
    return value


def _epoch(given: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time, or None. Raises ValueError."""
    if given is None:
        return None
    at = datetime.fromisoformat(given) if isinstance(given, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError("no time with a zone")
    return at.timestamp()
