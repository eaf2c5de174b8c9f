"""Golden bytes of the device sheet that the simulator must give: card images, digests, credential hashes."""

from firmware_sim import card
from firmware_sim.lock_memory import LockMemory, guard, put_right, raise_floor

K_CARD = b"\x11" * 32
K_DEV = bytes(range(32))
UID = bytes.fromhex("04A1B2C3D4E5F6")
IMAGE = card.Image(1, 42, 205, 1, 389130241, 0, 0, 1795269600, 1795521600, 0xBEEF, 3)
HEAD = "0101002a00cd00011731a80100006b01a3e06b057c400000beef00000003"
RIGHT = {
    "right_ref": 71,
    "version": 3,
    "credential_ref": 48879,
    "cred_hash": "0000000000000000",
    "door_first": 205,
    "door_count": 1,
    "generation": 389130241,
    "from": 1795269600,
    "until": 1795521600,
    "role": 1,
    "flags": 0,
    "copy": 0,
}


def test_the_card_of_the_sheet_is_written_byte_by_byte() -> None:
    assert card.written(IMAGE, UID, K_CARD).hex() == HEAD + "77f3219948b2ac3e"


def test_a_card_with_one_more_door_is_image_two() -> None:
    second = card.Image(1, 42, 205, 1, 389130241, 0, 0, 1795269600, 1795521600, 0xBEEF, 3, (207,))
    content = card.written(second, UID, K_CARD)
    assert len(content) == 48
    assert content.hex() == "02" + HEAD[2:] + "00cf" + "0000" * 4 + "8c9834fa9b91a27c"
    assert card.authentic(content, UID, K_CARD) == second


def test_a_copied_image_is_not_authentic_on_another_card() -> None:
    content = card.written(IMAGE, UID, K_CARD)
    assert card.authentic(content, UID, K_CARD) == IMAGE
    assert card.authentic(content, bytes(7), K_CARD) is None
    assert card.authentic(content, UID, bytes(32)) is None


def test_a_phone_token_is_known_by_its_hash() -> None:
    assert card.cred_hash(K_DEV, bytes(range(16))) == "094695ea348c91cb"


def test_the_digest_of_one_right_and_of_none() -> None:
    memory, _ = put_right(LockMemory(), RIGHT, 0, 64)
    assert f"{memory.rights_digest():08x}" == "77bdbd5a"
    assert f"{LockMemory().rights_digest():08x}" == "00000000"


def test_the_digest_of_floor_and_blocked_credentials() -> None:
    floor, _ = raise_floor(LockMemory(), {"floor": 389130496})
    assert f"{floor.guard_digest():08x}" == "b6e6383d"
    blocked, _ = guard(floor, {"credential_ref": 0xBEEF, "version": 3}, True, 32)
    assert f"{blocked.guard_digest():08x}" == "acb1046a"
