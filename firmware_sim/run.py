"""The composition root of the simulator: one hotel and its control API, served until a signal ends them."""

import asyncio
import json
import logging
import signal
from pathlib import Path

from firmware_sim.control import application
from firmware_sim.hotel import Hotel, read_keys
from firmware_sim.settings import HotelSettings
from host.home import Home
from host.logs import start_logging
from host.serving import served

log = logging.getLogger(__name__)


def run(settings: HotelSettings, home: Home, ready: bool) -> None:
    """Serve until SIGINT or SIGTERM. `ready` prints one JSON line with the addresses once everything answers. Raises HostError."""
    start_logging()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # silent units are its errors and our faults
    asyncio.run(_run(settings, home, ready))


async def _run(settings: HotelSettings, home: Home, ready: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    hotel = Hotel(settings, read_keys(home, settings), Path(home.data))
    await hotel.start()
    try:
        async with served(application(hotel), settings.control.host, settings.control.port) as serving:
            log.info("%d devices of %s; control at %s", len(hotel.devices), settings.property, serving.url)
            if ready:
                print(json.dumps({"control": serving.url, "devices": len(hotel.devices)}), flush=True)  # noqa: T201 - asked for
            waiting = asyncio.create_task(ended.wait())
            await asyncio.wait({waiting, serving.ended}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
    finally:
        await hotel.stop()
