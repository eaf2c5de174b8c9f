"""What a model expects at each place, in words: read from its JSON schema. Only host.configuration reads it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from host.yaml_marks import Key, Value

_PLAIN = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_FORMATS = {
    "date": "a date such as 2026-11-21",
    "date-time": "a time such as 2026-11-21T14:00:00Z",
    "time": "a time of day such as 15:00",
    "uri": "a URL",
    "path": "a path",
    "uuid": "a UUID",
}
_PYTHON: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one place takes: in words, the fixed words if only those are taken, and the plain types."""

    text: str
    options: tuple[str, ...]
    kinds: tuple[str, ...]
    bounded: bool

    def satisfied_by(self, value: object) -> bool:
        """Whether `value` meets what the words say, so that the words would not explain the error."""
        if self.options or self.bounded or not self.kinds:
            return False
        return any(isinstance(value, _PYTHON.get(kind, ())) and not (isinstance(value, bool) and kind != "boolean") for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Schema:
    """One model's JSON schema; an empty one when the model has a part that no schema can tell."""

    top: Node

    @classmethod
    def of(cls, adapter: TypeAdapter[Any]) -> "Schema":
        """Read the schema of a model, by the names that a file uses."""
        try:
            return cls(adapter.json_schema(mode="validation"))
        except PydanticInvalidForJsonSchema:
            return cls({})

    def unknown(self, value: Value) -> Iterator[tuple[Key, tuple[str, ...]]]:
        """Each key of `value` that its mapping does not know, in order, with the keys that are known there and not yet used."""
        yield from self._unknown(self.top, value, ())

    def expectation(self, value: Value, path: Key) -> Expectation | None:
        """What is expected at `path` of `value`; nothing when the schema does not say."""
        nodes = self._plain([self.top], value)
        here: Value = value
        for part in path:
            nodes = [child for node in nodes for child in self._below(node, part)]
            here = here.get(part) if isinstance(here, dict) else here[part] if isinstance(here, list) and isinstance(part, int) else None
            nodes = self._plain(nodes, here)
        return _in_words(nodes) if nodes else None

    def _unknown(self, node: Node, value: Value, path: Key) -> Iterator[tuple[Key, tuple[str, ...]]]:
        nodes = [each for each in self._plain([node], value) if _fits(each, value)]
        if len(nodes) != 1:
            return  # several mappings would do here: pydantic judges
        (only,) = nodes
        for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            part = key if isinstance(key, int) else str(key)
            below = self._below(only, part)
            if below:
                yield from self._unknown(below[0], child, (*path, part))
            elif "properties" in only and not only.get("additionalProperties") and isinstance(value, dict):
                yield (*path, part), tuple(name for name in only["properties"] if name not in value)

    def _below(self, node: Node, part: int | str) -> list[Node]:
        """The schemas for one key or position of a node."""
        if isinstance(part, int) and node.get("type") == "array":
            fixed = node.get("prefixItems", [])
            found = fixed[part] if part < len(fixed) else node.get("items")
        else:
            found = node.get("properties", {}).get(part, node.get("additionalProperties"))
        return [found] if isinstance(found, dict) else []

    def _plain(self, nodes: Sequence[Node], value: Value) -> list[Node]:
        """References followed and unions laid open; of a union with a discriminator only the member that `value` names."""
        flat: list[Node] = []
        for node in nodes:
            if "$ref" in node:
                flat += self._plain([self.top["$defs"][node["$ref"].rpartition("/")[2]]], value)
            elif chosen := self._chosen(node, value):
                flat += self._plain([chosen], value)
            elif members := node.get("anyOf") or node.get("oneOf") or node.get("allOf"):
                flat += self._plain(members, value)
            else:
                flat.append(node)
        return flat

    def _chosen(self, node: Node, value: Value) -> Node | None:
        told = node.get("discriminator")
        if not isinstance(told, dict) or not isinstance(value, dict):
            return None
        target = told.get("mapping", {}).get(value.get(told["propertyName"]))
        return {"$ref": target} if target else None


def _fits(node: Node, value: Value) -> bool:
    """Whether a node is about this kind of value at all."""
    kind = node.get("type")
    return kind is None or isinstance(value, _PYTHON.get(kind, ()))


def _in_words(nodes: Sequence[Node]) -> Expectation:
    """All that is taken at one place."""
    options = tuple(str(word) for node in nodes for word in node.get("enum", [node["const"]] if "const" in node else []))
    kinds = tuple(node["type"] for node in nodes if "type" in node)
    words = list(dict.fromkeys(_words(node) for node in nodes if node.get("type") != "null"))
    bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "minLength", "maxLength", "format"}
    return Expectation(" or ".join(words) or "nothing", options, kinds, any(bounds & node.keys() for node in nodes))


def _words(node: Node) -> str:
    """One node in words, its bounds with it."""
    if "enum" in node:
        return f"one of {', '.join(str(word) for word in node['enum'])}"
    if "const" in node:
        return repr(node["const"])
    kind = node.get("type", "")
    if kind == "string":
        return _text(node)
    plain = _PLAIN.get(kind, "something else")
    return f"{plain}{_bounds(node)}" if kind in {"integer", "number"} else plain


def _text(node: Node) -> str:
    said = _FORMATS.get(node.get("format", ""), "text")
    shortest, longest = node.get("minLength"), node.get("maxLength")
    if shortest == longest and shortest is not None:
        said += f" of {shortest} characters"
    elif longest is not None:
        said += f" of {shortest or 0} to {longest} characters"
    elif shortest:
        said += " that is not empty" if shortest == 1 else f" of {shortest} characters or more"
    return f"{said} like {node['pattern']}" if "pattern" in node else said


def _bounds(node: Node) -> str:
    least, most = node.get("minimum"), node.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of {least} or more"
    if most is not None:
        return f" of {most} or less"
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    return "".join((f" above {above}" if above is not None else "", f" below {below}" if below is not None else ""))
