"""Simulated devices on a real broker, seen from the account of the gateway: births, tags, commands, events, faults."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from demo import broker
from firmware_sim import knobs
from firmware_sim.device import Device, Setup
from firmware_sim.lock import Lock, LockSettings
from firmware_sim.mqtt_codec import DOWN, UP, compact, sealed, tag
from firmware_sim.mqtt_side import MqttSide
from firmware_sim.nvram import Nvram
from tests.firmware_sim.sim_builders import K_CARD, K_DEV, PROPERTY, at_once, card, generation, right, world

PASSWORDS = {"gateway": "g-word", "join": "j-word", "lock-201": "l-word", "lock-202": "m-word"}
LIMIT_S = 10.0


class Box:
    """The gateway's account: hears everything of the property and may command."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, Any, bool]] = []
        self._loop, self._more = asyncio.get_running_loop(), asyncio.Event()
        self.listens = asyncio.Event()  # an event sent before that is not heard; a device repeats it only after 30 s
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="gateway")
        self._client.username_pw_set("gateway", PASSWORDS["gateway"])
        self._client.on_connect = lambda c, *_: c.subscribe("hgw/v1/demo/#", 1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_subscribe(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self.listens.set)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._take, message)

    def _take(self, message: paho.MQTTMessage) -> None:
        told = json.loads(message.payload) if message.payload else None
        self.heard.append((message.topic.removeprefix("hgw/v1/demo/"), told, message.retain))
        self._more.set()
        self._more = asyncio.Event()

    async def hears(self, topic: str, fits: Callable[[Any], bool] = lambda told: True) -> Any:
        """The first message of `topic` that fits, heard already or to come; its opened body when it is sealed."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                for heard, told, _ in self.heard:
                    if heard == topic and told is not None and fits(opened(told)):
                        return opened(told)
                await self._more.wait()

    def bodies(self, topic: str) -> list[Any]:
        return [opened(told) for heard, told, _ in self.heard if heard == topic and told is not None]

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events heard, arrays taken apart."""
        return [one for body in self.bodies(f"{name}/event") for one in (body if isinstance(body, list) else [body])]

    def say(self, device: Device, leaf: str, body: dict[str, Any], key: bytes = K_DEV, retain: bool = False) -> None:
        text = compact(body)
        mark = tag(key, DOWN, device.name, device.log_id, device.boot_counter, text.encode())
        self.shout(device, leaf, compact({"v": 1, "body": text, "tag": mark}).encode(), retain)

    def shout(self, device: Device, leaf: str, payload: bytes, retain: bool = False) -> None:
        self._client.publish(f"hgw/v1/demo/{device.name}/{leaf}", payload, qos=1, retain=retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def opened(told: Any) -> Any:
    return json.loads(told["body"]) if isinstance(told, dict) and "body" in told else told


def order(op: str, args: dict[str, Any] | None = None, expires_at: str | None = None) -> dict[str, Any]:
    told = {"v": 1, "cmd_id": str(uuid.uuid4()), "op": op, "args": args or {}}
    return told | {"issued_at": "2026-11-21T12:00:00Z", "expires_at": expires_at}


def has_type(kind: str) -> Callable[[Any], bool]:
    return lambda told: any(one["type"] == kind for one in (told if isinstance(told, list) else [told]))


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    number = broker.free_port()
    _, child = await broker.start(tmp_path / "broker", broker.Accounts("demo", PASSWORDS), "127.0.0.1", number)
    yield number
    await child.stop()


@pytest.fixture
async def box(port: int) -> AsyncIterator[Box]:
    box = Box(port)
    async with asyncio.timeout(LIMIT_S):
        await box.listens.wait()
    yield box
    box.close()


@pytest.fixture
async def door(port: int, box: Box) -> AsyncIterator[Lock]:
    settings = LockSettings(201, property_number=PROPERTY, k_card=K_CARD)
    lock = at_once(Lock(Setup("lock-201", "mqtt", K_DEV), world(), Nvram(None), settings))
    side = MqttSide([lock], "demo", "127.0.0.1", port, PASSWORDS)
    await side.start()
    await box.hears("lock-201/online", lambda told: told["online"])
    yield lock
    await side.stop()


def test_the_tag_of_the_sheet_is_made_byte_by_byte() -> None:
    body = (
        '{"v":1,"cmd_id":"018f5a10-0000-7000-8000-000000000001","op":"UNLOCK_PULSE","args":{"s":5},'
        '"issued_at":"2026-11-21T14:00:00Z","expires_at":"2026-11-21T14:00:10Z"}'
    )
    assert tag(K_DEV, DOWN, "lock-201", 0x1234ABCD, 9, body.encode()) == "0b142a44065f0d30"


async def test_a_door_is_born_with_its_state_health_and_log(box: Box, door: Lock) -> None:
    birth = await box.hears("lock-201/online")
    assert birth == {"online": True, "boot_counter": 1, "log_id": door.log_id, "fw": "1.4.0"}
    assert (await box.hears("lock-201/state"))["lock_state"] == 1
    health = await box.hears("lock-201/health")
    assert (health["rights_count"], health["rights_digest"]) == (0, 0)
    assert await box.hears("lock-201/event", has_type("boot"))


async def test_what_a_door_says_carries_its_tag(box: Box, door: Lock) -> None:
    await box.hears("lock-201/event", has_type("boot"))
    for topic, told, _ in box.heard:
        if topic.split("/", 1)[1] in ("event", "state", "health"):
            assert told["tag"] == tag(K_DEV, UP, "lock-201", door.log_id, 1, told["body"].encode())


async def test_a_right_put_over_the_broker_opens_the_door(box: Box, door: Lock) -> None:
    box.say(door, "cmd", told := order("PUT_RIGHT", right(door_first=201)))
    reply = await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == told["cmd_id"])
    assert (reply["status"], reply["code"], reply["result"]["rights_count"]) == ("done", "OK", 1)
    assert door.tap(card())["opened"]
    heard = await box.hears("lock-201/event", has_type("lock_operation"))
    assert heard
    assert (await box.hears("lock-201/state", lambda state: state["generation"] == generation()))["lock_state"] == 2


async def test_the_same_command_twice_is_done_once(box: Box, door: Lock) -> None:
    told = order("UNLOCK_PULSE", {"s": 5}, "2026-11-21T12:00:10Z")
    box.say(door, "cmd", told)
    box.say(door, "cmd", told)
    await box.hears("lock-201/cmd/reply", lambda reply: reply["replayed"])
    assert len(door.bolt.openings) == 1


@pytest.mark.parametrize(
    ("leaf", "payload", "reason"),
    [
        ("cmd", b"\xff\x00", "malformed"),
        ("cmd", b"[1,2]", "malformed"),
        ("cmd", b'{"v":1,"op":"PING"}', "malformed"),
        ("cmd", b'{"v":2,"body":"{}","tag":"0"}', "unknown_version"),
        ("cmd", b'{"v":1,"body":"{}"}', "untagged"),
        ("cmd", b'{"v":1,"body":"{}","tag":"0011223344556677"}', "bad_tag"),
        ("cmd", b'{"v":1,"body":"\\ud800","tag":"0011223344556677"}', "malformed"),
        ("cmd", b"[" * 60_000, "malformed"),
        ("cmd", b"x" * 65_537, "oversized"),
        ("event/ack", b"{}", "malformed"),
    ],
)
async def test_a_strange_message_is_dropped_and_counted(box: Box, door: Lock, leaf: str, payload: bytes, reason: str) -> None:
    box.shout(door, leaf, payload)
    box.say(door, "cmd", told := order("PING"))
    await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == told["cmd_id"])
    assert door.dropped == {reason: 1}


async def test_a_sealed_message_that_is_no_command_is_dropped(box: Box, door: Lock) -> None:
    for body in (
        {},
        order("PING") | {"v": 2},
        order("PING") | {"cmd_id": "x"},
        order("PING") | {"args": []},
        order("PING") | {"expires_at": 5},
    ):
        box.say(door, "cmd", body)
    box.say(door, "event/ack", {"log_id": door.log_id + 1, "upto": 1})
    box.say(door, "cmd", order("PING"), retain=True)
    box.say(door, "cmd", told := order("PING"))
    await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == told["cmd_id"])
    assert door.dropped == {"malformed": 4, "unknown_version": 1, "other_log": 1}


async def test_a_tag_of_an_earlier_boot_is_worth_nothing(box: Box, door: Lock) -> None:
    text = compact(order("PING"))
    old = compact({"v": 1, "body": text, "tag": tag(K_DEV, DOWN, "lock-201", door.log_id, 1, text.encode())}).encode()
    knobs.turn(door, {"reboot": {"now": True, "down_s": 0}})
    await box.hears("lock-201/online", lambda told: told.get("boot_counter") == 2)
    box.shout(door, "cmd", old)
    box.say(door, "cmd", told := order("PING"))
    await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == told["cmd_id"])
    assert door.dropped == {"bad_tag": 1}


async def test_events_come_again_until_they_are_acknowledged(box: Box, door: Lock) -> None:
    await box.hears("lock-201/event", has_type("boot"))
    door.throw_deadbolt()
    await box.hears("lock-201/event", has_type("deadbolt"))
    knobs.turn(door, {"link": "down"})
    await box.hears("lock-201/online", lambda told: not told["online"])
    box.heard.clear()
    knobs.turn(door, {"link": "up"})
    heard = await box.hears("lock-201/event")
    assert [event["type"] for event in heard] == ["boot", "deadbolt"]
    box.say(door, "event/ack", {"log_id": door.log_id, "upto": 2})
    box.say(door, "cmd", told := order("PING"))
    await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == told["cmd_id"])
    assert door.unacknowledged() == ()


async def test_three_hundred_events_of_a_dead_line_come_in_order_and_once(box: Box, door: Lock) -> None:
    await box.hears("lock-201/event", has_type("boot"))
    knobs.turn(door, {"link": "down"})
    for turn in range(300):
        door.throw_deadbolt(on=turn % 2 == 0)
    box.heard.clear()
    knobs.turn(door, {"link": "up"})
    await box.hears("lock-201/event", lambda told: (told if isinstance(told, dict) else told[-1])["seq"] == 301)
    assert [event["seq"] for event in box.events("lock-201")] == list(range(1, 302))
    assert max(len(body) for body in box.bodies("lock-201/event")) <= 32


async def test_a_message_is_sent_twice_when_the_line_doubles_it(box: Box, door: Lock) -> None:
    await box.hears("lock-201/event", has_type("boot"))
    knobs.turn(door, {"dup": {"out": 1.0}})
    box.say(door, "cmd", doubled := order("PING"))
    await box.hears("lock-201/cmd/reply")
    knobs.turn(door, {"dup": None})
    box.say(door, "cmd", single := order("PING"))
    await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == single["cmd_id"])
    assert [body["cmd_id"] for body in box.bodies("lock-201/cmd/reply")] == [doubled["cmd_id"], doubled["cmd_id"], single["cmd_id"]]


async def test_a_lost_command_was_never_there(box: Box, door: Lock) -> None:
    knobs.turn(door, {"drop": {"in": 1.0}})
    dice = door.faults.line.getstate()
    box.say(door, "cmd", order("RAISE_FLOOR", {"floor": 5}))
    async with asyncio.timeout(LIMIT_S):
        while door.faults.line.getstate() == dice:  # until the message has come and gone
            await asyncio.sleep(0.01)
    knobs.turn(door, {"drop": None})
    box.say(door, "cmd", told := order("PING"))
    reply = await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == told["cmd_id"])
    assert reply["result"]["floor"] == 0


async def test_a_swapped_reply_comes_after_the_next_message(box: Box, door: Lock) -> None:
    await box.hears("lock-201/event", has_type("boot"))
    knobs.turn(door, {"reorder": {"out": 1.0}})
    dice = door.faults.line.getstate()
    box.say(door, "cmd", first := order("IDENTIFY"))
    async with asyncio.timeout(LIMIT_S):
        while door.identified == 0 or door.faults.line.getstate() == dice:
            await asyncio.sleep(0.01)
    knobs.turn(door, {"reorder": None})
    box.say(door, "cmd", second := order("IDENTIFY"))
    await box.hears("lock-201/cmd/reply", lambda reply: reply["cmd_id"] == first["cmd_id"])
    order_heard = [body["cmd_id"] for body in box.bodies("lock-201/cmd/reply")]
    assert order_heard[-1] == first["cmd_id"] or order_heard == [second["cmd_id"], first["cmd_id"]]


async def test_a_device_with_another_key_understands_nothing(box: Box, door: Lock) -> None:
    knobs.turn(door, {"wrong_key": True})
    box.say(door, "cmd", order("PING"))
    async with asyncio.timeout(LIMIT_S):
        while not door.dropped:
            await asyncio.sleep(0.01)
    assert door.dropped == {"bad_tag": 1}


async def test_a_broker_that_comes_back_finds_its_doors_again(tmp_path: Path) -> None:
    number = broker.free_port()
    lock = at_once(Lock(Setup("lock-202", "mqtt", K_DEV), world(), Nvram(None), LockSettings(202)))
    side = MqttSide([lock], "demo", "127.0.0.1", number, PASSWORDS)
    await side.start()
    assert side.lines["lock-202"].standing == "offline"
    _, child = await broker.start(tmp_path / "broker", broker.Accounts("demo", PASSWORDS), "127.0.0.1", number)
    box = Box(number)
    try:
        assert (await box.hears("lock-202/online"))["online"]
    finally:
        box.close()
        await side.stop()
        await child.stop()


async def test_a_wrong_password_is_told_and_not_hammered(port: int) -> None:
    lock = at_once(Lock(Setup("lock-202", "mqtt", K_DEV), world(), Nvram(None), LockSettings(202)))
    side = MqttSide([lock], "demo", "127.0.0.1", port, {"lock-202": "wrong"})
    await side.start()
    async with asyncio.timeout(LIMIT_S):
        while side.lines["lock-202"].standing == "offline":
            await asyncio.sleep(0.02)
    assert "authori" in side.lines["lock-202"].standing.lower() or "password" in side.lines["lock-202"].standing.lower()
    await side.stop()


def test_the_box_could_not_read_a_message_of_another_device() -> None:
    lock = Lock(Setup("lock-202", "mqtt", K_DEV), world(), Nvram(None), LockSettings(202))
    told = json.loads(sealed(lock, "{}"))
    assert told["tag"] != tag(K_DEV, UP, "lock-201", lock.log_id, lock.boot_counter, b"{}")
