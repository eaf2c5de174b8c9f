"""What a log may show: one line a record, and no secret, PIN, key, card image or guest in it."""

import io
import json
import logging
import time
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.logs import start_logging
from host.redaction import STRUCK, is_secret, redacted

CARD = "0101002a00cd00011731a80100006b01a3e06b057c400000beef0000000377f3219948b2ac3e"


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize(
    "said",
    [
        "token=SECRET",
        "token: SECRET",
        "Authorization: Bearer SECRET",
        "sent Bearer SECRETSECRET",
        '{"token": "SECRET", "box": 1}',
        "{'mqtt_password': 'SECRET'}",
        "pin=SECRET",
        "pin_hash=$argon2id$SECRET",
        "guest_pin=SECRET for door 205",
        "k_dev=SECRET",
        "K_card = SECRET",
        "client_secret=SECRET&grant=1",
        "Cookie: session=SECRET",
        'password="a \\" SECRET"',
        "name=SECRET SECRET room=205",
        "name=SECRET SECRET, room 205",
        "name=O'SECRET O'SECRET room=205",
        "guest=SECRET SECRET",
        "{'display_name': 'SECRET SECRET', 'room': 205}",
        '{"name": "SECRET SECRET"}',
        "phone=SECRET",
    ],
)
def test_a_secret_or_a_guest_is_struck_out(said: str) -> None:
    assert "SECRET" not in redacted(said)
    assert STRUCK in redacted(said)


@pytest.mark.parametrize(
    "said",
    [
        "lock-205 answered STALE_VERSION",
        "cmd_id 018f5a10-0000-7000-8000-000000000001 done in 12 ms",
        "key fingerprint a1b2c3d4",
        "ping=12 ms, spin=3, tokens 5",
        "uid 04A1B2C3D4E5F6 at encoder-1",
        "unit 300 of line east",
        "lock-201 renamed: no",
    ],
)
def test_what_is_no_secret_stays(said: str) -> None:
    assert redacted(said) == said


def test_a_card_image_and_a_key_are_struck_out_wherever_they_stand() -> None:
    assert CARD not in redacted(f"encoder wrote {CARD} to the card")
    assert "00" * 16 not in redacted(f"derived {'00' * 16}")
    assert "x01" not in redacted(f"frame {bytes.fromhex(CARD)!r}")


@given(st.uuids(), st.integers(0, 2**32 - 1))
def test_identities_and_references_stay(identity: uuid.UUID, ref: int) -> None:
    assert redacted(f"{identity} {ref} {ref:08x}") == f"{identity} {ref} {ref:08x}"


@given(st.text())
def test_striking_out_twice_is_the_same_as_once(said: str) -> None:
    assert redacted(redacted(said)) == redacted(said)


def test_the_names_of_secrets_are_known() -> None:
    assert all(is_secret(key) for key in ("token", "mqtt_password", "k_dev", "pin", "staff_pin", "sealing_private"))
    assert not any(is_secret(key) for key in ("port", "name", "ping", "unit"))


def test_a_record_is_one_line_whatever_it_holds() -> None:
    out = io.StringIO()
    start_logging(stream=out)
    logging.getLogger("gateway.engine").info("first\nsecond\r\n%s", "third")
    (line,) = out.getvalue().splitlines()
    assert line.endswith("INFO    gateway.engine: first\\nsecond\\r\\nthird")


def test_an_error_in_a_log_is_its_words_and_place_not_a_traceback() -> None:
    out = io.StringIO()
    start_logging(stream=out)
    try:
        raise ValueError("token=SECRET is odd")
    except ValueError:
        logging.getLogger("central").exception("intake failed")
    (line,) = out.getvalue().splitlines()
    assert "ERROR   central: intake failed (ValueError: token=[redacted] is odd at test_an_error_in_a_log" in line
    assert "Traceback" not in line


def test_debug_keeps_the_traceback_on_the_line() -> None:
    out = io.StringIO()
    start_logging(stream=out, debug=True)
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("central").exception("intake failed")
    (line,) = out.getvalue().splitlines()
    assert "Traceback" in line


def test_a_record_as_json_is_one_object_a_line() -> None:
    out = io.StringIO()
    start_logging(as_json=True, stream=out)
    logging.getLogger("gateway").warning("房间 %s pin=%s", "205", "123456")
    told = json.loads(out.getvalue())
    assert (told["level"], told["logger"], told["message"]) == ("warning", "gateway", "房间 205 pin=[redacted]")


def test_libraries_speak_from_warning_on() -> None:
    out = io.StringIO()
    start_logging("DEBUG", stream=out)
    logging.getLogger("pymodbus").info("chatter")
    logging.getLogger("gateway.buses").debug("ours")
    assert [line.rpartition(": ")[2] for line in out.getvalue().splitlines()] == ["ours"]


@pytest.mark.parametrize(
    "said",
    [
        "token-" * 20_000,
        "name=a" + " " * 100_000 + "b",
        "token='" + "a\\" * 50_000,
        "'" * 100_000,
        "name=x " * 20_000,
        "b'" + "\\x00" * 30_000,
    ],
    ids=lambda said: said[:8],
)
def test_a_long_text_of_a_stranger_costs_its_length_and_no_more(said: str) -> None:
    def cost(text: str) -> float:
        begun = time.process_time()
        for _ in range(5):
            redacted(text)
        return time.process_time() - begun

    assert cost(said) < 20 * (
        cost(said[: len(said) // 4]) + 0.01
    )  # four times the length; the square of that would be sixteen times as slow
