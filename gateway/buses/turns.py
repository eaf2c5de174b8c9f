"""Waiting for one's turn on something shared: urgent callers first, each kind in the order of the calls."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """`places` callers at a time."""

    def __init__(self, places: int = 1) -> None:
        self._free = places
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def mine(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Hold a place for the length of the block."""
        await self.take(urgent=urgent)
        try:
            yield
        finally:
            self.give_back()

    async def take(self, *, urgent: bool = False) -> None:
        """Wait for a place; whoever calls this gives it back."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (0 if urgent else 1, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Pass the place on to the next who waits."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    @property
    def wanted(self) -> bool:
        """Whether somebody waits."""
        return any(not turn.done() for _, _, turn in self._waiting)
