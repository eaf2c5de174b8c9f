"""How a program ends: exit codes, the errors that are plain messages, and the wrapper that keeps tracebacks from users.

HostError                     said plainly, exit 1
 - Misconfigured              a file of ours is wrong or lacks something, exit 3
    - ConfigurationError      the same with line and column (host.configuration)
 - Unreachable                the other end does not answer: try again later, exit 4
 - Refused                    the other end answered no, exit 5
"""

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path

from host.redaction import redacted


class Exit(IntEnum):
    """Exit codes of all our programs."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNREACHABLE = 4
    REFUSED = 5


INTERRUPTED = 130  # 128 + SIGINT, what a shell expects after Ctrl-C


class HostError(Exception):
    """What went wrong and, where something helps, what the person at the keyboard should do."""

    exit_code = Exit.FAILED

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}. {remedy}" if remedy else what)
        self.what, self.remedy = what, remedy


class Misconfigured(HostError):
    """A file that we were given is damaged or lacks something."""

    exit_code = Exit.CONFIGURATION


class Unreachable(HostError):
    """Nobody answered."""

    exit_code = Exit.UNREACHABLE


class Refused(HostError):
    """Somebody answered no."""

    exit_code = Exit.REFUSED


def guarded(main: Callable[[], object]) -> Callable[[], int]:
    """Wrap a program's `main`: errors become one plain line each on stderr and an exit code, which is returned.

    Use it as a decorator on the function that a console script names. An integer that `main` returns is the exit code; SystemExit passes
    through. `--debug` anywhere among the arguments is taken out of them and sets LATCHKEY_DEBUG, which adds the traceback.
    """

    @functools.wraps(main)
    def wrapper() -> int:
        if "--debug" in sys.argv[1:]:
            sys.argv[1:] = [word for word in sys.argv[1:] if word != "--debug"]
            os.environ["LATCHKEY_DEBUG"] = "1"
        try:
            outcome = main()
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            return _reader_left()
        except Exception as error:  # noqa: BLE001 - the last place where an error can become a sentence
            return _told(error)
        return outcome if isinstance(outcome, int) else Exit.OK

    return wrapper


def _reader_left() -> int:
    """Whoever read our output has gone, such as `head`: nothing to say, and nothing to flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.FAILED


def _told(error: BaseException) -> int:
    """Say each error that is in `error` once, and return the exit code of the first that has one of its own."""
    if os.environ.get("LATCHKEY_DEBUG"):
        print(redacted("".join(traceback.format_exception(error))), file=sys.stderr)
    program = _program()
    leaves = list(_leaves(error))
    for line in dict.fromkeys(_line(leaf) for leaf in leaves):
        print(f"{program}: {line}", file=sys.stderr)
    return next((int(leaf.exit_code) for leaf in leaves if isinstance(leaf, HostError)), int(Exit.FAILED))


def _program() -> str:
    """What this program was called as; of `python -m central.cli` the package's name."""
    called = Path(sys.argv[0])
    return (called.parent.name if called.name in {"cli.py", "__main__.py"} else called.name) or "latchkey"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, in order; an error that is none is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _line(error: BaseException) -> str:
    """The words for one error. Ours are sentences already; those that we did not foresee say so, with what is secret struck out."""
    if isinstance(error, HostError):
        return str(error)
    said = redacted(" ".join(str(error).split()))
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"this should not have happened ({type(error).__name__}: {said}). Run it again with --debug and send us what it says"
