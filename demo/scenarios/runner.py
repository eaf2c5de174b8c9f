"""Runs a scenario step by step, says each sentence, and collects the checks. Knows no act: they are in `acts`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from demo.scenarios.script import Script, Step, filled
from demo.scenarios.stage import Stage
from host.exits import HostError


@dataclass(frozen=True, slots=True)
class Seen:
    """What a `then` found: central's answer beside the simulator's truth, and where each came from."""

    expected: Any
    seen: Any
    source: str

    @property
    def ok(self) -> bool:
        return bool(self.expected == self.seen)


@dataclass(frozen=True, slots=True)
class Check:
    """One `then` with its outcome."""

    name: str
    ok: bool
    expected: Any
    seen: Any
    source: str


@dataclass(slots=True)
class Outcome:
    """What a run found. `stopped` = the sentence of the step that could not be done, and why."""

    checks: list[Check] = field(default_factory=list)
    stopped: str | None = None

    @property
    def ok(self) -> bool:
        return self.stopped is None and bool(self.checks) and all(check.ok for check in self.checks)

    def as_dicts(self) -> list[dict[str, Any]]:
        return [asdict(check) for check in self.checks]

    def complaint(self) -> str:
        """Return one plain sentence about the first thing that is wrong; empty when nothing is."""
        if self.stopped is not None:
            return self.stopped
        wrong = next((check for check in self.checks if not check.ok), None)
        return "" if wrong is None else f"{wrong.name}: expected {wrong.expected}, saw {wrong.seen} ({wrong.source})"


async def run(script: Script, stage: Stage, say: Callable[[str], None]) -> Outcome:
    """Do every step in order. A `then` that does not hold is noted and the day goes on; a step that cannot be done ends it."""
    outcome = Outcome()
    for step in script.steps:
        try:
            found = await step.act(stage, **filled(step.arguments, stage.kept))
        except (HostError, httpx.HTTPError) as why:
            outcome.stopped = f"{step.kind} {step.sentence}: {why}"
            say(f"  ✗ {outcome.stopped}")
            return outcome
        if step.keep is not None:
            stage.kept[step.keep] = found
        _note(step, found, outcome, say)
    return outcome


def _note(step: Step, found: Any, outcome: Outcome, say: Callable[[str], None]) -> None:
    if step.kind != "then":
        say(f"    {step.kind} {step.sentence}")
        return
    if not isinstance(found, Seen):
        raise HostError(f"then {step.sentence}: the act checks nothing", "Use an act that returns what was expected and seen")
    outcome.checks.append(Check(step.sentence, found.ok, found.expected, found.seen, found.source))
    wrong = "" if found.ok else f": expected {found.expected}, saw {found.seen}"
    say(f"  {'✓' if found.ok else '✗'} then {step.sentence}{wrong}  ({found.source})")
