"""What a door and motion sensor broadcasts, open and sealed, and how bleak hears it.

The encryption vector is the one on https://bthome.io/encryption/ (BTHome v2).
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bleak import BleakScanner
from bleak.backends.scanner import AdvertisementData
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from firmware_sim import ble_bthome
from firmware_sim.ble_bthome import BthomeSensor
from firmware_sim.ble_side import peripheral
from firmware_sim.device import Device, Setup
from firmware_sim.nvram import Nvram
from firmware_sim.sensor import SensorPair
from firmware_sim.world import World
from host.clock import ManualClock
from tests.firmware_sim.radio import radio

ADDRESS = "A4:C1:38:00:02:10"
K_DEV = bytes(range(32))
UUID = "0000fcd2-0000-1000-8000-00805f9b34fb"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def a_pair(encrypted: bool = False, clock: ManualClock | None = None, nvram: Nvram | None = None) -> SensorPair:
    setup = Setup("door-210", "ble", K_DEV, mains=False)
    return SensorPair(setup, World(clock or ManualClock(NOON)), nvram or Nvram(None), encrypted)


def broadcast(sensor: BthomeSensor) -> bytes:
    return sensor.advertisement().service_data[UUID]


def opened(data: bytes) -> tuple[bytes, int]:
    """The objects and the counter of a sealed packet, as a receiver with the key reads them."""
    counter, tag = data[-8:-4], data[-4:]
    nonce = bytes.fromhex("a4c138000210") + b"\xd2\xfc" + data[:1] + counter
    return AESCCM(K_DEV[:16], tag_length=4).decrypt(nonce, data[1:-8] + tag, None), int.from_bytes(counter, "little")


def test_the_published_example_is_sealed_to_the_byte() -> None:
    key = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
    counter = int.from_bytes(bytes.fromhex("00112233"), "little")
    sealed = ble_bthome.sealed(bytes.fromhex("02ca0903bf13"), key, "54:48:E6:8F:80:A5", counter, info=0x41)
    assert sealed.hex() == "41a47266c95f730011223378237214"


def test_a_packet_counts_itself_and_tells_battery_door_and_motion() -> None:
    pair = a_pair()
    sensor = BthomeSensor(pair, ADDRESS)
    first = broadcast(sensor)
    assert first[0] == 0x44
    assert first[1:] == bytes((0x00, 1, 0x01, 100, 0x1A, 0, 0x21, 0))
    pair.contact(True)
    assert broadcast(sensor)[1:] == bytes((0x00, 2, 0x01, 100, 0x1A, 1, 0x21, 0))
    pair.move()
    assert broadcast(sensor)[1:] == bytes((0x00, 3, 0x01, 100, 0x1A, 1, 0x21, 1))
    pair.contact(False)
    assert broadcast(sensor)[1:] == bytes((0x00, 4, 0x01, 100, 0x1A, 0, 0x21, 1))


def test_the_same_packet_is_repeated_until_something_changes() -> None:
    sensor = BthomeSensor(a_pair(encrypted=True), ADDRESS)
    assert broadcast(sensor) == broadcast(sensor)


def test_motion_ends_by_itself_half_a_minute_later() -> None:
    clock = ManualClock(NOON)
    pair = a_pair(clock=clock)
    sensor = BthomeSensor(pair, ADDRESS)
    pair.move()
    assert broadcast(sensor)[-1] == 1
    clock.move(timedelta(seconds=31))
    pair.world.timers.work_off(pair.world.now())
    assert broadcast(sensor)[-1] == 0


def test_a_sealed_packet_opens_with_the_first_half_of_the_devices_key() -> None:
    pair = a_pair(encrypted=True)
    sensor = BthomeSensor(pair, ADDRESS)
    pair.contact(True)
    data = broadcast(sensor)
    assert data[0] == 0x45
    assert opened(data)[0] == bytes((0x00, 2, 0x01, 100, 0x1A, 1, 0x21, 0))


def test_the_counter_rises_with_every_packet_and_through_a_reboot() -> None:
    memory = Nvram(None)
    pair = a_pair(encrypted=True, nvram=memory)
    sensor = BthomeSensor(pair, ADDRESS)
    seen = [opened(broadcast(sensor))[1]]
    pair.contact(True)
    seen.append(opened(broadcast(sensor))[1])
    pair.reboot()
    seen.append(opened(broadcast(sensor))[1])
    again = BthomeSensor(a_pair(encrypted=True, nvram=memory), ADDRESS)  # the simulator itself was started anew
    seen.append(opened(broadcast(again))[1])
    assert seen == sorted(set(seen))


def test_an_encoder_cannot_be_put_on_bluetooth() -> None:
    encoder = Device(Setup("encoder-1", "ble", K_DEV), World(ManualClock(NOON)), Nvram(None))
    with pytest.raises(ValueError, match="encoder-1: there is no"):
        peripheral(encoder, ADDRESS)


async def test_an_opened_door_is_heard_at_once_and_old_data_is_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pair = a_pair()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def report(_device: object, data: AdvertisementData) -> None:
        heard.put_nowait(data.service_data[UUID])

    async with radio(monkeypatch, tmp_path, BthomeSensor(pair, ADDRESS, interval_s=0.05)) as air, BleakScanner(report):
        closed = await asyncio.wait_for(heard.get(), 5.0)
        assert await asyncio.wait_for(heard.get(), 5.0) == closed
        while not heard.empty():
            heard.get_nowait()
        air.device(ADDRESS).stop()  # no regular report any more: what comes now is the burst
        pair.contact(True)
        news = [await asyncio.wait_for(heard.get(), 5.0) for _ in range(ble_bthome.BURST)]
        assert {data[-3] for data in news} == {1}


async def test_a_sensor_without_power_is_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pair = a_pair()
    pair.power_off()
    async with radio(monkeypatch, tmp_path, BthomeSensor(pair, ADDRESS, interval_s=0.01)):
        assert await BleakScanner.find_device_by_address(ADDRESS, timeout=0.1) is None
