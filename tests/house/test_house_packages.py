"""What is installed is what is in the tree: every module is in a package, every other file of a package is shipped with it."""

import tomllib
from pathlib import PurePosixPath

from tests.house.tree import ROOT, files

CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
SHIPPED = {PurePosixPath(pattern).suffix for pattern in CONFIGURATION["tool"]["setuptools"]["package-data"]["*"]}
PACKAGES = tuple(f"{package}/" for package in CONFIGURATION["tool"]["importlinter"]["root_packages"])


def orphans(paths: set[str]) -> list[str]:
    """Modules below a package that lie in a folder without `__init__.py`, so that nobody installs them."""
    inside = (PurePosixPath(path) for path in sorted(paths) if path.endswith(".py") and path.startswith(PACKAGES))
    return [str(path) for path in inside if any(str(folder / "__init__.py") not in paths for folder in list(path.parents)[:-1])]


def unshipped(paths: set[str]) -> list[str]:
    """Files below a package whose kind pyproject.toml does not ship."""
    return [path for path in sorted(paths) if path.startswith(PACKAGES) and PurePosixPath(path).suffix not in {".py", *SHIPPED}]


def test_every_module_is_in_a_package() -> None:
    assert orphans(set(files())) == []


def test_every_file_of_a_package_is_shipped() -> None:
    assert unshipped(set(files())) == []


def test_every_program_that_is_promised_exists() -> None:
    for target in CONFIGURATION["project"]["scripts"].values():
        module, _, function = target.partition(":")
        text = (ROOT / f"{module.replace('.', '/')}.py").read_text()
        assert f"def {function}(" in text


def test_a_module_outside_a_package_and_a_file_left_behind_are_found() -> None:
    assert orphans({"web/__init__.py", "web/a/b.py", "web/c.py", "tests/x.py"}) == ["web/a/b.py"]
    assert unshipped({"web/a.css", "web/b.woff2", "docs/c.png"}) == ["web/b.woff2"]
