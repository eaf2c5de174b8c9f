"""One client's socket on the mini bus: authentication, reading whole messages, writing without ever blocking the loop."""

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable

from dbus_fast import Message

from firmware_sim.bluez import frames
from firmware_sim.bluez.handshake import Handshake
from firmware_sim.bluez.match import Rule

UNSENT_LIMIT = 32 << 20  # bytes waiting for one client; a client that reads nothing is cut off here
_CHUNK = 65536
_LONGEST_LINE = 1024  # of the handshake


class Connection:
    """A connected client. `unique` is empty until it has said Hello."""

    def __init__(self, sock: socket.socket, guid: str, on_message: "OnMessage", on_closed: "OnClosed") -> None:
        self.unique = ""
        self.rules: list[Rule] = []
        self.closed = False
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        self._handshake = Handshake(guid, uid)
        self._incoming = bytearray()
        self._outgoing: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._unsent = 0
        self._on_message = on_message
        self._on_closed = on_closed
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """Queue `data`; the file descriptors are closed here once the kernel has taken them (or the client is gone)."""
        if self.closed:
            _close(fds)
            return
        self._outgoing.append((memoryview(data), fds))
        self._unsent += len(data)
        if self._unsent > UNSENT_LIMIT:
            self.close()
        elif len(self._outgoing) == 1:
            self._flush()

    def close(self) -> None:
        """End the connection; what is still unsent is lost. May be repeated."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for _, fds in self._outgoing:
            _close(fds)
        self._outgoing.clear()
        self._on_closed(self)

    def _flush(self) -> None:
        """Write until the socket is full (then wait for it) or nothing is left."""
        while self._outgoing:
            data, fds = self._outgoing[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds and self._handshake.passes_fds else []
            try:
                written = self._sock.sendmsg([data], rights)
            except BlockingIOError:
                self._loop.add_writer(self._sock.fileno(), self._flush)
                return
            except OSError:
                self.close()
                return
            _close(fds)
            self._unsent -= written
            if written < len(data):
                self._outgoing[0] = (data[written:], ())
            else:
                self._outgoing.popleft()
        self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_CHUNK, socket.CMSG_LEN(64))
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        for level, kind, rights in ancillary:  # nobody has a reason to hand this bus a file descriptor
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                _close(tuple(array.array("i", rights[: len(rights) // 4 * 4])))
        if not data:
            self.close()
            return
        self._incoming += data
        try:
            self._authenticate()
            self._messages()
        except frames.BadFrame:
            self.close()

    def _authenticate(self) -> None:
        while not self._handshake.begun:
            line, found, rest = self._incoming.partition(b"\r\n")
            if not found:
                if len(self._incoming) > _LONGEST_LINE:
                    raise frames.BadFrame("an endless line in the handshake")
                return
            self._incoming = rest
            answer = self._handshake.answer(line.lstrip(b"\0").decode("ascii", "replace"))
            if answer is not None:
                self.send(answer.encode() + b"\r\n")

    def _messages(self) -> None:
        while self._handshake.begun and not self.closed:
            length = frames.frame_length(self._incoming)
            if length is None or len(self._incoming) < length:
                return
            frame = bytes(self._incoming[:length])
            del self._incoming[:length]
            self._on_message(self, frames.decoded(frame))


OnMessage = Callable[[Connection, Message], None]
OnClosed = Callable[[Connection], None]


def _close(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)
