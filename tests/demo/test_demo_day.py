"""One hotel, one day, end to end on the real protocols: what `./dev run` brings up, what the day finds, and that Ctrl-C ends all of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow]


@dataclass
class Running:
    """A demo that runs as a program of its own, and what it said."""

    process: subprocess.Popen[str]
    home: Path
    said: list[dict[str, Any]]

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "demo.json").read_text())
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("demo")
    words = [sys.executable, "-m", "demo.cli", "run", "--json", "--home", str(home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        running = Running(process, home, [])
        try:
            assert process.stdout is not None
            for line in process.stdout:
                running.said.append(json.loads(line))
                if "ready_s" in running.said[-1]:
                    break
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_demo_opens_a_first_door_on_each_transport_before_it_hands_over(demo: Running) -> None:
    told = "\n".join(line["say"] for line in demo.said)
    assert [way for way in ("mqtt:", "modbus:", "ble:") if way in told] == ["mqtt:", "modbus:", "ble:"]
    assert told.count("opened the door") == 3
    truth = httpx.get(f"{demo.status['sim']}/sim/truth").json()
    opened = {name for name, device in truth.items() if name.startswith("lock-") and device["bolt_openings"]}
    assert opened == {f"lock-{room}" for room in re.findall(r"checked in to (\d+)", told)}


def test_forty_real_orders_are_on_the_books_and_eighteen_are_to_come_or_here(demo: Running) -> None:
    client = httpx.Client(base_url=demo.status["central"], headers={"Authorization": f"Bearer {demo.status['token']}"})
    day = client.get("/api/v1/day").json()
    client.close()
    assert len(day) == 18
    assert sum(stay["status"] == "in_house" for stay in day) == 3


def test_the_whole_day_holds_against_the_simulators_truth(demo: Running) -> None:
    words = [sys.executable, "-m", "demo.cli", "day", "--json", "--home", str(demo.home)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=170)
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert last["ok"]
    assert set(last["transports"]) == {"mqtt", "modbus", "ble"}
    for counts in last["transports"].values():
        assert counts["checked_in"] >= 1
        assert counts["opened"] >= 1
        assert counts["refused_after"] >= 1
    assert all(check["ok"] for check in last["checks"])


def test_ctrl_c_ends_everything_that_it_started(demo: Running) -> None:
    pids = [pid for pid in demo.status["pids"].values() if pid]
    assert len(pids) == 4
    assert all(map(alive, pids))
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(40) == 0
    assert not any(map(alive, pids))
    assert not (demo.home / "demo.json").exists()
