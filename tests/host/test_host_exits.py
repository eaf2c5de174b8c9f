"""How programs end: one plain line an error, an exit code that says which kind, and no traceback."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host.configuration import ConfigurationError, Problem
from host.exits import HostError, Refused, Unreachable, guarded

WRONG = ConfigurationError([Problem(Path("gateway.yaml"), 8, 5, "devices.1.kind", "expected the name of a driver, got 'x'")])


def raising(error: BaseException) -> Callable[[], int]:
    @guarded
    def main() -> None:
        raise error

    return main


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/latchkey-gateway", "run"])
    monkeypatch.setenv("LATCHKEY_DEBUG", "")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (WRONG, 3, "latchkey-gateway: gateway.yaml:8:5: devices.1.kind: expected the name of a driver, got 'x'"),
        (HostError("the disk is full", "Free some space"), 1, "latchkey-gateway: the disk is full. Free some space"),
        (Unreachable("central does not answer"), 4, "latchkey-gateway: central does not answer"),
        (Refused("central does not know this box"), 5, "latchkey-gateway: central does not know this box"),
        (PermissionError(13, "Permission denied", "/etc/x"), 1, "latchkey-gateway: /etc/x: Permission denied"),
        (ExceptionGroup("tasks", [ValueError("odd"), Unreachable("no broker")]), 4, "latchkey-gateway: no broker"),
    ],
)
def test_an_error_is_a_line_and_a_code(error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(error)() == code
    said = capsys.readouterr().err
    assert line in said.splitlines()
    assert "Traceback" not in said


def test_what_nobody_foresaw_is_a_line_too_and_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyError("token=abcdef"))() == 1
    said = capsys.readouterr().err
    assert "this should not have happened (KeyError" in said
    assert "abcdef" not in said
    assert said.count("\n") == 1


def test_debug_adds_the_traceback_and_is_no_argument_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["latchkey-gateway", "run", "--debug"])
    assert raising(ValueError("odd"))() == 1
    assert "Traceback" in capsys.readouterr().err
    assert sys.argv == ["latchkey-gateway", "run"]


def test_a_main_that_ends_well_gives_its_own_code() -> None:
    assert guarded(lambda: None)() == 0
    assert guarded(lambda: 5)() == 5


def test_ctrl_c_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyboardInterrupt())() == 130
    assert capsys.readouterr().err == ""


def test_usage_errors_pass_through() -> None:
    with pytest.raises(SystemExit) as caught:
        raising(SystemExit(2))()
    assert caught.value.code == 2


def test_a_program_started_as_a_module_has_its_packages_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/latchkey/central/cli.py"])
    raising(HostError("the disk is full"))()
    assert capsys.readouterr().err == "central: the disk is full\n"
