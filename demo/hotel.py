"""A whole hotel as running programs: started in the order in which they need one another, controlled, and ended."""

import asyncio
import json
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import yaml

from demo import broker
from demo.control import Act, Program, switchboard
from demo.plan import LINES, Device, Ports, demo_hotel
from demo.prepare import Homes, Prepared, configure, prepare, prepared_before, program, property_file, write_secret
from demo.processes import Child, StartFailed, taken
from demo.relay import Relay
from host.serving import Serving, serve

WANTED = {"central": 8800, "box": 8801, "sim": 8803, "control": 8804, "relay": 8805, "broker": 18830, "east": 15020, "west": 15021}
SOCKET_PATH_LIMIT = 100  # a Unix socket's path must fit 108 bytes
Say = Callable[[str], None]


def choose_ports(fixed: bool) -> Ports:
    """Return the usual ports where they are free (`fixed`), else any that are."""
    at = {name: port if fixed and not taken(port) else broker.free_port() for name, port in WANTED.items()}
    lines = {name: at[name] for name in LINES}
    return Ports(at["central"], at["box"], at["sim"], at["control"], at["relay"], at["broker"], lines)


async def _nothing(hotel: "Hotel") -> None:
    """Wait for nothing."""


class Hotel:
    """One demo hotel in `home`. As a context it is up inside and gone after; `say` hears what it is doing, a line at a time."""

    def __init__(
        self,
        home: Path,
        *,
        devices: Sequence[Device] | None = None,
        seed: int = 7,
        fixed_ports: bool = False,
        say: Say = lambda line: None,
        when_central: Callable[["Hotel"], Awaitable[None]] | None = None,
    ) -> None:
        """`when_central` is awaited as soon as central answers, while the rest is still starting."""
        self.homes = Homes(home.resolve())
        self.devices = tuple(devices or demo_hotel())
        self._seed, self._say = seed, say
        self._when_central = when_central or _nothing
        self.ports = choose_ports(fixed_ports)
        self.central, self.box, self.sim = (self.ports.url(port) for port in (self.ports.central, self.ports.box, self.ports.sim))
        self.relay = Relay(self.ports.host, self.ports.central)
        self.token = secrets.token_urlsafe(24)
        self._children: dict[str, Child] = {}
        self._prepared: Prepared | None = None
        self._control: Serving | None = None
        self._socket_folder: Path | None = None
        self.bluez = self.homes.sim / "bluez.sock"
        self.broker_name = ""

    @property
    def prepared(self) -> Prepared:
        if self._prepared is None:
            raise StartFailed("demo", "the hotel is not prepared yet.", "Start it first.")
        return self._prepared

    def pids(self) -> dict[str, int | None]:
        """Return the process id of each program that runs."""
        return {name: child.pid for name, child in self._children.items()}

    def log(self, name: str) -> str:
        """Return the end of a program's log."""
        return self._children[name].said(200)

    # ------------------------------------------------------------ life

    async def __aenter__(self) -> "Hotel":
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _start(self) -> None:
        self.homes.root.mkdir(parents=True, exist_ok=True)
        self._prepared = prepared_before(self.homes)
        if self._prepared is None:
            self._say("preparing: keys, property, staff, enrolment")
            self._prepared = await prepare(self.homes, self.devices, self.ports, self._seed)
        else:
            configure(self.homes, self.devices, self.ports, self._seed, self._number())
        self._plan_children()
        await self.relay.listen(self.ports.host, self.ports.relay)
        self.broker_name, self._children["broker"] = await broker.start(
            self.homes.broker, self._prepared.accounts, self.ports.host, self.ports.broker
        )
        self._say(f"broker: {self.broker_name}")
        self._control = await serve(switchboard(self.token, self.relay, self.act), self.ports.host, self.ports.control)
        await asyncio.gather(
            self._central_side(), self._up("sim"), self._up("gateway")
        )  # they wait for the simulator's clock by themselves
        self.write_status()

    async def _central_side(self) -> None:
        await self._up("central")
        await self._when_central(self)

    def _number(self) -> int:
        return int(json.loads((self.homes.sim / "keys" / "property.json").read_text())["number"])

    def _plan_children(self) -> None:
        self.bluez = self._bluez_socket()
        self._plan("sim", "firmware_sim", self.homes.sim, "hotel.yaml", {})
        self._plan("central", "central", self.homes.central, "central.yaml", {})
        self._plan("gateway", "gateway", self.homes.box, "gateway.yaml", {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.bluez}"})

    def _plan(self, name: str, module: str, home: Path, file: str, environment: Mapping[str, str]) -> None:
        words = [*program(module), "run", "--config", str(home / file)]
        self._children[name] = Child(name, words, self.homes.log(name), {"LATCHKEY_HOME": str(home), **environment})

    def _bluez_socket(self) -> Path:
        """Return where the simulated BlueZ listens: in the simulator's home, or in a short folder when that path is too long."""
        usual = self.homes.sim / "bluez.sock"
        if len(str(usual)) <= SOCKET_PATH_LIMIT:
            return usual
        self._socket_folder = Path(tempfile.mkdtemp(prefix="latchkey-"))
        short = self._socket_folder / "bluez.sock"
        file = self.homes.sim / "hotel.yaml"
        file.write_text(file.read_text().replace("socket: bluez.sock", f"socket: {short}"))
        return short

    async def _up(self, name: str) -> None:
        child = self._children[name]
        await child.start()
        await child.ready(self._probe(name))
        self._say(f"{name}: up")

    def _probe(self, name: str) -> Callable[[], Any]:
        url = {"sim": f"{self.sim}/clock", "central": f"{self.central}/healthz", "gateway": f"{self.box}/health"}[name]

        async def answers() -> bool:
            try:
                async with httpx.AsyncClient(timeout=2) as client:
                    return (await client.get(url)).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        return answers

    async def act(self, name: Program, what: Act) -> int | None:
        """Kill or start one program; start returns when it answers again."""
        child = self._children[name]
        if what == "kill9":
            await child.kill9()
        elif name == "broker":
            await child.start_at(self.ports.host, self.ports.broker)
        else:
            await self._up(name)
        self.write_status()
        return child.pid

    async def today(self) -> date:
        """Return the calendar date in the hotel by its own clock."""
        async with httpx.AsyncClient(timeout=5) as client:
            now = datetime.fromisoformat((await client.get(f"{self.sim}/clock")).json()["now"])
        zone = yaml.safe_load(property_file().read_text())["time_zone"]
        return now.astimezone(ZoneInfo(zone)).date()

    def write_status(self) -> None:
        """Write demo.json: where everything is and who may log in."""
        write_secret(
            self.homes.status,
            {
                "home": str(self.homes.root),
                "central": self.central,
                "box": self.box,
                "sim": self.sim,
                "control": self.ports.url(self.ports.control),
                "control_token": self.token,
                "pids": self.pids(),
                "login": self.prepared.login,
                "pin": self.prepared.pin,
                "token": self.prepared.token,
                "broker": self.broker_name,
            },
        )

    async def close(self) -> None:
        """End all that was started, the box first, so that nobody loses a peer before its own end."""
        for name in ("gateway", "central", "sim", "broker"):
            if name in self._children:
                await self._children[name].stop()
        await self.relay.close()
        if self._control is not None:
            await self._control.stop()
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self.homes.status.unlink(missing_ok=True)
