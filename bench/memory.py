"""Memory of each program (PSS) while a hotel of 24 devices, the demo's 24 rooms, and one of 200 devices, is up and idle."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import pss_mb, verdict
from demo.hotel import Hotel
from demo.plan import demo_hotel, many_locks

BOX_LIMIT_MB = 90.0  # design bar for 200 devices with API and console
SETTLE_S = 5.0  # each device has sent its first state by then; memory after it is what stays


async def measure(show: Callable[[dict[str, Any]], None], rounds: int) -> dict[str, Any]:
    """Start each hotel in an empty home and read every program's PSS. `rounds` is not used."""
    found: dict[str, dict[str, float]] = {}
    for label, devices in (("24 devices", many_locks(24)), ("24 rooms", demo_hotel()), ("200 devices", many_locks(200))):
        with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
            async with Hotel(Path(folder), devices=devices) as hotel:
                await asyncio.sleep(SETTLE_S)
                found[label] = {name: pss_mb(pid) for name, pid in hotel.pids().items() if pid}
                show({"hotel": label, "devices": len(devices), "pss_mb": found[label]})
    return verdict({"gateway_pss_mb_200_devices": (found["200 devices"]["gateway"], BOX_LIMIT_MB)}, name="memory", figures=found)
