"""A device's non-volatile memory: a small key-value table whose every change is all or nothing.

One file per device. Each change is one appended JSON line, so a process that is killed between two lines leaves
the old state, and a line that was cut off counts as never written. A change is not fsynced: the simulated device
survives the death of the simulator; the death of the machine is not what it models (power loss is a fault knob).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SLACK = 2000  # appended lines before the file is rewritten; a line is about 150 bytes


class StorageFault(Exception):
    """The memory refused the write; nothing was changed.

    `code` is STORAGE_FAULT (try again) or RESOURCE_EXHAUSTED (no room).
    """

    def __init__(self, code: str = "STORAGE_FAULT") -> None:
        super().__init__(code)
        self.code = code


class Nvram:
    """The table. Values are JSON values; None deletes a key."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps the table in this process only (tests)."""
        self.path = path
        self.table: dict[str, Any] = {}
        self.fail_writes = 0
        self.full = False
        self._lines = 0
        if path is not None and path.exists():
            self._load(path.read_bytes())
        self._file = None if path is None else _opened(path)

    def put(self, changes: Mapping[str, Any]) -> None:
        """Apply `changes` together. Raises StorageFault and changes nothing when a fault is set."""
        if self.full:
            raise StorageFault("RESOURCE_EXHAUSTED")
        if self.fail_writes:
            self.fail_writes -= 1
            raise StorageFault
        if self._file is not None:
            self._file.write(json.dumps(changes, separators=(",", ":")).encode() + b"\n")
        self._apply(changes)
        self._lines += 1
        if self._lines > SLACK:
            self._rewrite()

    def wipe(self) -> None:
        """Forget everything, as a factory reset or a dead memory chip does."""
        self.table.clear()
        self.full, self.fail_writes = False, 0
        self._rewrite()

    def close(self) -> None:
        """Let the file go. The table stays readable."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def section(self, prefix: str) -> dict[str, Any]:
        """All entries under `prefix/`, by the rest of their key, in the order they were first written."""
        cut = len(prefix) + 1
        return {key[cut:]: value for key, value in self.table.items() if key.startswith(prefix + "/")}

    def _apply(self, changes: Mapping[str, Any]) -> None:
        for key, value in changes.items():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value

    def _load(self, content: bytes) -> None:
        for line in content.split(b"\n"):
            try:
                changes = json.loads(line)
            except ValueError:
                continue  # the empty end, or a line that was cut off by a kill
            if isinstance(changes, dict):
                self._apply(changes)
                self._lines += 1

    def _rewrite(self) -> None:
        self._lines = 0
        if self.path is None or self._file is None:
            return
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(json.dumps(self.table, separators=(",", ":")).encode() + b"\n")
        fresh.replace(self.path)
        self._file.close()
        self._file = _opened(self.path)


def _opened(path: Path) -> Any:
    """The file for appending, unbuffered, after a cut-off last line has been closed by a newline."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    file = path.open("ab", buffering=0)
    if file.tell():
        file.write(b"\n")
    return file
