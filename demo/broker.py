"""A broker with one account and one set of topics per device: mosquitto where it is installed, amqtt as the stand-in.

mosquitto's settings are those of the shipped broker (persistence, autosave each 10 s, never on each change, which cuts the rate
fifteen-fold); amqtt knows accounts but no topic rules here, and says so by its name.
"""

import asyncio
import json
import os
import random
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.processes import Child, StartFailed

GATEWAY = "gateway"
JOIN = "join"


def mosquitto() -> str | None:
    """Return where mosquitto is, or None: Debian puts it where a plain user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may log in: account name -> password. The accounts `gateway` and `join` are not devices."""

    property_slug: str
    passwords: Mapping[str, str]


def acl(accounts: Accounts) -> str:
    """Return mosquitto's access list: a device writes its own reports and reads its own commands; only the gateway commands."""
    root = f"hgw/v1/{accounts.property_slug}"
    lines = [f"user {GATEWAY}", f"topic read {root}/#", f"topic write {root}/+/cmd", f"topic write {root}/+/event/ack"]
    lines += ["", f"user {JOIN}", f"topic write {root}/_join/#"]
    for name in accounts.passwords:
        if name in (GATEWAY, JOIN):
            continue
        lines += ["", f"user {name}"]
        lines += [f"topic write {root}/{name}/{leaf}" for leaf in ("online", "state", "event", "cmd/reply", "health")]
        lines += [f"topic read {root}/{name}/{leaf}" for leaf in ("cmd", "event/ack")]
    return "\n".join(lines) + "\n"


def settings(folder: Path, host: str, port: int) -> str:
    """Return mosquitto's configuration file for one plain listener on loopback."""
    lines = [
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {folder / 'passwords'}",
        f"acl_file {folder / 'acl'}",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 10",
        "max_inflight_messages 200",
        "max_queued_messages 100000",
        "max_packet_size 1048576",  # the box itself refuses what is over 64 KiB, and counts it
        "set_tcp_nodelay true",  # a command of one small packet must not wait for the next
        "log_type error",
        "log_type warning",
    ]
    if os.geteuid() == 0:
        lines.append("user root")  # it would drop to an account that cannot read this folder
    return "\n".join(lines) + "\n"


async def _write_passwords(folder: Path, accounts: Accounts) -> None:
    file = folder / "passwords"
    file.write_text("".join(f"{name}:{word}\n" for name, word in accounts.passwords.items()))
    file.chmod(0o600)
    tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    hashing = await asyncio.create_subprocess_exec(tool, "-U", str(file), stderr=asyncio.subprocess.PIPE)
    _, said = await hashing.communicate()
    if hashing.returncode:
        raise StartFailed("broker", f"mosquitto_passwd said: {said.decode().strip()}", "Install the package mosquitto.")


async def command(folder: Path, accounts: Accounts, host: str, port: int) -> tuple[str, list[str]]:
    """Write what the broker needs into `folder` and return (its name, the command that starts it)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    program = mosquitto()
    if program is None:
        stand_in = folder / "stand_in.json"
        stand_in.write_text(_stand_in(accounts, host, port))
        stand_in.chmod(0o600)
        return "amqtt (stand-in: accounts, no topic rules)", [sys.executable, "-m", "demo.stand_in_broker", str(stand_in)]
    await _write_passwords(folder, accounts)
    (folder / "acl").write_text(acl(accounts))
    (folder / "acl").chmod(0o600)  # mosquitto warns about one that others can read
    file = folder / "mosquitto.conf"
    file.write_text(settings(folder, host, port))
    return "mosquitto", [program, "-c", str(file)]


def _stand_in(accounts: Accounts, host: str, port: int) -> str:
    return json.dumps({"host": host, "port": port, "accounts": dict(accounts.passwords)})


async def start(folder: Path, accounts: Accounts, host: str, port: int) -> tuple[str, Child]:
    """Start a broker and return (its name, its process) once it takes connections. Raises StartFailed."""
    name, words = await command(folder, accounts, host, port)
    child = Child("broker", words, folder / "broker.log")
    await child.start_at(host, port)
    return name, child


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that was free a moment ago, below the range from which the kernel gives ports to callers (Linux: 32768 on)."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        return port
