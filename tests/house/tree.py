"""The files of the project as git knows them: what is tracked, and what is there and not ignored."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files(*, tracked_only: bool = False) -> tuple[str, ...]:
    """Paths below the project's folder that exist, with slashes, sorted."""
    words = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"]
    listed = subprocess.run(
        words if tracked_only else [*words, "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file()))


def text_of(path: str) -> str:
    """The text of one file; empty when it is no text."""
    raw = (ROOT / path).read_bytes()
    return "" if b"\0" in raw else raw.decode("utf-8", errors="replace")


def modules() -> list[str]:
    """Every Python file, and the developer's script."""
    return [path for path in files() if path.endswith(".py") or path == "dev"]
