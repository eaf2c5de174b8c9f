"""The objects that BlueZ shows on the bus: one dict path -> interface -> property -> Variant, and the signals of its changes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dbus_fast import Message, Variant

OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"

Interfaces = dict[str, dict[str, Variant]]


class ObjectTree:
    """Every change made here is signalled at once, in the order of the calls."""

    def __init__(self, emit: Callable[[Message], None]) -> None:
        self._objects: dict[str, Interfaces] = {}
        self._emit = emit

    def __contains__(self, path: str) -> bool:
        return path in self._objects

    @property
    def all(self) -> Mapping[str, Interfaces]:
        """Everything, as GetManagedObjects answers it."""
        return self._objects

    def interfaces(self, path: str) -> Interfaces:
        """The interfaces of one object; empty if there is none at `path`."""
        return self._objects.get(path, {})

    def value(self, path: str, interface: str, name: str) -> Any:
        """The plain value of one property, None if it has none."""
        variant = self._objects.get(path, {}).get(interface, {}).get(name)
        return None if variant is None else variant.value

    def add(self, path: str, interfaces: Interfaces) -> None:
        """Add interfaces (with their properties) to the object at `path`."""
        self._objects.setdefault(path, {}).update(interfaces)
        self._emit(Message.new_signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces]))

    def remove(self, path: str) -> None:
        """Remove the object at `path` and all below it, children first."""
        for child in sorted((p for p in self._objects if p == path or p.startswith(path + "/")), key=len, reverse=True):
            interfaces = list(self._objects.pop(child))
            self._emit(Message.new_signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [child, interfaces]))

    def change(self, path: str, interface: str, changed: Mapping[str, Variant], invalidated: Sequence[str] = ()) -> None:
        """Set properties and take `invalidated` away, in ONE PropertiesChanged; nothing happens to an object that is gone."""
        properties = self._objects.get(path, {}).get(interface)
        if properties is None:
            return
        properties.update(changed)
        for name in invalidated:
            properties.pop(name, None)
        body = [interface, dict(changed), list(invalidated)]
        self._emit(Message.new_signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", body))
