"""What every test against simulated devices starts from: a real broker on a free port, and one device with its driver."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from gateway.device import Transport
from tests.hardware_sim.broker import broker
from tests.hardware_sim.rig import SLUG, Rig, rig

LOCKS: tuple[tuple[str, Transport], ...] = (("lock", "mqtt"), ("lock", "modbus"), ("lock", "ble"))
OTHERS: tuple[tuple[str, Transport], ...] = (
    ("encoder", "mqtt"),
    ("encoder", "modbus"),
    ("minibar", "mqtt"),
    ("minibar", "modbus"),
    ("room", "mqtt"),
    ("room", "modbus"),
)


class MakeRig(Protocol):
    """Start one device and its driver; both end with the test."""

    async def __call__(self, kind: str, binding: Transport, **more: Any) -> Rig: ...


@pytest.fixture
async def make_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeRig]:
    """`await make_rig("lock", "modbus")`; over MQTT with a broker of its own."""
    async with AsyncExitStack() as stack:

        async def start(kind: str, binding: Transport, **more: Any) -> Rig:
            if binding == "mqtt":
                more["broker"] = await stack.enter_async_context(broker(tmp_path / "broker", SLUG, (f"{kind}-1",)))
            started: AbstractAsyncContextManager[Rig] = rig(kind, binding, tmp_path, monkeypatch, **more)
            return await stack.enter_async_context(started)

        yield start


def pairs(chosen: tuple[tuple[str, Transport], ...]) -> pytest.MarkDecorator:
    """Parametrise by class and binding. MQTT runs on mosquitto, or on the stand-in where it is missing."""
    return pytest.mark.parametrize(("kind", "binding"), [pytest.param(kind, binding, id=f"{kind}-{binding}") for kind, binding in chosen])
