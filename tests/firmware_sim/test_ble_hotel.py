"""A hotel's Bluetooth devices as its file names them, reached by nothing but the bus address."""

from pathlib import Path

import pytest
from bleak import BleakScanner

from firmware_sim.hotel import Hotel, Keys
from firmware_sim.settings import HotelSettings
from tests.firmware_sim.ble_gateway import gateway
from tests.firmware_sim.radio import bleak_at

K_DEV = bytes(range(32))
SETTINGS = {
    "property": "demo",
    "number": 42,
    "devices": [
        {"name": "lock-209", "class": "lock", "binding": "ble", "address": "C4:00:00:00:02:09", "door": 209},
        {"name": "door-210", "class": "bthome", "binding": "ble", "address": "A4:C1:38:00:02:10", "encrypted": True},
    ],
}


async def test_the_lock_and_the_sensor_of_a_hotel_file_are_on_the_air(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = Keys({"lock-209": K_DEV, "door-210": K_DEV}, {}, bytes(32), 42)
    hotel = Hotel(HotelSettings.model_validate(SETTINGS), keys, tmp_path)
    await hotel.start()
    try:
        async with bleak_at(monkeypatch, f"unix:path={tmp_path}/bluez.sock"):
            sensor = await BleakScanner.find_device_by_address("A4:C1:38:00:02:10", timeout=5.0)
            assert sensor is not None
            lock = await BleakScanner.find_device_by_address("C4:00:00:00:02:09", timeout=5.0)
            assert lock is not None
            async with gateway(lock, K_DEV) as session:
                assert (await session.command(0x0001)).status == 3
    finally:
        await hotel.stop()
    assert not (tmp_path / "bluez.sock").exists()
