"""Enrolment, keys of devices, and what the verbs say to a person and to a program."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from gateway.keys import Keys
from host.exits import Exit, HostError
from host.home import Home

ENROLMENT = {
    "box_id": "b-1",
    "property": "demo",
    "number": 42,
    "token": "lkb_demo.secret",
    "k_pin": "11" * 32,
    "central_public": "22" * 32,
    "recovery_public": "33" * 32,
    "url": "http://127.0.0.1:8800",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LATCHKEY_HOME", str(tmp_path / "box"))
    return Home(tmp_path / "box").prepared()


@pytest.fixture
def enrolment(tmp_path: Path) -> Path:
    file = tmp_path / "enrolment.json"
    file.write_text(json.dumps(ENROLMENT))
    return file


def verb(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["latchkey-gateway", *words])
    return cli.main()


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_enrolling_writes_the_propertys_and_the_boxs_keys_for_nobody_else_to_read(home: Home, enrolment: Path) -> None:
    done = Keys(home).enrol(enrolment)
    assert (done.box_id, done.slug, done.number) == ("b-1", "demo", 42)
    house, box = home.read_keys("property.json"), home.read_keys("box.json")
    assert house["k_pin"] == "11" * 32
    assert len(bytes.fromhex(house["k_card"])) == len(bytes.fromhex(box["sealing_private"])) == 32
    assert [path.stat().st_mode & 0o077 for path in (home.keys, home.keys / "property.json", home.keys / "box.json")] == [0, 0, 0]


def test_enrolling_again_keeps_the_card_key_and_another_property_is_refused(home: Home, enrolment: Path) -> None:
    keys = Keys(home)
    keys.enrol(enrolment)
    card, sealing = home.read_keys("property.json")["k_card"], home.read_keys("box.json")["sealing_private"]
    enrolment.write_text(json.dumps({**ENROLMENT, "token": "new"}))
    assert keys.enrol(enrolment).token == "new"
    assert home.read_keys("property.json")["k_card"] == card
    assert home.read_keys("box.json")["sealing_private"] == sealing
    enrolment.write_text(json.dumps({**ENROLMENT, "property": "other"}))
    with pytest.raises(HostError, match="belongs to demo"):
        keys.enrol(enrolment)


def test_a_damaged_enrolment_file_says_what_is_missing(home: Home, enrolment: Path) -> None:
    enrolment.write_text(json.dumps({"box_id": "b"}))
    with pytest.raises(HostError, match="has no property, number, token"):
        Keys(home).enrol(enrolment)


def test_a_devices_key_is_made_once_and_shown_once(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb(monkeypatch, "device", "add", "lock-201", "--json") == 0
    (made,) = told(capsys)
    assert Keys(home).k_dev("lock-201") == bytes.fromhex(made["k_dev"])
    assert Keys(home).mqtt_password("lock-201") == made["mqtt_password"]
    assert verb(monkeypatch, "device", "add", "lock-201") == Exit.FAILED
    assert made["k_dev"] not in capsys.readouterr().err


def test_a_device_without_a_key_is_told_how_to_get_one(home: Home) -> None:
    with pytest.raises(HostError, match="device add lock-9"):
        Keys(home).k_dev("lock-9")


def test_a_qr_code_is_drawn_for_the_commissioning_tool(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(monkeypatch, "device", "add", "lock-202") == 0
    assert "█" in capsys.readouterr().out


def test_enrol_speaks_json_without_a_secret(
    home: Home, enrolment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(monkeypatch, "enrol", str(enrolment), "--json") == 0
    assert told(capsys) == {"box_id": "b-1", "property": "demo"}


def test_a_box_that_does_not_run_is_unreachable_with_the_exit_code_for_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.config / "gateway.yaml").write_text("property: demo\nlisten: {port: 1}\n")
    assert verb(monkeypatch, "health") == Exit.UNREACHABLE
    assert "latchkey-gateway run" in capsys.readouterr().err


def test_check_names_the_devices_without_keys_and_a_wrong_file_ends_with_its_own_code(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home.config / "gateway.yaml"
    file.write_text("property: demo\nbuses: {mqtt: {host: 127.0.0.1}}\ndevices:\n  - {name: lock-201, kind: mqtt_lock, door: 201}\n")
    for words in (("check",), ("run",)):
        assert verb(monkeypatch, *words) == Exit.CONFIGURATION
        assert f"{home.keys / 'devices.json'}: " in (said := capsys.readouterr().err)
        assert "no key for lock-201" in said
    Keys(home).add_device("lock-201")
    assert verb(monkeypatch, "check", "--json") == 0
    assert told(capsys) == {"devices": 1, "doors": 1, "property": "demo"}
    file.write_text("property: demo\ndevicess: []\n")
    assert verb(monkeypatch, "check") == Exit.CONFIGURATION
    assert "gateway.yaml:2:1" in capsys.readouterr().err


def test_a_wrong_word_on_the_command_line_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verb(monkeypatch, "dance") == Exit.USAGE


def test_the_doctor_says_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (home.config / "gateway.yaml").write_text("property: demo\nlisten: {port: 1}\nbuses: {mqtt: {host: 127.0.0.1, port: 1}}\n")
    assert verb(monkeypatch, "doctor", "--json") == Exit.FAILED
    found = told(capsys)
    assert {row["remedy"] for row in found if not row["ok"]} >= {"Start mosquitto", "latchkey-gateway run"}
    assert any(row["ok"] for row in found)


def test_a_box_alone_serves_says_where_and_ends_when_it_is_told(home: Home) -> None:
    (home.config / "gateway.yaml").write_text("property: demo\nlisten: {port: 0}\n")
    words = [sys.executable, "-m", "gateway.cli", "run", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        said = [json.loads(child.stdout.readline())["said"] for _ in range(2)]
        with urllib.request.urlopen(said[-1].rpartition(" ")[2] + "/health", timeout=5) as answer:  # noqa: S310 - our own address
            assert json.load(answer)["property"] == "demo"
        child.terminate()
        assert child.wait(15) == 0
    assert said[0].startswith("not enrolled")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("devices.json", "{"),
        ("devices.json", "[]"),
        ("property.json", '{"slug"'),
        ("property.json", '{"slug": "demo"}'),
        ("property.json", '{"slug": "demo", "number": "many"}'),
        ("property.json", '{"slug": "demo", "number": 42, "k_pin": "no hex"}'),
        ("box.json", "[" * 100_000),
        ("box.json", '{"box_id": "b-1"}'),
        ("box.json", '{"box_id": "b-1", "token": null}'),
    ],
)
def test_a_damaged_file_of_keys_is_named_and_ends_the_program_as_a_mistake_in_the_configuration(
    home: Home, enrolment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str, content: str
) -> None:
    Keys(home).enrol(enrolment)
    (home.config / "gateway.yaml").write_text(
        "property: demo\nlisten: {port: 0}\ndevices:\n  - {name: lock-201, kind: mqtt_lock, door: 201}\nbuses: {mqtt: {host: 127.0.0.1}}\n"
    )
    Keys(home).add_device("lock-201")
    (home.keys / file).write_text(content)
    assert verb(monkeypatch, "run") == Exit.CONFIGURATION
    said = capsys.readouterr().err
    assert f"{home.keys / file}" in said
    assert "should not have happened" not in said
