"""The developer's script and the lanes: what is missing is named, counted and, when all is required, a failure."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tests.lanes
from tests.house.tree import ROOT
from tests.lanes import LANES, Lane

LANE = 'LANES = (Lane("mosquitto", lambda: False, ("mosquitto",), "its tests are skipped"),)\n'
SUITE = '''"""A suite of one test that needs a lane."""
import pytest

@pytest.mark.mosquitto
def test_the_real_broker_keeps_what_it_took():
    assert True

def test_the_rest_of_the_hotel():
    assert True
'''


@pytest.fixture
def dev() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("dev_script", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def calls(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the script starts, instead of starting it."""
    made: list[str] = []

    def call(*words: object, **environment: str) -> int:
        made.append(" ".join([*(f"{name}={value}" for name, value in environment.items()), *map(str, words)]))
        return 0

    monkeypatch.setattr(dev, "call", call)
    return made


def test_a_venv_that_is_what_the_lock_says_is_left_alone(
    dev: ModuleType, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "STAMP", tmp_path / "stamp")
    dev.STAMP.write_text("\n".join(dev.fingerprint()))
    dev.setup()
    assert calls == []


def test_a_changed_lock_is_installed_with_hashes_and_then_the_project(
    dev: ModuleType, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(dev, "installer", lambda: ["install"])
    dev.STAMP.write_text("another\n" + dev.fingerprint()[1])
    dev.setup()
    assert calls == [
        f"PYTHONWARNINGS=ignore install --require-hashes -r {ROOT}/requirements-dev.lock",
        f"PYTHONWARNINGS=ignore install --no-deps --no-build-isolation --editable {ROOT}",
    ]
    assert dev.stamped() == dev.fingerprint()


@pytest.mark.parametrize("uv", ["/usr/bin/uv", None])
def test_uv_installs_where_it_is_and_pip_where_it_is_not(
    dev: ModuleType, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: str | None
) -> None:
    monkeypatch.setattr(dev, "VENV", tmp_path)
    monkeypatch.setattr(dev, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(dev.shutil, "which", lambda _: uv)
    words = " ".join(dev.installer())
    assert words.startswith(f"{uv} pip install" if uv else f"{tmp_path}/python -m pip install")
    assert calls[0].endswith(f"{tmp_path}")


def test_all_required_reaches_the_suite_and_installs_as_root(dev: ModuleType, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.lanes, "LANES", (Lane("mosquitto", lambda: False, ("mosquitto",), "amqtt stands in"),))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert dev.test(["--require-all", "-k", "door"]) == 0
    assert any("apt-get install" in call and call.endswith("mosquitto") for call in calls)
    assert calls[-1].startswith("LATCHKEY_REQUIRE_ALL=1 ")
    assert calls[-1].endswith("-k door")


def test_what_is_missing_is_one_line_that_says_what_to_install(
    dev: ModuleType, calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tests.lanes, "LANES", (Lane("mosquitto", lambda: False, ("mosquitto",), "amqtt stands in"),))
    dev.prepare_lanes(require_all=False)
    assert capsys.readouterr().err == "dev: mosquitto: missing, amqtt stands in; apt-get install mosquitto\n"
    assert calls == []


def test_a_linter_that_complains_fails_the_test_verb(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "call", lambda *words, **_: int("mypy" in str(words[0])))
    assert dev.test([]) == 1


def test_a_torture_lane_that_is_not_there_is_said_plainly(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    assert dev.torture([]) == 1
    assert "no torture lane" in capsys.readouterr().err


def test_every_lane_has_its_marker_and_its_packages(pytestconfig: pytest.Config) -> None:
    markers = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert {lane.name for lane in LANES} <= markers
    assert all(lane.packages and lane.missing.startswith(f"{lane.name} is not installed: apt-get install ") for lane in LANES)


@pytest.mark.parametrize(("require_all", "outcome"), [("", "1 passed, 1 skipped"), ("1", "1 passed, 1 error")])
def test_a_missing_lane_is_a_named_skip_or_a_failure(tmp_path: Path, require_all: str, outcome: str) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (folder / "lanes.py").write_text((ROOT / "tests/lanes.py").read_text().partition("LANES = (")[0] + LANE)
    (folder / "test_lane.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib -ra\npythonpath = .\nmarkers = mosquitto: the broker\n"
    )
    environment = {**os.environ, "LATCHKEY_REQUIRE_ALL": require_all, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome in ran.stdout
    assert "mosquitto is not installed: apt-get install mosquitto" in ran.stdout
