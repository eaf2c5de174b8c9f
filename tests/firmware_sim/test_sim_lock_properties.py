"""What holds for a simulated lock whatever is done to it in whatever order (device sheet 3.4)."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.device import Command
from firmware_sim.lock import Lock
from tests.firmware_sim.sim_builders import T, card, command, generation, later, lock, right

REFS = st.integers(1, 4)
VERSIONS = st.integers(1, 6)
STARTS = st.sampled_from([T - 86400, T - 3600, T, T + 200, T + 3600, T + 86400])

puts = st.builds(
    lambda ref, version, start, hours: right(
        ref, version=version, credential_ref=ref, generation=generation(start), from_=start, until=start + hours * 3600
    ),
    REFS,
    VERSIONS,
    STARTS,
    st.integers(1, 48),
)
orders = st.one_of(
    puts.map(lambda args: ("PUT_RIGHT", args)),
    st.builds(lambda ref, version: ("DEL_RIGHT", {"right_ref": ref, "version": version}), REFS, VERSIONS),
    STARTS.map(lambda start: ("RAISE_FLOOR", {"floor": generation(start)})),
    st.builds(lambda ref, version: ("BLOCK_CRED", {"credential_ref": ref, "version": version}), REFS, VERSIONS),
    st.builds(lambda ref, version: ("UNBLOCK_CRED", {"credential_ref": ref, "version": version}), REFS, VERSIONS),
)
steps = st.one_of(
    orders,
    REFS.map(lambda ref: ("tap", ref)),
    st.integers(1, 7200).map(lambda seconds: ("wait", seconds)),
    st.just(("reboot", None)),
)


def done(door: Lock, order: Command) -> None:
    """Execute one command to its end, without an event loop of the test's own."""
    asyncio.run(_executed(door, order))


async def _executed(door: Lock, order: Command) -> None:
    assert await door.execute(order) is not None


def act(door: Lock, what: str, value: Any) -> dict[str, Any]:
    """One step; a tap gives what the person at the door sees."""
    if what == "tap":
        return door.tap(card(f"C{value}", credential_ref=value))
    if what == "wait":
        later(door, value)
    elif what == "reboot":
        door.reboot()
    else:
        done(door, command(what, value))
    return {}


@settings(max_examples=60)
@given(st.lists(steps, max_size=25))
def test_floor_and_generation_never_fall_and_a_denied_tap_changes_nothing(script: list[tuple[str, Any]]) -> None:
    door = lock()
    for what, value in script:
        before, openings = door.memory, len(door.bolt.openings)
        seen = act(door, what, value)
        assert door.memory.floor >= before.floor
        assert door.memory.generation >= before.generation
        if what == "tap" and not seen["opened"]:
            assert door.memory == before
            assert len(door.bolt.openings) == openings
        if what == "reboot":
            assert door.memory == before


@settings(max_examples=60)
@given(st.lists(steps, max_size=25))
def test_what_opens_is_within_its_time_and_not_superseded(script: list[tuple[str, Any]]) -> None:
    door = lock()
    for what, value in script:
        held, floor = [r for r in door.memory.rights.values() if r.credential_ref == value], max(door.memory.floor, door.memory.generation)
        now = door.now()
        if act(door, what, value).get("opened"):
            assert any(r.start - 300 <= now < r.until and r.generation >= floor for r in held)
            assert value not in door.memory.blocked
            assert door.log.newest >= len(door.bolt.openings), "every opening has its log entry"


@settings(max_examples=40)
@given(st.lists(orders, max_size=10), st.data())
def test_repeats_in_any_order_leave_the_same_state_as_once(script: list[tuple[str, Any]], chance: st.DataObject) -> None:
    once, often = lock(), lock()
    sent = [command(op, args) for op, args in script]
    for order in sent:
        done(once, order)
    for at, order in enumerate(sent):
        done(often, order)
        for repeat in chance.draw(st.lists(st.sampled_from(sent[: at + 1]), max_size=3)):
            done(often, repeat)
    assert often.memory == once.memory


@settings(max_examples=40)
@given(st.permutations([("PUT_RIGHT", right(version=2)), ("DEL_RIGHT", {"right_ref": 71, "version": 3}), ("PUT_RIGHT", right(version=1))]))
def test_a_deleted_right_stays_deleted_in_whatever_order_the_frames_arrive(script: list[tuple[str, Any]]) -> None:
    door = lock()
    for op, args in script:
        done(door, command(op, args))
    assert door.memory.rights == {}
