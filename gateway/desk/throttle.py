"""How often a PIN may be tried: pure arithmetic over the failures of one person at this box."""

from dataclasses import dataclass
from datetime import datetime, timedelta

SHORT, LONG = 5, 10  # failures in a row
SHORT_WAIT, LONG_WAIT = timedelta(minutes=1), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tries:
    """Failures in a row, and when the last one was."""

    failures: int = 0
    last: datetime | None = None


def wait_s(tries: Tries, now: datetime) -> int:
    """Return for how many seconds no PIN of this person is looked at; 0 when one may be tried.

    A clock that was set back does not lengthen the wait beyond the rule's own.
    """
    if tries.last is None or tries.failures < SHORT:
        return 0
    wait = LONG_WAIT if tries.failures >= LONG else SHORT_WAIT
    left = wait - max(now - tries.last, timedelta())
    return max(0, -(-left // timedelta(seconds=1)))


def failed(tries: Tries, now: datetime) -> Tries:
    """Return the tries after one more failure."""
    return Tries(tries.failures + 1, now)
