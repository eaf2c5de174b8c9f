"""A scenario file as values: its steps in order, each one sentence and one act, checked before anything is done.

scenario: One hotel, one day
steps:
  - when: a guest checks in            # given, when or then: the sentence that is shown
    do: check_in                       # an act of `acts.py`
    with: {stay: $anna, keys: 2}       # its arguments; $name is what an earlier step kept, $name.part a part of it
    as: keys                           # keep what it returned under this name
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from host.configuration import ConfigurationError, Document, Problem, Section, read

Act = Callable[..., Awaitable[Any]]
KINDS = ("given", "when", "then")


class StepTold(Section):
    """One step as the file has it."""

    given: str | None = None
    when: str | None = None
    then: str | None = None
    do: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    as_: str | None = Field(default=None, alias="as")


class ScriptTold(Section):
    """A scenario file."""

    scenario: str
    steps: list[StepTold]


@dataclass(frozen=True, slots=True)
class Step:
    """One step, ready to be done: `kind` is given, when or then; a `then` returns a check."""

    kind: str
    sentence: str
    act: Act
    arguments: Mapping[str, Any]
    keep: str | None


@dataclass(frozen=True, slots=True)
class Script:
    """One scenario."""

    name: str
    steps: tuple[Step, ...]


def read_script(file: Path, acts: Mapping[str, Act]) -> Script:
    """Read and check a scenario: its words, its acts and their arguments, and that nothing is used before it is kept.

    Raises ConfigurationError with every problem and its line.
    """
    document = read(file)
    told = document.check(ScriptTold)
    problems: list[Problem] = []
    kept: set[str] = set()
    steps = []
    for at, step in enumerate(told.steps):
        problems += _problems(document, f"steps.{at}", step, acts, kept)
        if step.as_:
            kept.add(step.as_)
        kinds = [kind for kind in KINDS if getattr(step, kind) is not None]
        if len(kinds) == 1 and step.do in acts:
            steps.append(Step(kinds[0], getattr(step, kinds[0]), acts[step.do], step.with_, step.as_))
    if problems:
        raise ConfigurationError(problems)
    return Script(told.scenario, tuple(steps))


def _problems(document: Document, key: str, step: StepTold, acts: Mapping[str, Act], kept: set[str]) -> list[Problem]:
    problems = []
    if sum(getattr(step, kind) is not None for kind in KINDS) != 1:
        problems.append(document.problem(key, "expected one of given, when and then, with the sentence"))
    if step.do not in acts:
        return [*problems, document.problem(f"{key}.do", "expected the name of an act", options=sorted(acts))]
    takes = list(inspect.signature(acts[step.do]).parameters.values())[1:]  # the first is the stage
    names = [one.name for one in takes]
    problems += [
        document.problem(f"{key}.with.{name}", f"{step.do} takes no {name}", options=names) for name in step.with_ if name not in names
    ]
    missing = [one.name for one in takes if one.default is inspect.Parameter.empty and one.name not in step.with_]
    if missing:
        problems.append(document.problem(f"{key}.do", f"{step.do} needs {', '.join(missing)} under with"))
    for name, value in step.with_.items():
        for used in _used(value):
            if used.split(".")[0] not in kept:
                problems.append(document.problem(f"{key}.with.{name}", f"nothing was kept as {used.split('.')[0]} before", options=kept))
    return problems


def _used(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value[1:]] if value.startswith("$") else []
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [used for one in inside for used in _used(one)]


def filled(value: Any, kept: Mapping[str, Any]) -> Any:
    """Return `value` with every $name replaced by what was kept under it; parts after dots are looked up in it."""
    if isinstance(value, str) and value.startswith("$"):
        name, *parts = value[1:].split(".")
        found = kept[name]
        for part in parts:
            found = found[int(part)] if isinstance(found, list) else found[part]
        return found
    if isinstance(value, dict):
        return {key: filled(one, kept) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, kept) for one in value]
    return value
