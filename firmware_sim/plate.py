"""The place on an encoder where a card lies: laying, lifting, and waiting in real time for either."""

import asyncio
from collections.abc import Callable

from firmware_sim.card import Card


class Plate:
    """Holds one card at most."""

    def __init__(self) -> None:
        self.card: Card | None = None
        self._stirred = asyncio.Event()

    def put(self, card: Card | None) -> Card | None:
        """Lay `card` (None: lift what lies there); return what lay there before."""
        before, self.card = self.card, card
        self.stir()
        return before

    def stir(self) -> None:
        """Wake whoever waits, to look again."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def until(self, seconds: float, done: Callable[[], bool]) -> bool:
        """Wait at most so many seconds for `done`, looking at each stir; tell whether it came."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not done():
            left = end - loop.time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._stirred.wait(), left)
            except TimeoutError:
                return done()
        return True
