"""A file that only takes up room, so that a full disk leaves enough to go on: it is let go when the store finds the disk full."""

import contextlib
import logging
import os
import shutil
from pathlib import Path

SIZE = 16 * 1024 * 1024  # some days of a small hotel's changes
SPARE = 8  # it is made only where the disk has so many times its size to spare

_log = logging.getLogger(__name__)


class Ballast:
    """One file beside the store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped = False  # the disk was full in this run of the program

    def load(self) -> None:
        """Make the file when it is missing and the disk has room to spare; a disk that cannot is not worth an error."""
        if self.path.exists() or shutil.disk_usage(self.path.parent).free < SPARE * SIZE:
            return
        try:
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, SIZE)
        except OSError as why:
            _log.warning("store: no ballast: %s", why.strerror)
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Let the room go, once; it is taken again at the next start, if there is some."""
        if self.dropped:
            return
        self.dropped = True
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        _log.error("store: the disk is full; the ballast is gone: make room now")
