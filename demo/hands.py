"""A technician's hands at the simulator: lay a card, tap a lock, read what really happened. Over its control API only."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx


class Hands:
    """One simulated hotel. Every method raises httpx.HTTPStatusError with the simulator's sentence when it refuses."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=35)

    async def close(self) -> None:
        await self._client.aclose()

    async def do(self, device: str, hand: str, **words: Any) -> dict[str, Any]:
        """Do one thing to a device, such as tap with card=, open_door, remove with slot=."""
        return await self._post(f"/sim/devices/{device}/{hand}", words)

    async def fault(self, device: str, **knobs: Any) -> dict[str, Any]:
        """Turn fault knobs of a device; None puts one back."""
        return await self._post(f"/sim/devices/{device}/faults", knobs)

    async def blank_card(self) -> str:
        """Take a blank card out of the drawer and return its id."""
        return str((await self._post("/sim/cards", {}))["id"])

    async def tap(self, lock: str, card: str) -> bool:
        """Tap the lock and return whether its bolt moved, by the simulator's truth."""
        before = await self.openings(lock)
        await self.do(lock, "tap", card=card)
        return await self.openings(lock) > before

    async def openings(self, lock: str) -> int:
        """Return how often the bolt of this lock has really opened."""
        return len((await self.truth())[lock]["bolt_openings"])

    async def truth(self) -> dict[str, Any]:
        """Return what really happened, by device."""
        answer = await self._client.get("/sim/truth")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def now(self) -> datetime:
        """Return the hotel's business time."""
        return datetime.fromisoformat((await self._client.get("/clock")).json()["now"])

    async def today(self, zone: str = "Europe/Paris") -> str:
        """Return the calendar date in the hotel by its own clock, as YYYY-MM-DD."""
        return (await self.now()).astimezone(ZoneInfo(zone)).date().isoformat()

    async def step(self, seconds: float) -> None:
        """Move business time and return when every program has caught up."""
        await self._post("/clock/step", {"seconds": seconds})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._client.post(path, json=body)
        if answer.is_error:
            raise httpx.HTTPStatusError(f"{path}: {answer.text}", request=answer.request, response=answer)
        found: dict[str, Any] = answer.json()
        return found
