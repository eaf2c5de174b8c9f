"""PINs at the box: looked at one by one, throttled per person, written down before they are looked at, good at this console only."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk import throttle
from gateway.desk.people import QUEUE, People
from gateway.desk.problems import NotReady, SignedOut, Throttled
from gateway.desk.throttle import Tries, failed, wait_s
from tests.gateway_desk.desks import NOON, OTHER_PIN, PIN, Desk, fill, opened, pin_hash
from wire.entities import StaffBody


async def wrong(desk: Desk, times: int, who: str = "desk") -> None:
    for _ in range(times):
        with pytest.raises(SignedOut):
            await desk.office.people.sign_in(who, "000000")


async def test_the_right_pin_opens_by_id_and_by_name(desk: Desk) -> None:
    for who in ("desk", "Rita", " rita "):
        token, person = await desk.office.people.sign_in(who, PIN)
        assert person.name == "Rita"
        seen = desk.office.people.of_token(token)
        assert seen is not None
        assert seen.actor == "staff/desk"


async def test_five_mistakes_cost_a_minute_and_ten_a_quarter_of_an_hour(desk: Desk) -> None:
    await wrong(desk, 5)
    with pytest.raises(Throttled) as told:
        await desk.office.people.sign_in("desk", PIN)
    assert told.value.retry_after_s == 60
    for _ in range(5):
        desk.clock.move(timedelta(minutes=1))
        await wrong(desk, 1)
    desk.clock.move(timedelta(minutes=14, seconds=59))
    with pytest.raises(Throttled):
        await desk.office.people.sign_in("desk", PIN)
    desk.clock.move(timedelta(seconds=1))
    assert (await desk.office.people.sign_in("desk", PIN))[1].staff_id == "desk"
    await wrong(desk, 4)  # the count began anew


async def test_one_persons_mistakes_do_not_keep_another_out(desk: Desk) -> None:
    await wrong(desk, 5)
    assert (await desk.office.people.sign_in("boss", OTHER_PIN))[1].roles == ("manager",)


async def test_pulling_the_plug_does_not_give_new_tries(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await fill(desk)
        await wrong(desk, 5)
    async with opened(tmp_path) as again:
        with pytest.raises(Throttled):
            await again.office.people.sign_in("desk", PIN)


async def test_tries_at_the_same_time_are_all_counted_and_few_may_wait(desk: Desk) -> None:
    tries = [desk.office.people.sign_in("desk", "000000") for _ in range(QUEUE + 4)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, SignedOut) for one in ended) == throttle.SHORT
    assert all(isinstance(one, SignedOut | Throttled) for one in ended)


async def test_somebody_unknown_is_refused_in_the_same_words(desk: Desk) -> None:
    with pytest.raises(SignedOut) as unknown:
        await desk.office.people.sign_in("nobody", PIN)
    with pytest.raises(SignedOut) as mistaken:
        await desk.office.people.sign_in("desk", "000000")
    assert str(unknown.value) == str(mistaken.value)


async def test_a_leaver_is_out_at_once(desk: Desk) -> None:
    token, _ = await desk.office.people.sign_in("desk", PIN)
    await desk.put("staff", "desk", StaffBody("Rita", ("desk",), "en", pin_hash(PIN), active=False))
    assert desk.office.people.of_token(token) is None
    with pytest.raises(SignedOut):
        await desk.office.people.sign_in("desk", PIN)


async def test_a_session_ends_when_its_owner_says_so(desk: Desk) -> None:
    token, _ = await desk.office.people.sign_in("desk", PIN)
    desk.office.people.sign_out(token)
    assert desk.office.people.of_token(token) is None
    assert desk.office.people.of_token(None) is None


async def test_a_stolen_store_without_the_keys_folder_knows_no_pin(desk: Desk) -> None:
    other = People(desk.store, desk.clock, bytes(32))
    with pytest.raises(SignedOut):
        await other.sign_in("desk", PIN)
    other.close()
    with pytest.raises(NotReady):
        await People(desk.store, desk.clock, None).sign_in("desk", PIN)


@given(st.lists(st.integers(0, 2_000), max_size=30))
def test_nobody_gets_more_than_nine_tries_in_the_first_five_minutes(gaps: list[int]) -> None:
    now, tries, made = NOON, Tries(), 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        if wait_s(tries, now) == 0:
            tries = failed(tries, now)
            made += now - NOON < timedelta(minutes=5)
    assert made <= 9


def test_a_clock_that_was_set_back_does_not_lock_anybody_out_for_ever() -> None:
    tries = Tries(5, datetime(2030, 1, 1, tzinfo=UTC))
    assert wait_s(tries, NOON) == 60
