"""Jobs: the only imperative that crosses, something a person waits for now.

A job expires, is in no snapshot and is never replayed. `ttl_ms` is a duration, counted down by the receiver's monotonic clock
from receipt, less the round trip of the poll that brought it: no two clocks are ever compared.
"""

from dataclasses import field
from enum import StrEnum
from typing import Any

from pydantic.dataclasses import dataclass


class JobKind(StrEnum):
    """What a person can ask the box to do at once."""

    CUT_KEY = "cut_key"
    READ_CARD = "read_card"
    VERIFY_CARD = "verify_card"
    ERASE_CARD = "erase_card"
    OPEN_DOOR = "open_door"
    BAR_UNLOCK = "bar_unlock"


START_LIMIT_S = 2.0  # no JobStarted by then: "the box does not answer; cut the key at the box"
CARD_LIMIT_S = 18.0  # device sheet, encoder: under the 20 s that a front office waits
DESK_WAIT_S = 20.0
OPEN_LIMIT_S = 10.0  # a momentary command expires


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `target` is a device name (an encoder, a lock, a bar); `args` by kind:

    cut_key {"key_id": str, "purpose": "new"|"copy"|"extend"}; verify_card {"key_id"}; read_card, erase_card {};
    open_door {"door": int, "seconds": int}; bar_unlock {"room": str}.
    """

    job_id: str
    kind: JobKind
    target: str
    by: str  # actor, such as staff/<id>
    ttl_ms: int
    args: dict[str, Any] = field(default_factory=dict)
    start_ms: int = int(START_LIMIT_S * 1000)  # what is left of the time in which it must be begun, counted down like ttl_ms
