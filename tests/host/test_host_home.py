"""The folder of a program: for its owner only, and secrets in it whole or not at all."""

import json
import os
from pathlib import Path

import pytest

from host.exits import HostError
from host.home import Home, home, write_whole


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_environment_names_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_HOME", str(tmp_path / "a" / "box"))
    assert home().root == tmp_path / "a" / "box"
    monkeypatch.delenv("LATCHKEY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert home().root == tmp_path / "share" / "latchkey"


def test_a_new_home_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = Home(tmp_path / "box").prepared()
    finally:
        os.umask(before)
    assert (mode(made.root), mode(made.keys)) == (0o700, 0o700)
    assert made.prepared() == made


def test_a_folder_of_keys_that_was_opened_is_closed_again(tmp_path: Path) -> None:
    made = Home(tmp_path).prepared()
    made.keys.chmod(0o755)
    made.prepared()
    assert mode(made.keys) == 0o700


def test_keys_are_written_whole_and_for_the_owner_only(tmp_path: Path) -> None:
    made = Home(tmp_path)
    made.write_keys("devices.json", {"lock-201": {"k_dev": "00" * 32}})
    made.write_keys("devices.json", {"lock-202": {"k_dev": "11" * 32}})
    assert made.read_keys("devices.json") == {"lock-202": {"k_dev": "11" * 32}}
    assert mode(made.keys / "devices.json") == 0o600
    assert [path.name for path in made.keys.iterdir()] == ["devices.json"]


def test_keys_that_are_not_there_are_none(tmp_path: Path) -> None:
    assert Home(tmp_path).read_keys("box.json") == {}


def test_keys_that_others_could_read_are_closed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = Home(tmp_path).prepared()
    (made.keys / "box.json").write_text(json.dumps({"token": "t"}))
    (made.keys / "box.json").chmod(0o644)
    assert made.read_keys("box.json") == {"token": "t"}
    assert mode(made.keys / "box.json") == 0o600
    assert "keys/box.json could be read by other accounts" in caplog.text


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_damaged_file_of_keys_is_said_plainly(tmp_path: Path, content: str) -> None:
    made = Home(tmp_path).prepared()
    (made.keys / "box.json").write_text(content)
    with pytest.raises(HostError, match=r"box\.json .*Restore it"):
        made.read_keys("box.json")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_whole(path, b"old")

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["f"]


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="Set LATCHKEY_HOME to a folder that you may write"):
        Home(tmp_path / "file" / "box").prepared()
