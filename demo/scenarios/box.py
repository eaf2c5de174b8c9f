"""The desk on the box as its API shows it: what a receptionist does there while the line is down."""

from typing import Any

import httpx

from demo.desk import NotSeen, until

OPEN = ("waiting", "started")


class BoxDesk:
    """Signed in once with a PIN. Raises httpx.HTTPStatusError with the box's own words for a refusal."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def sign_in(self, staff: str, pin: str) -> None:
        """Sign in; every later call carries the token."""
        token = (await self._say("POST", "/desk/sign-in", {"staff": staff, "pin": pin}))["token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    async def day(self) -> dict[str, Any]:
        return await self._say("GET", "/desk/day")

    async def stay(self, stay_id: str) -> dict[str, Any]:
        return await self._say("GET", f"/desk/stays/{stay_id}")

    async def act(self, stay_id: str, action: str, **words: Any) -> dict[str, Any]:
        """check-in, check-out, extend, payments …"""
        return await self._say("POST", f"/desk/stays/{stay_id}/{action}", words)

    async def walk_in(self, **words: Any) -> dict[str, Any]:
        return await self._say("POST", "/desk/walk-ins", words)

    async def holds(self) -> list[dict[str, Any]]:
        """Return the room nights that the box may sell."""
        answer = await self._client.get("/desk/holds")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    async def unsent(self) -> dict[str, Any]:
        return await self._say("GET", "/desk/unsent")

    async def cut_key(self, stay_id: str, encoder: str, purpose: str = "new") -> dict[str, Any]:
        """Ask for a card and return the job once it has ended."""
        job_id = (await self.act(stay_id, "cut-key", encoder=encoder, purpose=purpose))["job_id"]
        job: dict[str, Any] = {}

        async def ended() -> dict[str, Any] | None:
            job.update(await self._say("GET", f"/desk/jobs/{job_id}"))
            return job if job["status"] not in OPEN else None

        return await until(ended, lambda: f"the card on {encoder} is still {job.get('status')}", 22)

    async def doors(self, stay_id: str, state: str, limit_s: float = 20) -> list[dict[str, Any]]:
        """Return the doors of the stay's keys once all of them are in `state`."""
        seen: list[dict[str, Any]] = []

        async def there() -> list[dict[str, Any]] | None:
            seen[:] = [door for key in (await self.stay(stay_id))["keys"] for door in key["doors"]]
            return seen if seen and all(door["state"] == state for door in seen) else None

        return await until(there, lambda: f"expected every door {state} at the box, saw {seen}", limit_s)

    async def _say(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._client.request(method, path, json=body)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise NotSeen(f"{path}: the box does not let us in: {answer.text}")
        if answer.is_error:
            raise httpx.HTTPStatusError(f"{method} {path}: {answer.text}", request=answer.request, response=answer)
        found: dict[str, Any] = answer.json()
        return found
