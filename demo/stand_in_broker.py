"""The stand-in broker: amqtt with one account per device, for a machine without mosquitto. Started as its own process."""

import asyncio
import json
import logging
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from argon2 import PasswordHasher


def configuration(host: str, port: int, password_file: Path) -> dict[str, Any]:
    """Return amqtt's settings. Accounts are a must: it forgets the session of a client without one."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(password_file)}},
    }


def hashed(accounts: dict[str, str]) -> str:
    """Return the password file: one `name:hash` a line, in the cheapest form that amqtt reads, for it guards a loopback demo only."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return "".join(f"{name}:{hasher.hash(word)}\n" for name, word in accounts.items())


async def serve(wanted: dict[str, Any]) -> None:
    """Run until told to end."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "passwords"
        file.write_text(hashed(wanted["accounts"]))
        broker = Broker(configuration(wanted["host"], wanted["port"], file))
        await broker.start()
        end = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, end.set)
        await end.wait()
        await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
