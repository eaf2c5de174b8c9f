"""The mini bus: a D-Bus daemon small enough to live inside the simulator. It routes messages and knows nothing of Bluetooth.

Why not dbus-daemon: as a service on it, dbus-fast 5.2 takes a full socket buffer for a broken connection (seen at 300 trees
announced at once and at 2,000 signals/s). Here the service is called directly and every writer waits for its socket.
"""

import asyncio
import os
import secrets
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from dbus_fast import Message, MessageFlag, MessageType

from firmware_sim.bluez import driver, frames
from firmware_sim.bluez.call import BUS, ERROR, BusError, Call, Service
from firmware_sim.bluez.connection import Connection

_BUS_PATH = "/org/freedesktop/DBus"
_PATH_LIMIT = 107  # bytes that the kernel takes for the path of a socket


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
        try:
            listener.bind(str(self.path))
        except OSError as error:
            listener.close()
            raise OSError(f"{self.path}: {error.strerror}. Choose another place for the Bluetooth socket.") from error
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
            call.fail(BusError(f"{ERROR}.NoReply", "Message recipient disconnected from message bus without replying"))
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
        if not connection.unique and message.member != "Hello":
            connection.close()
        elif message.destination == BUS or message.destination is None:
            if message.message_type is MessageType.METHOD_CALL:
                driver.answer(self, connection, self._call(message, BUS))
        elif message.message_type is MessageType.METHOD_CALL and message.destination in self._services:
            self._serve(self._services[message.destination], message)
        elif (other := self._by_unique.get(message.destination)) is not None:
            other.send(frames.encoded(message, connection.unique, message.serial))
        elif message.message_type is MessageType.METHOD_CALL:
            unknown = BusError(f"{ERROR}.ServiceUnknown", f"The name {message.destination} was not provided by any .service files")
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

    def owner(self, name: str) -> str | None:
        """The unique name behind `name`, None when nobody has it."""
        if name in self._services:
            return self._services[name].unique
        return name if name in self._by_unique or name == BUS else None

    def names(self) -> list[str]:
        """Every name on the bus."""
        return [BUS, *self._services, *self._by_unique]

    def register(self, connection: Connection) -> None:
        """Give a connection that has said Hello its unique name, and tell the others."""
        connection.unique = self._unique()
        self._by_unique[connection.unique] = connection
        self._owner_changed(connection.unique, "", connection.unique)

    def _owner_changed(self, name: str, old: str, new: str) -> None:
        changed = Message.new_signal(_BUS_PATH, BUS, "NameOwnerChanged", "sss", [name, old, new])
        self._broadcast(changed, BUS, frozenset((BUS,)))

    def _unique(self) -> str:
        self._next_unique += 1
        return f":1.{self._next_unique}"

    def _next_serial(self) -> int:
        self._serial = self._serial % 0xFFFFFFFF + 1
        return self._serial
