"""The mini bus: a D-Bus daemon small enough to live inside the simulator. It routes messages and knows nothing of Bluetooth.

Why not dbus-daemon: as a service on it, dbus-fast 5.2 takes a full socket buffer for a broken connection (seen at 300 trees
announced at once and at 2,000 signals/s). Here the service is called directly and every writer waits for its socket.
"""

import asyncio
import os
import secrets
import socket
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from dbus_fast import Message, MessageFlag, MessageType

from firmware_sim.bluez import frames, match
from firmware_sim.bluez.connection import Connection

BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
_ERROR = "org.freedesktop.DBus.Error"
_PATH_LIMIT = 107  # bytes that the kernel takes for the path of a socket


class BusError(Exception):
    """An answer "no" on the bus: a D-Bus error name and a text, exactly as the caller will see them."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


@dataclass(slots=True, eq=False)
class Call:
    """One method call that waits for its answer. Only the first answer counts."""

    message: Message
    _send: Callable[[Message], None]
    answered: bool = False

    def reply(self, signature: str = "", body: Sequence[Any] = (), fds: Sequence[int] = ()) -> None:
        """Answer yes. `fds` are closed once they are sent."""
        self._answer(Message.new_method_return(self.message, signature, list(body), list(fds)))

    def fail(self, error: BusError) -> None:
        """Answer no."""
        self._answer(Message.new_error(self.message, error.name, error.text))

    def _answer(self, message: Message) -> None:
        if not self.answered:
            self.answered = True
            self._send(message)


class Service(Protocol):
    """What owns a name on the bus from within the process."""

    def called(self, call: Call) -> None:
        """Begin to answer `call`; the answer may come at any later time."""

    def client_gone(self, unique: str) -> None:
        """The client with this unique name has closed its connection."""


@dataclass(slots=True)
class _Local:
    unique: str
    service: Service
    open_calls: set[Call] = field(default_factory=set)


class MiniBus:
    """A listening bus. Everything happens on the loop in which `start` was called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guid = secrets.token_hex(16)
        self._listener: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._by_unique: dict[str, Connection] = {}
        self._services: dict[str, _Local] = {}
        self._serial = 0
        self._next_unique = 0

    @property
    def address(self) -> str:
        """The value for DBUS_SYSTEM_BUS_ADDRESS."""
        return "unix:path=" + quote(str(self.path), safe="/_-.").replace("~", "%7e")

    def start(self) -> None:
        """Listen; a socket file left by an earlier run is replaced. Raises OSError saying what to change."""
        if len(os.fsencode(self.path)) > _PATH_LIMIT:
            raise OSError(f"{self.path}: too long for a socket (more than {_PATH_LIMIT} bytes). Choose a shorter LATCHKEY_HOME.")
        if self.path.exists() and stat.S_ISSOCK(self.path.stat().st_mode):
            self.path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        self.path.chmod(0o600)
        listener.listen(512)
        listener.setblocking(False)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)

    def stop(self) -> None:
        """Close every connection and remove the socket file. May be repeated."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
            self.path.unlink(missing_ok=True)
        for connection in tuple(self._connections):
            connection.close()

    def offer(self, name: str, service: Service) -> None:
        """Let `service` own the well-known `name`, as if a daemon had started."""
        self._services[name] = _Local(self._unique(), service)
        self._owner_changed(name, "", self._services[name].unique)

    def withdraw(self, name: str) -> None:
        """Take `name` away, as if its daemon had died: every open call is answered NoReply. May be repeated."""
        local = self._services.pop(name, None)
        if local is None:
            return
        for call in tuple(local.open_calls):
            call.fail(BusError(f"{_ERROR}.NoReply", "Message recipient disconnected from message bus without replying"))
        self._owner_changed(name, local.unique, "")

    def emit(self, name: str, signal: Message) -> None:
        """Send `signal` from the owner of `name` to every connection with a matching rule; order is kept."""
        local = self._services.get(name)
        if local is not None:
            self._broadcast(signal, local.unique, frozenset((name, local.unique)))

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        self._connections.add(Connection(sock, self._guid, self._received, self._lost))

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._by_unique.pop(connection.unique, None) is None:
            return
        for local in tuple(self._services.values()):
            local.service.client_gone(connection.unique)
        self._owner_changed(connection.unique, connection.unique, "")

    def _received(self, connection: Connection, message: Message) -> None:
        message.sender = connection.unique
        if message.destination == BUS or message.destination is None:
            self._bus_method(connection, message)
        elif message.message_type is MessageType.METHOD_CALL and message.destination in self._services:
            self._serve(self._services[message.destination], message)
        elif (other := self._by_unique.get(message.destination)) is not None:
            other.send(frames.encoded(message, connection.unique, message.serial))
        elif message.message_type is MessageType.METHOD_CALL:
            unknown = BusError(f"{_ERROR}.ServiceUnknown", f"The name {message.destination} was not provided by any .service files")
            self._call(message, BUS).fail(unknown)

    def _serve(self, local: _Local, message: Message) -> None:
        def answered(reply: Message) -> None:
            local.open_calls.discard(call)
            self._reply(message, reply, local.unique)

        call = Call(message, answered)
        local.open_calls.add(call)
        local.service.called(call)

    def _call(self, message: Message, answerer: str) -> Call:
        return Call(message, lambda reply: self._reply(message, reply, answerer))

    def _reply(self, asked: Message, reply: Message, sender: str) -> None:
        connection = self._by_unique.get(asked.sender or "")
        fds = tuple(reply.unix_fds)
        if connection is None or asked.flags & MessageFlag.NO_REPLY_EXPECTED:
            for fd in fds:
                os.close(fd)
            return
        connection.send(frames.encoded(reply, sender, self._next_serial()), fds)

    def _broadcast(self, signal: Message, sender: str, names: frozenset[str]) -> None:
        data: bytes | None = None
        for connection in tuple(self._by_unique.values()):
            if any(rule.wants(signal, names) for rule in connection.rules):
                data = data or frames.encoded(signal, sender, self._next_serial())
                connection.send(data)

    def _bus_method(self, connection: Connection, message: Message) -> None:
        """Answer what clients ask the bus itself."""
        if message.message_type is not MessageType.METHOD_CALL:
            return
        call = self._call(message, BUS)
        answer = _BUS_METHODS.get(message.member or "")
        if answer is None:
            call.fail(BusError(f"{_ERROR}.UnknownMethod", f"The mini bus has no method {message.member}"))
            return
        try:
            answer(self, connection, call)
        except BusError as error:
            call.fail(error)

    def _hello(self, connection: Connection, call: Call) -> None:
        if connection.unique:
            raise BusError(f"{_ERROR}.Failed", "Already handled an Hello message")
        connection.unique = self._unique()
        self._by_unique[connection.unique] = connection
        call.message.sender = connection.unique
        call.reply("s", [connection.unique])
        self._owner_changed(connection.unique, "", connection.unique)

    def _add_match(self, connection: Connection, call: Call) -> None:
        connection.rules.append(_rule(call))
        call.reply()

    def _remove_match(self, connection: Connection, call: Call) -> None:
        rule = _rule(call)
        if rule not in connection.rules:
            raise BusError(f"{_ERROR}.MatchRuleNotFound", "The given match rule wasn't found and can't be removed")
        connection.rules.remove(rule)
        call.reply()

    def _owner(self, name: str) -> str | None:
        if name in self._services:
            return self._services[name].unique
        return name if name in self._by_unique or name == BUS else None

    def _get_name_owner(self, _connection: Connection, call: Call) -> None:
        owner = self._owner(_name(call))
        if owner is None:
            raise BusError(f"{_ERROR}.NameHasNoOwner", f"Could not get owner of name '{_name(call)}': no such name")
        call.reply("s", [owner])

    def _name_has_owner(self, _connection: Connection, call: Call) -> None:
        call.reply("b", [self._owner(_name(call)) is not None])

    def _list_names(self, _connection: Connection, call: Call) -> None:
        call.reply("as", [[BUS, *self._services, *self._by_unique]])

    def _owner_changed(self, name: str, old: str, new: str) -> None:
        changed = Message.new_signal(BUS_PATH, BUS, "NameOwnerChanged", "sss", [name, old, new])
        self._broadcast(changed, BUS, frozenset((BUS,)))

    def _unique(self) -> str:
        self._next_unique += 1
        return f":1.{self._next_unique}"

    def _next_serial(self) -> int:
        self._serial = self._serial % 0xFFFFFFFF + 1
        return self._serial


_BUS_METHODS: dict[str, Callable[[MiniBus, Connection, Call], None]] = {
    "Hello": MiniBus._hello,
    "AddMatch": MiniBus._add_match,
    "RemoveMatch": MiniBus._remove_match,
    "GetNameOwner": MiniBus._get_name_owner,
    "NameHasOwner": MiniBus._name_has_owner,
    "ListNames": MiniBus._list_names,
    "Ping": lambda _bus, _connection, call: call.reply(),
}


def _name(call: Call) -> str:
    if call.message.signature != "s":
        raise BusError(f"{_ERROR}.InvalidArgs", f"{call.message.member} takes one string")
    return str(call.message.body[0])


def _rule(call: Call) -> match.Rule:
    try:
        return match.parsed(_name(call))
    except ValueError as error:
        raise BusError(f"{_ERROR}.MatchRuleInvalid", str(error)) from None
