"""What the box's console tells: how it is, what each door must hold and holds. And when a clock is refused."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from demo.broker import free_port
from gateway import app, configuration
from gateway.app import Parts
from gateway.buses.ble import BleBus, BleSettings
from gateway.buses.failures import LinkDown
from gateway.buses.modbus import LineSettings, ModbusLine
from gateway.buses.mqtt import MqttBus, MqttSettings
from gateway.buses.open import Buses
from gateway.console import console
from gateway.store import Store
from gateway.sync import journal
from host.clock import Clock, ManualClock
from host.exits import HostError, Refused
from host.home import Home
from host.simulated_clock import SimulatedClock
from tests.gateway.houses import ARRIVE, NOON, key, stay
from wire import codec
from wire.entities import Body, PropertyBody
from wire.messages import FeedRow

FILE = """\
property: demo
buses: {mqtt: {host: 127.0.0.1, port: 1}}
devices:
  - {name: lock-201, kind: mqtt_lock, room: "201", door: 201}
doors:
  - {door: 212, room: "212"}
"""


def built(folder: Path, clock: Clock) -> Parts:
    home = Home(folder).prepared()
    home.write_keys("devices.json", {"lock-201": {"k_dev": "00" * 32}})
    (folder / "gateway.yaml").write_text(FILE)
    store = Store(folder / "box.db", journal.STEPS)
    store.open()
    return app.build(configuration.load(folder / "gateway.yaml"), home, clock, store)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    made = built(tmp_path, ManualClock(NOON))
    yield made
    await made.store.close()


async def put(parts: Parts, seq: int, kind: str, name: str, body: Body) -> None:
    row = FeedRow(seq, kind, name, "put", 0, json.loads(codec.canonical(body)))
    await parts.store.write(lambda tx: journal.take_row(tx, row))


async def ask(parts: Parts, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(console(parts)), base_url="http://box") as client:
        return await client.get(path)


async def test_every_list_of_the_console_is_json(parts: Parts) -> None:
    for path in ("/health", "/devices", "/doors", "/strangers", "/drops", "/digest", "/jobs"):
        assert (await ask(parts, path)).status_code == 200, path


async def test_health_names_what_is_wrong(parts: Parts) -> None:
    said = (await ask(parts, "/health")).json()
    assert (said["status"], said["devices"]) == ("degraded", {"offline": 1})
    assert said["why"] == ["1 device(s) offline", "central: not enrolled"]


async def test_health_counts_what_was_dropped_by_device_and_reason(parts: Parts) -> None:
    for device, reason in (("lock-201", "malformed"), ("lock-201", "malformed"), ("lock-205", "wrong_unit")):
        parts.drops.drop("modbus", device, reason)
    said = (await ask(parts, "/health")).json()
    assert said["drops"] == 3
    assert [(one["device"], one["reason"], one["count"]) for one in said["dropped"]] == [
        ("lock-201", "malformed", 2),
        ("lock-205", "wrong_unit", 1),
    ]


async def test_health_names_the_broker_the_line_and_the_radio_that_are_away(parts: Parts) -> None:
    port = free_port()
    line = ModbusLine("east", LineSettings(host="127.0.0.1", port=port))
    drops = parts.drops
    parts.supervisor.buses = Buses(
        MqttBus(MqttSettings(host="127.0.0.1", port=port), drops, client_id="box"), {"east": line}, BleBus(BleSettings(), drops)
    )
    with pytest.raises(LinkDown):
        await line.read_input(1, 0, 1)
    said = (await ask(parts, "/health")).json()
    assert said["why"][:3] == [
        f"the MQTT broker at 127.0.0.1:{port} is not connected",
        f"the Modbus line east at 127.0.0.1:{port} cannot be opened",
        "the BLE adapter hci0 does not scan",
    ]


async def test_a_door_shows_what_is_wanted_and_what_is_known_and_nobodys_name(parts: Parts) -> None:
    await put(parts, 1, "stay", "a", stay(201))
    await put(parts, 2, "key", "k", key("a"))
    await parts.planner.plan_now()
    answer = await ask(parts, "/doors/201")
    said = answer.json()
    assert (said["known"], said["agrees"], said["todo"]) == (None, False, ["RaiseFloor", "PutRight"])
    (right,) = said["rights"]
    assert (right["key_id"], right["state"], right["from"]) == ("k", "planned", "2026-11-21T14:00:00Z")
    assert "Guest" not in answer.text


async def test_a_door_for_cards_only_neither_agrees_nor_disagrees(parts: Parts) -> None:
    said = (await ask(parts, "/doors/212")).json()
    assert (said["lock"], said["agrees"], said["todo"]) == ("data_on_card", None, [])
    assert (await ask(parts, "/doors/999")).status_code == 404


def hotel(*, simulated: bool) -> PropertyBody:
    return PropertyBody(42, "Demo", "Europe/Paris", "EUR", "15:00", "11:00", ARRIVE.date(), ("en",), simulated)


@pytest.mark.parametrize("simulated", [True, False])
async def test_a_simulated_clock_is_refused_in_a_real_hotel(tmp_path: Path, *, simulated: bool) -> None:
    parts = built(tmp_path, SimulatedClock("http://127.0.0.1:1", "test"))
    app.refuse_a_wrong_clock(parts)  # nothing is known yet
    await put(parts, 1, "property", "demo", hotel(simulated=simulated))
    if simulated:
        app.refuse_a_wrong_clock(parts)
    else:
        with pytest.raises(Refused, match="real hotel"):
            app.refuse_a_wrong_clock(parts)
    await parts.store.close()


async def test_a_file_of_another_property_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path).prepared()
    home.write_keys("property.json", {"slug": "other", "number": 1})
    home.write_keys("box.json", {"box_id": "b", "token": "t"})
    with pytest.raises(HostError, match="belongs to other"):
        built(tmp_path, ManualClock(NOON))
