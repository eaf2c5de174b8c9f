"""Random bytes in every codec: a value, or BadFrame with a slug; never anything else. And what is written can be read again."""

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import ble_commands, ble_frames, bthome, event_data, modbus_registers, mqtt_bodies, mqtt_envelope
from gateway.drivers.ble_frames import Assembler
from gateway.drivers.event_data import Fixed
from gateway.drivers.mqtt_envelope import BadFrame, Boot

K_DEV, BOOT, NAME = bytes(range(32)), Boot(0x1234ABCD, 9), "lock-201"
KEYS = ble_frames.session_keys(K_DEV, bytes(16), bytes(16))
SLUG = re.compile(r"[a-z_]{3,20}")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=12,
)
READERS: dict[str, Callable[[bytes], object]] = {
    "envelope": lambda data: mqtt_envelope.opened(K_DEV, NAME, BOOT, data),
    "online": mqtt_envelope.online,
    "reply": mqtt_bodies.reply,
    "events": lambda data: mqtt_bodies.events(data, NAME),
    "attributes": lambda data: mqtt_bodies.health(mqtt_bodies.attributes(data)),
    "ble message": lambda data: ble_frames.opened(data, KEYS, 0),
    "ble hello": ble_frames.hello_ack,
    "ble info": ble_frames.info,
    "ble advertisement": ble_frames.advertised,
    "ble event": ble_frames.event,
    "ble reply": lambda data: ble_commands.reply(data).attributes(),
    "bthome": lambda data: bthome.packet(data, "A4:C1:38:00:02:10", None),
    "bthome encrypted": lambda data: bthome.packet(data, "A4:C1:38:00:02:10", bytes(16)),
}


@contextlib.contextmanager
def bad_frame_at_most() -> Any:
    try:
        yield
    except BadFrame as bad:
        reason = str(bad)
    else:
        return
    assert SLUG.fullmatch(reason), reason


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@given(data=st.binary(max_size=300))
def test_random_bytes_are_dropped_with_a_reason(reader: Callable[[bytes], object], data: bytes) -> None:
    with bad_frame_at_most():
        reader(data)


@pytest.mark.parametrize("name", ["envelope", "online", "reply", "events", "attributes"])
@given(said=JSON)
def test_any_json_is_dropped_with_a_reason(name: str, said: object) -> None:
    with bad_frame_at_most():
        READERS[name](json.dumps(said).encode())


@given(kind=st.sampled_from([*event_data._JSON, "unheard_of"]), said=st.dictionaries(st.text(max_size=14), JSON, max_size=8))
def test_any_event_data_is_words_or_dropped(kind: str, said: dict[str, Any]) -> None:
    with bad_frame_at_most():
        event_data.from_json(kind, said)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_any_fixed_fields_are_words_or_dropped(kind: int, sub: int, index: int, ref: int, value: int) -> None:
    with bad_frame_at_most():
        event_data.from_fixed(Fixed(kind, sub, index, ref, value))


@given(st.lists(st.integers(0, 0xFFFF), min_size=96, max_size=96))
def test_any_registers_can_be_read(registers: list[int]) -> None:
    modbus_registers.status(registers)
    modbus_registers.window(registers)
    modbus_registers.card(registers)
    for device_class in modbus_registers.ATTRIBUTES:
        modbus_registers.ATTRIBUTES[device_class](registers)


@given(message=st.binary(min_size=1, max_size=1200), room=st.integers(20, 244))
def test_a_message_cut_into_fragments_comes_out_whole(message: bytes, room: int) -> None:
    assembler, out = Assembler(), []
    for at, fragment in enumerate(ble_frames.fragments(message, room)):
        assert len(fragment) <= room
        assembled = assembler.add(fragment, at * 0.01)
        assert not assembled.lost
        if assembled.message is not None:
            out.append(assembled.message)
    assert out == [message]


@given(message=st.binary(min_size=100, max_size=600), lost=st.integers(0, 20), data=st.data())
def test_a_lost_fragment_loses_one_message_and_not_the_next(message: bytes, lost: int, data: st.DataObject) -> None:
    fragments = ble_frames.fragments(message, 20)
    del fragments[lost % len(fragments)]
    assembler = Assembler()
    taken = [assembler.add(fragment, 0.0) for fragment in [*fragments, *ble_frames.fragments(b"next", 20)]]
    assert [one.message for one in taken if one.message is not None] == [b"next"]
    assert sum(one.lost for one in taken) == 1


@given(st.lists(st.binary(max_size=30), max_size=30))
def test_an_assembler_takes_any_fragments(fragments: list[bytes]) -> None:
    assembler = Assembler()
    for at, fragment in enumerate(fragments):
        assembler.add(fragment, float(at % 5))


@given(
    kind=st.sampled_from([ble_frames.CMD, ble_frames.REPLY, ble_frames.EVENT]),
    counter=st.integers(1, 2**32 - 1),
    payload=st.binary(max_size=80),
)
def test_a_sealed_message_is_opened_once_and_in_its_own_direction(kind: int, counter: int, payload: bytes) -> None:
    frame = ble_frames.sealed(KEYS, kind, counter, payload, ble_frames.FROM_DEVICE)
    assert ble_frames.opened(frame, KEYS, counter - 1).payload == payload
    with pytest.raises(BadFrame, match="replay"):
        ble_frames.opened(frame, KEYS, counter)
    with pytest.raises(BadFrame, match="bad_tag"):
        ble_frames.opened(frame, KEYS, 0, ble_frames.TO_DEVICE)


@given(frame=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_of_a_sealed_message_is_noticed(frame: int, bit: int) -> None:
    sealed = bytearray(ble_frames.sealed(KEYS, ble_frames.EVENT, 7, bytes(22), ble_frames.FROM_DEVICE))
    sealed[frame % len(sealed)] ^= 1 << bit
    with pytest.raises(BadFrame):
        ble_frames.opened(bytes(sealed), KEYS, 0)


@given(body=st.text(st.characters(exclude_categories=["Cs"]), max_size=200), at=st.integers(0, 7))
def test_an_envelope_is_bound_to_device_boot_and_direction(body: str, at: int) -> None:
    up = mqtt_envelope.seal(K_DEV, NAME, BOOT, body, mqtt_envelope.UP)
    assert mqtt_envelope.opened(K_DEV, NAME, BOOT, up) == body.encode()
    down = mqtt_envelope.seal(K_DEV, NAME, BOOT, body)
    others = ((NAME, Boot(BOOT.log_id, 10), up), (NAME, Boot(1, 9), up), ("lock-202", BOOT, up), (NAME, BOOT, down))
    device, boot, payload = others[at % len(others)]
    with pytest.raises(BadFrame, match="bad_tag"):
        mqtt_envelope.opened(K_DEV, device, boot, payload)
