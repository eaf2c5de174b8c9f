"""Simulated devices on a Modbus line, asked by an ordinary Modbus master: registers, mailbox, event window, silence."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from firmware_sim import knobs, modbus_map
from firmware_sim.codes import OPCODES
from firmware_sim.device import Device, Setup
from firmware_sim.encoder import Encoder
from firmware_sim.lock import Lock, LockSettings
from firmware_sim.minibar import Minibar
from firmware_sim.modbus_side import LineSettings, ModbusLine
from firmware_sim.nvram import Nvram
from firmware_sim.room import RoomController
from tests.firmware_sim.sim_builders import K_CARD, K_DEV, PROPERTY, T, at_once, card, generation, later, world

LIMIT_S = 10.0
LAYOUT = struct.Struct(">HH8sIIIIII8sHBBHHIBBIH")


class Master:
    """The gateway's end of the line."""

    def __init__(self, client: AsyncModbusTcpClient, devices: dict[int, Device]) -> None:
        self.client, self.devices = client, devices
        self.seq: dict[int, int] = {}

    async def read(self, unit: int, first: int, count: int) -> list[int]:
        answer = await self.client.read_input_registers(first, count=count, device_id=unit)
        assert not answer.isError(), answer
        return list(answer.registers)

    def mailbox(self, unit: int, op: str, cmd_id: int = 1, **fields: int) -> list[int]:
        """36 registers with the tag; the fields by their names on the sheet, `seq` to choose another number."""
        device = self.devices[unit]
        seq = fields.pop("seq", self.seq.get(unit, 0) + 1)
        self.seq[unit] = seq
        names = ("right_ref", "version", "generation", "start", "until", "credential_ref")
        wide = [fields.pop(name, 0) for name in names]
        rest = [
            fields.pop(name, 0) for name in ("flags", "role", "copy", "door_first", "door_count", "arg", "purpose", "card_type", "areas")
        ]
        head = LAYOUT.pack(seq, OPCODES[op], cmd_id.to_bytes(8, "big"), *wide, bytes(8), *rest, fields.pop("door_5", 0))
        assert not fields
        return list(struct.unpack(">36H", head + modbus_map.tag(K_DEV, device.log_id, device.boot_counter, head)))

    async def write(self, unit: int, registers: Sequence[int], first: int = 100) -> int:
        """Write; 0, or the exception code."""
        answer = await self.client.write_registers(first, list(registers), device_id=unit)
        return int(answer.exception_code) if answer.isError() else 0

    async def done(self, unit: int) -> tuple[int, int, int]:
        """Poll to the end: ack_seq, state, code."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                ack_seq, state, code = (await self.read(unit, 26, 3))[:3]
                if state >= 3 and ack_seq == self.seq[unit]:
                    return ack_seq, state, code
                await asyncio.sleep(0.01)

    async def do(self, unit: int, op: str, cmd_id: int = 1, **fields: int) -> tuple[int, int]:
        assert await self.write(unit, self.mailbox(unit, op, cmd_id, **fields)) == 0
        return (await self.done(unit))[1:]


def devices() -> dict[int, Device]:
    here = world()
    settings = LockSettings(205, property_number=PROPERTY, k_card=K_CARD)
    made: dict[int, Device] = {
        5: Lock(Setup("lock-205", "modbus", K_DEV), here, Nvram(None), settings),
        55: Minibar(Setup("bar-205", "modbus", K_DEV), here, Nvram(None), 4),
        101: Encoder(Setup("encoder-1", "modbus", K_DEV), here, Nvram(None), PROPERTY, K_CARD),
        151: RoomController(Setup("room-205", "modbus", K_DEV), here, Nvram(None)),
    }
    return {unit: at_once(device) for unit, device in made.items()}


@pytest.fixture
async def master() -> AsyncIterator[Master]:
    units = devices()
    line = ModbusLine("east", units, LineSettings(port=0))
    await line.start()
    client = AsyncModbusTcpClient("127.0.0.1", port=line.port, timeout=0.3, retries=0)
    await client.connect()
    yield Master(client, units)
    client.close()
    await line.stop()


def put(master: Master, version: int = 1, cmd_id: int = 1) -> list[int]:
    fields = {"right_ref": 71, "version": version, "generation": generation(), "start": T, "until": T + 86400, "credential_ref": 0xBEEF}
    return master.mailbox(5, "PUT_RIGHT", cmd_id, **fields, role=1, door_first=205, door_count=1)


def u32(registers: Sequence[int], at: int) -> int:
    return registers[at] << 16 | registers[at + 1]


def test_the_tag_of_the_sheet_is_made_byte_by_byte() -> None:
    head = struct.pack(">32H", 7, 0x0110, 0x018F, 0x5A10, 0, 1, *[0] * 26)
    assert modbus_map.tag(K_DEV, 0x1234ABCD, 9, head).hex() == "2ccbf9aec5005e46"


async def test_the_registers_tell_who_a_device_is(master: Master) -> None:
    lock = master.devices[5]
    seen = await master.read(5, 0, 31)
    assert seen[:2] == [0x0100, 1]
    assert (u32(seen, 4) << 32 | u32(seen, 6), u32(seen, 8), u32(seen, 10)) == (lock.serial, 1, lock.log_id)
    assert (u32(seen, 12), seen[14], seen[15], seen[16], seen[17]) == (T, 0, 0xFFFF, 100, 0)
    assert [(await master.read(unit, 1, 1))[0] for unit in (5, 55, 101, 151)] == [1, 4, 2, 8]


async def test_a_right_in_the_mailbox_opens_the_door_and_is_read_back(master: Master) -> None:
    assert await master.write(5, put(master)) == 0
    assert await master.done(5) == (1, 3, 0)
    lock = master.devices[5]
    assert isinstance(lock, Lock)
    seen = await master.read(5, 22, 4)
    assert (u32(seen, 0), seen[2], seen[3]) == (lock.memory.rights_digest(), 1, 64)
    assert lock.tap(card())["opened"]
    seen = await master.read(5, 32, 8)
    assert (seen[0], seen[1], u32(seen, 4), u32(seen, 6)) == (2, 1, generation(), 0)
    assert await master.do(5, "RAISE_FLOOR", 2, arg=389130496) == (3, 0)
    assert u32(await master.read(5, 68, 2), 0) == 0xB6E6383D


async def test_the_same_mailbox_again_is_answered_and_not_done(master: Master) -> None:
    pulse = master.mailbox(5, "UNLOCK_PULSE", 9, until=T + 10, arg=5)
    for _ in range(3):
        assert await master.write(5, pulse) == 0
        assert await master.done(5) == (1, 3, 0)
    assert await master.write(5, master.mailbox(5, "UNLOCK_PULSE", 8, until=T + 10, arg=5, seq=1)) == 0
    assert await master.done(5) == (1, 4, 1), "the same number for another command"
    assert await master.do(5, "UNLOCK_PULSE", 9, until=T + 10, arg=5, seq=2) == (3, 0)
    lock = master.devices[5]
    assert isinstance(lock, Lock)
    assert len(lock.bolt.openings) == 1


@pytest.mark.parametrize(("first", "count"), [(100, 35), (101, 35), (100, 37), (99, 36), (0, 2), (1, 2), (135, 1), (50, 2)])
async def test_a_partial_write_is_exception_two(master: Master, first: int, count: int) -> None:
    assert await master.write(5, [0] * count, first) == 2


async def test_a_single_register_of_the_mailbox_cannot_be_written(master: Master) -> None:
    answer = await master.client.write_register(101, 1, device_id=5)
    assert answer.exception_code == 2


async def test_a_wrong_tag_is_refused_and_counted(master: Master) -> None:
    registers = put(master)
    registers[33] ^= 1
    assert await master.write(5, registers) == 0
    assert await master.done(5) == (1, 4, 3)
    assert master.devices[5].dropped == {"bad_tag": 1}
    assert (await master.read(5, 24, 1)) == [0]


async def test_a_mailbox_of_an_earlier_boot_is_worth_nothing(master: Master) -> None:
    old = put(master)
    master.devices[5].reboot()
    assert await master.write(5, old) == 0
    assert await master.done(5) == (1, 4, 3)


async def test_a_number_out_of_turn_is_exception_three(master: Master) -> None:
    assert await master.write(5, master.mailbox(5, "PING", seq=3)) == 3
    assert await master.write(5, master.mailbox(5, "PING", seq=0)) == 3
    assert await master.do(5, "PING", seq=1) == (3, 0)


async def test_the_numbers_wrap_past_zero(master: Master) -> None:
    master.seq[5] = 0
    for seq in (1, 2, 3):
        assert await master.do(5, "PING", cmd_id=seq, seq=seq) == (3, 0)


@pytest.mark.parametrize(("op", "code"), [("LIST_RIGHTS", 2), ("ENCODE", 2), ("UNLOCK_PULSE", 1), ("PUT_RIGHT", 1)])
async def test_what_a_lock_does_not_do_on_this_line_is_said(master: Master, op: str, code: int) -> None:
    assert await master.do(5, op) == (4, code)


async def test_an_expired_pulse_is_said(master: Master) -> None:
    assert await master.do(5, "UNLOCK_PULSE", until=T, arg=5) == (4, 6)


async def test_the_event_window_moves_with_the_acknowledgement(master: Master) -> None:
    lock = master.devices[5]
    assert isinstance(lock, Lock)
    for turn in range(10):
        lock.throw_deadbolt(on=turn % 2 == 0)
    seen = await master.read(5, 100, 96)
    assert [u32(seen, at) for at in range(0, 96, 12)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert seen[12:24] == [0, 2, 260, 1, *modbus_map.u32(T), 0, 205, 0, 0, 0, 0]
    assert await master.write(5, [*modbus_map.u32(8), (lock.log_id + 1) & 0xFFFF], 0) == 0
    assert u32(await master.read(5, 20, 2), 0) == 1, "for another log: ignored"
    assert await master.write(5, [*modbus_map.u32(8), lock.log_id & 0xFFFF], 0) == 0
    seen = await master.read(5, 100, 96)
    assert [u32(seen, at) for at in range(0, 96, 12)] == [9, 10, 11, 0, 0, 0, 0, 0]
    assert [u32(await master.read(5, 18, 4), at) for at in (0, 2)] == [11, 9]
    held = await master.client.read_holding_registers(0, count=2, device_id=5)
    assert u32(held.registers, 0) == 8


async def test_an_opening_in_the_window_names_door_credential_and_generation(master: Master) -> None:
    await master.write(5, put(master))
    await master.done(5)
    lock = master.devices[5]
    assert isinstance(lock, Lock)
    lock.acknowledge(lock.log_id, lock.log.newest)
    lock.tap(card())
    seen = await master.read(5, 100, 24)
    assert (seen[2], seen[7], u32(seen, 8), u32(seen, 10)) == (261, 205, 0xBEEF, generation())
    assert (seen[14], seen[15], seen[19], u32(seen, 20), u32(seen, 22)) == (257, 0x0108, 205, 0xBEEF, generation())


async def test_unknown_units_and_dead_ones_are_silent(master: Master) -> None:
    for unit in (6, 200, 0):
        with pytest.raises(ModbusIOException):
            await master.client.read_input_registers(0, count=1, device_id=unit)
    assert await master.read(5, 1, 1) == [1], "and the master goes on"
    knobs.turn(master.devices[5], {"link": "down"})
    for first in (0, 92):
        with pytest.raises(ModbusIOException):
            await master.client.read_input_registers(first, count=1, device_id=5)
    assert await master.read(55, 1, 1) == [4], "the neighbour on the line still answers"
    knobs.turn(master.devices[5], {"link": "up"})
    assert await master.read(5, 1, 1) == [1]


async def test_a_reply_fault_shows_in_the_registers(master: Master) -> None:
    lock = master.devices[5]
    assert isinstance(lock, Lock)
    knobs.turn(lock, {"reply": {"kind": "did_without_reply", "count": 1}})
    assert await master.write(5, master.mailbox(5, "RAISE_FLOOR", arg=7)) == 0
    async with asyncio.timeout(LIMIT_S):
        while lock.memory.floor != 7:
            await asyncio.sleep(0.01)
    assert (await master.read(5, 26, 3)) == [1, 1, 0], "accepted for ever"
    assert await master.do(5, "RAISE_FLOOR", arg=7, seq=2) == (3, 0), "the same id under a new number is answered from memory"


async def test_an_encoder_writes_a_card_on_the_line(master: Master) -> None:
    encoder = master.devices[101]
    assert isinstance(encoder, Encoder)
    knobs.turn(encoder, {"card": {"kind": "slow", "ms": 20}})
    blank = card("NEW")
    blank.memory = bytes(48)
    encoder.lay_card(blank)
    fields: dict[str, Any] = {
        "generation": generation(),
        "start": T,
        "until": T + 86400,
        "credential_ref": 0xBEEF,
        "door_first": 205,
        "door_count": 1,
    }
    assert await master.do(101, "ENCODE", **fields, arg=3, purpose=1, card_type=1, door_5=207) == (3, 0)
    assert u32(await master.read(101, 29, 2), 0) == 0xBEEF
    assert await master.do(101, "READ", 2, until=T + 18) == (3, 0)
    seen = await master.read(101, 70, 22)
    assert (seen[0], seen[1], seen[2], u32(seen, 4), u32(seen, 12), u32(seen, 14)) == (1, PROPERTY, 205, generation(), 0xBEEF, 3)
    assert sorted(seen[17:22]) == [0, 0, 0, 0, 207]
    assert (await master.read(101, 64, 3)) == [0, 1, 1]


async def test_a_waiting_encoder_hears_a_cancel(master: Master) -> None:
    encoder = master.devices[101]
    assert await master.write(101, master.mailbox(101, "READ", 1, until=T + 18)) == 0
    async with asyncio.timeout(LIMIT_S):
        while (await master.read(101, 64, 1)) != [1]:
            await asyncio.sleep(0.01)
    assert await master.do(101, "READ", 2, until=T + 18) == (4, 7), "busy"
    assert await master.do(101, "CANCEL", 3) == (3, 0)
    assert await master.do(101, "READ", 1, until=T + 18) == (4, 32), "the stored end of the cancelled job"
    assert encoder.attributes()["last_error"] == 32


async def test_a_minibar_shows_its_slots(master: Master) -> None:
    bar = master.devices[55]
    assert isinstance(bar, Minibar)
    bar.remove(3)
    assert await master.read(55, 40, 7) == [1, 0, 60, 4, 0, 0, 0b1011]
    assert await master.do(55, "BAR_LOCK", version=4) == (3, 0)
    assert (await master.read(55, 41, 1)) == [1]
    answer = await master.client.read_discrete_inputs(0, count=12, device_id=55)
    assert answer.bits[3]


async def test_a_room_shows_its_inputs_and_takes_its_settings(master: Master) -> None:
    room = master.devices[151]
    assert isinstance(room, RoomController)
    room.enter()
    room.press("dnd")
    later(room, 10)
    assert (await master.read(151, 48, 13))[:3] == [0, 1, 10]
    answer = await master.client.read_discrete_inputs(0, count=12, device_id=151)
    assert answer.bits[:12] == [False] * 8 + [True] + [False] * 3
    assert await master.do(151, "SET_SETPOINT", until=T + 300, arg=225) == (3, 0)
    assert await master.write(151, [230], 10) == 0
    assert (await master.read(151, 53, 1)) == [230]
    assert await master.write(151, [9], 11) == 3
    assert await master.write(5, [230], 10) == 2


async def test_no_coil_moves_a_bolt(master: Master) -> None:
    lock = master.devices[5]
    assert isinstance(lock, Lock)
    for at in range(4):
        assert not (await master.client.write_coil(at, True, device_id=5)).isError()
    assert (await master.client.write_coil(16, True, device_id=5)).exception_code == 2
    assert lock.bolt.locked
    assert lock.identified == 1


async def test_holes_in_the_map_are_exception_two(master: Master) -> None:
    for first, count in ((92, 1), (196, 1), (90, 12)):
        answer = await master.client.read_input_registers(first, count=count, device_id=5)
        assert answer.exception_code == 2
