"""Who may import whom: the contracts hold, cover every package, and each of them bites."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import ROOT, files

CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = CONFIGURATION["tool"]["importlinter"]
PACKAGES = sorted({path.partition("/")[0] for path in files() if path.count("/") == 1 and path.endswith("/__init__.py")})
OFFENCES = {
    "wire/offence.py": "import host.clock",
    "firmware_sim/offence.py": "import wire.jobs",
    "demo/offence.py": "import gateway.device",
    "central/offence.py": "",
    "central/store/offence.py": "import central.pages",
    "gateway/offence.py": "import httpx",
    "gateway/store_offence.py": "",
    "gateway/rules/offence.py": "import gateway.sync",
    "gateway/drivers/offence.py": "import gateway.rules\nimport paho.mqtt.client",
}


def verdicts(folder: Path) -> dict[str, str]:
    """What lint-imports says about the packages below `folder`: KEPT or BROKEN by contract."""
    program = Path(sys.executable).parent / "lint-imports"
    said = subprocess.run([program, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True, check=False).stdout
    found = {}
    for contract in CONTRACTS["contracts"]:
        line = next((line for line in said.splitlines() if line.startswith(f"{contract['name']} ")), "")
        found[contract["name"]] = "BROKEN" if "BROKEN" in line else "KEPT" if "KEPT" in line else said
    return found


def copied(folder: Path) -> Path:
    """The packages, Python only, and the contracts, in another folder."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=lambda _, names: [name for name in names if name == "__pycache__"])
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_contract_is_kept() -> None:
    assert set(verdicts(ROOT).values()) == {"KEPT"}


def test_every_package_is_under_contract_and_is_type_checked_and_shipped() -> None:
    assert sorted(CONTRACTS["root_packages"]) == PACKAGES
    assert set(PACKAGES) <= set(CONFIGURATION["tool"]["mypy"]["files"])
    assert {f"{package}*" for package in PACKAGES} == set(CONFIGURATION["tool"]["setuptools"]["packages"]["find"]["include"])


def test_every_contract_bites(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    for path, text in OFFENCES.items():
        (folder / path).write_text(f'"""An offence."""\n{text}\n')
    assert set(verdicts(folder).values()) == {"BROKEN"}


@pytest.mark.parametrize("program", ["central", "gateway", "firmware_sim"])
def test_a_program_cannot_know_another(tmp_path: Path, program: str) -> None:
    other = {"central": "gateway", "gateway": "firmware_sim", "firmware_sim": "central"}[program]
    folder = copied(tmp_path)
    (folder / program / "offence.py").write_text(f'"""An offence."""\nimport {other}\n')
    assert verdicts(folder)[CONTRACTS["contracts"][0]["name"]] == "BROKEN"
