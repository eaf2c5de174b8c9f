"""Configuration files: YAML read with the place of every node, checked against a model, and problems that say where and what.

    gateway.yaml:8:13: devices.1.settings.unit: expected a whole number from 1 to 247, got 300

`load(path, Model)` does it all. A program that has more to say than a model can (an unknown driver) keeps the `Document`:

    document = read(path)
    told = document.check(GatewayConfiguration)
    raise ConfigurationError([document.problem("devices.3.kind", "expected the name of a driver", options=DRIVERS)])

The YAML is version 1.2's: `on`, `no` and `15:00` are text. Places count from 1, list positions from 0.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from host.exits import Misconfigured
from host.expectations import Expectation, Schema
from host.redaction import is_secret
from host.yaml_marks import Key, Mark, Marks, NotYaml, Value, dumped, marked

T = TypeVar("T")
LARGEST = 2 * 1024 * 1024  # bytes; the largest hotel that we ship needs a tenth
NEAR = 0.5  # difflib's ratio from which a word counts as a slip of another


class Section(BaseModel):
    """What our configuration models stand on: no unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file. Line and column count from 1; both are 0 when the file itself is the problem."""

    file: Path
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigurationError(Misconfigured):
    """All problems of the files that were read, in file order; its text has one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(dict.fromkeys(problems), key=lambda problem: (str(problem.file), problem.line, problem.column))
        self.problems = tuple(ordered)
        super().__init__("\n".join(str(problem) for problem in ordered))


@dataclass(frozen=True, slots=True)
class Document:
    """One file as plain values, with the place of each. Make it with `read`."""

    file: Path
    value: Value
    marks: Marks
    root: Key = ()

    def check(self, model: type[T]) -> T:
        """Return the values as `model` (a pydantic model or dataclass); raise ConfigurationError with every problem there is.

        A key that the model does not know is a problem, whatever the model's own setting, unless it allows extra keys.
        """
        adapter = TypeAdapter(model)
        schema = Schema.of(adapter)
        problems = [self._unknown(path, known) for path, known in schema.unknown(self.value)]
        try:
            told = adapter.validate_python(self.value)
        except ValidationError as error:
            seen = {problem.key for problem in problems}
            found = [self._wrong(schema, dict(detail)) for detail in error.errors(include_url=False)]
            problems += [problem for problem in found if problem.key not in seen]
        if problems:
            raise ConfigurationError(problems)
        return told

    def at(self, key: str | Key) -> "Document":
        """Return the part below `key` ("devices.3.settings"), which keeps its places; an absent part is an empty mapping."""
        path = self._path(key)
        value: Value = self.value
        for part in path:
            value = _child(value, part)
        return Document(self.file, {} if value is None else value, self.marks, (*self.root, *path))

    def problem(self, key: str | Key, text: str, *, options: Iterable[str] = (), got: object = ...) -> Problem:
        """Return a problem at `key`, for what only the program knows; it is raised by the caller, in a ConfigurationError.

        `text` says what was expected; what was found is added from the file, and the nearest of `options` (or all, when none is near and
        they are few). A key that the file does not have is reported at the nearest place that it does have.
        """
        path = self._path(key)
        value = self.at(path).value if got is ... else got
        words = list(options)
        text = f"{text}, got {_shown(path, value)}{_nearest(value, words)}"
        return self._problem(path, text)

    def _unknown(self, path: Key, known: Sequence[str]) -> Problem:
        mark = self._mark(path, of_key=True)
        text = f"unknown key{_nearest(path[-1], known) or f'; nothing is expected here but {_listed(known)}'}"
        return Problem(self.file, mark.line, mark.column, self._dotted(path), text)

    def _wrong(self, schema: Schema, detail: dict[str, Any]) -> Problem:
        path = self._real(detail["loc"], detail["type"])
        if detail["type"] == "missing":
            wanted = schema.expectation(self.value, path)
            return self._problem(path, f"expected {wanted.text if wanted else 'a value'}, and there is none")
        if detail["type"] in {"value_error", "assertion_error"}:
            return self._problem(path, str(detail["ctx"]["error"]))
        return self._problem(path, self._sentence(schema.expectation(self.value, path), path, detail))

    def _sentence(self, wanted: Expectation | None, path: Key, detail: dict[str, Any]) -> str:
        got = _shown(path, detail["input"])
        if wanted is None or wanted.satisfied_by(detail["input"]):
            return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, got {got}"
        return f"expected {wanted.text}, got {got}{_nearest(detail['input'], wanted.options, listed=False)}"

    def _real(self, loc: Sequence[int | str], kind: str) -> Key:
        """Pydantic's place without the names of union members and validators that it puts between."""
        path: Key = ()
        value: Value = self.value
        for position, part in enumerate(loc):
            last = position == len(loc) - 1
            if _has(value, part):
                path, value = (*path, part), _child(value, part)
            elif last and kind in {"missing", "extra_forbidden"}:
                path = (*path, part)
        return path

    def _problem(self, path: Key, text: str) -> Problem:
        mark = self._mark(path)
        return Problem(self.file, mark.line, mark.column, self._dotted(path), text)

    def _mark(self, path: Key, *, of_key: bool = False) -> Mark:
        full = (*self.root, *path)
        if of_key and full in self.marks.keys:
            return self.marks.keys[full]
        while full not in self.marks.values and full:
            full = full[:-1]
        return self.marks.values.get(full, Mark(1, 1))

    def _dotted(self, path: Key) -> str:
        return ".".join(str(part) for part in (*self.root, *path))

    def _path(self, key: str | Key) -> Key:
        if not isinstance(key, str):
            return key
        return tuple(int(part) if part.isdigit() else part for part in key.split(".")) if key else ()


def read(path: Path) -> Document:
    """Read one YAML file; raise ConfigurationError when it is absent, too large, no YAML, or gives a key twice."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([Problem(path, 0, 0, "", f"cannot be read: {error.strerror}")]) from error
    if len(raw) > LARGEST:
        raise ConfigurationError([Problem(path, 0, 0, "", f"is larger than {LARGEST} bytes; that is no configuration of ours")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ConfigurationError([Problem(path, line, column, "", "is not UTF-8 from here on; save the file as UTF-8")]) from error
    try:
        value, marks, doubles = marked(text)
    except NotYaml as error:
        raise ConfigurationError([Problem(path, error.mark.line, error.mark.column, "", str(error))]) from error
    if doubles:
        first = {key: marks.keys[key].line for key, _ in doubles}
        raise ConfigurationError(
            Problem(path, mark.line, mark.column, ".".join(map(str, key)), f"is given twice; the first is in line {first[key]}")
            for key, mark in doubles
        )
    return Document(path, {} if value is None else value, marks)


def load(path: Path, model: type[T]) -> T:
    """Read one YAML file as `model`; raise ConfigurationError with every problem, in file order."""
    return read(path).check(model)


def save(path: Path, value: Mapping[str, Any]) -> None:
    """Write values as YAML that `read` reads, keys in the order given, text in any language as it is."""
    path.write_text(dumped(value), encoding="utf-8")


def _has(value: Value, part: int | str) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)


def _child(value: Value, part: int | str) -> Value:
    """The value below, or nothing when there is none."""
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return None


def _shown(path: Key, value: object) -> str:
    """A value as an error may show it: short, and never a secret."""
    if any(isinstance(part, str) and is_secret(part) for part in path):
        return "something that is not shown here"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _nearest(value: object, options: Sequence[str], *, listed: bool = True) -> str:
    """The hint behind a wrong word: the option nearest to it, else all of them when they are few."""
    by_case = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(str(value).casefold(), by_case, n=1, cutoff=NEAR)
    if near:
        return f"; did you mean {by_case[near[0]]!r}?"
    return f"; expected one of {_listed(options)}" if listed and 0 < len(options) <= 24 else ""


def _listed(options: Sequence[str]) -> str:
    return ", ".join(options) if options else "nothing"
