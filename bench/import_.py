"""Real bookings taken in as history: rows a second from file to commit, a second run that changes nothing, and the report over it.

The whole file (78,703 rows) is not part of the project; LATCHKEY_BOOKINGS names it. Without it the sample of the tests is written out
again and again over some years, and the limit shrinks with the number of nights (the whole file has 168,101 nights that happened).
"""

import asyncio
import csv
import os
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from bench.figures import verdict
from central.channels.history import import_bookings
from central.channels.hotel_bookings import MONTHS
from central.configuration import database_url
from central.reports import nights
from central.rooms.loading import load_property
from central.rooms.property_file import read_property
from central.services import Services
from central.store import migrations
from central.store.database import Store
from central.store.vault import Vault
from host.clock import SystemClock

ROWS = 40_000  # of the file that is made up of the sample
WHOLE_NIGHTS = 168_101
LIMIT_S = 60.0  # for the whole file, both hotels
SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "hotel_bookings_sample.csv"
FIRST, DAYS = date(2012, 1, 1), 1600  # over which the sample is spread, so that the smaller house is never full
WEEK = 5
PERIOD = nights.Period(date(2012, 1, 1), date(2017, 8, 31))


def long_file(folder: Path) -> Path:
    """Return a file of ROWS rows: the real one when it is named, else the sample, moved by days and numbered anew."""
    if named := os.environ.get("LATCHKEY_BOOKINGS"):
        return Path(named)
    with SAMPLE.open() as text:
        sample = [
            row for row in csv.DictReader(text) if int(row["stays_in_week_nights"]) <= WEEK
        ]  # the few long stays would repeat too often
    file = folder / "bookings.csv"
    with file.open("w") as out:
        writer = csv.DictWriter(out, list(sample[0]))
        writer.writeheader()
        for number in range(ROWS):
            row = dict(sample[number % len(sample)])
            arrival = FIRST + timedelta(days=number * DAYS // ROWS)
            ends = arrival + timedelta(days=int(row["stays_in_weekend_nights"]) + int(row["stays_in_week_nights"]))
            row |= {"source_row": str(number + 1), "reservation_status_date": ends.isoformat(), "arrival_date_year": str(arrival.year)}
            row |= {"arrival_date_month": MONTHS[arrival.month - 1], "arrival_date_day_of_month": str(arrival.day)}
            writer.writerow(row)
    return file


async def measure(show: Callable[[dict[str, Any]], None], rounds: int) -> dict[str, Any]:
    """Import the file for both shipped hotels into an empty embedded database. `rounds` is not used."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
        file = await asyncio.to_thread(long_file, Path(folder))
        url = f"sqlite:///{folder}/central.db"
        migrations.upgrade(database_url(url))
        store, clock, vault = Store(url), SystemClock(), Vault(os.urandom(32))
        services = Services(store, vault, clock)
        seconds = 0.0
        for slug in ("city", "resort"):
            told = read_property(Path(str(resources.files("configs").joinpath("properties", f"{slug}.yaml"))))
            await store.write(partial(load_property, told=told, actor="bench", now=clock.now(), vault=vault))
            first, report = await _timed(services, slug, file)
            again, repeat = await _timed(services, slug, file)
            begun = time.perf_counter()
            sold = sum(row[1] for row in await store.read(partial(nights.rows, property_id=slug, period=PERIOD)))
            counts = {"stored": report.stored, "nights": sold, "refused": len(report.refused), "stored_again": repeat.stored}
            took = {"seconds": first, "seconds_again": again, "report_ms": round((time.perf_counter() - begun) * 1000)}
            figures[slug] = counts | took | {"rows_per_s": round(report.stored / first)}
            seconds += first
            show({"property": slug, **figures[slug]})
        await asyncio.to_thread(store.close)
    limit = round(LIMIT_S * sum(one["nights"] for one in figures.values()) / WHOLE_NIGHTS, 1)
    return verdict({"file_s": (round(seconds, 1), limit)}, name="import", figures=figures)


async def _timed(services: Services, slug: str, file: Path) -> tuple[float, Any]:
    begun = time.perf_counter()
    report = await import_bookings(services, slug, file)
    return round(time.perf_counter() - begun, 1), report
