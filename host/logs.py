"""Logging to stderr, one line a record, with secrets and guests' names struck out of every line."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

from host.redaction import redacted


class Line(logging.Formatter):
    """A record as one line: time in UTC, level, logger, words; of an error its kind, its words and where it was raised.

    With `debug` the whole traceback follows on the same line, ends of line written as \\n.
    """

    def __init__(self, *, debug: bool = False) -> None:
        super().__init__()
        self.debug = debug

    def format(self, record: logging.LogRecord) -> str:
        return f"{_at(record)} {record.levelname:<7} {record.name}: {self.words(record)}"

    def words(self, record: logging.LogRecord) -> str:
        """What was said, fit to be read."""
        said = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            said += f" ({''.join(traceback.format_exception(error)) if self.debug else _in_short(error)})"
        return redacted(said).replace("\r", "\\r").replace("\n", "\\n")


class JsonLine(Line):
    """A record as one JSON object a line: at, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"at": _at(record), "level": record.levelname.lower(), "logger": record.name, "message": self.words(record)}
        return json.dumps(told, ensure_ascii=False)


def start_logging(level: str = "INFO", *, as_json: bool = False, debug: bool = False, stream: TextIO | None = None) -> None:
    """Send every record of this process to stderr (or `stream`); called once by a program before anything else, repeating replaces.

    Libraries speak from WARNING on, whatever our own level.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLine(debug=debug) if as_json else Line(debug=debug))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("bench", "central", "demo", "firmware_sim", "gateway", "host", "web", "wire"):
        logging.getLogger(name).setLevel("DEBUG" if debug else level.upper())
    logging.captureWarnings(capture=True)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_short(error: BaseException) -> str:
    """Kind and words of an error, and the last place of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
