"""The control API of a simulated hotel: hands, knobs, truth, cards, clock; and every wrong word answered with a sentence."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import clock_server
from firmware_sim.control import application
from firmware_sim.hands import BadHand, gesture
from firmware_sim.hotel import Hotel, Keys
from firmware_sim.knobs import KNOBS, BadKnob, clear_all, turn
from firmware_sim.settings import HotelSettings
from host.serving import served
from host.simulated_clock import SimulatedClock
from tests.firmware_sim.sim_builders import K_CARD, K_DEV, NOON, T, command, do, generation, right

HYBRID = {"lock": "hybrid", "mains": False}
SETTINGS = {
    "property": "demo",
    "number": 42,
    "seed": 7,
    "clock": {"start": NOON, "rate": 0.0},
    "modbus": {"lines": {"east": {"port": 0}}},
    "devices": [
        {"name": "lock-205", "class": "lock", "binding": "modbus", "line": "east", "unit": 5, "door": 205},
        {
            "name": "lock-211",
            "class": "lock",
            "binding": "modbus",
            "line": "east",
            "unit": 11,
            "door": 211,
            "lock": "hybrid",
            "mains": False,
        },
        {"name": "lock-212", "class": "lock", "binding": "none", "door": 212, "lock": "data_on_card"},
        {"name": "encoder-1", "class": "encoder", "binding": "modbus", "line": "east", "unit": 101},
        {"name": "bar-205", "class": "minibar", "binding": "modbus", "line": "east", "unit": 55, "slots": 4},
        {"name": "room-205", "class": "room", "binding": "modbus", "line": "east", "unit": 151},
    ],
}
NAMES = [line["name"] for line in SETTINGS["devices"]]  # type: ignore[attr-defined]
Ask = httpx.AsyncClient


def built() -> Hotel:
    keys = Keys(dict.fromkeys(NAMES, K_DEV), {}, K_CARD, 42)
    return Hotel(HotelSettings.model_validate(SETTINGS), keys, None)


@pytest.fixture
def hotel() -> Hotel:
    """Not started: its bindings have tests of their own."""
    return built()


@pytest.fixture
async def ask(hotel: Hotel) -> AsyncIterator[Ask]:
    transport = httpx.ASGITransport(application(hotel))
    async with httpx.AsyncClient(transport=transport, base_url="http://sim") as client:
        yield client


async def said(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    told = answer.json()
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert told["detail"]
    return told


async def test_a_key_is_cut_and_opens_the_door_by_hands_alone(hotel: Hotel, ask: Ask) -> None:
    await said(await ask.post("/sim/devices/encoder-1/faults", json={"card": {"kind": "slow", "ms": 10}}), 200)
    await said(await ask.post("/sim/devices/encoder-1/lay_card", json={"card": "C1"}), 200)
    fields = {
        "door_first": 212,
        "door_count": 1,
        "generation": generation(),
        "from": T,
        "until": T + 9999,
        "credential_ref": 5,
        "purpose": 1,
    }
    assert (await do(hotel.devices["encoder-1"], "ENCODE", fields)).status == "done"
    await said(await ask.post("/sim/devices/encoder-1/lift_card"), 200)
    assert await said(await ask.post("/sim/devices/lock-212/tap", json={"card": "C1"}), 200) == {"opened": True, "reason": None}
    told = await said(await ask.post("/sim/devices/lock-211/tap", json={"card": "C1"}), 200)
    assert (told["opened"], told["reason"]) == (False, "wrong_door")
    truth = await said(await ask.get("/sim/truth"), 200)
    assert truth["lock-212"]["bolt_openings"] == [{"at": "2026-11-21T12:00:00Z", "source": 8, "credential_ref": 5}]
    assert truth["lock-211"]["bolt_openings"] == []


async def test_cards_are_made_blank_or_as_a_factory_would(ask: Ask) -> None:
    blank = await said(await ask.post("/sim/cards", json={}), 201)
    assert (blank["id"], blank["blank"]) == ("C13", True)
    staff = await said(
        await ask.post("/sim/cards", json={"id": "MASTER", "type": "staff", "role": 4, "door_first": 1, "door_count": 999}), 201
    )
    assert (staff["fields"]["copy"], staff["authentic"]) == (4, True)
    other = await said(await ask.post("/sim/cards", json={"id": "OTHER", "foreign": True}), 201)
    assert (other["fields"]["property"], other["authentic"]) == (43, False)
    assert (await said(await ask.post("/sim/devices/lock-212/tap", json={"card": "OTHER"}), 200))["reason"] == "foreign"
    assert (await said(await ask.post("/sim/devices/lock-212/tap", json={"card": "MASTER"}), 200))["opened"]
    assert len(await said(await ask.get("/sim/cards"), 200)) == 15


async def test_no_answer_holds_a_key_a_mac_or_a_token(hotel: Hotel, ask: Ask) -> None:
    await said(await ask.post("/sim/cards", json={"id": "MASTER", "type": "staff", "role": 4}), 201)
    await said(await ask.post("/sim/devices/lock-205/enter_pin", json={"digits": "471147"}), 200)
    await said(await ask.post("/sim/devices/lock-205/present", json={"token": "ab" * 16}), 200)
    memory = hotel.drawer.cards["MASTER"].memory.hex()
    for path in ("/sim/cards", "/sim/devices", "/sim/trace", "/sim/truth"):
        text = (await ask.get(path)).text
        assert "471147" not in text
        assert "abab" not in text
        assert memory[:60] not in text
        assert memory[60:76] not in text
        assert K_DEV.hex() not in text


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/sim/devices/lock-999/tap", {"card": "C1"}, 404, "there is no device 'lock-999'"),
        ("/sim/devices/lock-205/jump", {}, 404, "it has: change_batteries"),
        ("/sim/devices/lock-205/tap", {}, 400, "card is missing"),
        ("/sim/devices/lock-205/tap", {"card": "C99"}, 404, "there is no card 'C99'"),
        ("/sim/devices/lock-205/tap", {"card": 5}, 404, "there is no card 5"),
        ("/sim/devices/lock-205/tap", {"card": "C1", "hard": True}, 400, "tap does not take hard"),
        ("/sim/devices/lock-205/enter_pin", {"digits": "12a"}, 400, "a PIN is 1 to 12 digits"),
        ("/sim/devices/lock-205/present", {"token": "zz"}, 400, "16 bytes"),
        ("/sim/devices/lock-205/change_batteries", {}, 400, "on mains"),
        ("/sim/devices/bar-205/remove", {"slot": 9}, 400, "slots 1 to 4"),
        ("/sim/devices/bar-205/remove", {"slot": "3"}, 400, "a whole number"),
        ("/sim/devices/bar-205/remove", {"slot": True}, 400, "a whole number"),
        ("/sim/devices/room-205/press", {"button": "fire"}, 400, "dnd, mur, butler"),
        ("/sim/devices/lock-205/faults", {"gremlins": 1}, 422, "there is no knob 'gremlins'"),
        ("/sim/devices/lock-205/faults", {"dup": 1}, 422, "does not apply to lock-205"),
        ("/sim/devices/lock-205/faults", {"card": "none"}, 422, "it is a lock, not a encoder"),
        ("/sim/devices/lock-205/faults", {"battery": {"start_mv": 1}}, 422, "it is on mains"),
        ("/sim/devices/lock-211/faults", {"rights_capacity": 1}, 422, "keeps no rights"),
        ("/sim/devices/lock-212/faults", {"link": "down"}, 422, "it has no link"),
        ("/sim/devices/lock-205/faults", {"reply": "maybe"}, 422, "reply.kind must be one of"),
        ("/sim/devices/lock-205/faults", {"reply": "late"}, 422, "reply.ms is missing"),
        ("/sim/devices/lock-205/faults", {"reply": {"kind": "none", "ms": 5}}, 422, "reply.ms means nothing"),
        ("/sim/devices/lock-205/faults", {"reboot": {"phase": "after_bolt", "down_s": 5}}, 422, "down_s means nothing"),
        ("/sim/devices/lock-205/faults", {"reboot": {}}, 422, "reboot must be an object"),
        ("/sim/devices/lock-205/faults", {"drop": 2}, 422, "from 0 to 1"),
        ("/sim/devices/lock-205/faults", {"latency_ms": {"gamma": 1}}, 422, "latency_ms must be"),
        ("/sim/devices/lock-205/faults", {"sensor": {"stuck": {"slot-1": True}}}, 422, "door, deadbolt"),
        ("/sim/devices/lock-205/faults", {"nvram": {"corrupt": 1}}, 422, "no records"),
        ("/sim/cards", {"id": "C1"}, 409, "there is a card C1 already"),
        ("/sim/cards", {"kind": "wood"}, 400, "kind must be one of"),
        ("/sim/cards", {"colour": 1}, 400, "a card has no 'colour'"),
        ("/sim/cards", {"type": "king"}, 400, "type must be one of"),
        ("/sim/cards", {"role": 256}, 400, "from 0 to 255"),
        ("/clock/rate", {"rate": -1}, 400, "rate must be a number from 0 to 3600"),
        ("/clock/rate", {"rate": "fast"}, 400, "rate must be"),
        ("/clock/step", {}, 400, "seconds must be"),
        ("/clock/step", {"seconds": -5}, 400, "seconds must be"),
        ("/clock/caught_up", {"follower": "box"}, 400, "a report is"),
        ("/clock/caught_up", {"follower": "box", "revision": 1}, 404, "nobody called 'box'"),
        ("/sim/nothing", {}, 404, "there is nothing at POST /sim/nothing"),
    ],
)
async def test_a_wrong_word_is_answered_with_a_sentence(ask: Ask, path: str, body: Any, status: int, words: str) -> None:
    assert words in (await said(await ask.post(path, json=body), status))["detail"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b'"x"', b"\xff\xfe", b"[" * 60_000, b"x" * 70_000])
async def test_a_body_that_is_no_object_is_refused(ask: Ask, content: bytes) -> None:
    answer = await ask.post("/sim/devices/lock-205/tap", content=content)
    await said(answer, 413 if len(content) > 65_536 else 400)


async def test_other_bad_questions_are_told_apart(ask: Ask) -> None:
    await said(await ask.get("/sim/trace?after=x"), 400)
    await said(await ask.get("/clock/changes"), 400)
    await said(await ask.put("/clock"), 405)


words = st.sampled_from(["kind", "ms", "in", "stuck", "count", "ring", "x"])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(name=st.sampled_from(NAMES), knob=st.sampled_from(sorted(KNOBS)), value=junk)
def test_no_value_of_a_knob_breaks_the_simulator(name: str, knob: str, value: Any) -> None:
    async def once() -> None:
        hotel = built()
        device = hotel.devices[name]
        with contextlib.suppress(BadKnob):
            turn(device, {knob: value})
        assert clear_all(device) == {}
        assert hotel.shown(device)["faults"] == {}

    asyncio.run(once())


@settings(max_examples=150)
@given(
    name=st.sampled_from(NAMES),
    hand=st.sampled_from(["tap", "remove", "press", "lay_card", "throw_deadbolt", "change_batteries", "warm", "present", "enter_pin"]),
    body=st.dictionaries(st.sampled_from(["card", "slot", "button", "on", "gap_s", "tenths", "token", "digits"]), junk, max_size=2),
)
def test_no_gesture_breaks_the_simulator(name: str, hand: str, body: dict[str, Any]) -> None:
    hotel = built()
    with contextlib.suppress(BadHand):
        assert gesture(hotel.devices[name], hand, body, hotel.drawer)


# ---------------------------------------------------------------- knobs that bite


async def test_every_knob_is_shown_recorded_and_cleared(ask: Ask) -> None:
    set_now = await said(await ask.post("/sim/devices/lock-205/faults", json={"reply": "none", "drop": {"in": 0.5}}), 200)
    assert set_now == {"reply": "none", "drop": {"in": 0.5}}
    assert (await said(await ask.post("/sim/devices/lock-205/faults", json={"drop": None}), 200)) == {"reply": "none"}
    assert (await said(await ask.post("/sim/devices/lock-205/faults", json={"clear": True}), 200)) == {}
    trace = await said(await ask.get("/sim/trace"), 200)
    assert {"reply", "drop"} <= {entry["knob"] for entry in trace if entry["what"] == "fault"}


async def test_the_clock_knobs_move_only_the_device(hotel: Hotel, ask: Ask) -> None:
    door = hotel.devices["lock-205"]
    await said(await ask.post("/sim/devices/lock-205/faults", json={"clock": {"offset_s": 500}}), 200)
    assert int(door.now()) == T + 500
    door.reboot()
    assert int(door.now()) == T + 500
    await said(await ask.post("/sim/devices/lock-205/faults", json={"clock": {"lost": True}}), 200)
    assert door.tq() == "invalid"
    await said(await ask.post("/sim/devices/lock-205/faults", json={"clock": {"drift_ppm": 100_000}}), 200)
    await said(await ask.post("/clock/step", json={"seconds": 1000}), 200)
    assert int(door.now()) == T + 500 + 1100
    await said(await ask.post("/sim/devices/lock-205/faults", json={"clock": None}), 200)
    assert (int(door.now()), door.tq()) == (T + 1000, "set")


async def test_the_memory_knobs_lose_what_they_say(hotel: Hotel, ask: Ask) -> None:
    door = hotel.devices["lock-205"]
    for ref in (1, 2, 3):
        await do(door, "PUT_RIGHT", right(ref))
    await said(await ask.post("/sim/devices/lock-205/faults", json={"nvram": {"corrupt": 2}}), 200)
    assert door.health()["rights_count"] == 1
    before = door.log_id
    await said(await ask.post("/sim/devices/lock-205/faults", json={"nvram": "wipe"}), 200)
    assert (door.health()["rights_count"], door.log_id != before) == (0, True)
    await said(await ask.post("/sim/devices/lock-205/faults", json={"rights_capacity": 0}), 200)
    assert (await do(door, "PUT_RIGHT", right())).code == "RESOURCE_EXHAUSTED"


async def test_a_sagging_battery_is_told_and_then_moves_nothing(hotel: Hotel, ask: Ask) -> None:
    door = hotel.devices["lock-211"]
    await said(
        await ask.post("/sim/devices/lock-211/faults", json={"battery": {"start_mv": 4700, "drain_mv": 400, "dead_at_mv": 4000}}), 200
    )
    assert door.flags() == ("low_battery",)
    assert (await do(door, "UNLOCK_PULSE", {"s": 1}, T + 5)).status == "done"
    assert door.flags() == ("low_battery", "critical_battery")
    assert (await do(door, "UNLOCK_PULSE", {"s": 1}, T + 5)).status == "done"
    assert (await do(door, "UNLOCK_PULSE", {"s": 1}, T + 5)).code == "LOW_POWER"


async def test_a_reboot_by_count_and_by_time(hotel: Hotel, ask: Ask) -> None:
    door = hotel.devices["lock-205"]
    await said(await ask.post("/sim/devices/lock-205/faults", json={"reboot": {"every": 2}}), 200)
    assert await door.execute(command("PING")) is not None
    assert await door.execute(command("PING")) is None
    await said(await ask.post("/sim/devices/lock-205/faults", json={"reboot": None}), 200)
    on = asyncio.Event()
    door.on_reach(lambda up: on.set() if up else None)
    await said(await ask.post("/sim/devices/lock-205/faults", json={"reboot": {"now": True, "down_s": 0.01}}), 200)
    await asyncio.wait_for(on.wait(), 5)
    assert door.boot_counter == 3


async def test_a_loose_contact_changes_its_mind_until_it_is_mended(hotel: Hotel, ask: Ask) -> None:
    bar, changes = hotel.devices["bar-205"], asyncio.Event()
    bar.on_event(lambda event: changes.set() if event.seq > 6 else None)
    await said(await ask.post("/sim/devices/bar-205/faults", json={"sensor": {"flap": {"slot-2": 20}}}), 200)
    await asyncio.wait_for(changes.wait(), 10)
    assert "sensor_fault" in bar.flags()
    assert (await said(await ask.get("/sim/truth"), 200))["bar-205"]["true_stock"]["2"] is True
    await said(await ask.post("/sim/devices/bar-205/faults", json={"sensor": None}), 200)
    assert bar.faults.flapping == {}
    told = await said(await ask.post("/sim/devices/bar-205/faults", json={"sensor": {"flap": {"temp": 1}}}), 422)
    assert "door, slot-1" in told["detail"]


# ---------------------------------------------------------------- the clock


async def test_a_step_runs_each_timer_at_its_own_moment(hotel: Hotel, ask: Ask) -> None:
    await said(await ask.post("/sim/devices/lock-205/inside_handle"), 200)
    told = await said(await ask.post("/clock/step", json={"seconds": 86400}), 200)
    assert told == {"now": "2026-11-22T12:00:00.000Z", "rate": 0.0, "revision": 1}
    relocked = hotel.devices["lock-205"].unacknowledged()[-1]
    assert (relocked.type, relocked.data["op"], relocked.ts) == ("lock_operation", "lock", T + 5)


async def test_a_step_returns_when_every_follower_has_worked_it_off(hotel: Hotel) -> None:
    done: list[str] = []
    async with served(application(hotel), "127.0.0.1", 0) as serving, httpx.AsyncClient(base_url=serving.url) as client:
        clock = SimulatedClock(serving.url, "box")
        slow = asyncio.Event()

        async def work() -> None:
            if clock.now() > NOON:
                await slow.wait()
                done.append(clock.now().isoformat())

        clock.on_step(work)
        await clock.start()
        try:
            assert clock.now() == NOON
            step = asyncio.ensure_future(client.post("/clock/step", json={"seconds": 3600}))
            async with asyncio.timeout(5):
                while clock.now() == NOON:
                    await asyncio.sleep(0.01)
            assert not step.done()
            slow.set()
            assert (await step).status_code == 200
            assert done == [(NOON + timedelta(hours=1)).isoformat()]
            assert (await client.post("/clock/rate", json={"rate": 60})).json()["rate"] == 60.0
        finally:
            await clock.stop()


async def test_a_follower_that_never_reports_is_named(hotel: Hotel, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_server, "STEP_LIMIT_S", 0.05)
    async with hotel.clock.followed("central"):
        told = await said(await ask.post("/clock/step", json={"seconds": 1}), 504)
    assert "central" in told["detail"]
    assert (await said(await ask.get("/clock"), 200))["now"] == "2026-11-21T12:00:01.000Z"
    await said(await ask.post("/clock/step", json={"seconds": 1}), 200)


async def test_the_same_seed_and_script_give_the_same_trace() -> None:
    async def script() -> list[Any]:
        hotel = built()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application(hotel)), base_url="http://sim") as client:
            await client.post("/sim/devices/bar-205/remove", json={"slot": 1})
            await client.post("/sim/devices/lock-205/faults", json={"latency_ms": 0, "reply": {"kind": "none", "count": 1}})
            for op in ("PING", "IDENTIFY"):
                await hotel.devices["lock-205"].execute(command(op))
            await client.post("/clock/step", json={"seconds": 100})
            return list((await client.get("/sim/trace")).json())

    first, second = await script(), await script()
    assert first == second
    assert len(first) > 10
    assert json.dumps(first)


async def test_truth_cards_and_time_outlive_the_simulator(tmp_path: Path) -> None:
    def again(**other: Any) -> Hotel:
        return Hotel(HotelSettings.model_validate(SETTINGS | other), Keys(dict.fromkeys(NAMES, K_DEV), {}, K_CARD, 42), tmp_path)

    first = again()
    for name, hand, body in (
        ("lock-205", "inside_handle", {}),
        ("lock-211", "throw_deadbolt", {}),
        ("bar-205", "remove", {"slot": 2}),
        ("room-205", "enter", {}),
        ("encoder-1", "lay_card", {"card": "C3"}),
    ):
        gesture(first.devices[name], hand, body, first.drawer)
    await first.clock.step(86400, first.world.timers)
    before, cards = first.truth(), [first.drawer.shown(card) for card in first.drawer.cards.values()]
    await first.stop()
    second = again()
    assert second.truth() == before
    assert [second.drawer.shown(card) for card in second.drawer.cards.values()] == cards
    assert second.clock.now() == NOON + timedelta(days=1)
    await second.stop()
    third = again(clock={"start": NOON + timedelta(days=9), "rate": 0.0})
    assert third.clock.now() == NOON + timedelta(days=9)
    await third.stop()
