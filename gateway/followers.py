"""Works off what commits have touched, many names together, for as long as the program runs; nothing else lives here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from gateway.store import StoreError

AGAIN_S = 5.0

_log = logging.getLogger(__name__)


class Follower:
    """`work` gets the names that were added since it was last called; when the store refuses it gets them again, later."""

    def __init__(self, work: Callable[[frozenset[str]], Awaitable[None]], first: Iterable[str] = ()) -> None:
        self._work = work
        self._names = set(first)
        self._wake, self._idle = asyncio.Event(), asyncio.Event()

    def add(self, *names: str) -> None:
        """Have these names worked off soon."""
        self._names.update(names)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            names, self._names = frozenset(self._names), set()
            try:
                if names:
                    await self._work(names)
            except StoreError as why:
                _log.error("%s", why)
                self._names |= names
                await asyncio.sleep(AGAIN_S)
                continue
            except Exception:  # noqa: BLE001 - one broken rule must not stop the hotel
                _log.exception("what was touched could not be worked off and is passed over: %s", ", ".join(sorted(names)))
            if not self._names:
                self._idle.set()
                await self._wake.wait()

    async def caught_up(self) -> None:
        """Return when everything that has been added up to now is done."""
        self._idle.clear()
        self._wake.set()
        await self._idle.wait()
