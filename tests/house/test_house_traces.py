"""The project can be built anywhere: locks with hashes and no address, no trace of the machine it was made on."""

import itertools
import re
import tomllib

import pytest

from tests.house.traces import addresses, machine_paths, pins, unhashed
from tests.house.tree import ROOT, files, text_of

LOCKS = ("requirements.lock", "requirements-dev.lock")
A_HASH = f"--hash=sha256:{'0' * 64}"
HOST = "py" + "pi.org"


def test_nothing_that_is_tracked_names_a_package_index() -> None:
    assert [found for path in files() for found in addresses(path, text_of(path))] == []


def test_nothing_that_is_tracked_holds_a_path_of_a_machine() -> None:
    assert [found for path in files() for found in machine_paths(path, text_of(path))] == []


def test_no_lock_of_a_tool_that_writes_addresses_is_tracked() -> None:
    assert not {"uv" + ".lock", "poetry" + ".lock", "pip" + ".conf", "Pipfile" + ".lock"} & {path.rpartition("/")[2] for path in files()}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_has_its_hash(lock: str) -> None:
    assert unhashed(text_of(lock)) == []
    assert len(pins(text_of(lock))) > 20


def test_the_developers_lock_holds_all_that_the_programs_need() -> None:
    assert pins(text_of("requirements.lock")) <= pins(text_of("requirements-dev.lock"))


def test_everything_that_the_project_asks_for_is_locked() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [
        *told["project"]["dependencies"],
        *told["dependency-groups"]["dev"],
        *itertools.chain(*told["project"]["optional-dependencies"].values()),
    ]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower() for line in asked} - {"latchkey"}
    assert names <= {name for name, _ in pins(text_of("requirements-dev.lock"))}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("requirements.lock", "x @ https://example.invalid/x.whl"),
        ("requirements.lock", "--index" + "-url https://example.invalid/simple"),
        ("README.md", f"pip install -i https://{HOST}/simple"),
        ("pyproject.toml", "[[tool.uv" + ".index]]"),
        ("pip.ini", "extra_index" + "_url = x"),
    ],
)
def test_an_address_is_found(path: str, line: str) -> None:
    assert addresses(path, f"first\n{line}\n") == [f"{path}:2: names an address"]


def test_a_package_with_http_in_its_name_is_no_address() -> None:
    assert addresses("requirements.lock", f"httpx==0.28.1 \\\n    {A_HASH}\n") == []


@pytest.mark.parametrize("path", ["/wo" + "rk/main/x", "see /ro" + "ot/.venv", "'/ho" + "me/ann/x'", "/Us" + "ers/ann"])
def test_a_path_of_a_machine_is_found(path: str) -> None:
    assert machine_paths("x.py", f"first\nsecond {path}\n") == ["x.py:2: holds a path of a machine"]


@pytest.mark.parametrize("path", ["$LATCHKEY_HOME/home/x", "tests/wo" + "rk/x", "~/.local/share", "homework/x"])
def test_a_path_inside_the_project_is_none_of_a_machine(path: str) -> None:
    assert machine_paths("x.py", path) == []


@pytest.mark.parametrize(
    "block", ["httpx==0.28.1", f"httpx>=0.28 \\\n    {A_HASH}", f"-e . \\\n    {A_HASH}", "httpx==0.28.1 --hash=md5:00"]
)
def test_a_requirement_without_a_hash_is_found(block: str) -> None:
    assert len(unhashed(f"rich==14.0.0 \\\n    {A_HASH}\n{block}\n")) == 1
