"""`latchkey-demo run`: brings a hotel up before somebody's eyes, opens its first doors, says where everything is, and waits."""

import asyncio
import time
from pathlib import Path
from typing import Protocol

from demo.first_doors import Opened, open_first_doors, take_todays_orders
from demo.hotel import Hotel


class Say(Protocol):
    """Hears one line for people, with the same in values."""

    def __call__(self, line: str, **told: object) -> None: ...


async def run_hotel(home: Path, say: Say) -> None:
    """Start the hotel in `home` and keep it up until cancelled; then end all that was started. Raises StartFailed."""
    begun = time.monotonic()

    def timed(line: str) -> None:
        say(f"{time.monotonic() - begun:5.1f} s  {line}")

    async with Hotel(home, fixed_ports=True, say=timed, when_central=lambda hotel: take_todays_orders(hotel, timed)) as hotel:
        for opened in await open_first_doors(hotel):
            timed(_told(opened))
        seconds = round(time.monotonic() - begun, 1)
        hotel.write_status()
        say(_address_list(hotel, seconds), ready_s=seconds, status=str(hotel.homes.status))
        await asyncio.Event().wait()


def _told(opened: Opened) -> str:
    return (
        f"{opened.transport}: order {opened.number} checked in to {opened.room}, right in the lock after {opened.right_ms} ms, "
        f"card {opened.card} opened the door"
    )


def _address_list(hotel: Hotel, seconds: float) -> str:
    login = hotel.prepared.login
    return "\n".join(
        [
            "",
            f"The hotel is open ({seconds} s).",
            f"  Room board   {hotel.central}/    user {login['user']}, password {login['password']}",
            f"  The box      {hotel.box}/health",
            f"  Simulator    {hotel.sim}/sim/devices",
            f"  Control      {hotel.ports.url(hotel.ports.control)}  (token and all addresses: {hotel.homes.status})",
            "Press Ctrl-C to end all of it.",
        ]
    )
