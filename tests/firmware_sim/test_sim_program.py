"""The program latchkey-sim: its file, its keys, its verbs, its exit codes."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.broker import free_port
from firmware_sim.cli import main
from firmware_sim.hotel import make_keys, read_keys
from firmware_sim.settings import load
from host.configuration import ConfigurationError
from host.exits import HostError
from host.home import Home

HOTEL = """\
property: demo
number: 42
control: {{host: 127.0.0.1, port: {control}}}
clock: {{rate: 0.0}}
mqtt: {{host: 127.0.0.1, port: {mqtt}}}
modbus: {{lines: {{east: {{host: 127.0.0.1, port: {modbus}}}}}}}
devices:
  - {{name: lock-201, class: lock, binding: mqtt, door: 201}}
  - {{name: lock-205, class: lock, binding: modbus, line: east, unit: 5, door: 205}}
  - {{name: lock-212, class: lock, binding: none, door: 212, lock: data_on_card}}
  - {{name: bar-201, class: minibar, binding: mqtt, slots: 8}}
"""


def hotel_file(folder: Path, **ports: int) -> Path:
    file = folder / "hotel.yaml"
    file.write_text(HOTEL.format(**{"control": 0, "mqtt": 1, "modbus": 0, **ports}))
    return file


def told(folder: Path, change: tuple[str, str]) -> str:
    """What is said about the file after one change in it."""
    file = hotel_file(folder)
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(ConfigurationError) as error:
        load(file)
    return str(error.value).removeprefix(str(folder) + "/")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("class: minibar", "class: minbar"), "hotel.yaml:11:28: devices.3.class"),
        (("binding: mqtt, slots", "binding: ble, slots"), "devices.3.binding: expected a binding that a minibar has"),
        (("line: east", "line: esat"), "did you mean 'east'?"),
        (("unit: 5, ", ""), "devices.1.unit: expected a unit id from 1 to 247"),
        (("unit: 5", "unit: 500"), "devices.1.unit"),
        (("name: lock-205", "name: lock-201"), "devices.1.name: expected a name of its own; devices.0 has this one"),
        (("door: 201", "doors: 201"), "doors"),
        (("binding: none", "binding: mqtt"), "expected none exactly for a data_on_card lock"),
        (("host: 127.0.0.1, port: 0}\nclock", "host: 0.0.0.0, port: 0}\nclock"), "control.host: expected an address of this machine only"),
    ],
)
def test_a_slip_in_the_file_is_named_with_its_place(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    assert words in told(tmp_path, change)


def test_two_units_cannot_have_one_number(tmp_path: Path) -> None:
    file = hotel_file(tmp_path)
    file.write_text(file.read_text() + "  - {name: lock-206, class: lock, binding: modbus, line: east, unit: 5, door: 206}\n")
    with pytest.raises(ConfigurationError, match=r"devices\.4\.unit: expected one of its own; devices\.1 has this one"):
        load(file)


def test_missing_keys_are_named_and_made_keys_are_kept(tmp_path: Path) -> None:
    settings, home = load(hotel_file(tmp_path)), Home(tmp_path / "home").prepared()
    with pytest.raises(HostError, match="no key for lock-201, lock-205, bar-201"):
        read_keys(home, settings)
    make_keys(home, settings)
    keys = read_keys(home, settings)
    assert {len(key) for key in keys.k_dev.values()} == {32}
    assert "k_dev" not in repr(keys)
    make_keys(home, settings)
    assert read_keys(home, settings) == keys
    home.write_keys("devices.json", {**home.read_keys("devices.json"), "lock-201": {"k_dev": "zz"}})
    with pytest.raises(HostError, match="is damaged"):
        read_keys(home, settings)


class Program:
    """`latchkey-sim` with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.ports = {"control": free_port(), "modbus": free_port()}
        self.file = hotel_file(folder, **self.ports)
        self.env = {**os.environ, "LATCHKEY_HOME": str(folder / "home"), "LATCHKEY_SIM_URL": f"http://127.0.0.1:{self.ports['control']}"}

    def verb(self, *words: str) -> tuple[int, str, str]:
        """Run one verb to its end, in this process: exit code, stdout, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.setattr(sys, "argv", ["latchkey-sim", *words])
            for name, value in self.env.items():
                patch.setenv(name, value)
            code = main()
        return code, out.getvalue(), err.getvalue()

    def running(self) -> "subprocess.Popen[str]":
        line = [sys.executable, "-m", "firmware_sim.cli", "run", "--config", str(self.file), "--ready"]
        return subprocess.Popen(line, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def json(self, *words: str) -> Any:
        code, out, err = self.verb(*words, "--json")
        assert code == 0, err
        return json.loads(out)


def test_a_hotel_runs_lends_hands_and_ends_cleanly(tmp_path: Path) -> None:
    program = Program(tmp_path)
    assert program.verb("keys", "--config", str(program.file))[0] == 0
    with program.running() as hotel:
        assert hotel.stdout is not None
        try:
            assert json.loads(hotel.stdout.readline())["devices"] == 4
            assert program.json("tap", "lock-212", "--card", "C1") == {"opened": False, "reason": "foreign", "sub": 1}
            assert program.json("hand", "bar-201", "remove", "slot=3") == {"removed": True}
            assert program.json("step", "10")["revision"] == 1
            code, _, err = program.verb("tap", "lock-999", "--card", "C1")
            assert (code, "there is no device 'lock-999'" in err) == (5, True)
            code, out, _ = program.verb("devices")
            assert (code, "lock-205" in out) == (0, True)
            assert program.verb("hand", "bar-201", "remove", "slot")[0] == 2
        finally:
            hotel.send_signal(signal.SIGTERM)
            _, err = hotel.communicate(timeout=20)
    assert hotel.returncode == 0
    assert "Traceback" not in err
    code, _, err = program.verb("truth")
    assert (code, "no simulator answers" in err) == (4, True)


def test_a_wrong_file_ends_with_three_and_a_taken_port_with_a_sentence(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.verb("keys", "--config", str(program.file))
    program.file.write_text(program.file.read_text().replace("class: lock", "class: luck", 1))
    code, _, err = program.verb("run", "--config", str(program.file))
    assert (code, "Traceback" in err, "devices.0.class" in err) == (3, False, True)
    assert program.verb("run", "--config", str(tmp_path / "none.yaml"))[0] == 3
