"""The bytes of the line: one value has one text, and what cannot be read spoils nothing but itself."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import codec
from wire.codec import BadPush, Broken, CodecError, FactHead, Known, Parked, UnknownKind, Unreadable
from wire.entities import Body, Guest, HoldBody, KeyBody, KeyKind, StayBody, StayStatus
from wire.facts import Fact, Reading, StayCheckedIn, StayCheckedOut
from wire.jobs import Job, JobKind
from wire.messages import CATCH_UP_ROWS, FeedReply, SnapshotReply

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHANGHAI = timezone(timedelta(hours=8))
instants = st.builds(
    lambda us, zone: (NOON + timedelta(microseconds=us)).astimezone(zone), st.integers(-(10**15), 10**15), st.sampled_from([UTC, SHANGHAI])
)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
stays = st.builds(
    StayBody,
    number=words,
    status=st.sampled_from(StayStatus),
    rooms=st.lists(words, max_size=2).map(tuple),
    doors=st.lists(st.integers(0, 2**16), max_size=3).map(tuple),
    room_type=words,
    arrive=instants,
    depart=instants,
    guest=st.builds(Guest, words, st.sampled_from(["en", "zh"])),
    in_house_since=st.none() | instants,
    balance_minor=st.integers(-(2**62), 2**62),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def tail(fact: Fact, fact_id: str = "f1") -> bytes:
    return codec.encode_fact(fact, FactHead(fact_id, "stay/s1", NOON, "synced", "staff/1"))


def push(*tails: bytes) -> bytes:
    return codec.splice("box-1", 1, "desk", list(enumerate(tails, 1)))


@given(stays)
def test_a_stay_read_back_has_the_same_text(body: StayBody) -> None:
    raw = codec.encode_body("stay", body)
    assert codec.encode_body("stay", codec.decode_body("stay", raw)) == raw


@given(values)
def test_the_text_of_a_value_read_as_json_is_the_same_text(value: object) -> None:
    raw = codec.canonical(value)
    assert codec.canonical(json.loads(raw)) == raw


@given(instants)
def test_an_instant_crosses_in_utc_cut_to_the_millisecond(at: datetime) -> None:
    told = json.loads(codec.canonical(StayCheckedOut("s1", at)))["at"]
    assert told.endswith("Z")
    assert datetime.fromisoformat(told) == at - timedelta(microseconds=at.microsecond % 1000)


def test_keys_are_sorted_and_nothing_is_padded() -> None:
    body = HoldBody("201", "A", date(2026, 3, 1))
    assert codec.encode_body("hold", body) == b'{"night":"2026-03-01","room":"201","room_type":"A"}'


def test_an_instant_without_a_zone_does_not_cross() -> None:
    with pytest.raises(CodecError):
        codec.canonical({"at": datetime(2026, 3, 1)})  # noqa: DTZ001 - that is the point


def test_a_body_of_another_kind_is_refused() -> None:
    with pytest.raises(CodecError):
        codec.encode_body("stay", HoldBody("201", "A", date(2026, 3, 1)))


def test_a_newer_central_may_say_more() -> None:
    body = KeyBody(KeyKind.RFID, NOON)
    more = {**json.loads(codec.encode_body("key", body)), "colour": "red"}
    assert codec.decode_body("key", json.dumps(more)) == body


@pytest.mark.parametrize(("kind", "raw", "error"), [("spa", b"{}", UnknownKind), ("key", b"{}", Unreadable), ("key", b"\xff", Unreadable)])
def test_what_cannot_be_read_says_which_way(kind: str, raw: bytes, error: type[CodecError]) -> None:
    with pytest.raises(error):
        codec.decode_body(kind, raw)


def test_no_guest_is_named_in_an_error() -> None:
    with pytest.raises(Unreadable) as error:
        codec.decode_body("stay", b'{"guest": {"display_name": ["Ada Lovelace"]}}')
    assert "Lovelace" not in str(error.value)


def test_a_fact_is_encoded_once_and_spliced_into_the_push() -> None:
    facts: list[Fact] = [StayCheckedIn("s1", ("201",), NOON), Reading("room-201", NOON, {"t": 21.5})]
    told = codec.decode_push(push(*(tail(fact, f"f{i}") for i, fact in enumerate(facts))))
    assert (told.box, told.epoch, told.lane) == ("box-1", 1, "desk")
    assert [row.fact for row in told.rows if isinstance(row, Known)] == facts
    assert [row.seq for row in told.rows] == [1, 2]


def test_a_fact_of_an_unknown_kind_is_parked() -> None:
    told = codec.decode_push(push(tail(StayCheckedOut("s1", NOON)).replace(b"StayCheckedOut", b"SpaBooked")))
    assert [type(row) for row in told.rows] == [Parked]


@pytest.mark.parametrize("bad", [b'"x":1}', b'"kind":7}', b'"fact_id":"f","kind":"StayCheckedOut","at":"yesterday"}'])
def test_one_unreadable_row_does_not_spoil_its_neighbours(bad: bytes) -> None:
    good = tail(StayCheckedOut("s1", NOON))
    told = codec.decode_push(push(good, bad, good))
    assert [type(row) for row in told.rows] == [Known, Broken, Known]
    assert [row.seq for row in told.rows] == [1, 2, 3]


def test_a_row_without_a_number_has_that_of_its_place() -> None:
    raw = json.loads(push(tail(StayCheckedOut("s1", NOON)), tail(StayCheckedOut("s1", NOON))))
    raw["rows"][1] = "nonsense"
    told = codec.decode_push(json.dumps(raw).encode())
    assert [(type(row), row.seq) for row in told.rows] == [(Known, 1), (Broken, 2)]


def test_a_name_that_no_database_holds_is_put_aside() -> None:
    told = codec.decode_push(push(codec.encode_fact(StayCheckedOut("s1", NOON), FactHead("f\0", "stay/s1", NOON, "synced", "box"))))
    assert [type(row) for row in told.rows] == [Broken]


@pytest.mark.parametrize(
    "raw", [b"", b"nonsense", b"[]", b'{"rows": []}', b'{"box":"b","epoch":1,"lane":"spa","rows":[]}', b"[" * 10000, b'{"rows":[1,2]}']
)
def test_what_is_no_push_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(BadPush):
        codec.decode_push(raw)


def test_a_push_beyond_the_limit_is_refused() -> None:
    with pytest.raises(BadPush):
        codec.decode_push(push(*([tail(StayCheckedOut("s1", NOON))] * (CATCH_UP_ROWS + 1))))


@given(st.binary(max_size=300))
def test_no_bytes_at_all_bring_central_down(raw: bytes) -> None:
    try:
        codec.decode_push(raw)
    except BadPush:
        return


@given(values, st.integers(0, 40))
def test_no_json_at_all_brings_central_down(value: object, cut: int) -> None:
    raw = b'{"box":"b","epoch":1,"lane":"log","rows":[' + codec.canonical(value)[: 200 - cut] + b"]}"
    try:
        told = codec.decode_push(raw)
    except BadPush:
        return
    assert all(isinstance(row, Broken) for row in told.rows)


def test_a_feed_row_carries_the_stored_text_untouched() -> None:
    body: Body = HoldBody("201", "A", date(2026, 3, 1))
    raw = codec.encode_body("hold", body)
    rows = [codec.feed_row(7, "hold", 'h"1', "put", 3, raw), codec.feed_row(8, "hold", "h2", "del", 3, None)]
    job = Job("j1", JobKind.OPEN_DOOR, "lock-201", "staff/1", 9000, {"door": 201, "seconds": 5})
    reply = codec.decode(FeedReply, codec.feed_reply(8, 4, rows, [job], 12))
    assert (reply.head, reply.seen, reply.waited_ms, reply.jobs) == (8, 4, 12, (job,))
    assert [(row.seq, row.id, row.op) for row in reply.rows] == [(7, 'h"1', "put"), (8, "h2", "del")]
    assert codec.canonical(reply.rows[0].body) == raw
    assert reply.rows[1].body is None
    assert codec.decode(SnapshotReply, codec.snapshot_reply(8, 4, rows[:1])).rows == reply.rows[:1]
