"""A simulated lock behind unmodified bleak: session, commands, events, and what it does to those who try to trick it."""

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bleak import BleakScanner
from bleak.backends.scanner import AdvertisementData

from firmware_sim.ble_lock import BleLock
from firmware_sim.ble_side import BleSide
from firmware_sim.bluez.faults import QUICK, Timings
from firmware_sim.device import Setup
from firmware_sim.faults import ReplyFault
from firmware_sim.lock import Lock, LockSettings
from firmware_sim.nvram import Nvram
from firmware_sim.world import World
from host.clock import ManualClock
from tests.firmware_sim.ble_gateway import CMD, INFO, Gateway, gateway, tlv
from tests.firmware_sim.radio import client, found, radio

ADDRESS = "C4:00:00:00:02:09"
K_DEV = bytes(range(32))
NOON = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
PING, PUT_RIGHT, RAISE_FLOOR, UNLOCK_PULSE = 0x0001, 0x0110, 0x0112, 0x0120
DONE, ERROR, EXPIRED = 3, 4, 5
CMD_ID = bytes.fromhex("018f5a10000070008000000000000001")
RIGHT = (  # the right of the example in chapter 4.1, whose digest the sheet gives
    tlv(2, 71) + tlv(3, 3) + tlv(4, 389130241) + tlv(5, 1795269600) + tlv(6, 1795521600) + tlv(7, 48879)
    + tlv(9, 0, 2) + tlv(10, 1, 1) + tlv(11, 0, 1) + tlv(12, 205, 2) + tlv(13, 1, 2)
)  # fmt: skip


def a_lock(name: str = "lock-209", door: int = 209, clock: ManualClock | None = None) -> Lock:
    lock = Lock(Setup(name, "ble", K_DEV, mains=False), World(clock or ManualClock(NOON)), Nvram(None), LockSettings(door))
    lock.faults.latency = {"const": 0}
    return lock


def on_the_air(lock: Lock, address: str = ADDRESS, mtu: int = 247) -> BleLock:
    return BleLock(lock, address, interval_s=0.05, mtu=mtu)


def unlock(seconds: int = 5, until: datetime = NOON + timedelta(seconds=10)) -> bytes:
    return tlv(1, seconds, 2) + tlv(6, int(until.timestamp()))


async def test_a_door_opens_for_five_seconds_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        answer = await session.command(UNLOCK_PULSE, unlock(), CMD_ID)
        assert (answer.status, answer.code, answer.replayed, answer.cmd_id) == (DONE, 0, 0, CMD_ID)
        assert len(lock.bolt.openings) == 1
        again = await session.command(UNLOCK_PULSE, unlock(), CMD_ID)
        assert (again.status, again.replayed) == (DONE, 1)
        assert len(lock.bolt.openings) == 1


async def test_an_order_that_comes_too_late_opens_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        answer = await session.command(UNLOCK_PULSE, unlock(until=NOON))
        assert answer.status == EXPIRED
        assert not lock.bolt.openings


@pytest.mark.parametrize("mtu", [23, 247])
async def test_a_right_is_read_back_from_the_lock_in_the_same_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mtu: int) -> None:
    lock = a_lock(door=205)
    async with radio(monkeypatch, tmp_path, on_the_air(lock, mtu=mtu)), gateway(await found(ADDRESS), K_DEV) as session:
        await session.command(RAISE_FLOOR, tlv(14, 389130240))
        answer = await session.command(PUT_RIGHT, RIGHT)
        assert (answer.status, answer.values[32], answer.values[33]) == (DONE, 1, 0x77BDBD5A)
        raised = await session.command(RAISE_FLOOR, tlv(14, 389130496))
        assert (raised.values[34], raised.values[35]) == (0xB6E6383D, 389130496)


async def test_a_ping_tells_health_and_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    lock.faults.tamper = True
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        values = (await session.command(PING)).values
        assert {tag: values[tag] for tag in (40, 41, 43, 45, 46, 47)} == {40: 1, 41: 1, 43: 0, 45: 100, 46: 4, 47: int(NOON.timestamp())}
        assert values[49] == lock.log.newest
        assert set(values) == {*range(32, 37), *range(40, 50)}


async def test_an_unreadable_argument_is_answered_and_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        answer = await session.command(UNLOCK_PULSE, unlock() + bytes((99, 0)), CMD_ID)
        assert (answer.status, answer.code, answer.cmd_id) == (ERROR, 1, CMD_ID)
        assert (await session.command(0x0999)).code == 2  # an operation that no lock has
        assert not lock.bolt.openings


async def test_nothing_is_said_before_the_first_valid_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        lock.inside_handle()
        await session.client.read_gatt_char(INFO)  # a round trip: anything sent before would have come by now
        assert session.events.empty()
        await session.command(PING)
        assert [(await session.event()).type for _ in range(2)] == [1, 257]  # boot and lock_operation, oldest first


async def test_an_event_is_told_at_once_and_no_more_once_acknowledged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock(door=312)
    async with radio(monkeypatch, tmp_path, on_the_air(lock)):
        async with gateway(await found(ADDRESS), K_DEV) as session:
            await session.command(PING)
            boot = await session.event()
            lock.inside_handle()
            opened = await session.event()
            assert (opened.seq, opened.sub, opened.index) == (boot.seq + 1, 0x0101, 312 & 0xFF)
            await session.acknowledge(lock.log_id + 1, opened.seq)  # of another log: no effect
            assert len(lock.unacknowledged()) == 2
            await session.acknowledge(lock.log_id, boot.seq)
        async with gateway(await found(ADDRESS), K_DEV) as session:
            await session.command(PING)
            assert (await session.event()).seq == opened.seq


async def test_an_event_that_nobody_acknowledges_comes_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = on_the_air(a_lock())
    door.resend_s = 0.05
    async with radio(monkeypatch, tmp_path, door), gateway(await found(ADDRESS), K_DEV) as session:
        await session.command(PING)
        assert (await session.event()) == (await session.event())


async def test_the_advertisement_counts_events_and_shows_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def report(_device: object, data: AdvertisementData) -> None:
        heard.put_nowait(data.manufacturer_data[0xFFFF])

    async with radio(monkeypatch, tmp_path, on_the_air(lock)), BleakScanner(report):
        short = lock.serial & 0xFFFFFFFF
        assert struct.unpack("<BBIHBB", await heard.get()) == (1, 1, short, lock.log.newest, 100, 0)
        lock.faults.tamper = True
        lock.inside_handle()
        async with asyncio.timeout(5.0):
            while struct.unpack("<BBIHBB", await heard.get()) != (1, 1, short, lock.log.newest, 100, 4):
                pass


async def test_a_lock_tells_what_it_is_to_everybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), client(await found(ADDRESS)) as connected:
        info = await connected.read_gatt_char(INFO)
        assert struct.unpack("<BBQII", info) == (1, 1, lock.serial, lock.boot_counter, lock.log_id)
        assert await connected.read_gatt_char("2a19") == b"\x64"
        assert await connected.read_gatt_char("2a26") == lock.fw.encode()


async def broken(session: Gateway) -> None:
    """Send an order with a bad tag and wait for the lock to hang up."""
    await session.write(session.sealed(CMD, struct.pack("<H", PING) + CMD_ID)[:-1] + b"!")
    await asyncio.wait_for(session.gone.wait(), 5.0)


async def test_a_bad_tag_ends_the_connection_and_the_fifth_in_a_row_starts_a_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = on_the_air(a_lock())
    assert door.rest_s == 60.0
    async with radio(monkeypatch, tmp_path, door):
        for _ in range(5):
            async with gateway(await found(ADDRESS), K_DEV) as session:
                await broken(session)
        async with gateway(await found(ADDRESS), K_DEV, greet=False) as session:
            with pytest.raises(ConnectionRefusedError, match="7"):
                await session.hello()
    assert door.device.dropped["bad_tag"] == 5


async def test_one_good_order_ends_the_row_of_bad_ones_and_a_rest_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door = on_the_air(a_lock())
    door.rest_s = 0.1
    async with radio(monkeypatch, tmp_path, door):
        for attempt in range(9):
            async with gateway(await found(ADDRESS), K_DEV) as session:
                if attempt == 4:
                    await session.command(PING)
                await broken(session)
        assert door.resting  # 4, a good one, then 5
        async with asyncio.timeout(5.0):
            while door.resting:
                await asyncio.sleep(0.01)
        async with gateway(await found(ADDRESS), K_DEV) as session:
            assert (await session.command(PING)).status == DONE


async def test_a_recorded_order_played_again_ends_the_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        recorded = session.sealed(CMD, struct.pack("<H", UNLOCK_PULSE) + CMD_ID + unlock())
        await session.write(recorded)
        await asyncio.wait_for(session.answers.get(), 5.0)
        await session.write(recorded)
        await asyncio.wait_for(session.gone.wait(), 5.0)
    assert len(lock.bolt.openings) == 1
    assert lock.dropped["replay"] == 1


async def test_an_order_without_a_session_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV, greet=False) as session:
        session.key, session.salt = bytes(16), bytes(8)
        await session.write(session.sealed(CMD, struct.pack("<H", UNLOCK_PULSE) + CMD_ID + unlock()))
        assert await asyncio.wait_for(session.plain.get(), 5.0) == (0x7F, bytes((3,)))
        assert not lock.bolt.openings


async def test_a_lock_with_another_key_cannot_prove_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    lock.faults.wrong_key = True
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV, greet=False) as session:
        assert not await session.hello()


async def test_a_lock_that_loses_power_is_gone_and_comes_back_with_a_new_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    boots = lock.boot_counter
    async with radio(monkeypatch, tmp_path, on_the_air(lock)):
        async with gateway(await found(ADDRESS), K_DEV) as session:
            lock.power_off()
            await asyncio.wait_for(session.gone.wait(), 5.0)
        lock.power_on()
        async with gateway(await found(ADDRESS), K_DEV) as session:
            info = await session.client.read_gatt_char(INFO)
            assert struct.unpack("<BBQII", info)[3] == boots + 1


async def test_an_answer_that_never_comes_is_had_by_asking_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = a_lock()
    lock.faults.reply = ReplyFault("did_without_reply", count=1)
    async with radio(monkeypatch, tmp_path, on_the_air(lock)), gateway(await found(ADDRESS), K_DEV) as session:
        await session.write(session.sealed(CMD, struct.pack("<H", UNLOCK_PULSE) + CMD_ID + unlock()))
        again = await session.command(UNLOCK_PULSE, unlock(), CMD_ID)
        assert (again.status, again.replayed, len(lock.bolt.openings)) == (DONE, 1, 1)


async def test_twenty_locks_are_worked_on_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    locks = {f"C4:00:00:00:03:{n:02X}": a_lock(f"lock-{n}", n) for n in range(1, 21)}
    doors = [on_the_air(lock, address) for address, lock in locks.items()]
    async with radio(monkeypatch, tmp_path, *doors, timings=Timings(0.0, 0.1, 0.0, 0.0, 0.05)):
        devices = {address: await found(address) for address in locks}

        async def work(address: str) -> int:
            async with gateway(devices[address], K_DEV) as session:
                await session.command(UNLOCK_PULSE, unlock())
                return (await session.command(PING)).status

        assert await asyncio.gather(*(work(address) for address in locks)) == [DONE] * 20
    assert [len(lock.bolt.openings) for lock in locks.values()] == [1] * 20


async def test_a_disconnect_takes_its_time_as_on_the_real_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert 2.0 <= Timings().disconnect_s <= 3.0
    loop = asyncio.get_running_loop()
    async with radio(monkeypatch, tmp_path, on_the_air(a_lock()), timings=Timings()):
        session = client(await found(ADDRESS))
        await session.connect()
        began = loop.time()
        await session.disconnect()
        assert loop.time() - began >= 2.0


async def test_the_hotels_side_offers_every_device_under_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    locks = [a_lock("lock-209", 209), a_lock("lock-210", 210)]
    side = BleSide(locks, {"lock-209": ADDRESS, "lock-210": "C4:00:00:00:02:10"}, tmp_path / "bluez.sock", timings=QUICK)
    with pytest.raises(RuntimeError):
        _ = side.address
    await side.start()
    assert side.address == f"unix:path={tmp_path}/bluez.sock"
    assert side.faults("lock-210") is side.air.faults["C4:00:00:00:02:10"]
    await side.stop()
    await side.stop()
    assert not (tmp_path / "bluez.sock").exists()
