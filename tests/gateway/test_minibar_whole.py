"""Bottles and guests on real protocols: simulated bars and room controllers over MQTT and Modbus, and the box of the house."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firmware_sim import room as simulated_room
from host.clock import ManualClock
from tests.gateway.houses import left, stay
from tests.gateway.rooms import HOTEL, prices
from tests.gateway.whole import House, house
from wire.entities import Care, RoomBody
from wire.facts import ConsumptionReview, ItemConsumed, Restocked, RoomOccupancy

NOW = datetime.now(UTC).replace(microsecond=0)
PRICES = {"water": 200, "cola": 350, "beer": 450, "wine": 900, "chocolate": 300, "nuts": 250}


def events(hotel: House, device: str, kind: str) -> int:
    look = "SELECT count(*) AS n FROM event WHERE device = ? AND type = ?"
    return int(hotel.parts.store.peek(lambda db: db.execute(look, (device, kind)).fetchone())["n"])


def confirmed(hotel: House, device: str, setting: str, value: str) -> bool:
    look = "SELECT 1 FROM wish WHERE device = ? AND setting = ? AND wanted = ? AND confirmed = wanted"
    return hotel.parts.store.peek(lambda db: db.execute(look, (device, setting, value)).fetchone()) is not None


async def lived_in(hotel: House, room: str) -> None:
    door = int(room)
    await hotel.put("property", "demo", HOTEL)
    await hotel.put("price_list", "minibar/1", prices(1, NOW - timedelta(days=1), **PRICES))
    await hotel.put("room", room, RoomBody("double", 2, (door,), Care.INSPECTED))
    await hotel.put("stay", f"stay-{room}", stay(door, in_house_since=NOW - timedelta(hours=1), depart=NOW + timedelta(days=1)))


@pytest.mark.parametrize(("device", "room"), [("bar-201", "201"), ("bar-204", "204")], ids=["mqtt", "modbus"])
async def test_what_is_drunk_is_on_the_tab_and_what_is_put_back_is_not(tmp_path: Path, device: str, room: str) -> None:
    clock = ManualClock(NOW)
    async with house(tmp_path, [device], clock=clock) as hotel:
        await lived_in(hotel, room)
        await hotel.until(lambda: confirmed(hotel, device, "locked", "no"))
        bar: Any = hotel.devices.devices[device]
        assert bar.remove(3)["removed"]  # cola
        bar.put_back(3)
        bar.remove(4)  # beer
        bar.close_door()
        await hotel.until(lambda: events(hotel, device, "slot_removed") == 2 and events(hotel, device, "slot_returned") == 1)
        clock.move(timedelta(seconds=62))
        await hotel.until(lambda: bool(hotel.facts("ItemConsumed")))
        (fact,) = hotel.facts("ItemConsumed")
        assert isinstance(fact, ItemConsumed)
        assert (fact.stay_id, fact.room, fact.sku, fact.gross_minor, fact.late) == (f"stay-{room}", room, "beer", 450, False)
        bar.restock(None)
        await hotel.until(lambda: bool(hotel.facts("Restocked")))
        assert [type(fact) for fact in hotel.facts("Restocked") + hotel.facts("ConsumptionReview")] == [Restocked]


@pytest.mark.parametrize(("device", "room"), [("bar-201", "201"), ("bar-204", "204")], ids=["mqtt", "modbus"])
async def test_at_check_out_what_was_just_taken_is_settled_and_the_bar_is_locked(tmp_path: Path, device: str, room: str) -> None:
    clock = ManualClock(NOW)
    async with house(tmp_path, [device], clock=clock) as hotel:
        await lived_in(hotel, room)
        await hotel.until(lambda: confirmed(hotel, device, "locked", "no"))
        bar: Any = hotel.devices.devices[device]
        bar.remove(1)
        await hotel.until(lambda: events(hotel, device, "slot_removed") == 1)
        clock.move(timedelta(seconds=5))
        gone = left(stay(int(room), in_house_since=NOW - timedelta(hours=1), checked_out_at=clock.now()))
        await hotel.put("stay", f"stay-{room}", gone)
        await hotel.until(lambda: bool(hotel.facts("ItemConsumed")) and bar.locked)
        (fact,) = hotel.facts("ItemConsumed")
        assert isinstance(fact, ItemConsumed)
        assert (fact.stay_id, fact.sku, fact.late) == (f"stay-{room}", "water", True)
        bar.close_door()
        assert bar.remove(2) == {"removed": False, "note": "the bar is locked"}


async def test_the_bar_of_an_empty_room_is_locked_and_a_bottle_taken_before_is_asked_about(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with house(tmp_path, ["bar-204"], clock=clock) as hotel:
        bar: Any = hotel.devices.devices["bar-204"]
        bar.remove(1)
        await hotel.put("room", "204", RoomBody("double", 2, (204,), Care.INSPECTED))
        await hotel.until(lambda: events(hotel, "bar-204", "slot_removed") == 1 and bar.locked)
        clock.move(timedelta(seconds=62))
        await hotel.until(lambda: bool(hotel.facts("ConsumptionReview")))
        (fact,) = hotel.facts("ConsumptionReview")
        assert isinstance(fact, ConsumptionReview)
        assert (fact.reason, fact.stay_id) == ("consumption_unassigned", None)
        assert hotel.facts("ItemConsumed") == []


@pytest.mark.parametrize(("device", "room"), [("room-207", "207"), ("room-201", "201")], ids=["mqtt", "modbus"])
async def test_a_guest_comes_and_goes_and_the_climate_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, room: str
) -> None:
    monkeypatch.setattr(simulated_room, "MOTION_HOLD_S", 0.1)  # 5 s in life
    clock = ManualClock(NOW)

    def seen(hotel: House) -> list[str]:
        return [fact.occupancy for fact in hotel.facts("RoomOccupancy") if isinstance(fact, RoomOccupancy)]

    async with house(tmp_path, [device], clock=clock) as hotel:
        await lived_in(hotel, room)
        await hotel.until(lambda: confirmed(hotel, device, "profile", "occupied") and confirmed(hotel, device, "rented", "yes"))
        controller: Any = hotel.devices.devices[device]
        controller.enter()
        await hotel.until(lambda: seen(hotel)[-1:] == ["verifying"] and events(hotel, device, "motion") == 2)
        controller.contact(0, True)
        controller.contact(0, False)
        await hotel.until(lambda: events(hotel, device, "contact") == 4)
        clock.move(timedelta(seconds=3602))
        await hotel.until(lambda: seen(hotel)[-1:] == ["vacant"])
        await hotel.until(lambda: confirmed(hotel, device, "profile", "unoccupied"))
        assert controller.profile == 1
