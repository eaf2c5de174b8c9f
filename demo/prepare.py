"""Fills an empty LATCHKEY_HOME with a hotel: folders, secrets, configuration, enrolment; only through the programs' own verbs."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from demo import broker
from demo.plan import Device, Ports, central_yaml, gateway_yaml, simulator_yaml
from demo.processes import StartFailed

SLUG = "demo"
PROPERTY_FILE = "demo.yaml"  # in configs/properties


@dataclass(frozen=True, slots=True)
class Homes:
    """Each program's own LATCHKEY_HOME below the demo's, so that none can read another's keys."""

    root: Path

    @property
    def central(self) -> Path:
        return self.root / "central"

    @property
    def box(self) -> Path:
        return self.root / "box"

    @property
    def sim(self) -> Path:
        return self.root / "sim"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def status(self) -> Path:
        return self.root / "demo.json"

    def log(self, program: str) -> Path:
        return self.root / "logs" / f"{program}.log"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the hotel was given: who may log in, and each broker account."""

    login: dict[str, str]
    pin: str  # of the same person, at the box
    token: str
    accounts: broker.Accounts


def program(module: str) -> list[str]:
    """Return the words that start one of our programs in this Python: the same as its console script."""
    return [sys.executable, "-m", f"{module}.cli"]


async def verb(module: str, home: Path, *words: str) -> Any:
    """Run one verb of a program with `--json` and return what it printed. Raises StartFailed with what it said."""
    process = await asyncio.create_subprocess_exec(
        *program(module),
        *words,
        "--json",
        env={**os.environ, "LATCHKEY_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    if process.returncode:
        raise StartFailed(
            module, f"`{' '.join(words[:3])}` ended with {process.returncode}: {said.decode().strip()}", "Mend that and start again."
        )
    return json.loads(out)


def write_yaml(file: Path, content: dict[str, Any]) -> None:
    """Write a configuration file that people may read and edit."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def write_secret(file: Path, content: Any) -> None:
    """Write a file of secrets, for its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, indent=1))


def property_file() -> Path:
    """Return the shipped property of the demo."""
    return Path(str(resources.files("configs").joinpath("properties", PROPERTY_FILE)))


def configure(homes: Homes, devices: Sequence[Device], ports: Ports, seed: int, number: int) -> None:
    """Write each program's configuration file."""
    write_yaml(homes.central / "central.yaml", central_yaml(ports))
    write_yaml(homes.box / "gateway.yaml", gateway_yaml(tuple(devices), ports, SLUG))
    write_yaml(homes.sim / "hotel.yaml", simulator_yaml(tuple(devices), ports, SLUG, number, seed))


async def enrol_devices(homes: Homes, devices: Sequence[Device]) -> dict[str, str]:
    """Make every device's secrets at the box and leave each simulated device its copy; return broker account -> password."""
    names = [broker.GATEWAY, broker.JOIN, *(d.name for d in devices if d.kind)]
    made = await verb("gateway", homes.box, "device", "add", *names)
    write_secret(
        homes.sim / "keys" / "devices.json",
        {row["name"]: {"k_dev": row["k_dev"], "mqtt_password": row["mqtt_password"]} for row in made}
        | {d.name: {"k_dev": secrets.token_hex(32), "mqtt_password": ""} for d in devices if not d.kind},
    )
    return {row["name"]: row["mqtt_password"] for row in made}


async def open_central(homes: Homes, box_file: Path) -> dict[str, Any]:
    """Load the property, add the box and a manager; return what central printed."""
    made = await verb(
        "central",
        homes.central,
        "prepare",
        "--property",
        str(property_file()),
        "--gateway-out",
        str(box_file),
        "--staff",
        "demo",
        "--role",
        "manager",
    )
    if not isinstance(made, dict):
        raise StartFailed("central", "`prepare` printed no object.", "Look at its log.")
    return made


async def prepare(homes: Homes, devices: Sequence[Device], ports: Ports, seed: int) -> Prepared:
    """Fill an empty home; the box and central are prepared side by side. Raises StartFailed."""
    number = int(yaml.safe_load(property_file().read_text())["number"])
    configure(homes, devices, ports, seed, number)
    enrolment = homes.root / "enrolment.json"
    passwords, central = await asyncio.gather(enrol_devices(homes, devices), open_central(homes, enrolment))
    await verb("gateway", homes.box, "enrol", str(enrolment))
    enrolment.unlink()
    keys = json.loads((homes.box / "keys" / "property.json").read_text())
    write_secret(homes.sim / "keys" / "property.json", {"number": keys["number"], "k_card": keys["k_card"]})
    prepared = Prepared(central["login"], central["pin"], central["token"], broker.Accounts(SLUG, passwords))
    kept = {"login": prepared.login, "pin": prepared.pin, "token": prepared.token, "accounts": passwords}
    write_secret(homes.root / "prepared.json", kept)
    return prepared


def prepared_before(homes: Homes) -> Prepared | None:
    """Return what an earlier start prepared in this home, or None."""
    file = homes.root / "prepared.json"
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    return Prepared(kept["login"], kept["pin"], kept["token"], broker.Accounts(SLUG, kept["accounts"]))
