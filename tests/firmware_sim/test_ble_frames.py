"""The bytes of the lock's Bluetooth protocol, pinned to the vectors of the device sheet (4.4)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import ble_frames
from firmware_sim.ble_frames import Assembler, Malformed, Type
from firmware_sim.ble_session import BadTag, Replayed, Session, hello_ack, key_material
from firmware_sim.device import Reply
from firmware_sim.event_log import Event

K_DEV = bytes(range(32))
GW_NONCE = bytes(range(0xA0, 0xB0))
DEV_NONCE = bytes(range(0xB0, 0xC0))
CMD_ID = bytes.fromhex("018f5a10000070008000000000000001")
UNLOCK_PULSE = bytes.fromhex("0110010000001c005e1b2207bee09f63460ae18c78e6d49fa5653c3a9400e822d33f499b3082f749d0e7c727")


def session() -> Session:
    return Session(key_material(K_DEV, GW_NONCE, DEV_NONCE))


def test_the_key_material_is_that_of_the_sheet() -> None:
    okm = key_material(K_DEV, GW_NONCE, DEV_NONCE)
    assert okm.hex().startswith("0068f2ddfa4ae463cd8e723a24832cc387d2f509546946e2")


def test_the_proof_is_that_of_the_sheet() -> None:
    ack = hello_ack(K_DEV, GW_NONCE, DEV_NONCE, boot=9, clock=1795269600)
    assert ack[:16] == DEV_NONCE
    assert struct.unpack("<II", ack[16:24]) == (9, 1795269600)
    assert ack[24:].hex() == "1a6986f651b77270"


def test_the_unlock_pulse_of_the_sheet_is_understood() -> None:
    frame = ble_frames.taken_apart(UNLOCK_PULSE)
    assert (frame.type, frame.counter) == (Type.CMD, 1)
    command = ble_frames.order(session().open(frame)).command
    assert command is not None
    assert (command.op, command.cmd_id, command.args, command.expires_at) == ("UNLOCK_PULSE", CMD_ID, {"s": 5}, 1795269610)


def test_a_frame_that_comes_twice_is_a_replay() -> None:
    taken = session()
    taken.open(ble_frames.taken_apart(UNLOCK_PULSE))
    with pytest.raises(Replayed):
        taken.open(ble_frames.taken_apart(UNLOCK_PULSE))


@pytest.mark.parametrize("at", range(len(UNLOCK_PULSE)))
def test_no_changed_byte_gets_through(at: int) -> None:
    changed = bytearray(UNLOCK_PULSE)
    changed[at] ^= 0x01
    with pytest.raises((BadTag, Malformed)):
        session().open(ble_frames.taken_apart(bytes(changed)))


def test_what_the_device_says_cannot_be_sent_back_to_it() -> None:
    said = session().seal(Type.REPLY, b"anything")
    with pytest.raises(BadTag):
        session().open(ble_frames.taken_apart(said))


@given(message=st.binary(min_size=1, max_size=1200), mtu=st.integers(23, 517))
def test_a_message_in_pieces_is_the_message(message: bytes, mtu: int) -> None:
    whole = Assembler()
    pieces = list(ble_frames.fragments(message, mtu))
    assert all(len(piece) <= mtu - 3 for piece in pieces)
    assert [whole.add(piece, 0.0) for piece in pieces] == [None] * (len(pieces) - 1) + [message]


def test_a_missing_piece_drops_the_message_and_the_next_one_arrives() -> None:
    whole = Assembler()
    first, _, last = ble_frames.fragments(bytes(50), 23)
    assert [whole.add(piece, 0.0) for piece in (first, last)] == [None, None]
    (short,) = ble_frames.fragments(b"next", 23)
    assert whole.add(short, 0.0) == b"next"


def test_a_pause_of_more_than_two_seconds_drops_the_message() -> None:
    first, last = ble_frames.fragments(bytes(30), 23)
    patient, gone = Assembler(), Assembler()
    patient.add(first, 10.0)
    gone.add(first, 10.0)
    assert patient.add(last, 12.0) == bytes(30)
    assert gone.add(last, 12.1) is None


def test_a_message_for_more_than_64_pieces_is_refused_by_the_sender() -> None:
    with pytest.raises(ValueError, match="64 fragments"):
        list(ble_frames.fragments(bytes(19 * 64 + 1), 23))


@pytest.mark.parametrize(
    "tlvs",
    ["0105", "01020500010205", "ff00", "0e020000", "0803000000"],
    ids=["cut off", "the second cut off", "unknown tag", "arg of two bytes", "hash of three bytes"],
)
def test_an_argument_that_cannot_be_read_refuses_the_whole_command(tlvs: str) -> None:
    order = ble_frames.order(struct.pack("<H", 0x0120) + CMD_ID + bytes.fromhex(tlvs))
    assert (order.cmd_id, order.command) == (CMD_ID, None)


def test_a_right_is_read_with_all_its_fields() -> None:
    numbers = {2: (71, 4), 3: (3, 4), 4: (389130241, 4), 5: (1795269600, 4), 6: (1795521600, 4), 7: (48879, 4)}
    numbers |= {9: (0x0101, 2), 10: (1, 1), 11: (2, 1), 12: (205, 2), 13: (1, 2), 15: (3, 4)}
    body = b"".join(ble_frames.tlv(tag, value, size) for tag, (value, size) in numbers.items())
    body += bytes((8, 8)) + bytes.fromhex("094695ea348c91cb") + bytes((16, 5)) + struct.pack("<BHH", 0x3E, 360, 1080)
    command = ble_frames.order(struct.pack("<H", 0x0110) + CMD_ID + body).command
    assert command is not None
    assert command.args == {
        "right_ref": 71,
        "version": 3,
        "generation": 389130241,
        "from": 1795269600,
        "until": 1795521600,
        "credential_ref": 48879,
        "flags": 0x0101,
        "role": 1,
        "copy": 2,
        "door_first": 205,
        "door_count": 1,
        "areas": 3,
        "cred_hash": "094695ea348c91cb",
        "schedule": {"days": 0x3E, "start": 360, "end": 1080},
    }


@pytest.mark.parametrize("opcode", [0x0003, 0x0120, 0x0121], ids=["IDENTIFY", "UNLOCK_PULSE", "SET_MODE"])
def test_until_is_when_an_order_expires_unless_it_is_a_right(opcode: int) -> None:
    command = ble_frames.order(struct.pack("<H", opcode) + CMD_ID + ble_frames.tlv(6, 1795269610, 4)).command
    assert command is not None
    assert (command.expires_at, command.args) == (1795269610, {})


def test_a_reply_reads_back_the_memory_in_five_numbers() -> None:
    read_back = {"rights_count": 1, "rights_digest": 0x77BDBD5A, "guard_digest": 0xB6E6383D, "floor": 389130496, "generation": 389130241}
    body = ble_frames.reply(Reply(CMD_ID, "done", "OK", read_back, 0))
    assert body[:19] == bytes((3, 0, 0)) + CMD_ID
    assert [(tag, int.from_bytes(value, "little")) for tag, value in ble_frames.tlvs(body[19:])] == [
        (32, 1),
        (33, 0x77BDBD5A),
        (34, 0xB6E6383D),
        (35, 389130496),
        (36, 389130241),
    ]


def test_a_refusal_says_its_code() -> None:
    assert ble_frames.reply(Reply(CMD_ID, "error", "STALE_VERSION", {}, 0, replayed=True)) == bytes((4, 5, 1)) + CMD_ID


def test_an_event_carries_the_fields_of_the_modbus_window() -> None:
    opened = {"op": "unlock", "source": 8, "credential_ref": 0xBEEF, "right_ref": 71, "role": 1, "generation": 389130241}
    body = ble_frames.event(Event("lock-312", 0x1234ABCD, 7, 1795269600, "set", "lock_operation", opened), 312)
    assert struct.unpack("<IHHIBBII", body) == (7, 257, 0x0108, 1795269600, 0, 312 & 0xFF, 0xBEEF, 389130241)
