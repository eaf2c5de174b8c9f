"""A receptionist at central's API: orders, check-in, cards, check-out. What she would see on the page, she waits for here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from host.exits import HostError

T = TypeVar("T")
LOOK_S = 0.03  # between two looks at something that is on its way
DOOR_LIMIT_S = 20.0  # a lock on the radio takes 3 s; a queue of them some more


class NotSeen(HostError):
    """What was waited for did not come; the text says what was there instead."""


async def until(look: Callable[[], Awaitable[T | None]], what: Callable[[], str], limit_s: float) -> T:
    """Return the first answer of `look` that is not None. Raises NotSeen with `what()` after `limit_s`."""
    try:
        async with asyncio.timeout(limit_s):
            while (found := await look()) is None:
                await asyncio.sleep(LOOK_S)
            return found
    except TimeoutError:
        raise NotSeen(f"{what()} (waited {limit_s:.0f} s)") from None


class Desk:
    """One caller of central's API with a bearer token. Raises httpx.HTTPStatusError with central's own words for a refusal."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.AsyncClient(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30)

    async def close(self) -> None:
        await self._client.aclose()

    async def order(self, body: dict[str, Any]) -> dict[str, Any]:
        return await self._act("POST", "/orders", body)

    async def cancel(self, order_id: str, reason: str) -> dict[str, Any]:
        return await self._act("POST", f"/orders/{order_id}/cancel", {"reason": reason})

    async def day(self) -> list[dict[str, Any]]:
        """Return who is in house and who should arrive today."""
        found: list[dict[str, Any]] = await self._say("GET", "/day")
        return found

    async def board(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._say("GET", "/board")
        return found

    async def stay(self, reservation_id: str) -> dict[str, Any]:
        return await self._act("GET", f"/reservations/{reservation_id}")

    async def check_in(self, reservation_id: str, keys: int = 1, room: str | None = None) -> dict[str, Any]:
        """Check in to `room`, or to the one that is assigned."""
        return await self._act("POST", f"/reservations/{reservation_id}/check-in", {"keys": keys, "room": room})

    async def check_out(self, reservation_id: str) -> dict[str, Any]:
        return await self._act("POST", f"/reservations/{reservation_id}/check-out", {"open_balance": True})

    async def move(self, reservation_id: str, room: str) -> dict[str, Any]:
        return await self._act("POST", f"/reservations/{reservation_id}/move", {"room": room})

    async def cut_key(self, reservation_id: str, encoder: str, purpose: str = "new") -> dict[str, Any]:
        """Ask for a card, as soon as the box has told of the encoder, and return the job once it has ended."""
        job: dict[str, Any] = {}

        async def taken() -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = await self._say(
                    "POST", f"/reservations/{reservation_id}/cut-key", {"encoder": encoder, "purpose": purpose}
                )
            except httpx.HTTPStatusError as refused:
                if refused.response.json().get("code") in ("no_encoder_known", "no_such_encoder"):
                    return None
                raise
            return found

        asked = await until(taken, lambda: f"the box has told central of no {encoder}", DOOR_LIMIT_S)

        async def ended() -> dict[str, Any] | None:
            job.update(await self._say("GET", f"/jobs/{asked['job_id']}"))
            return job if job["status"] not in ("waiting", "started") else None

        return await until(ended, lambda: f"the card on {encoder} is still {job.get('status')}", DOOR_LIMIT_S + 2)

    async def doors(self, reservation_id: str, state: str, limit_s: float = DOOR_LIMIT_S) -> list[dict[str, Any]]:
        """Return the doors of the stay's keys once all of them are in `state`."""
        seen: list[dict[str, Any]] = []

        async def there() -> list[dict[str, Any]] | None:
            seen[:] = [door for key in (await self.stay(reservation_id))["keys"] for door in key["doors"]]
            return seen if seen and all(door["state"] == state for door in seen) else None

        def shown() -> str:
            states = ", ".join(f"door {d['door']} {d['state']} {d['code'] or ''}".strip() for d in seen)
            return f"expected every door {state}, saw {states or 'no door'}"

        return await until(there, shown, limit_s)

    async def _say(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = await self._client.request(method, path, json=body)
        if answer.is_error:
            raise httpx.HTTPStatusError(f"{method} {path}: {answer.text}", request=answer.request, response=answer)
        return answer.json()

    async def _act(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = await self._say(method, path, body)
        return found
