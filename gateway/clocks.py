"""Sets the clocks of devices: when one comes up, when one is wrong by more than two minutes, and daily."""

import asyncio
import contextlib
import logging
import uuid
from collections import Counter
from collections.abc import Mapping

from gateway import ledger
from gateway.device import Code, Command, DeviceError, SetClock
from gateway.reconcile import Port
from gateway.store import Store, StoreError
from gateway.turns import Turns
from host.clock import Clock

DAILY_S = 86_400.0
DRIFT_S = 120  # device sheet: more than that raises clock_drift
AGAIN_S = 60.0  # a clock that was just set is not set again at once, whatever an older message says; one that was not is tried again
TRIES = 3  # after that the device is away, and its next coming up is the next try

_log = logging.getLogger(__name__)


class ClockSetter:
    """`ports` = devices that have a clock. An untrusted clock of our own sets nobody's."""

    def __init__(self, store: Store, clock: Clock, ports: Mapping[str, Port]) -> None:
        self._store, self._clock, self._ports = store, clock, ports
        self._due: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._set_at: dict[str, float] = {}
        self._failed: Counter[str] = Counter()
        self._radio = Turns(1)  # clocks can wait: doors have the other connections

    def want(self, name: str, *, offset_s: int | None = None) -> None:
        """Have the device's clock set soon; with `offset_s`, only if that is too much."""
        recently = self._clock.monotonic() - self._set_at.get(name, -DAILY_S) < AGAIN_S
        if name not in self._ports or name in self._queued or (offset_s is not None and (abs(offset_s) <= DRIFT_S or recently)):
            return
        self._queued.add(name)
        self._due.put_nowait(name)

    async def run(self) -> None:
        """Set one clock after the other, until cancelled; each again after a day."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._daily())
            while True:
                name = await self._due.get()
                self._queued.discard(name)
                if self._clock.quality != "untrusted":
                    tasks.create_task(self._set(name))

    async def _daily(self) -> None:
        while True:
            await asyncio.sleep(DAILY_S / 24)
            now = self._clock.monotonic()
            for name in [name for name, at in self._set_at.items() if now - at > DAILY_S]:
                self.want(name)

    async def _set(self, name: str) -> None:
        port = self._ports[name]
        async with contextlib.AsyncExitStack() as stack:
            if port.transport == "ble":
                await stack.enter_async_context(self._radio.mine(0))
            try:
                version = await self._store.write(ledger.issue)
                now = self._clock.now()
                reply = await port.apply(Command(uuid.uuid4(), SetClock(now, version), now))
            except (DeviceError, StoreError) as why:
                _log.info("clock of %s not set: %s", name, why)
                self._retry(name)
                return
            except Exception:  # noqa: BLE001 - one fault must not stop the others
                _log.exception("clock of %s not set: its driver has a fault", name)
                return
        self._failed.pop(name, None)
        self._set_at[name] = self._clock.monotonic()
        if reply.code not in {Code.OK, Code.UNSUPPORTED}:
            _log.warning("clock of %s not set: %s", name, reply.code.name)

    def _retry(self, name: str) -> None:
        self._failed[name] += 1
        if self._failed[name] < TRIES:
            asyncio.get_running_loop().call_later(AGAIN_S, self.want, name)
        else:
            del self._failed[name]
