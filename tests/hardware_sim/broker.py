"""The shipped broker for tests, on a free port of loopback: mosquitto, or amqtt with accounts where it is missing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.broker import Accounts, command

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


@asynccontextmanager
async def broker(home: Path, slug: str, devices: tuple[str, ...], port: int | None = None) -> AsyncIterator[Broker]:
    """Run the broker in `home` until the block ends; the same `home` and `port` again is the same broker after a restart."""
    port = port or free_port()
    passwords = {GATEWAY: GATEWAY_PASSWORD} | {name: f"pw-{name}" for name in devices}
    _, words = await command(home, Accounts(slug, passwords), "127.0.0.1", port)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
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
