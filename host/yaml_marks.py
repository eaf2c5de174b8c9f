"""YAML as plain values together with the line and column of every node. Only host.configuration reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import yaml

Value = Union[None, bool, int, float, str, "list[Value]", "dict[Value, Value]"]  # keys are scalars
Key = tuple[int | str, ...]  # the way from the top to a node
MOST_NODES = 200_000  # aliases can make a small file unfold without end
PLAIN_TAGS = frozenset({"bool", "float", "int", "map", "null", "seq", "str"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Marks:
    """The places of the values and, beside them, of the keys that they stand behind."""

    values: dict[Key, Mark] = field(default_factory=dict)
    keys: dict[Key, Mark] = field(default_factory=dict)


class NotYaml(Exception):
    """The text cannot be read as YAML; says why and where."""

    def __init__(self, text: str, mark: Mark) -> None:
        super().__init__(text)
        self.mark = mark


class _Loader(yaml.SafeLoader):
    """SafeLoader with the words of YAML 1.2: only true and false are truth, no number is in base 60, and a date is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


class _Dumper(yaml.SafeDumper):
    """SafeDumper that puts in quotes what _Loader would not read as text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))
    _Dumper.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def dumped(value: Mapping[str, Any]) -> str:
    """Return values as YAML that `marked` reads as the same values; text of control characters aside."""
    return str(yaml.dump(dict(value), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120))


def marked(text: str) -> tuple[Value, Marks, list[tuple[Key, Mark]]]:
    """Return the values of one YAML document, their places, and each key that came twice in its mapping, with the place of the second.

    Raises NotYaml for a syntax error, more than one document, a key that is no scalar, a document that contains itself or unfolds too far.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, Marks(), []
        walk = _Walk(loader)
        return walk.value(node, ()), walk.marks, walk.doubles
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.problem, error.context) if part)
        raise NotYaml(f"is no YAML: {said}", _mark(mark) if mark else Mark(1, 1)) from error
    except yaml.YAMLError as error:
        raise NotYaml(f"is no YAML: {error}", Mark(1, 1)) from error
    except ValueError as error:
        raise NotYaml(f"holds a number that cannot be read: {error}", Mark(1, 1)) from error
    finally:
        loader.dispose()


class _Walk:
    """One pass over a composed document."""

    def __init__(self, loader: _Loader) -> None:
        self.marks = Marks()
        self.doubles: list[tuple[Key, Mark]] = []
        self._loader = loader
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Key) -> Value:
        """The plain value of a node; notes its place on the way."""
        self.marks.values[path] = _mark(node.start_mark)
        if len(self.marks.values) > MOST_NODES or id(node) in self._open:
            raise NotYaml("contains itself, or unfolds to more than we read", _mark(node.start_mark))
        if node.tag.removeprefix("tag:yaml.org,2002:") not in PLAIN_TAGS:
            raise NotYaml(f"has a tag that is not read here: {node.tag}", _mark(node.start_mark))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        held = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._open.discard(id(node))
        return held

    def _list(self, node: yaml.Node, path: Key) -> Value:
        return [self.value(child, (*path, position)) for position, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Key) -> Value:
        held: dict[Value, Value] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise NotYaml("has a key that is no plain word", _mark(key_node.start_mark))
            key = self._scalar(key_node)
            place: Key = (*path, key if isinstance(key, int) else str(key))
            if key in held:
                self.doubles.append((place, _mark(key_node.start_mark)))
                continue
            self.marks.keys[place] = _mark(key_node.start_mark)
            held[key] = self.value(child, place)
        return held

    def _scalar(self, node: yaml.ScalarNode) -> bool | int | float | str | None:
        built = self._loader.construct_object(node)
        return built if built is None or isinstance(built, bool | int | float) else str(built)


def _mark(mark: yaml.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)
