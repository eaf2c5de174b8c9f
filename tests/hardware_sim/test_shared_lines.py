"""What a bus owes to all its devices: a dead one holds nobody up, a broken line comes back, nothing is sent again behind our back."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from firmware_sim.hotel import Hotel, Keys
from firmware_sim.modbus_side import ModbusLine as SimulatedLine
from firmware_sim.settings import HotelSettings
from gateway.buses import mqtt
from gateway.buses.failures import LinkDown
from gateway.buses.modbus import LineSettings, ModbusLine
from gateway.buses.mqtt import Message, MqttBus, MqttSettings
from gateway.buses.turns import Turns
from gateway.device import Transport
from tests.hardware_sim.broker import GATEWAY, GATEWAY_PASSWORD, broker, free_port
from tests.hardware_sim.conftest import MakeRig
from tests.hardware_sim.rig import K_CARD, K_DEV, NUMBER, SLUG, UNIT, Counted


async def test_a_dead_unit_never_holds_its_line(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "modbus")
    side = next(one for one in rig.hotel.sides if isinstance(one, SimulatedLine))
    line = ModbusLine("east", LineSettings(host="127.0.0.1", port=side.port, limit_s=0.2))
    for _ in range(2):
        with pytest.raises(LinkDown, match="did not answer"):
            await line.read_input(99, 0, 1)
    assert line.dead(99)
    before = line.transactions
    for _ in range(50):
        with pytest.raises(LinkDown, match="probed again"):
            await line.read_input(99, 0, 1)
    assert line.transactions == before  # it is not even asked
    assert (await line.read_input(UNIT, 0, 1))[0] == 0x0100
    async with asyncio.timeout(15):
        while line.transactions < before + 2:  # and now and then it is
            with contextlib.suppress(LinkDown):
                await line.read_input(99, 0, 1)
            await asyncio.sleep(0.02)
    await line.close()


async def test_a_line_that_was_cut_is_opened_again() -> None:
    settings = HotelSettings.model_validate(
        {
            "property": SLUG,
            "number": NUMBER,
            "modbus": {"lines": {"east": {"port": 0}}},
            "devices": [{"name": "lock-1", "class": "lock", "binding": "modbus", "line": "east", "unit": 5, "door": 205}],
        }
    )
    hotel = Hotel(settings, Keys({"lock-1": K_DEV}, {}, K_CARD, NUMBER), None)
    await hotel.start()
    side = next(one for one in hotel.sides if isinstance(one, SimulatedLine))
    port = side.port
    line = ModbusLine("east", LineSettings(host="127.0.0.1", port=port, limit_s=0.3))
    assert (await line.read_input(5, 0, 4))[0] == 0x0100
    await side.stop()
    with pytest.raises(LinkDown):
        await line.read_input(5, 0, 4)
    object.__setattr__(side.settings, "port", port)
    await side.start()
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(LinkDown):
                assert (await line.read_input(5, 0, 4))[0] == 0x0100
                break
            await asyncio.sleep(0.05)
    await line.close()
    await hotel.stop()


@pytest.mark.parametrize("binding", ["mqtt", "modbus", "ble"])
async def test_a_bus_that_stands_has_no_trouble(binding: Transport, make_rig: MakeRig) -> None:
    rig = await make_rig("lock", binding)
    await rig.quiet()
    assert rig.buses.trouble() == []


async def test_a_broker_that_dies_is_missed_by_its_address(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as life, asyncio.timeout(10):
        there = await life.enter_async_context(broker(tmp_path, SLUG, ("lock-1",)))
        bus = MqttBus(
            MqttSettings(host=there.host, port=there.port, username=GATEWAY), Counted(), client_id="box", password=GATEWAY_PASSWORD
        )
        running = asyncio.create_task(bus.run())
        await bus.until_connected()
        assert bus.trouble is None
        await life.aclose()
        while bus.connected:
            await asyncio.sleep(0.01)
        assert bus.trouble == f"the MQTT broker at {there.host}:{there.port} is not connected"
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_line_on_which_nobody_answers_any_more_says_so(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "modbus")
    await rig.quiet()
    await next(one for one in rig.hotel.sides if isinstance(one, SimulatedLine)).stop()
    await rig.log.until(lambda: rig.log.conditions[-1].health == "offline")
    assert [trouble.split(" at ")[0] for trouble in rig.buses.trouble()] == ["the Modbus line east"]


async def test_urgent_callers_are_served_first_and_each_kind_in_order() -> None:
    turns, served = Turns(), list[str]()

    async def wait(name: str, urgent: bool) -> None:
        async with turns.mine(urgent=urgent):
            served.append(name)

    async with turns.mine():
        tasks = [asyncio.create_task(wait(name, name.startswith("u"))) for name in ("a", "b", "u1", "c", "u2")]
        await asyncio.sleep(0)
        tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == ["u1", "u2", "a", "c"]


async def test_a_broker_that_restarts_brings_everything_back(tmp_path: Path) -> None:
    port = free_port()
    bus = MqttBus(MqttSettings(host="127.0.0.1", port=port, username=GATEWAY), Counted(), client_id="box", password=GATEWAY_PASSWORD)
    running = asyncio.create_task(bus.run())
    heard: list[Message] = []
    bus.subscribe("hgw/v1/demo/lock-1/cmd", heard.append)
    with pytest.raises(LinkDown):
        await bus.publish("hgw/v1/demo/lock-1/cmd", b"lost for ever")
    for life in (b"one", b"two"):
        async with broker(tmp_path, SLUG, ("lock-1",), port), asyncio.timeout(15):
            await bus.until_connected()
            await bus.publish("hgw/v1/demo/lock-1/cmd", life)
            while not heard or heard[-1].payload != life:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while bus.connected:
                await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    payloads = [message.payload for message in heard]
    assert list(dict.fromkeys(payloads)) == [b"one", b"two"]  # the broker may hand one over again: its acknowledgement died with it


async def test_what_the_store_refused_the_broker_hands_over_again(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "REDELIVER_S", 0.2)
    monkeypatch.setattr("firmware_sim.mqtt_side.RESEND_S", 3600.0)  # the device itself does not help
    rig = await make_rig("lock", "mqtt")
    await rig.log.until(lambda: rig.log.states)
    monkeypatch.setattr("firmware_sim.mqtt_side.RESEND_S", 3600.0)
    assert rig.buses.mqtt is not None
    rig.log.refuse = 1
    rig.device.mechanical_key()
    await rig.log.until(lambda: "lock_operation" in rig.log.types())
    assert rig.buses.mqtt.connections >= 2


async def test_a_line_that_is_not_there_says_so_at_once() -> None:
    line = ModbusLine("east", LineSettings(host="127.0.0.1", port=free_port()))
    with pytest.raises(LinkDown, match="cannot be opened"):
        await line.read_input(1, 0, 1)
    with pytest.raises(LinkDown, match="not connected"):
        await line.read_input(1, 0, 1)
    await line.close()


@pytest.mark.mosquitto
async def test_what_the_broker_kept_waits_for_a_driver_that_is_just_starting(tmp_path: Path) -> None:
    port, topic, drops = free_port(), "hgw/v1/demo/lock-1/cmd", Counted()
    settings = MqttSettings(host="127.0.0.1", port=port, username=GATEWAY)
    heard: list[Message] = []
    async with broker(tmp_path, SLUG, ("lock-1",), port), asyncio.timeout(20):
        first = MqttBus(settings, drops, client_id="box", password=GATEWAY_PASSWORD)
        first.subscribe(topic, heard.append)
        running = asyncio.create_task(first.run())
        await first.until_connected()
        await first.publish(topic, b"subscribed")
        while not heard:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        other = MqttBus(settings, drops, client_id="other", password=GATEWAY_PASSWORD)
        again = MqttBus(settings, drops, client_id="box", password=GATEWAY_PASSWORD)
        tasks = [asyncio.create_task(other.run())]
        await other.until_connected()
        await other.publish(topic, b"kept")
        tasks.append(asyncio.create_task(again.run()))
        await again.until_connected()
        await asyncio.sleep(0.1)
        again.subscribe(topic, heard.append)
        while len(heard) < 2:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert [message.payload for message in heard] == [b"subscribed", b"kept"]
    assert drops.reasons == []
