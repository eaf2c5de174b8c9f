"""Traces that must not be in the project: addresses of package indexes, paths of a machine it was made on. Pure checks."""

import re
from collections.abc import Iterator

# Written in pieces, so that these checks do not find themselves.
INDEX = re.compile(
    "|".join(("pypi" + r"\.org", "python" + r"hosted\.org", "--index" + "-url", "--extra-index" + "-url", "find" + "-links")), re.IGNORECASE
)
INDEX_TABLE = re.compile(r"^\[\[?tool\.uv\.index\]?\]|^\s*(?:extra_)?index" + "_url", re.MULTILINE)
MACHINE = re.compile(
    "|".join(
        (
            r"(?<![\w.$}/-])/wo" + "rk/",
            r"(?<![\w.$}/-])/ro" + "ot/",
            r"(?<![\w.$}/-])/ho" + r"me/[a-z]",
            "/Us" + r"ers/\w",
            r"C:\\" + "Users",
        )
    )
)
REQUIREMENT = re.compile(r"^[A-Za-z0-9][\w.-]*(?:\[[\w,-]+\])?==\S+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def addresses(path: str, text: str) -> list[str]:
    """Each line that names a package index, or, in a lock, any address at all."""
    lock = path.endswith(".lock")
    lines = enumerate(text.splitlines(), 1)
    return [
        f"{path}:{number}: names an address"
        for number, line in lines
        if INDEX.search(line) or INDEX_TABLE.search(line) or (lock and "://" in line)
    ]


def machine_paths(path: str, text: str) -> list[str]:
    """Each line that holds an absolute path of somebody's machine."""
    return [f"{path}:{number}: holds a path of a machine" for number, line in enumerate(text.splitlines(), 1) if MACHINE.search(line)]


def unhashed(text: str) -> list[str]:
    """The requirements of a lock that carry no hash, and lines that are neither."""
    bad = (block for block in _blocks(text) if not REQUIREMENT.match(block) or not HASH.search(block))
    return [block.partition("\\")[0].strip() for block in bad]


def pins(text: str) -> set[tuple[str, str]]:
    """Name, in small letters with hyphens, and version of every requirement of a lock."""
    return {_pin(block) for block in _blocks(text) if REQUIREMENT.match(block)}


def _pin(block: str) -> tuple[str, str]:
    name, _, version = block.split(maxsplit=1)[0].partition("==")
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower(), version


def _blocks(text: str) -> Iterator[str]:
    """The logical lines of a requirements file, without comments and blank ones."""
    for line in re.sub(r"\\\n", "\\ ", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line
