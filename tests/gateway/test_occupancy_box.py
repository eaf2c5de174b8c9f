"""Occupancy in the box's store: transitions told once, climate set by them, disagreements asked about, timers through restarts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.device import SetProfile, SetRented
from tests.gateway.bars import NOON
from tests.gateway.houses import left, stay
from tests.gateway.rooms import Rooms, opened, rooms
from wire.facts import RoomOccupancy, TaskRaised

HOUR = timedelta(hours=1)
GUEST = stay(202, in_house_since=NOON - HOUR, depart=NOON + timedelta(days=2))
NIGHT = datetime(2026, 11, 22, 1, tzinfo=UTC)  # two in Paris


def told(hotel: Rooms, room: str = "202") -> list[str]:
    return [fact.occupancy for fact in hotel.facts(RoomOccupancy) if fact.room == room]


def tasks(hotel: Rooms) -> list[str]:
    return [fact.kind for fact in hotel.facts(TaskRaised)]


class Room:
    """Room 202's controller, with its own event numbers."""

    def __init__(self, hotel: Rooms, seq: int = 0) -> None:
        self.hotel, self.seq = hotel, seq

    async def tells(self, kind: str, **data: Any) -> None:
        self.seq += 1
        await self.hotel.said(self.seq, kind, "room-202", **data)

    async def door(self, *, is_open: bool) -> None:
        await self.tells("contact", which="entry", open=is_open)

    async def moves(self) -> None:
        await self.tells("motion", on=True)
        await self.tells("motion", on=False)

    async def leaves(self) -> None:
        """Somebody goes out by the door."""
        await self.door(is_open=True)
        await self.hotel.later(4)
        await self.door(is_open=False)


async def lived_in(hotel: Rooms) -> Room:
    """Room 202 with a guest at home behind a shut door."""
    await opened(hotel)
    await hotel.shows("room-202", contact_entry=False, motion=False, profile="unsold")
    await hotel.put("stay", "s1", GUEST)
    room = Room(hotel)
    await room.moves()
    return room


def profiles(hotel: Rooms) -> list[str]:
    """What the controller was told since the room was sold."""
    return [op.profile for op in hotel.devices["room-202"].told if isinstance(op, SetProfile) and op.profile != "unsold"]


async def test_each_transition_is_told_once_and_the_climate_follows(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await room.moves()
        await hotel.later(3600)
        await room.leaves()
        await hotel.later(1799)
        assert told(hotel) == ["occupied", "verifying"]
        await hotel.later(1)
        assert told(hotel) == ["occupied", "verifying", "vacant"]
        await hotel.until(lambda: profiles(hotel)[-1:] == ["unoccupied"])
        await room.door(is_open=True)
        await room.door(is_open=False)
        await room.moves()
        assert told(hotel)[-1] == "occupied"
        await hotel.until(lambda: profiles(hotel) == ["occupied", "unoccupied", "occupied"])


async def test_an_event_that_comes_again_tells_nothing_again(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await lived_in(hotel)
        for _ in range(3):
            await hotel.said(1, "motion", "room-202", on=True)
        assert told(hotel) == ["occupied"]


async def test_the_quiet_goes_on_while_the_box_is_off(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await room.leaves()
    async with rooms(tmp_path, NOON + HOUR) as hotel:
        await hotel.later(0)
        assert told(hotel)[-1] == "verifying"  # the room's own log may still hold a movement
        await hotel.is_("room-202")
        await hotel.later(1)
        assert told(hotel)[-1] == "vacant"
        assert [fact.at for fact in hotel.facts(RoomOccupancy)][-1] == NOON + timedelta(seconds=4 + 1800)


async def test_a_movement_from_the_time_when_the_box_was_off_keeps_the_guest_inside(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await room.leaves()
    async with rooms(tmp_path, NOON + HOUR) as hotel:
        await hotel.said(room.seq + 1, "motion", "room-202", ago=3000, on=True)
        await hotel.later(1)
        assert told(hotel) == ["occupied", "verifying", "occupied"]


async def test_sleeper_leaver_and_the_night(tmp_path: Path) -> None:
    """Two guests, one leaves at 02:00, the other sleeps for 5 h; then the controller reboots."""
    async with rooms(tmp_path, NIGHT - HOUR) as hotel:
        room = await lived_in(hotel)
        await hotel.later(3600)
        await room.leaves()
        await hotel.later(3599)
        assert told(hotel) == ["occupied", "verifying"]
        await hotel.later(3 * 3600)
        await hotel.is_("room-202", boot=2)
        assert told(hotel)[-1] == "unknown"
        await hotel.until(lambda: profiles(hotel)[-1:] == ["occupied"])
        await hotel.later(3600)
        await room.moves()
        assert told(hotel)[-1] == "occupied"
        await hotel.later(3600 * 4)
        assert tasks(hotel) == []


async def test_a_lost_controller_is_unknown_and_its_room_stays_warm(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await room.leaves()
        await hotel.later(1800)
        await hotel.until(lambda: profiles(hotel)[-1:] == ["unoccupied"])
        await hotel.is_("room-202", "offline")
        assert told(hotel)[-1] == "unknown"
        await hotel.until(lambda: profiles(hotel)[-1:] == ["occupied"])


async def test_a_deadbolt_thrown_from_inside_is_somebody(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.shows("room-201", contact_entry=False, motion=False)
        await hotel.said(1, "deadbolt", "lock-201", on=True)
        assert told(hotel, "201") == ["occupied"]


async def test_the_climate_follows_guest_and_room_move(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        controller, other = hotel.devices["room-202"], hotel.devices["room-201"]
        await hotel.until(lambda: [op for op in controller.told if isinstance(op, SetRented)] == [SetRented(False)])
        await hotel.put("stay", "s1", GUEST)
        await hotel.until(lambda: [op for op in controller.told if isinstance(op, SetRented)][-1:] == [SetRented(True)])
        await hotel.until(lambda: profiles(hotel)[-1:] == ["occupied"])
        await hotel.put("stay", "s1", stay(201, in_house_since=NOON - HOUR, moved_at=NOON))
        await hotel.until(lambda: [op for op in controller.told if isinstance(op, SetProfile)][-1] == SetProfile("unsold"))
        await hotel.until(lambda: SetProfile("occupied") in other.told and SetRented(True) in other.told)


async def test_a_controller_that_is_away_gets_the_newest_profile_when_it_is_back(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await hotel.until(lambda: profiles(hotel) == ["occupied"])
        controller = hotel.devices["room-202"]
        controller.away = True
        await room.leaves()
        await hotel.later(1800)
        await hotel.until(lambda: controller.commands[-1].op == SetProfile("unoccupied"))
        await room.moves()  # somebody is back before the controller is
        controller.away = False
        await hotel.is_("room-202", "degraded", flags=("low_battery",))
        await hotel.until(lambda: hotel.store.peek(_settled))
        assert profiles(hotel)[-1] == "occupied"


def _settled(db: Any) -> bool:
    row = db.execute("SELECT count(*) AS n FROM wish WHERE device = 'room-202' AND wanted IS NOT confirmed").fetchone()
    return int(row["n"]) == 0


# ---------------------------------------------------------------- tasks


async def test_somebody_in_a_room_that_nobody_has_is_a_task_once(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await hotel.put("stay", "s1", left(stay(202, in_house_since=NOON - HOUR, checked_out_at=NOON)))
        await hotel.later(1799)
        assert tasks(hotel) == []
        await hotel.later(1)
        assert tasks(hotel) == ["sleep_suspect"]
        await room.moves()
        await hotel.later(3 * 3600)
        assert tasks(hotel) == ["sleep_suspect"]


async def test_a_bed_not_slept_in_is_told_though_the_night_passed_in_one_step(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await room.leaves()
        await hotel.later(1800)
        await hotel.later(24 * 3600)
        assert tasks(hotel) == ["sleep_out"]
        (task,) = hotel.facts(TaskRaised)
        assert (task.room, task.stay_id) == ("202", "s1")


async def test_a_maid_who_stays_too_long_in_a_free_room_is_told(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.shows("room-201", contact_entry=False, motion=False)
        await hotel.said(1, "lock_operation", "lock-201", op="unlock", source="rfid", role=3, credential_ref=9)
        await hotel.said(1, "motion", "room-201", on=True)
        await hotel.later(1800)
        assert tasks(hotel) == []
        await hotel.later(2)
        assert tasks(hotel) == ["staff_overstay"]


async def test_a_door_left_open_and_a_dead_sensor_are_tasks(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        room = await lived_in(hotel)
        await room.door(is_open=True)
        await hotel.later(301)
        assert tasks(hotel) == ["door_ajar"]
        await room.door(is_open=False)
        for _ in range(6):
            await hotel.later(600)
            await room.leaves()
        assert tasks(hotel) == ["door_ajar", "sensor_fault"]
        assert told(hotel)[-1] == "unknown"


async def test_a_unit_that_tells_movements_as_events_only_is_missed_when_it_is_dead(tmp_path: Path) -> None:
    async with rooms(tmp_path) as hotel:
        await opened(hotel)
        await hotel.shows("room-202", contact_entry=False, motion_count=0, since_motion_s=0)
        room = Room(hotel)
        for _ in range(6):
            await hotel.later(600)
            await room.leaves()
        assert tasks(hotel) == ["sensor_fault"]
