"""Unmodified bleak against the simulated BlueZ: what works when nothing is wrong."""

from pathlib import Path

import pytest

from tests.firmware_sim.radio import ANSWER, ASK, BATTERY, Echo, Heard, client, found, radio


async def test_a_device_is_found_asked_and_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = Echo()
    async with radio(monkeypatch, tmp_path, door):
        heard = Heard()
        async with client(await found()) as connected:
            await connected.start_notify(ANSWER, heard)
            await connected.write_gatt_char(ASK, b"open", response=True)
            assert await heard.next() == b"open"
            assert await connected.read_gatt_char(BATTERY) == b"\x57"
            assert connected.is_connected
        assert not connected.is_connected
        assert door.link is None
    assert door.written == [b"open"]
