"""A real broker for tests: mosquitto with one account and one folder of topics per device, on a free port of loopback."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lanes import mosquitto

GATEWAY = "gateway"
GATEWAY_PASSWORD = "the-box"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it listens, and the passwords of its accounts."""

    host: str
    port: int
    passwords: Mapping[str, str]


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def access_list(slug: str, devices: tuple[str, ...]) -> str:
    """Device sheet, MQTT binding: a device writes its own reports and reads its own commands, nothing else."""
    root = f"hgw/v1/{slug}"
    lines = [f"user {GATEWAY}", f"topic read {root}/#", f"topic write {root}/+/cmd", f"topic write {root}/+/event/ack"]
    for name in devices:
        lines += ["", f"user {name}"]
        lines += [f"topic write {root}/{name}/{leaf}" for leaf in ("online", "state", "event", "cmd/reply", "health")]
        lines += [f"topic read {root}/{name}/{leaf}" for leaf in ("cmd", "event/ack")]
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def broker(home: Path, slug: str, devices: tuple[str, ...], port: int | None = None) -> AsyncIterator[Broker]:
    """Run mosquitto in `home` until the block ends; the same `home` and `port` again is the same broker after a restart."""
    program, tool = mosquitto(), shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    assert program is not None
    port = port or free_port()
    passwords = {GATEWAY: GATEWAY_PASSWORD} | {name: f"pw-{name}" for name in devices}
    home.mkdir(parents=True, exist_ok=True)
    (home / "acl").write_text(access_list(slug, devices))
    (home / "passwords").write_text("".join(f"{name}:{word}\n" for name, word in passwords.items()))
    hashing = await asyncio.create_subprocess_exec(tool, "-U", str(home / "passwords"))
    assert await hashing.wait() == 0
    for file in ("acl", "passwords"):
        (home / file).chmod(0o644)
    (home / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {home}/passwords\nacl_file {home}/acl\n"
        f"persistence true\npersistence_location {home}/\nautosave_interval 10\nmax_inflight_messages 200\nset_tcp_nodelay true\n"
        "user root\nlog_type error\n"
    )
    process = await asyncio.create_subprocess_exec(program, "-c", str(home / "mosquitto.conf"), stderr=asyncio.subprocess.DEVNULL)
    try:
        await _listening(port)
        yield Broker("127.0.0.1", port, passwords)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
