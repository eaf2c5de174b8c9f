"""Time that another process moves: followed, worked off before it is confirmed, and never lost for long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

import host.simulated_clock
from host.clock import ManualClock, SystemClock
from host.exits import Unreachable
from host.serving import serve
from host.simulated_clock import SimulatedClock
from tests.host.clock_server import OPENING, ClockServer


@pytest.fixture
async def server() -> AsyncIterator[ClockServer]:
    made = ClockServer()
    yield made
    await made.close()


@pytest.fixture
async def clock(server: ClockServer) -> AsyncIterator[SimulatedClock]:
    made = SimulatedClock(await server.open(), "box")
    await made.start()
    yield made
    await made.stop()


async def test_time_stands_still_until_it_is_stepped(server: ClockServer, clock: SimulatedClock) -> None:
    assert clock.now() == OPENING
    assert clock.quality == "synced"
    await server.step(3600)
    assert clock.now() == OPENING + timedelta(hours=1)


async def test_a_step_returns_when_the_work_that_fell_due_is_done(server: ClockServer, clock: SimulatedClock) -> None:
    done: list[str] = []

    async def slow() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        done.append(f"due at {clock.now():%H:%M}")

    clock.on_step(slow)
    await server.step(1800)
    assert done[-1] == "due at 14:30"


async def test_work_that_fails_does_not_hold_the_hotel(
    server: ClockServer, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise ValueError("odd")

    clock.on_step(broken)
    await server.step(60)
    assert "work that fell due" in caplog.text


async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(server: ClockServer, clock: SimulatedClock) -> None:
    sleeper = asyncio.create_task(clock.sleep_until(OPENING + timedelta(minutes=30)))
    await server.step(1799)
    assert not sleeper.done()
    await server.step(1)
    await asyncio.wait_for(sleeper, 5)


async def test_between_changes_time_runs_at_the_rate(server: ClockServer) -> None:
    real = 100.0
    clock = SimulatedClock(await server.open(), "box", monotonic=lambda: real)
    server.change(rate=60.0)
    await clock.start()
    real += 2.5
    assert clock.now() == OPENING + timedelta(seconds=150)
    assert clock.monotonic() == 102.5
    await clock.stop()


async def test_time_does_not_run_backwards_by_the_jitter_of_the_line(server: ClockServer) -> None:
    real = 100.0
    clock = SimulatedClock(await server.open(), "box", monotonic=lambda: real)
    server.change(rate=1.0)
    await clock.start()
    real += 3
    before = clock.now()
    await server.step(2.9)  # the server's clock is a tenth of a second behind ours
    assert clock.now() == before
    await clock.stop()


async def test_a_sleeper_wakes_early_when_time_runs_fast(server: ClockServer, clock: SimulatedClock) -> None:
    server.change(rate=3600.0)
    await asyncio.wait_for(clock.sleep_until(OPENING + timedelta(minutes=2)), 5)


async def test_a_lost_clock_server_is_found_again(server: ClockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.simulated_clock, "LAST_RETRY_S", 0.1)
    url = await server.open()
    clock = SimulatedClock(url, "box")
    await clock.start()
    await server.close()
    assert clock.now() == OPENING
    later = ClockServer()
    later.now += timedelta(days=1)
    await later.open(int(url.rpartition(":")[2]))
    await asyncio.wait_for(clock.sleep_until(OPENING + timedelta(days=1)), 10)
    await clock.stop()
    await later.close()


async def test_a_clock_server_that_is_not_there_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.simulated_clock, "START_LIMIT_S", 0.3)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 does not answer\. Start the simulator"):
        await SimulatedClock("http://127.0.0.1:9", "box").start()


async def test_somebody_else_on_that_port_is_no_clock_server(server: ClockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.simulated_clock, "START_LIMIT_S", 0.3)
    other = await serve(ClockServer().app.router.__class__(), "127.0.0.1", 0)
    with pytest.raises(Unreachable, match="does not answer"):
        await SimulatedClock(other.url, "box").start()
    await other.stop()


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(Unreachable, match="no address of a clock server"):
        SimulatedClock("https://example.invalid", "box")


async def test_a_manual_clock_wakes_its_sleepers() -> None:
    clock = ManualClock(OPENING)
    sleeper = asyncio.create_task(clock.sleep_until(OPENING + timedelta(hours=2)))
    await asyncio.sleep(0)
    clock.move(timedelta(hours=1))
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.move(timedelta(hours=1))
    await asyncio.wait_for(sleeper, 5)


async def test_the_machine_s_own_clock_is_aware_and_goes_on() -> None:
    clock = SystemClock()
    first = clock.now()
    assert first.utcoffset() == timedelta(0)
    await clock.sleep_until(first)
    assert clock.monotonic() <= clock.monotonic()
