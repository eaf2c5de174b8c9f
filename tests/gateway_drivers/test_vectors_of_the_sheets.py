"""Every byte vector of the device sheets, through the box's own codecs."""

import struct
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from gateway.device import AccessRight, Command, Ping, PutRight, UnlockPulse
from gateway.drivers import ble_commands, ble_frames, modbus_mailbox, mqtt_bodies, mqtt_envelope
from gateway.drivers.mqtt_envelope import Boot
from gateway.drivers.ops import OPS
from gateway.rules.door import guard_digest, rights_digest

K_DEV = bytes(range(32))
BOOT = Boot(0x1234ABCD, 9)
CMD_ID = uuid.UUID("018f5a10-0000-7000-8000-000000000001")
TWO_O_CLOCK = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
UNLOCK = Command(CMD_ID, UnlockPulse(5), TWO_O_CLOCK, TWO_O_CLOCK + timedelta(seconds=10))
RIGHT = AccessRight(
    right_ref=71,
    version=3,
    credential_ref=48879,
    door_first=205,
    door_count=1,
    generation=389130241,
    start=datetime.fromtimestamp(1795269600, UTC),
    until=datetime.fromtimestamp(1795521600, UTC),
)


def test_the_digest_of_one_right_is_that_of_the_sheet() -> None:
    assert rights_digest([RIGHT]) == 0x77BDBD5A
    assert rights_digest([]) == 0


def test_the_guard_digest_covers_floor_and_blocked_credentials() -> None:
    assert guard_digest(389130496, {}) == 0xB6E6383D
    assert guard_digest(389130496, {0xBEEF: 3}) == 0xACB1046A


def test_an_mqtt_command_has_the_body_and_the_tag_of_the_sheet() -> None:
    body = (
        '{"v":1,"cmd_id":"018f5a10-0000-7000-8000-000000000001","op":"UNLOCK_PULSE","args":{"s":5},'
        '"issued_at":"2026-11-21T14:00:00Z","expires_at":"2026-11-21T14:00:10Z"}'
    )
    assert mqtt_bodies.command(UNLOCK) == body
    assert mqtt_envelope.tag(K_DEV, mqtt_envelope.DOWN, "lock-201", BOOT, body.encode()).hex() == "0b142a44065f0d30"
    assert mqtt_envelope.seal(K_DEV, "lock-201", BOOT, body).endswith(b'"tag":"0b142a44065f0d30"}')


def test_a_right_travels_over_mqtt_as_the_example_of_the_sheet() -> None:
    body = (
        '{"v":1,"cmd_id":"018f5a10-0000-7000-8000-000000000001","op":"PUT_RIGHT","args":{"right_ref":71,"version":3,"credential_ref":48879,'
        '"cred_hash":"0000000000000000","door_first":205,"door_count":1,"generation":389130241,"from":1795269600,"until":1795521600,"role":1,'
        '"flags":0,"copy":0},"issued_at":"2026-11-21T13:58:02Z","expires_at":null}'
    )
    assert mqtt_bodies.command(Command(CMD_ID, PutRight(RIGHT), datetime(2026, 11, 21, 13, 58, 2, tzinfo=UTC))) == body


def test_the_mailbox_tag_is_that_of_the_sheet() -> None:
    head = struct.pack(">32H", 7, 0x0110, 0x018F, 0x5A10, 0, 1, *[0] * 26)
    assert modbus_mailbox.tag(K_DEV, BOOT.log_id, BOOT.boot_counter, head).hex() == "2ccbf9aec5005e46"


def test_a_mailbox_lies_as_the_sheet_says() -> None:
    command = Command(CMD_ID, PutRight(RIGHT), TWO_O_CLOCK)
    registers = modbus_mailbox.registers(command, 7, K_DEV, BOOT.log_id, BOOT.boot_counter)
    assert len(registers) == modbus_mailbox.COUNT
    assert registers[:6] == [7, 0x0110, 0x8000, 0, 0, 1]
    assert registers[6:18] == [0, 71, 0, 3, 0x1731, 0xA801, 0x6B01, 0xA3E0, 0x6B05, 0x7C40, 0, 0xBEEF]
    assert registers[18:32] == [0, 0, 0, 0, 0, 0x0100, 205, 1, 0, 0, 0, 0, 0, 0]


def test_the_ble_session_keys_and_the_proof_are_those_of_the_sheet() -> None:
    gw_nonce, dev_nonce = bytes(range(0xA0, 0xB0)), bytes(range(0xB0, 0xC0))
    keys = ble_frames.session_keys(K_DEV, gw_nonce, dev_nonce)
    assert (keys.key + keys.salt).hex() == "0068f2ddfa4ae463cd8e723a24832cc387d2f509546946e2"
    assert ble_frames.proof(K_DEV, gw_nonce, dev_nonce, 9, 1795269600).hex() == "1a6986f651b77270"


def test_a_ble_command_is_the_frame_of_the_sheet() -> None:
    keys = ble_frames.session_keys(K_DEV, bytes(range(0xA0, 0xB0)), bytes(range(0xB0, 0xC0)))
    frame = ble_frames.sealed(keys, ble_frames.CMD, 1, ble_commands.command(UNLOCK))
    assert frame.hex() == "0110010000001c005e1b2207bee09f63460ae18c78e6d49fa5653c3a9400e822d33f499b3082f749d0e7c727"
    opened = ble_frames.opened(frame, keys, 0, ble_frames.TO_DEVICE)
    assert (opened.type, opened.counter, opened.payload) == (ble_frames.CMD, 1, ble_commands.command(UNLOCK))


@pytest.mark.parametrize("op_type", list(OPS))
def test_every_op_has_a_name_and_a_number_of_its_own(op_type: type) -> None:
    assert sum(known.name == OPS[op_type].name for known in OPS.values()) == 1
    assert sum(known.opcode == OPS[op_type].opcode for known in OPS.values()) == 1


def test_a_ping_carries_nothing_but_its_number() -> None:
    assert ble_commands.command(Command(CMD_ID, Ping(), TWO_O_CLOCK)) == b"\x01\x00" + CMD_ID.bytes
