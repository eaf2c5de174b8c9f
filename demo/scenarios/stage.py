"""What a scenario's acts act upon: the two desks, the hands, the line and the processes of one running hotel, and what was kept so far."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from demo.desk import Desk
from demo.hands import Hands
from host.exits import HostError


@dataclass(slots=True)
class Stage:
    """One running hotel, known by its status file alone. `kept` is what steps left under a name; `times` milliseconds by what was timed."""

    status: dict[str, Any]
    desk: Desk
    hands: Hands
    box: httpx.AsyncClient
    control: httpx.AsyncClient
    kept: dict[str, Any] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=dict)
    transports: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, status_file: Path) -> "Stage":
        """Open the hotel whose demo.json this is. Raises HostError when there is none."""
        if not status_file.exists():
            raise HostError(f"no hotel is running here ({status_file} is missing)", "Start one with --start, or with `latchkey-demo run`")
        status = json.loads(status_file.read_text())
        return cls(
            status,
            Desk(status["central"], status["token"]),
            Hands(status["sim"]),
            httpx.AsyncClient(base_url=status["box"], timeout=30),
            httpx.AsyncClient(base_url=status["control"], timeout=60, headers={"Authorization": f"Bearer {status['control_token']}"}),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self.desk.close()
        await self.hands.close()
        await self.box.aclose()
        await self.control.aclose()

    def counted(self, transport: str, what: str) -> None:
        """Count one check-in, opening or refusal on a transport."""
        counts = self.transports.setdefault(transport, {"checked_in": 0, "opened": 0, "refused_after": 0})
        counts[what] += 1

    def timed(self, what: str, milliseconds: float) -> None:
        """Note how long something took."""
        self.times.setdefault(what, []).append(round(milliseconds))

    async def line(self, mode: str) -> None:
        """Set the line between box and central."""
        (await self.control.post("/line", json=mode)).raise_for_status()

    async def process(self, program: str, act: str) -> None:
        """Kill a program or start it; a start returns when it answers."""
        (await self.control.post(f"/processes/{program}", json=act)).raise_for_status()
