"""The folder of one program: data, keys and default configuration, and how secrets are written there.

LATCHKEY_HOME names it; without that it is $XDG_DATA_HOME/latchkey or ~/.local/share/latchkey. Two homes never meet.
"""

import json
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.exits import HostError, Misconfigured

SECRET_FILE = 0o600
SECRET_FOLDER = 0o700
OTHERS = 0o077  # what nobody but the owner may have

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Home:
    """One program's folder. Making the object touches nothing; `prepared` makes the folders."""

    root: Path

    @property
    def data(self) -> Path:
        """Where databases, sockets and status files lie."""
        return self.root

    @property
    def config(self) -> Path:
        """Where a program looks for its configuration when it is told no file."""
        return self.root

    @property
    def keys(self) -> Path:
        """Where secrets lie; for the owner only."""
        return self.root / "keys"

    def prepared(self) -> "Home":
        """Make the folders that are missing, for the owner only, and return itself; may be repeated."""
        try:
            for folder in (self.root, self.keys):
                folder.mkdir(mode=SECRET_FOLDER, parents=True, exist_ok=True)
            if self.keys.stat().st_mode & OTHERS:
                self.keys.chmod(SECRET_FOLDER)
        except OSError as error:
            raise HostError(
                f"{error.filename or self.root}: {error.strerror}", "Set LATCHKEY_HOME to a folder that you may write"
            ) from error
        return self

    def read_keys(self, name: str) -> dict[str, Any]:
        """Return the JSON object in keys/`name`; empty when there is no such file. A file that others may read is closed to them first.

        Raises Misconfigured when the file is damaged.
        """
        path = self.keys / name
        try:
            if path.stat().st_mode & OTHERS:
                path.chmod(SECRET_FILE)
                log.warning("keys/%s could be read by other accounts of this machine; closed now", name)
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError, OSError) as error:
            raise Misconfigured(f"{path} cannot be read", "Restore it from the sealed copy, or add the devices again") from error
        if not isinstance(held, dict):
            raise Misconfigured(f"{path} does not hold an object", "Restore it from the sealed copy, or add the devices again")
        return held

    def write_keys(self, name: str, held: Mapping[str, Any]) -> None:
        """Replace keys/`name` as a whole; after a power cut it is the old file or the new one, never a part."""
        self.prepared()
        write_whole(self.keys / name, json.dumps(held, indent=1, sort_keys=True).encode() + b"\n", mode=SECRET_FILE)


def home() -> Home:
    """The folder that the environment names, made ready."""
    told = os.environ.get("LATCHKEY_HOME")
    if told:
        return Home(Path(told).expanduser().absolute()).prepared()
    shared = os.environ.get("XDG_DATA_HOME")
    return Home((Path(shared) if shared else Path.home() / ".local" / "share") / "latchkey").prepared()


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace the file at `path`; it is on the disk when this returns, and a reader or a power cut sees all of it or nothing."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
