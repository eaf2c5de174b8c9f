"""The bytes of the line: canonical JSON of bodies and facts, and the way back into frozen dataclasses.

Canonical means: UTF-8, keys sorted, no blanks, instants as RFC 3339 in UTC with Z and milliseconds (cut off, never rounded), dates as
YYYY-MM-DD, no NaN. One value has one text, so equal texts are equal values and a digest can be taken over them. A float passes only
where a device measured it; money is whole minor units by the types of `entities` and `facts`.

CodecError (a ValueError)
 - UnknownKind   a newer peer speaks: keep the raw text, act on it after an upgrade
 - Unreadable    the body of a known kind cannot be read: keep the raw text and tell a person
 - BadPush       not a push at all: nothing of it can be acknowledged
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from wire import entities, facts
from wire.entities import Body
from wire.facts import Fact, Lane
from wire.jobs import Job
from wire.messages import (
    CATCH_UP_ROWS,
    DigestReply,
    FactRow,
    FactsPush,
    FactsReply,
    FeedReply,
    Hello,
    HelloReply,
    SnapshotReply,
)

T = TypeVar("T")


class CodecError(ValueError):
    """The bytes do not say what they should."""


class UnknownKind(CodecError):
    """The peer is newer than we are."""


class Unreadable(CodecError):
    """A known kind with a body that does not fit it."""


class BadPush(CodecError):
    """The envelope itself cannot be read."""


_NAMES: dict[type[Any], tuple[str, ...]] = {}


def _names(kind: type[Any]) -> tuple[str, ...]:
    return _NAMES.get(kind) or _NAMES.setdefault(kind, tuple(sorted(field.name for field in fields(kind))))


def _instant(at: datetime) -> str:
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise CodecError(f"an instant without a zone cannot cross the line: {at}")
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"  # "+00:00" is six characters


def _plain(value: Any) -> Any:
    """Turn what JSON has no word for into what it has: instants, dates, dataclasses."""
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        return {name: getattr(value, name) for name in _names(type(value))}
    raise CodecError(f"a {type(value).__name__} cannot cross the line")


_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False, default=_plain)
_quoted = json.encoder.encode_basestring  # a text as JSON, other alphabets left as they are
_BODIES: dict[str, TypeAdapter[Body]] = {kind: TypeAdapter(body) for kind, body in entities.KINDS.items()}
_FACTS: dict[str, TypeAdapter[Fact]] = {kind: TypeAdapter(fact) for kind, fact in facts.KINDS.items()}
_PUSH = TypeAdapter(FactsPush)
_ROW = TypeAdapter(FactRow)
_MESSAGES: dict[type[Any], TypeAdapter[Any]] = {
    message: TypeAdapter(message) for message in (Hello, HelloReply, FactsReply, FeedReply, SnapshotReply, DigestReply)
}


def canonical(value: Any) -> bytes:
    """Return the one text of `value`: a dataclass of `wire`, or what `json.loads` made of such a text.

    `canonical(json.loads(canonical(x))) == canonical(x)`. Raise CodecError for a naive instant or a foreign type. A lone surrogate,
    which UTF-8 cannot carry, becomes "?".
    """
    return _JSON.encode(value).encode("utf-8", "replace")


def encode_body(kind: str, body: Body) -> bytes:
    """Return the canonical text of an entity's body; raise CodecError when `body` is not of `kind`."""
    expected = entities.KINDS.get(kind)
    if expected is None or not isinstance(body, expected):
        raise CodecError(f"{type(body).__name__} is no body of kind {kind!r}")
    return canonical(body)


def decode_body(kind: str, raw: bytes | str) -> Body:
    """Read an entity's body; unknown fields are passed over. Raise UnknownKind or Unreadable."""
    adapter = _BODIES.get(kind)
    if adapter is None:
        raise UnknownKind(f"no entity of kind {kind!r} is known here")
    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        raise Unreadable(_why(kind, error)) from None


def decode_fact(kind: str, body: Mapping[str, Any]) -> Fact:
    """Read the body of a fact, as it lies in a FactRow; unknown fields are passed over. Raise UnknownKind or Unreadable."""
    adapter = _FACTS.get(kind)
    if adapter is None:
        raise UnknownKind(f"no fact of kind {kind!r} is known here")
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        raise Unreadable(_why(kind, error)) from None


def decode_fact_text(kind: str, raw: bytes | str) -> Fact:
    """Read the canonical text of a fact's body; raise UnknownKind or Unreadable."""
    adapter = _FACTS.get(kind)
    if adapter is None:
        raise UnknownKind(f"no fact of kind {kind!r} is known here")
    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        raise Unreadable(_why(kind, error)) from None


@dataclass(frozen=True, slots=True)
class FactHead:
    """What travels beside the body of a fact; the seq is put in when the row is spliced."""

    fact_id: str
    entity: str  # such as stay/<id>, room/201, device/lock-201
    at: datetime
    clock: str  # synced | holdover | untrusted
    actor: str  # such as staff/<id>, device/lock-201, box
    base_ver: int | None = None


def encode_fact(fact: Fact, head: FactHead) -> bytes:
    """Return the text of one row but its `{"seq":N,`. Encoded once: stored in the outbox and spliced into every push that carries it."""
    base = "null" if head.base_ver is None else head.base_ver
    text = (
        f'"actor":{_quoted(head.actor)},"at":"{_instant(head.at)}","base_ver":{base},"body":{_JSON.encode(fact)},"clock":"{head.clock}",'
        f'"entity":{_quoted(head.entity)},"fact_id":{_quoted(head.fact_id)},"kind":"{type(fact).__name__}"}}'
    )
    return text.encode("utf-8", "replace")


def splice(box: str, epoch: int, lane: Lane, rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the body of a push from what `encode_fact` made, without encoding anything again. `rows` = (seq, bytes), rising by one."""
    head = f'{{"box":{json.dumps(box)},"epoch":{epoch},"lane":"{lane}","rows":['.encode()
    return b"".join((head, b",".join(b'{"seq":%d,%b' % row for row in rows), b"]}"))


def read_row(seq: int, tail: bytes) -> FactRow:
    """Read back one row of the outbox; raise Unreadable."""
    try:
        return _ROW.validate_json(b'{"seq":%d,%b' % (seq, tail))
    except ValidationError as error:
        raise Unreadable(_why("fact", error)) from None


@dataclass(frozen=True, slots=True)
class Known:
    """A row that can be applied."""

    row: FactRow
    fact: Fact

    @property
    def seq(self) -> int:
        return self.row.seq


@dataclass(frozen=True, slots=True)
class Parked:
    """A row of a kind that only a newer central knows."""

    row: FactRow

    @property
    def seq(self) -> int:
        return self.row.seq


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that nobody can read; `raw` is kept for a person."""

    seq: int
    raw: bytes
    why: str
    entity: str = ""


Incoming = Known | Parked | Broken


@dataclass(frozen=True, slots=True)
class Push:
    """A batch as central reads it: one bad row does not spoil its neighbours."""

    box: str
    epoch: int
    lane: Lane
    rows: tuple[Incoming, ...]


def decode_push(raw: bytes) -> Push:
    """Read a push. A row of an unknown kind is Parked, an unreadable one Broken; raise BadPush when the envelope is no push."""
    try:
        push = _PUSH.validate_json(raw)
    except ValidationError:
        return _salvage(raw)
    if len(push.rows) > CATCH_UP_ROWS:
        raise BadPush(f"{len(push.rows)} rows in one push; {CATCH_UP_ROWS} is the limit")
    return Push(push.box, push.epoch, push.lane, tuple(_typed(row) for row in push.rows))


def _typed(row: FactRow) -> Incoming:
    if "\0" in row.fact_id + row.kind + row.entity + row.actor:  # no database text can hold it
        return Broken(row.seq, canonical(row), "fact: a name with a NUL in it")
    try:
        return Known(row, decode_fact(row.kind, row.body))
    except UnknownKind:
        return Parked(row)
    except Unreadable as error:
        return Broken(row.seq, canonical(row), str(error), row.entity)


def _salvage(raw: bytes) -> Push:
    """Read row by row what could not be read as a whole. A row without a readable number has the one after its neighbour."""
    try:
        loose = json.loads(raw)
        rows = loose.pop("rows")
        frame = _PUSH.validate_python({**loose, "rows": ()})
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):  # pydantic's error is a ValueError
        raise BadPush("this is not a push of facts") from None
    if not isinstance(rows, list) or len(rows) > CATCH_UP_ROWS:
        raise BadPush(f"rows must be a list of at most {CATCH_UP_ROWS}")
    seqs = [_seq(row) for row in rows]
    first = next((seq - index for index, seq in enumerate(seqs) if seq is not None), None)
    if first is None and rows:
        raise BadPush("no row has a number")
    return Push(frame.box, frame.epoch, frame.lane, tuple(_read(row, cast("int", first) + i) for i, row in enumerate(rows)))


def _seq(row: Any) -> int | None:
    seq = row.get("seq") if isinstance(row, dict) else None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) else None


def _read(row: Any, expected: int) -> Incoming:
    try:
        return _typed(_ROW.validate_python(row))
    except ValidationError as error:
        known = _seq(row)
        entity = row.get("entity") if isinstance(row, dict) else None
        clean = entity if isinstance(entity, str) and entity.isprintable() else ""
        return Broken(expected if known is None else known, _raw(row), _why("fact", error), clean)


def _raw(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()  # NaN and lone surrogates too: it is evidence


def feed_row(seq: int, kind: str, entity_id: str, op: str, seen: int, body: bytes | None) -> bytes:
    """Return the text of one FeedRow, its canonical body spliced in as it was stored."""
    head = f'{{"id":{json.dumps(entity_id)},"kind":{json.dumps(kind)},"op":"{op}","seen":{seen},"seq":{seq},"body":'
    return b"".join((head.encode(), b"null" if body is None else body, b"}"))


def feed_reply(head: int, seen: int, rows: Iterable[bytes], jobs: Iterable[Job], waited_ms: int) -> bytes:
    """Return the text of a FeedReply from rows that `feed_row` made."""
    told = canonical(list(jobs))
    start = b'{"head":%d,"seen":%d,"waited_ms":%d,"jobs":%b,"rows":[' % (head, seen, waited_ms, told)
    return b"".join((start, b",".join(rows), b"]}"))


def snapshot_reply(as_of: int, seen: int, rows: Iterable[bytes]) -> bytes:
    """Return the text of a SnapshotReply from rows that `feed_row` made."""
    return b"".join((b'{"as_of":%d,"seen":%d,"rows":[' % (as_of, seen), b",".join(rows), b"]}"))


def encode(message: Any) -> bytes:
    """Return the canonical text of a message of the line."""
    return canonical(message)


def decode(kind: type[T], raw: bytes) -> T:
    """Read a message of the line other than a push; raise Unreadable."""
    try:
        return cast("T", _MESSAGES[kind].validate_json(raw))
    except ValidationError as error:
        raise Unreadable(_why(kind.__name__, error)) from None


def _why(kind: str, error: ValidationError) -> str:
    """Say where and what was expected, never what stood there: a body may hold a guest's name."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{kind}: {'.'.join(str(step) for step in first['loc']) or 'it'}: {first['msg']}"
