"""Frames that have no effect: dropped, counted once each with a reason, and the device goes on."""

import asyncio
import json
from dataclasses import replace
from functools import partial

import pytest

from firmware_sim.ble_frames import COMPANY
from firmware_sim.device import Draft
from gateway.buses.modbus import LineSettings, ModbusLine
from gateway.buses.open import Buses
from gateway.device import Code, Garbled, Ping, RaiseFloor, Setting, Unreachable
from gateway.drivers import mqtt_bodies, mqtt_envelope
from gateway.drivers.mqtt_envelope import Boot
from gateway.drivers.mqtt_strangers import watch_strangers
from gateway.drivers.registry import load
from tests.hardware_sim.conftest import MakeRig
from tests.hardware_sim.rig import K_DEV, SLUG, UNIT, Counted, Log, Notes, Rig

OTHER = Boot(0x1234ABCD, 77)


def sealed(rig: Rig, body: str, boot: Boot | None = None) -> bytes:
    """`body` as the device itself would send it."""
    return mqtt_envelope.seal(K_DEV, "lock-1", boot or Boot(rig.device.log_id, rig.device.boot_counter), body, mqtt_envelope.UP)


def event(rig: Rig, **more: object) -> str:
    said = {"v": 1, "device_id": "lock-1", "log_id": rig.device.log_id, "seq": 900, "ts": "2026-11-21T14:00:00Z", "tq": "set"}
    return json.dumps({**said, "type": "deadbolt", "data": {"on": True}, **more})


async def test_every_bad_mqtt_message_is_counted_once_by_its_reason(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "mqtt")
    await rig.quiet()
    good = sealed(rig, event(rig))
    frames = {
        "malformed": [b"", b"\xff\x00", b"[]", b"{", sealed(rig, "no json"), sealed(rig, event(rig, seq=-1)), sealed(rig, "[]")],
        "untagged": [b"{}", event(rig).encode()],
        "unknown_version": [b'{"v":2,"body":"","tag":""}', sealed(rig, event(rig, v=9))],
        "bad_tag": [
            good[:-6] + b"0000" + good[-2:],
            sealed(rig, event(rig), Boot(1, 1)),
            sealed(rig, event(rig), Boot(rig.device.log_id, 77)),
        ],
        "wrong_device": [sealed(rig, event(rig, device_id="lock-2"))],
        "wrong_log": [sealed(rig, event(rig, log_id=5))],
        "oversized": [b"x" * (64 * 1024 + 1)],
    }
    line = next(iter(rig.hotel.sides)).lines["lock-1"].line  # type: ignore[attr-defined]
    for sent in frames.values():
        for frame in sent:
            line.publish(f"hgw/v1/{SLUG}/lock-1/event", frame, 1, False)
    total = sum(len(sent) for sent in frames.values())
    await rig.log.until(lambda: len(rig.drops.reasons) >= total)
    assert {reason: rig.drops.of(reason) for reason in frames} == {reason: len(sent) for reason, sent in frames.items()}
    assert {device for _, device, _ in rig.drops.reasons} == {"lock-1"}
    assert (await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))).code is Code.OK
    assert 900 not in [one.seq for one in rig.log.events]


async def test_a_device_that_nobody_configured_is_put_on_the_list(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "mqtt")
    assert rig.buses.mqtt is not None
    end = watch_strangers(rig.buses.mqtt, SLUG, {"lock-2"}, rig.drops)
    await rig.log.until(lambda: rig.drops.strangers)
    assert {address for address, _ in rig.drops.strangers} == {"lock-1"}
    end()


async def test_an_event_of_our_own_device_that_makes_no_sense_is_counted_and_kept(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "mqtt")
    await rig.quiet()
    rig.device.record((Draft("door_state", {"state": 77}),))
    found = await rig.log.until(lambda: [one for one in rig.log.committed if one.type == "unreadable"])
    assert found[0].data["type"] == "door_state"
    await rig.log.until(lambda: not rig.device.unacknowledged())
    assert rig.drops.of("malformed") == 1


async def test_a_unit_of_another_kind_is_refused_by_name(make_rig: MakeRig) -> None:
    rig = await make_rig("minibar", "modbus")
    drops, log = Counted(), Log()
    setting = Setting("lock-9", SLUG, K_DEV, {"line": "east", "unit": UNIT})
    driver = load("modbus_lock").connect(setting, rig.buses, Notes(), drops, rig.now)
    with pytest.raises(Garbled, match="is no lock"):
        await driver.run(log.emit)
    with pytest.raises(Garbled, match="is no lock"):
        await driver.apply(rig.command(Ping()))
    assert drops.of("malformed") == 2


async def test_a_line_that_answers_rubbish_is_no_answer(make_rig: MakeRig) -> None:
    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(300):
            writer.write(bytes(reversed(data)) * 3)
        writer.close()

    server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
    rig = await make_rig("lock", "modbus")
    line = ModbusLine("west", LineSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1], limit_s=0.1))
    buses = Buses(None, {"west": line}, None)
    setting = Setting("lock-9", SLUG, K_DEV, {"line": "west", "unit": 1})
    driver = load("modbus_lock").connect(setting, buses, Notes(), Counted(), rig.now)
    with pytest.raises(Unreachable):
        await driver.apply(rig.command(Ping()))
    await line.close()
    server.close()
    await server.wait_closed()


async def test_a_forged_advertisement_is_counted_or_costs_one_visit_at_most(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await make_rig("lock", "ble")
    await rig.quiet()
    forged = {bytes(range(9)): "malformed", b"\x07" + bytes(9): "unknown_version"}
    peripheral = next(iter(rig.hotel.sides)).peripherals["lock-1"]  # type: ignore[attr-defined]
    real = peripheral.advertisement
    for data, reason in forged.items():
        said = replace(real(), manufacturer_data={COMPANY: data})
        monkeypatch.setattr(peripheral, "advertisement", partial(replace, said))
        await rig.log.until(partial(rig.drops.of, reason))
    monkeypatch.setattr(peripheral, "advertisement", real)
    rig.device.mechanical_key()
    await rig.log.until(lambda: "lock_operation" in rig.log.types())


async def test_a_message_that_a_driver_fails_at_is_counted_and_stops_nobody(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await make_rig("lock", "mqtt")
    await rig.quiet()
    line = next(iter(rig.hotel.sides)).lines["lock-1"].line  # type: ignore[attr-defined]
    body = json.dumps({"flags": [], "battery": {"mv": [], "pct": 5}})
    line.publish(f"hgw/v1/{SLUG}/lock-1/health", sealed(rig, body), 1, False)
    real = mqtt_bodies.attributes

    def fails(said: bytes) -> dict[str, object]:
        if b"poison" in said:
            raise TypeError("unhashable")
        return real(said)

    monkeypatch.setattr(mqtt_bodies, "attributes", fails)
    line.publish(f"hgw/v1/{SLUG}/lock-1/state", sealed(rig, '{"x":"poison"}'), 1, False)
    await rig.log.until(lambda: rig.drops.of("driver_failed"))
    assert rig.drops.reasons == [("mqtt", "lock-1", "driver_failed")]
    assert (await rig.driver.apply(rig.command(RaiseFloor(1 << 8)))).code is Code.OK
