"""What a door does when somebody taps: the table of the device sheet, test by test, at the real lock core."""

from typing import Any

import pytest

from firmware_sim.card import Card
from firmware_sim.codes import Mode
from firmware_sim.decision import TESTS, Schedule, within
from tests.firmware_sim.sim_builders import T, card, data, do, events, generation, later, lock, right

EVE = T - 86400


async def online(args: dict[str, Any] | None = None, **settings: Any) -> Any:
    door = lock(**settings)
    await do(door, "PUT_RIGHT", args or right())
    return door


def reason(door: Any, key: Card) -> str | None:
    told = door.tap(key)
    return None if told["opened"] else told["reason"]


def test_the_tests_are_in_the_order_of_the_sheet() -> None:
    assert [int(reason) for reason, _ in TESTS] == list(range(1, 14))


async def test_a_guest_of_today_comes_in() -> None:
    door = await online()
    assert door.tap(card())["opened"]
    assert events(door)[-2:] == ["generation_advanced", "lock_operation"]
    assert data(door, "lock_operation") == [
        {"op": "unlock", "source": 8, "credential_ref": 0xBEEF, "right_ref": 71, "role": 1, "generation": generation()}
    ]


async def test_the_door_locks_itself_again() -> None:
    door = await online()
    door.tap(card())
    assert not door.bolt.locked
    later(door, 5)
    assert door.bolt.locked
    assert data(door, "lock_operation")[-1]["source"] == 4


@pytest.mark.parametrize(
    ("key", "args", "expected"),
    [
        (card(key=b"\x22" * 32), right(), "foreign"),
        (card(property_number=43), right(), "foreign"),
        (card(type=9), right(), "foreign"),
        (card(), right(door_first=206), "wrong_door"),
        (card(), right(flags=0x08, door_first=205), "wrong_door"),
        (card(credential_ref=1), right(), "unknown"),
        (card(), right(from_=T + 301), "not_yet"),
        (card(), right(from_=T + 300), None),
        (card(), right(until=T), "expired"),
        (card(), right(until=T + 1), None),
        (card(), right(role=3, schedule={"days": 0x7F, "start": 0, "end": 600}), "schedule"),
        (card(), right(role=3, schedule={"days": 0x7F, "start": 600, "end": 900}), None),
        (card(), right(generation=generation(T + 401 * 86400)), "out_of_sequence"),
        (card(), right(role=3, generation=0), None),
    ],
)
async def test_an_online_door_reads_the_right(key: Card, args: dict[str, Any], expected: str | None) -> None:
    assert reason(await online(args), key) == expected


@pytest.mark.parametrize("kind", ["hybrid", "data_on_card"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"door_first": 206}, "wrong_door"),
        ({"door_first": 206, "extra_doors": (205,)}, None),
        ({"start": T + 400}, "not_yet"),
        ({"until": T - 1}, "expired"),
        ({"generation": generation(T + 401 * 86400)}, "out_of_sequence"),
        ({"type": 2, "copy": 3, "generation": 0}, None),
    ],
)
def test_a_card_door_reads_the_card(kind: str, fields: dict[str, Any], expected: str | None) -> None:
    assert reason(lock(kind), card(**fields)) == expected


async def test_a_common_door_knows_no_generation() -> None:
    door = await online(right(door_first=0, door_count=0, areas=4, generation=5, flags=0x08), areas=4)
    await do(door, "RAISE_FLOOR", {"floor": generation()})
    assert reason(door, card()) is None
    assert door.memory.generation == 0


async def test_a_blocked_credential_is_refused_before_the_table_is_asked() -> None:
    door = await online()
    await do(door, "BLOCK_CRED", {"credential_ref": 0xBEEF, "version": 1})
    assert reason(door, card()) == "blocked"


async def test_the_next_guest_ends_the_key_of_the_one_before() -> None:
    door = await online(right(70, credential_ref=1, generation=generation(EVE)))
    await do(door, "PUT_RIGHT", right())
    assert reason(door, card(credential_ref=1)) is None
    assert reason(door, card()) is None
    assert reason(door, card(credential_ref=1)) == "superseded"


async def test_a_checked_out_generation_is_superseded_by_the_floor() -> None:
    door = await online()
    await do(door, "RAISE_FLOOR", {"floor": ((generation() >> 8) + 1) << 8})
    assert reason(door, card()) == "superseded"


async def test_the_deadbolt_keeps_housekeeping_out_but_not_an_emergency() -> None:
    door = await online(right(role=3))
    await do(door, "PUT_RIGHT", right(72, credential_ref=2, role=7))
    await do(door, "PUT_RIGHT", right(73, credential_ref=3, role=6, flags=1))
    door.throw_deadbolt()
    assert reason(door, card()) == "privacy"
    assert reason(door, card(credential_ref=2)) is None
    assert reason(door, card(credential_ref=3)) is None


async def test_a_lockout_stops_all_but_emergencies() -> None:
    door = await online()
    await do(door, "PUT_RIGHT", right(72, credential_ref=2, role=7))
    await do(door, "SET_MODE", {"mode": int(Mode.LOCKOUT), "version": 1})
    assert reason(door, card()) == "lockout"
    assert reason(door, card(credential_ref=2)) is None


async def test_without_a_clock_guests_wait_and_staff_come_in_with_an_alarm() -> None:
    door = await online()
    await do(door, "PUT_RIGHT", right(72, credential_ref=2, role=3))
    await do(door, "PUT_RIGHT", right(73, credential_ref=3, role=3, until=T))
    door.clock.valid = False
    assert reason(door, card()) == "clock_invalid"
    assert reason(door, card(credential_ref=3)) == "expired"
    assert reason(door, card(credential_ref=2)) is None
    assert {"kind": 5} in data(door, "alarm")


async def test_an_empty_battery_moves_no_bolt_and_the_handle_still_opens() -> None:
    door = await online()
    door.battery.mv = 3900
    assert reason(door, card()) == "low_power"
    assert door.inside_handle()["opened"]


async def test_five_wrong_cards_lock_the_reader_for_a_minute() -> None:
    door = await online()
    await do(door, "PUT_RIGHT", right(72, credential_ref=2, role=7))
    strange = card(key=b"\x22" * 32)
    for _ in range(5):
        assert reason(door, strange) == "foreign"
    assert data(door, "alarm") == [{"kind": 4}]
    for _ in range(100):
        assert reason(door, strange) == "foreign"
    assert reason(door, card()) == "lockout"
    assert reason(door, card(credential_ref=2)) is None, "an emergency card always"
    later(door, 60)
    assert reason(door, card()) is None
    assert [(d["reason"], d["count"]) for d in data(door, "access_denied")] == [(1, 1)] * 5 + [(1, 100), (4, 1)]
    assert data(door, "alarm") == [{"kind": 4}], "one alarm, not two hundred"


async def test_a_lockout_does_not_end_with_the_power() -> None:
    door = await online()
    for _ in range(5):
        door.tap(card(key=b"\x22" * 32))
    door.reboot()
    assert reason(door, card()) == "lockout"
    later(door, 60)
    assert reason(door, card()) is None


async def test_a_right_card_between_two_wrong_ones_starts_the_count_anew() -> None:
    door = await online()
    for _ in range(3):
        for _ in range(4):
            door.tap(card(key=b"\x22" * 32))
        assert reason(door, card()) is None


async def test_a_pin_and_a_phone_open_and_a_guessed_pin_counts() -> None:
    from firmware_sim.card import cred_hash
    from tests.firmware_sim.sim_builders import K_DEV

    door = await online(right(cred_hash=cred_hash(K_DEV, b"pin4711")))
    await do(door, "PUT_RIGHT", right(72, credential_ref=5, cred_hash=cred_hash(K_DEV, bytes(range(16)))))
    assert door.enter_pin("4711")["opened"]
    assert door.present(bytes(range(16)))["opened"]
    assert [d["source"] for d in data(door, "lock_operation")] == [3, 9]
    assert reason(door, card()) == "unknown", "the right of a PIN is no right of a card"
    for _ in range(5):
        door.enter_pin("0000")
    assert door.enter_pin("4711")["reason"] == "lockout"


async def test_a_one_shot_key_opens_once() -> None:
    door = await online(right(flags=2))
    assert reason(door, card()) is None
    assert reason(door, card()) == "unknown"
    assert data(door, "rights_changed")[-1] == {"right_ref": 71, "op": "del", "version": 1}
    hybrid = lock("hybrid")
    assert reason(hybrid, card(type=3)) is None
    assert reason(hybrid, card(type=3)) == "blocked"


def test_a_cancel_card_ends_the_stay_at_a_card_door() -> None:
    door = lock("data_on_card")
    assert reason(door, card()) is None
    door.tap(card("CANCEL", type=4, generation=((generation() >> 8) + 1) << 8))
    assert reason(door, card()) == "superseded"


def test_a_block_card_ends_one_card() -> None:
    door = lock("data_on_card")
    door.tap(card("BLOCK", type=5))
    assert reason(door, card()) == "blocked"
    assert reason(door, card(credential_ref=7)) is None


def test_an_old_lock_takes_only_the_next_generations() -> None:
    door = lock("data_on_card")
    assert reason(door, card(generation=300)) is None
    door.faults.counter_lookahead = 10
    assert reason(door, card(generation=320)) == "out_of_sequence"
    assert reason(door, card(generation=310)) is None


def test_a_schedule_over_midnight_belongs_to_the_evening() -> None:
    night = Schedule(days=0b0100000, start=22 * 60, end=6 * 60)  # Fridays
    friday = 1_795_132_800 - 1_795_132_800 % 86400  # any midnight
    friday += (5 - (friday // 86400 + 4) % 7) % 7 * 86400
    assert within(night, friday + 23 * 3600)
    assert within(night, friday + 29 * 3600)
    assert not within(night, friday + 5 * 3600)
