"""The bus's own object, org.freedesktop.DBus: what a client may ask the bus itself."""

from collections.abc import Callable
from typing import Final, Protocol

from firmware_sim.bluez import match
from firmware_sim.bluez.call import ERROR, BusError, Call
from firmware_sim.bluez.connection import Connection


class Names(Protocol):
    """What these methods ask of the bus."""

    def owner(self, name: str) -> str | None: ...

    def names(self) -> list[str]: ...

    def register(self, connection: Connection) -> None: ...


def answer(bus: Names, connection: Connection, call: Call) -> None:
    """Answer one call; a method that clients of BlueZ have no use for is UnknownMethod."""
    method = _METHODS.get(call.message.member or "")
    try:
        if method is None:
            raise BusError(f"{ERROR}.UnknownMethod", f"The mini bus has no method {call.message.member}")
        method(bus, connection, call)
    except BusError as error:
        call.fail(error)


def _hello(bus: Names, connection: Connection, call: Call) -> None:
    if connection.unique:
        raise BusError(f"{ERROR}.Failed", "Already handled an Hello message")
    bus.register(connection)
    call.message.sender = connection.unique
    call.reply("s", [connection.unique])


def _add_match(_bus: Names, connection: Connection, call: Call) -> None:
    connection.rules.append(_rule(call))
    call.reply()


def _remove_match(_bus: Names, connection: Connection, call: Call) -> None:
    rule = _rule(call)
    if rule not in connection.rules:
        raise BusError(f"{ERROR}.MatchRuleNotFound", "The given match rule wasn't found and can't be removed")
    connection.rules.remove(rule)
    call.reply()


def _get_name_owner(bus: Names, _connection: Connection, call: Call) -> None:
    owner = bus.owner(_name(call))
    if owner is None:
        raise BusError(f"{ERROR}.NameHasNoOwner", f"Could not get owner of name '{_name(call)}': no such name")
    call.reply("s", [owner])


def _name_has_owner(bus: Names, _connection: Connection, call: Call) -> None:
    call.reply("b", [bus.owner(_name(call)) is not None])


def _list_names(bus: Names, _connection: Connection, call: Call) -> None:
    call.reply("as", [bus.names()])


def _ping(_bus: Names, _connection: Connection, call: Call) -> None:
    call.reply()


_METHODS: Final[dict[str, Callable[[Names, Connection, Call], None]]] = {
    "Hello": _hello,
    "AddMatch": _add_match,
    "RemoveMatch": _remove_match,
    "GetNameOwner": _get_name_owner,
    "NameHasOwner": _name_has_owner,
    "ListNames": _list_names,
    "Ping": _ping,
}


def _name(call: Call) -> str:
    if call.message.signature != "s":
        raise BusError(f"{ERROR}.InvalidArgs", f"{call.message.member} takes one string")
    return str(call.message.body[0])


def _rule(call: Call) -> match.Rule:
    try:
        return match.parsed(_name(call))
    except ValueError as error:
        raise BusError(f"{ERROR}.MatchRuleInvalid", str(error)) from None
