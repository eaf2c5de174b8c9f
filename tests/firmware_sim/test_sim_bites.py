"""The guards of the simulated lock, each shown to be what holds: with the guard taken away, the harm is there."""

from typing import Any

import pytest

from firmware_sim import decision, lock_memory
from firmware_sim.codes import Reason
from firmware_sim.faults import PowerLost
from firmware_sim.lock import Lock
from firmware_sim.replies import Replies
from tests.firmware_sim.sim_builders import T, card, command, do, events, generation, lock, right

PAST = ((generation() >> 8) + 1) << 8


def without(reason: Reason) -> Any:
    return tuple(test for test in decision.TESTS if test[0] != reason)


async def after_check_out() -> Lock:
    door = lock()
    await do(door, "PUT_RIGHT", right())
    await do(door, "RAISE_FLOOR", {"floor": PAST})
    return door


async def test_a_key_of_a_departed_guest_is_held_off_by_the_floor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not (await after_check_out()).tap(card())["opened"]
    monkeypatch.setattr(decision, "TESTS", without(Reason.SUPERSEDED))
    assert (await after_check_out()).tap(card())["opened"]


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        (Reason.NOT_YET, {"from_": T + 301}),
        (Reason.EXPIRED, {"until": T}),
        (Reason.WRONG_DOOR, {"door_first": 206}),
        (Reason.OUT_OF_SEQUENCE, {"generation": generation(T + 401 * 86400)}),
    ],
)
async def test_each_test_of_the_table_holds_somebody_off(monkeypatch: pytest.MonkeyPatch, reason: Reason, changed: dict[str, int]) -> None:
    door = lock()
    await do(door, "PUT_RIGHT", right(**changed))
    assert door.tap(card())["reason"] == reason.name.lower()
    monkeypatch.setattr(decision, "TESTS", without(reason))
    assert door.tap(card())["opened"]


async def put_again_after_the_deletion() -> Lock:
    door = lock()
    await do(door, "DEL_RIGHT", {"right_ref": 71, "version": 5})
    await do(door, "PUT_RIGHT", right(version=4))
    return door


async def test_a_late_frame_is_held_off_by_the_tombstone_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not (await put_again_after_the_deletion()).tap(card())["opened"]
    monkeypatch.setattr(lock_memory, "_living", lambda tombs, now: {})
    assert (await put_again_after_the_deletion()).tap(card())["opened"]


async def pulsed_twice() -> int:
    door = lock()
    pulse = command("UNLOCK_PULSE", {"s": 5}, expires_at=T + 10)
    await door.execute(pulse)
    await door.execute(pulse)
    return len(door.bolt.openings)


async def test_a_repeat_is_held_off_by_the_remembered_replies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await pulsed_twice() == 1
    monkeypatch.setattr(Replies, "find", lambda self, cmd_id: None)
    assert await pulsed_twice() == 2


async def tapped_and_cut_off(door: Lock) -> Lock:
    await do(door, "PUT_RIGHT", right())
    door.faults.crash_phase = "after_bolt"
    door.tap(card())
    return door


async def test_an_opening_without_a_log_entry_is_held_off_by_writing_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def bolt_first(self: Lock, *seen: Any) -> dict[str, Any]:
        self.bolt.withdraw(seen[-1])
        raise PowerLost

    door = await tapped_and_cut_off(lock())
    assert (len(door.bolt.openings), "lock_operation" in events(door)) == (1, True)
    monkeypatch.setattr(Lock, "_open", bolt_first)
    door = await tapped_and_cut_off(lock())
    assert (len(door.bolt.openings), "lock_operation" in events(door)) == (1, False)
