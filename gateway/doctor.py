"""One look at everything that a person can mend: configuration, keys, store, disk, broker, the running box."""

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.configuration import Configuration, load
from gateway.keys import Keys
from gateway.store import damage
from host.exits import HostError
from host.home import Home

FREE_BYTES = 256 * 1024 * 1024  # a week of a large hotel's events, and room for the store's own repairs
REACH_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do when it is not ok."""

    ok: bool
    what: str
    remedy: str = ""

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def examine(config: Path, home: Home, ask: Callable[[str], Any]) -> list[Finding]:
    """Look at everything; `ask` puts a question to the running box and raises HostError when it does not answer."""
    found = []
    configuration: Configuration | None = None
    try:
        configuration = load(config)
        found.append(Finding(True, f"{config} is in order"))
    except HostError as error:
        found.append(Finding(False, str(error), "Correct the file"))
    found += [*_files(home)]
    if configuration is not None:
        found += [*_keys(configuration, home), *_broker(configuration)]
    found += [*_box(ask)] if configuration is not None else []
    return found


def _files(home: Home) -> Iterator[Finding]:
    free = shutil.disk_usage(home.data).free
    yield Finding(free > FREE_BYTES, f"{free // 2**20} MiB of the disk are free", "Make room: without it nothing can be acknowledged")
    store = home.data / "box.db"
    if not store.exists():
        yield Finding(True, "the store is made at the first start")
        return
    why = damage(store)
    yield Finding(
        why is None, "the store is sound" if why is None else f"the store is damaged: {why}", "Start the box: it begins a new one"
    )


def _keys(configuration: Configuration, home: Home) -> Iterator[Finding]:
    keys = Keys(home)
    held = set(keys.devices())
    missing = [device.name for device in configuration.told.devices if device.name not in held]
    what = f"devices without a key: {', '.join(missing)}" if missing else f"{len(configuration.told.devices)} devices have keys"
    yield Finding(not missing, what, "latchkey-gateway device add NAME")
    enrolled = keys.enrolled()
    what = f"this is box {enrolled.box_id} of {enrolled.slug}" if enrolled else "this box is not enrolled"
    yield Finding(enrolled is not None, what, "latchkey-gateway enrol FILE, with the file from latchkey-central gateway add")


def _broker(configuration: Configuration) -> Iterator[Finding]:
    mqtt = configuration.told.buses.mqtt
    if mqtt is None:
        return
    try:
        socket.create_connection((mqtt.host, mqtt.port), REACH_S).close()
    except OSError as error:
        yield Finding(False, f"no broker at {mqtt.host}:{mqtt.port} ({error.strerror or error})", "Start mosquitto")
    else:
        yield Finding(True, f"a broker answers at {mqtt.host}:{mqtt.port}")


def _box(ask: Callable[[str], Any]) -> Iterator[Finding]:
    try:
        said = ask("/health")
    except HostError as error:
        yield Finding(False, str(error), "latchkey-gateway run")
        return
    yield Finding(True, f"the box runs, clock {said['clock']['quality']}")
    for why in said["why"]:
        yield Finding(False, why, "See: latchkey-gateway doors, and the device's power and network")
