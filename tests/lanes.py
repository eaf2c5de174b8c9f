"""The optional parts of the suite: what each needs on the machine, and what happens without it. Standard library only: `./dev` reads it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lane:
    """One part of the suite that needs programs which pip does not install. `name` is also its pytest marker."""

    name: str
    present: Callable[[], bool]
    packages: tuple[str, ...]  # Debian's names
    otherwise: str  # what its tests do when it is missing

    @property
    def missing(self) -> str:
        """The reason of a skip: what is missing and what to do."""
        return f"{self.name} is not installed: apt-get install {' '.join(self.packages)}"


def mosquitto() -> str | None:
    """The broker's program; Debian puts it where only root's PATH looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def dbus_daemon() -> str | None:
    """The message bus's program."""
    return shutil.which("dbus-daemon")


def chromium() -> str | None:
    """The browser's program, Debian's."""
    return shutil.which("chromium")


def chinese_font() -> bool:
    """Whether a page in Chinese can be drawn."""
    return any(Path("/usr/share/fonts").glob("**/Noto*CJK*"))


def postgresql() -> Path | None:
    """The folder of PostgreSQL's server programs (initdb, postgres), the newest version that is there."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    found = versions[0] if versions else Path(on_path) if on_path else None
    return found.parent if found else None


LANES = (
    Lane("mosquitto", lambda: mosquitto() is not None, ("mosquitto",), "amqtt stands in and its own tests are skipped"),
    Lane("dbus", lambda: dbus_daemon() is not None, ("dbus",), "the bus in the process stands in and its own tests are skipped"),
    Lane("browser", lambda: chromium() is not None and chinese_font(), ("chromium", "fonts-noto-cjk"), "its tests are skipped"),
    Lane("postgresql", lambda: postgresql() is not None, ("postgresql",), "SQLite only, its own tests are skipped"),
)
