"""The faults that one device suffers at present, and the dice that decide each message's fate. Setting them is `knobs.py`."""

import asyncio
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["in", "out"]
LATENCY_MS = (20.0, 80.0)  # device sheet 5, defaults
CARD_WORK_S = (1.2, 4.0)  # device sheet 5, defaults


class PowerLost(Exception):
    """The device lost its power at this very instruction."""


@dataclass(slots=True)
class ReplyFault:
    """What goes wrong with the next answers. `count` None means all of them."""

    kind: str
    ms: float = 0.0
    code: str = "TIMEOUT"
    count: int | None = None


@dataclass(slots=True)
class CardFault:
    """What goes wrong with the next card jobs of an encoder. `count` None means all of them."""

    kind: str
    ms: float = 0.0
    count: int | None = None


@dataclass(slots=True)
class Fate:
    """What becomes of one message: sent `copies` times (0 = lost), or `held` until the next one has passed."""

    copies: int = 1
    held: bool = False


@dataclass
class Faults:
    """All knobs at rest. `set_values` shows what was asked for, for the control API."""

    dice: random.Random
    line: random.Random  # apart from `dice`: how often a master polls must not change how long a lock takes
    set_values: dict[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=lambda: {"uniform": list(LATENCY_MS)})
    drop: dict[Direction, float] = field(default_factory=dict)
    dup: dict[Direction, float] = field(default_factory=dict)
    reorder: dict[Direction, float] = field(default_factory=dict)
    reply: ReplyFault | None = None
    card: CardFault | None = None
    crash_phase: str | None = None
    crash_every: int = 0
    commands: int = 0
    link_down: bool = False
    half_open: bool = False
    stuck: dict[str, Any] = field(default_factory=dict)  # sensor -> what it shows, whatever is true
    flapping: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    jam: int = 0
    slow_ms: float = 0.0
    tamper: bool = False
    wrong_key: bool = False
    counter_lookahead: int = 0

    def draw_latency(self) -> float:
        """Seconds before a reply or an event leaves the device."""
        ((law, given),) = self.latency.items()
        if law == "const":
            ms = float(given)
        elif law == "uniform":
            ms = self.dice.uniform(*given)
        else:
            median, sigma = given
            ms = self.dice.lognormvariate(math.log(median), sigma)
        return ms / 1000

    def draw_card_work(self) -> float:
        """Seconds from a card on the plate to the verified end of the job."""
        if self.card is not None and self.card.kind == "slow":
            return self.card.ms / 1000
        return self.dice.uniform(*CARD_WORK_S)

    def fate(self, direction: Direction) -> Fate:
        """Decide over one message; draws the same number of dice whatever the knobs say, so that traces stay comparable."""
        lost, twice, late = self.line.random(), self.line.random(), self.line.random()
        if self.half_open or lost < self.drop.get(direction, 0.0):
            return Fate(copies=0)
        return Fate(2 if twice < self.dup.get(direction, 0.0) else 1, late < self.reorder.get(direction, 0.0))

    def crash(self, phase: str) -> None:
        """Raise PowerLost when a power cut is armed for this phase; it is then used up."""
        if self.crash_phase == phase:
            self.crash_phase = None
            self.set_values.pop("reboot", None)
            raise PowerLost

    def counted(self) -> None:
        """One more command came in; raises PowerLost at each n-th when so set."""
        self.commands += 1
        if self.crash_every and self.commands % self.crash_every == 0:
            raise PowerLost

    def next_reply(self) -> ReplyFault | None:
        """The fault of the answer that comes now, if any."""
        fault = self.reply
        if fault is not None and fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.reply = None
                self.set_values.pop("reply", None)
        return fault

    def next_card(self) -> CardFault | None:
        """The fault of the card job that starts now, if any."""
        fault = self.card
        if fault is not None and fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.card = None
                self.set_values.pop("card", None)
        return fault

    def jams(self) -> bool:
        """Whether the actuator fails this time."""
        if self.jam:
            self.jam -= 1
            return True
        return False

    async def wait(self, slow: bool = False) -> None:
        """Let one latency pass, in real time; `slow` adds what a sluggish actuator takes."""
        await asyncio.sleep(self.draw_latency() + (self.slow_ms / 1000 if slow else 0.0))
