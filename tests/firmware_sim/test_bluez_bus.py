"""The mini bus on its own: who gets in, who hears what, and what nonsense or a slow reader does to it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.bluez import connection, frames, match
from firmware_sim.bluez.bus import MiniBus
from firmware_sim.bluez.call import Call
from firmware_sim.bluez.handshake import Handshake

BUS = "org.freedesktop.DBus"
NAME = "org.example.Bell"
UID = 1000
HEX_UID = b"1000".hex()


class Bell:
    """A service that answers every call with its member's name, or never if asked to Wait."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    def called(self, call: Call) -> None:
        if call.message.member != "Wait":
            call.reply("s", [call.message.member])

    def client_gone(self, unique: str) -> None:
        self.gone.append(unique)


@contextlib.asynccontextmanager
async def bus(folder: Path) -> AsyncIterator[tuple[MiniBus, Bell]]:
    running, bell = MiniBus(folder / "bus"), Bell()
    running.start()
    running.offer(NAME, bell)
    try:
        yield running, bell
    finally:
        running.stop()


@contextlib.asynccontextmanager
async def caller(running: MiniBus) -> AsyncIterator[MessageBus]:
    opened = await MessageBus(bus_address=running.address).connect()
    try:
        yield opened
    finally:
        opened.disconnect()
        with contextlib.suppress(EOFError, ConnectionError):  # the bus has hung up first
            await opened.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def ask(opened: MessageBus, member: str, *body: str, destination: str = BUS) -> Message:
    message = Message(destination, "/", destination, member, signature="s" * len(body), body=list(body))
    reply = await asyncio.wait_for(opened.call(message), 5.0)
    assert reply is not None
    return reply


def signal(path: str = "/org/bluez/hci0", member: str = "Rang", body: str = "/org/bluez/hci0") -> Message:
    return Message.new_signal(path, NAME, member, "o", [body])


# -- who gets in


def handshake(*lines: str) -> tuple[Handshake, list[str | None]]:
    taken = Handshake("guid", UID)
    return taken, [taken.answer(line) for line in lines]


def test_the_owner_of_the_socket_gets_in_and_may_pass_files() -> None:
    taken, answers = handshake(f"AUTH EXTERNAL {HEX_UID}", "NEGOTIATE_UNIX_FD", "BEGIN")
    assert answers == ["OK guid", "AGREE_UNIX_FD", None]
    assert (taken.begun, taken.passes_fds) == (True, True)


def test_who_does_not_name_himself_is_known_by_his_socket() -> None:
    taken, answers = handshake("AUTH EXTERNAL", "DATA", "BEGIN")
    assert answers == ["DATA", "OK guid", None]
    assert taken.begun


@pytest.mark.parametrize("line", [f"AUTH EXTERNAL {b'0'.hex()}", "AUTH ANONYMOUS", "AUTH", "AUTH DBUS_COOKIE_SHA1 00"])
def test_nobody_gets_in_as_somebody_else(line: str) -> None:
    taken, answers = handshake(line, "BEGIN")
    assert answers == ["REJECTED EXTERNAL", "REJECTED EXTERNAL"]
    assert not taken.begun


def test_a_word_that_means_nothing_is_an_error_and_no_way_in() -> None:
    taken, answers = handshake("DATA", "NEGOTIATE_UNIX_FD", "HELLO")
    assert answers == ["ERROR"] * 3
    assert not taken.begun


# -- who hears what


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("", True),
        ("type='signal'", True),
        ("type=signal,member=Rang", True),
        ("type='method_call'", False),
        ("member='Fell'", False),
        ("path='/org/bluez/hci0'", True),
        ("path='/org/bluez'", False),
        ("path_namespace='/org/bluez'", True),
        ("path_namespace='/org/blue'", False),
        ("path_namespace='/'", True),
        ("arg0path='/org/bluez/'", True),
        ("arg0path='/org/bluez/hci0/dev'", False),
        ("arg0path='/org/bluez/hci0'", True),
        ("arg0path='/org/bluez/hci'", False),
        (f"sender='{NAME}'", True),
        ("sender=':1.1'", True),
        ("sender=':1.2'", False),
        ("interface='org.example.Bell',path_namespace='/org',arg0path='/'", True),
    ],
)
def test_a_rule_chooses_signals(rule: str, wanted: bool) -> None:
    assert match.parsed(rule).wants(signal(), frozenset((NAME, ":1.1"))) is wanted


@pytest.mark.parametrize("rule", ["colour='red'", "member", "member='Rang", "type='signal'path='/'", "arg1='x'"])
def test_a_rule_that_cannot_be_read_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        match.parsed(rule)


async def test_a_signal_reaches_those_who_asked_and_no_others_any_more(tmp_path: Path) -> None:
    async with bus(tmp_path) as (running, _), caller(running) as one, caller(running) as other:
        heard: dict[str, list[str]] = {"one": [], "other": []}
        one.add_message_handler(lambda m: heard["one"].append(m.member or "") if m.interface == NAME else None)
        other.add_message_handler(lambda m: heard["other"].append(m.member or "") if m.interface == NAME else None)
        await ask(one, "AddMatch", "member=Rang")
        running.emit(NAME, signal())
        running.emit(NAME, signal(member="Fell"))
        assert (await ask(one, "RemoveMatch", "member='Rang'")).message_type is MessageType.METHOD_RETURN
        running.emit(NAME, signal())
        await ask(one, "Ping")
        await ask(other, "Ping")
        assert heard == {"one": ["Rang"], "other": []}
        assert (await ask(one, "RemoveMatch", "member='Rang'")).error_name == f"{BUS}.Error.MatchRuleNotFound"
        assert (await ask(one, "AddMatch", "colour=red")).error_name == f"{BUS}.Error.MatchRuleInvalid"


async def test_names_are_known_while_their_owner_is_there(tmp_path: Path) -> None:
    async with bus(tmp_path) as (running, _), caller(running) as one:
        owner = (await ask(one, "GetNameOwner", NAME)).body[0]
        assert owner.startswith(":1.")
        assert (await ask(one, "NameHasOwner", NAME)).body == [True]
        assert NAME in (await ask(one, "ListNames")).body[0]
        assert one.unique_name in (await ask(one, "ListNames")).body[0]
        running.withdraw(NAME)
        assert (await ask(one, "NameHasOwner", NAME)).body == [False]
        assert (await ask(one, "GetNameOwner", NAME)).error_name == f"{BUS}.Error.NameHasNoOwner"
        assert (await ask(one, "Ring", destination=NAME)).error_name == f"{BUS}.Error.ServiceUnknown"
        assert (await ask(one, "BecomeMonitor")).error_name == f"{BUS}.Error.UnknownMethod"


async def test_an_owner_that_dies_leaves_no_caller_waiting(tmp_path: Path) -> None:
    async with bus(tmp_path) as (running, _), caller(running) as one:
        changes: list[list[str]] = []
        one.add_message_handler(lambda m: changes.append(m.body) if m.member == "NameOwnerChanged" else None)
        await ask(one, "AddMatch", "member=NameOwnerChanged")
        waiting = asyncio.ensure_future(ask(one, "Wait", destination=NAME))
        assert (await ask(one, "Ring", destination=NAME)).body == ["Ring"]
        running.withdraw(NAME)
        assert (await waiting).error_name == f"{BUS}.Error.NoReply"
        assert changes == [[NAME, ":1.1", ""]]


async def test_two_clients_can_call_one_another(tmp_path: Path) -> None:
    async with bus(tmp_path) as (running, _), caller(running) as one, caller(running) as other:
        assert one.unique_name is not None
        reply = await other.call(Message(one.unique_name, "/", "org.freedesktop.DBus.Peer", "Ping"))
        assert reply is not None
        assert (reply.message_type, reply.sender) == (MessageType.METHOD_RETURN, one.unique_name)


# -- nonsense, and readers that do not read


async def raw(running: MiniBus) -> socket.socket:
    """A client without a library that has got in."""
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, str(running.path))
    await loop.sock_sendall(sock, b"\0AUTH EXTERNAL\r\nDATA\r\n")
    assert (await loop.sock_recv(sock, 100)).startswith(b"DATA\r\nOK ")
    await loop.sock_sendall(sock, b"BEGIN\r\n")
    return sock


@pytest.mark.parametrize(
    "nonsense",
    [b"GET / HTTP/1.1\r\n\r\n", b"l\x01\x00\x01" + b"\xff" * 12, b"l\x01\x00\x01" + bytes(28)],
    ids=["http", "too long", "empty"],
)
async def test_nonsense_costs_its_sender_the_connection_and_nobody_else(tmp_path: Path, nonsense: bytes) -> None:
    async with bus(tmp_path) as (running, _), caller(running) as one:
        sock = await raw(running)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, nonsense)
        assert await asyncio.wait_for(loop.sock_recv(sock, 100), 5.0) == b""
        sock.close()
        assert (await ask(one, "Ring", destination=NAME)).body == ["Ring"]


async def test_the_service_hears_that_a_client_has_gone(tmp_path: Path) -> None:
    async with bus(tmp_path) as (running, bell):
        async with caller(running) as one:
            name = one.unique_name
        async with caller(running) as other:
            await ask(other, "Ping")
        assert bell.gone[0] == name


async def test_thousands_of_signals_wait_for_a_slow_reader_in_their_order(tmp_path: Path) -> None:
    async with bus(tmp_path) as (running, _), caller(running) as one:
        heard: list[str] = []
        one.add_message_handler(lambda m: heard.append(m.body[0]) if m.interface == NAME else None)
        await ask(one, "AddMatch", "type=signal")
        wanted = [f"/n{number}" for number in range(20_000)]
        for path in wanted:  # no pause: far more than a socket's buffer holds
            running.emit(NAME, signal(body=path))
        await ask(one, "Ping")
        assert heard == wanted


async def test_a_reader_that_never_reads_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "UNSENT_LIMIT", 1 << 20)
    async with bus(tmp_path) as (running, bell), caller(running) as one:
        await ask(one, "AddMatch", "type=signal")
        before = one.unique_name
        for _ in range(20_000):
            running.emit(NAME, signal())
        assert bell.gone == [before]
        async with caller(running) as other:
            assert (await ask(other, "Ring", destination=NAME)).body == ["Ring"]


async def test_a_socket_left_by_an_earlier_run_is_replaced_but_a_file_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "bus"))
    async with bus(tmp_path) as (running, _), caller(running) as one:
        assert (await ask(one, "Ring", destination=NAME)).body == ["Ring"]
    (tmp_path / "bus").write_text("somebody's notes")
    with pytest.raises(OSError, match="in use"):
        MiniBus(tmp_path / "bus").start()
    assert (tmp_path / "bus").read_text() == "somebody's notes"


async def test_a_path_too_long_for_a_socket_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="shorter LATCHKEY_HOME"):
        MiniBus(tmp_path / ("x" * 100)).start()


async def test_an_odd_path_still_makes_an_address_that_clients_understand(tmp_path: Path) -> None:
    folder = tmp_path / "my hotel, 1~"
    folder.mkdir()
    async with bus(folder) as (running, _), caller(running) as one:
        assert (await ask(one, "Ring", destination=NAME)).body == ["Ring"]


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")), number=st.integers(0, 2**16 - 1), data=st.binary())
def test_what_is_written_can_be_read_again(text: str, number: int, data: bytes) -> None:
    body = [text, {"n": Variant("q", number), "d": Variant("ay", data)}]
    frame = frames.encoded(Message.new_signal("/a", "b.c", "D", "sa{sv}", body), ":1.7", 5)
    assert frames.frame_length(frame) == len(frame)
    read = frames.decoded(frame)
    assert (read.path, read.interface, read.member, read.sender, read.serial, read.body) == ("/a", "b.c", "D", ":1.7", 5, body)
