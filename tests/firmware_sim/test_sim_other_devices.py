"""Encoders, minibars, room controllers and sensor pairs: what their hands do and what they tell."""

import asyncio
from typing import Any

import pytest

from firmware_sim.card import Card, authentic
from firmware_sim.device import Reply, Setup
from firmware_sim.encoder import Encoder
from firmware_sim.faults import CardFault
from firmware_sim.nvram import Nvram
from firmware_sim.sensor import SensorPair
from tests.firmware_sim.sim_builders import (
    K_CARD,
    K_DEV,
    T,
    card,
    command,
    data,
    do,
    encoder,
    events,
    generation,
    later,
    minibar,
    room,
    world,
)

FIELDS: dict[str, Any] = {"type": "guest", "door_first": 205, "door_count": 1, "generation": generation(), "from": T, "until": T + 86400}
ENCODE = FIELDS | {"copy": 0, "flags": 0, "credential_ref": 0xBEEF, "areas": 0, "purpose": "new"}


def quick() -> Encoder:
    """An encoder whose jobs take 30 ms."""
    made = encoder()
    made.faults.card = CardFault("slow", 30)
    return made


def blank() -> Card:
    return Card("B1", bytes(range(7)))


async def test_a_card_is_written_read_and_verified() -> None:
    desk, empty = quick(), blank()
    desk.lay_card(empty)
    heard: list[Reply] = []
    reply = await desk.execute(command("ENCODE", ENCODE), heard.append)
    assert reply is not None
    assert [r.status for r in (*heard, reply)] == ["accepted", "running", "done"]
    assert reply.result["credential_ref"] == 0xBEEF
    image = authentic(empty.memory, empty.uid, K_CARD)
    assert image is not None
    assert (image.credential_ref, image.door_first, image.extra_doors) == (0xBEEF, 205, ())
    read = await do(desk, "READ")
    assert {name: read.result[name] for name in ("type", "property", "door_first", "credential_ref")} == {
        "type": 1,
        "property": 42,
        "door_first": 205,
        "credential_ref": 0xBEEF,
    }
    assert (await do(desk, "VERIFY", ENCODE)).status == "done"
    assert (await do(desk, "VERIFY", ENCODE | {"until": T})).code == "VERIFY_MISMATCH"
    assert (await do(desk, "ERASE")).status == "done"
    assert empty.blank
    assert desk.attributes()["written_total"] == 2
    assert events(desk) == ["card_presented", "encode_done"]


async def test_the_card_may_come_after_the_order() -> None:
    desk = quick()
    job = asyncio.ensure_future(do(desk, "ENCODE", ENCODE))
    await asyncio.sleep(0)
    assert desk.attributes()["state"] == 1
    assert (await do(desk, "READ")).code == "BUSY"
    desk.lay_card(blank())
    assert (await job).status == "done"


async def test_no_card_in_time_is_said() -> None:
    desk = quick()
    desk.wait_card_s = 0.02
    assert (await do(desk, "ENCODE", ENCODE)).code == "NO_CARD"
    assert data(desk, "encode_failed") == [{"code": "NO_CARD"}]


async def test_a_card_lifted_in_the_writing_keeps_the_part_that_arrived_and_the_same_again_mends_it() -> None:
    desk, torn = encoder(), blank()
    desk.lay_card(torn)
    desk.faults.draw_card_work = lambda: 0.2  # type: ignore[method-assign]
    desk.faults.card = CardFault("lifted_at", 50, count=1)
    assert (await do(desk, "ENCODE", ENCODE)).code == "CARD_REMOVED"
    assert not torn.blank
    assert authentic(torn.memory, torn.uid, K_CARD) is None
    desk.lay_card(torn)
    assert (await do(desk, "ENCODE", ENCODE)).status == "done"
    assert authentic(torn.memory, torn.uid, K_CARD) is not None


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (card("STAFF", type=2, copy=4), "FOREIGN_CARD"),
        (card("ELSEWHERE", key=b"\x22" * 32, property_number=43), "FOREIGN_CARD"),
        (Card("CREDIT", bytes(7), "wrong_type"), "WRONG_CARD_TYPE"),
        (Card("SEALED", bytes(7), "protected"), "CARD_PROTECTED"),
        (card("YESTERDAY", until=T - 1), None),
        (Card("BLANK", bytes(7)), None),
    ],
)
async def test_what_may_be_written_over(key: Card, code: str | None) -> None:
    desk = quick()
    before = key.memory
    desk.lay_card(key)
    reply = await do(desk, "ENCODE", ENCODE)
    assert reply.code == (code or "OK")
    assert (key.memory == before) is (code is not None)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("none", "NO_CARD"),
        ("wrong_type", "WRONG_CARD_TYPE"),
        ("foreign", "FOREIGN_CARD"),
        ("protected", "CARD_PROTECTED"),
        ("write_fail", "WRITE_ERROR"),
        ("verify_mismatch", "VERIFY_MISMATCH"),
    ],
)
async def test_each_card_fault_has_its_code(kind: str, code: str) -> None:
    desk = encoder()
    desk.wait_card_s = 0.02
    desk.faults.draw_card_work = lambda: 0.02  # type: ignore[method-assign]
    desk.lay_card(blank())
    desk.faults.card = CardFault(kind, count=1)
    assert (await do(desk, "ENCODE", ENCODE)).code == code
    assert (await do(desk, "ENCODE", ENCODE)).status == "done", "the fault is used up"


async def test_a_power_cut_ends_the_job_without_an_answer() -> None:
    desk = quick()
    job = asyncio.ensure_future(desk.execute(order := command("ENCODE", ENCODE)))
    await asyncio.sleep(0)
    desk.reboot()
    desk.lay_card(blank())
    assert await job is None
    again = await desk.execute(order)
    assert again is not None
    assert (again.status, again.replayed, desk.boot_counter) == ("done", False, 2)


async def test_a_job_number_must_rise() -> None:
    desk = quick()
    desk.lay_card(blank())
    assert (await do(desk, "ENCODE", ENCODE | {"version": 5})).status == "done"
    assert (await do(desk, "ENCODE", ENCODE | {"version": 5})).code == "STALE_VERSION"
    assert (await do(desk, "ENCODE", ENCODE | {"purpose": "gift"})).code == "BAD_REQUEST"
    assert (await do(desk, "ENCODE", ENCODE | {"extra_doors": [1, 2, 3, 4, 5, 6]})).code == "BAD_REQUEST"


def test_the_time_of_card_work_is_that_of_a_real_encoder() -> None:
    assert all(1.2 <= encoder().faults.draw_card_work() <= 4.0 for _ in range(20))
    assert all(0.02 <= room_latency <= 0.08 for room_latency in (fresh().draw_latency() for _ in range(20)))


def fresh() -> Any:
    return SensorPair(Setup("s", "ble", K_DEV), world(), Nvram(None), False).faults


def test_a_bottle_out_and_back_is_told_with_its_number_and_time() -> None:
    bar = minibar()
    assert bar.remove(3)["removed"]
    later(bar, 40)
    assert bar.put_back(3)["returned"]
    bar.remove(3)
    bar.close_door()
    assert data(bar, "slot_removed") == [{"slot": 3, "removal_no": 1}, {"slot": 3, "removal_no": 2}]
    assert data(bar, "slot_returned") == [{"slot": 3, "removal_no": 1, "after_s": 40}]
    assert [d["open"] for d in data(bar, "bar_door")] == [True, False]
    assert bar.true_stock == {1: True, 2: True, 3: False, 4: True}
    bar.reboot()
    bar.put_back(3)
    assert data(bar, "slot_returned")[-1]["removal_no"] == 2


async def test_a_locked_bar_gives_nothing() -> None:
    bar = minibar()
    assert (await do(bar, "BAR_LOCK", {"version": 1})).status == "done"
    assert not bar.remove(1)["removed"]
    assert (await do(bar, "BAR_UNLOCK")).code == "BAD_REQUEST"
    assert (await do(bar, "BAR_UNLOCK", expires_at=T + 10)).status == "done"
    assert bar.remove(1)["removed"]
    assert (await do(bar, "GET_INVENTORY")).result["slots"][0] == {"slot": 1, "present": False}
    assert [d["on"] for d in data(bar, "bar_lock")] == [True, False]


async def test_restock_ends_by_itself() -> None:
    bar = minibar()
    assert (await do(bar, "RESTOCK_BEGIN", {"attendant": "17"})).status == "done"
    bar.open_door()
    bar.close_door()
    later(bar, 119)
    assert bar.restocking
    later(bar, 1)
    assert not bar.restocking
    await do(bar, "RESTOCK_BEGIN", {"attendant": "17"})
    later(bar, 1200)
    assert [d["state"] for d in data(bar, "restock")] == ["begin", "end"] * 2


def test_a_stuck_slot_hides_the_bottle_that_was_taken() -> None:
    bar = minibar()
    bar.faults.stuck = {"slot-2": True}
    bar.remove(2)
    assert not bar.true_stock[2]
    assert bar.seen(2)
    assert data(bar, "slot_removed") == []
    assert "sensor_fault" in bar.flags()


def test_the_attendant_fills_every_empty_slot() -> None:
    bar = minibar()
    bar.remove(1)
    bar.remove(4)
    assert bar.restock(card("A1", credential_ref=9)) == {"filled": [1, 4]}
    assert all(bar.true_stock.values())
    assert data(bar, "restock") == [{"state": "begin", "attendant": 9}, {"state": "end", "attendant": 9}]


def test_a_guest_comes_in_moves_and_leaves() -> None:
    unit = room()
    unit.enter()
    later(unit, 60)
    unit.leave()
    later(unit, 60)
    assert events(unit) == ["contact", "contact", "motion", "motion", "motion", "contact", "contact", "motion"]
    assert [d["on"] for d in data(unit, "motion")] == [True, False, True, False]
    assert unit.true_presence == 0


def test_one_lamp_puts_out_the_other() -> None:
    unit = room()
    for button in ("dnd", "mur", "mur"):
        unit.press(button)
    assert [d["value"] for d in data(unit, "service")] == [1, 2, 0]


async def test_settings_of_a_room_outlive_a_reboot() -> None:
    unit = room()
    assert (await do(unit, "SET_PROFILE", {"profile": 0})).status == "done"
    assert (await do(unit, "SET_SETPOINT", {"setpoint": 225})).status == "done"
    assert (await do(unit, "SET_SETPOINT", {"setpoint": 900})).code == "BAD_REQUEST"
    assert (await do(unit, "SET_PROFILE", {"profile": 3})).code == "BAD_REQUEST"
    assert (await do(unit, "SET_RENTED", {"rented": True})).status == "done"
    unit.press("dnd")
    assert (await do(unit, "CLEAR_SERVICE", expires_at=T + 300)).status == "done"
    unit.reboot()
    told = unit.attributes()
    assert (told["profile"], told["setpoint"], told["rented"], told["service"]) == (0, 225, True, 0)


def test_a_sensor_pair_keeps_nothing_for_nobody() -> None:
    pair = SensorPair(Setup("door-210", "ble", K_DEV), world(), Nvram(None), True)
    pair.contact(True)
    pair.move()
    assert pair.state()["door_open"]
    assert pair.state()["motion"]
    later(pair, 30)
    assert not pair.state()["motion"]
    assert pair.unacknowledged() == ()
