"""`latchkey-demo day`: the product's promise as one day, against a hotel that runs, or one that is started for it."""

import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from demo.first_doors import take_todays_orders
from demo.hotel import Hotel
from demo.run import Say
from demo.scenarios import checks  # noqa: F401 - its acts are known once it is imported
from demo.scenarios.acts import ACTS
from demo.scenarios.runner import Outcome, run
from demo.scenarios.script import read_script
from demo.scenarios.stage import Stage


def day_file() -> Path:
    """Return the shipped scenario."""
    return Path(str(resources.files("configs").joinpath("scenarios", "day.yaml")))


async def run_day(home: Path, *, start: bool, seed: int, say: Say) -> dict[str, Any]:
    """Run the day and return its last line: ok, seed, transports, checks, seconds.

    `start`, or a home without a running hotel: a fresh hotel in a folder of its own, ended afterwards.
    """
    script = read_script(day_file(), ACTS)
    begun = time.monotonic()
    async with _status(home, start=start, seed=seed, say=say) as status_file:
        stage = Stage.of(status_file)
        try:
            stage.kept |= {"today": await stage.hands.today(), "run": secrets.token_hex(3)}
            outcome = await run(script, stage, lambda line: say(f"{time.monotonic() - begun:6.1f} s {line}"))
        finally:
            await stage.close()
    return _line(outcome, stage, seed, time.monotonic() - begun)


@asynccontextmanager
async def _status(home: Path, *, start: bool, seed: int, say: Say) -> AsyncIterator[Path]:
    running = home / "demo.json"
    if running.exists() and not start:
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="latchkey-day-") as folder:
        say("starting a hotel for the day")
        async with Hotel(Path(folder), seed=seed, when_central=lambda hotel: take_todays_orders(hotel, say)) as hotel:
            yield hotel.homes.status


def _line(outcome: Outcome, stage: Stage, seed: int, seconds: float) -> dict[str, Any]:
    return {
        "ok": outcome.ok,
        "seed": seed,
        "seconds": round(seconds, 1),
        "transports": {
            way: {**counts, "check_in_ms": stage.times.get(way, [])} for way, counts in stage.transports.items() if way != "none"
        },
        "checks": outcome.as_dicts(),
        "complaint": outcome.complaint(),
    }
