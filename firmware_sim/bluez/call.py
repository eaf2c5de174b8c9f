"""One method call on the bus and its answer, and what a service on the bus is; no routing, no sockets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dbus_fast import Message

BUS: Final = "org.freedesktop.DBus"
ERROR: Final = "org.freedesktop.DBus.Error"


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
