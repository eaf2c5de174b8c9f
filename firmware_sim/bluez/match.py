"""Match rules of a message bus: which signals a connection asked for. Pure."""

import re
from dataclasses import dataclass, fields

from dbus_fast import Message, MessageType

_PART = re.compile(r"\s*([a-z0-9_]+)=((?:'[^']*'|\\'|[^',])*)(?:,|$)")  # quotes may be left out, as bleak does


@dataclass(frozen=True, slots=True)
class Rule:
    """One AddMatch rule; None = any. Keys that BlueZ's clients do not use (eavesdrop, argN but 0) are refused."""

    type: str | None = None
    sender: str | None = None
    interface: str | None = None
    member: str | None = None
    path: str | None = None
    path_namespace: str | None = None
    destination: str | None = None
    arg0: str | None = None
    arg0path: str | None = None

    def wants(self, message: Message, sender_names: frozenset[str]) -> bool:
        """Return whether `message`, sent by the owner of `sender_names`, is to be delivered under this rule."""
        return (
            self.type in (None, _TYPE[message.message_type])
            and (self.sender is None or self.sender in sender_names)
            and self.interface in (None, message.interface)
            and self.member in (None, message.member)
            and self.path in (None, message.path)
            and self.destination in (None, message.destination)
            and (self.path_namespace is None or _below(message.path or "", self.path_namespace))
            and (self.arg0 is None or _argument(message, "s") == self.arg0)
            and (self.arg0path is None or _path_like(_argument(message, "so"), self.arg0path))
        )


_TYPE = {
    MessageType.SIGNAL: "signal",
    MessageType.METHOD_CALL: "method_call",
    MessageType.METHOD_RETURN: "method_return",
    MessageType.ERROR: "error",
}
_KEYS = {field.name for field in fields(Rule)}


def parsed(text: str) -> Rule:
    """Return the rule that `text` spells; raise ValueError naming what cannot be read."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or part[1] not in _KEYS:
            raise ValueError(f"match rule cannot be read from {text[position:]!r} on")
        found[part[1]] = part[2].replace("'", "")
        position = part.end()
    if found.get("type", "signal") not in _TYPE.values():
        raise ValueError(f"match rule cannot be read: there is no type {found['type']}")
    return Rule(**found)


def _below(path: str, namespace: str) -> bool:
    return path == namespace or path.startswith(namespace.rstrip("/") + "/")


def _argument(message: Message, kinds: str) -> str | None:
    if message.signature[:1] not in tuple(kinds) or not message.body:
        return None
    return str(message.body[0])


def _path_like(value: str | None, wanted: str) -> bool:
    """Return whether the two are equal or the one that ends in / is a prefix of the other (D-Bus specification, arg0path)."""
    if value is None:
        return False
    return value == wanted or (wanted.endswith("/") and value.startswith(wanted)) or (value.endswith("/") and wanted.startswith(value))
