"""The messages of the line between box and central: hello, facts, feed, snapshot, digest.

All are JSON over HTTPS, the box dials out:

    POST /sync/v1/hello                         Hello -> HelloReply
    POST /sync/v1/facts                         FactsPush -> FactsReply       (one batch in flight per lane)
    GET  /sync/v1/feed?after=&limit=&wait=      FeedReply, long poll; 410 -> take the snapshot
    GET  /sync/v1/snapshot                      SnapshotReply, whole, at one read position
    GET  /sync/v1/digest                        DigestReply
"""

from dataclasses import field
from typing import Any, Literal

from pydantic import AwareDatetime
from pydantic.dataclasses import dataclass

from wire.facts import Lane
from wire.jobs import Job

PROTO = 1
PUSH_ROWS = 500  # or 256 KiB, whichever comes first
PUSH_BYTES = 256 * 1024
CATCH_UP_ROWS = 2000  # while the backlog is over CATCH_UP_FROM; or 1 MiB
CATCH_UP_BYTES = 1024 * 1024
CATCH_UP_FROM = 5000
FEED_ROWS = 500
FEED_WAIT_S = 25


@dataclass(frozen=True, slots=True)
class FactRow:
    """One numbered fact of one lane. `seq` counts from 1 without gaps; `base_ver` is the feed seq of the put that the actor saw."""

    seq: int
    fact_id: str
    kind: str
    entity: str  # such as stay/<id>, room/201, device/lock-201
    at: AwareDatetime
    clock: Literal["synced", "holdover", "untrusted"]
    actor: str  # such as staff/<id>, device/lock-201, box
    body: dict[str, Any]
    base_ver: int | None = None


@dataclass(frozen=True, slots=True)
class FeedRow:
    """The latest put, or the tombstone, of one entity. `seen` = the highest desk fact of this box applied when the put was made."""

    seq: int
    kind: str
    id: str
    op: Literal["put", "del"]
    seen: int = 0
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """The box's greeting. `top_seq` is the highest fact number it has given out, per lane; `cursor` the last feed seq it holds."""

    box: str
    epoch: int
    top_seq: dict[Lane, int]
    cursor: int
    proto: tuple[int, ...] = (PROTO,)
    version: str = ""
    clock: str = "synced"


@dataclass(frozen=True, slots=True)
class HelloReply:
    """Central's answer. `ack` is the last fact number applied, per lane; `head` the feed's newest seq; `now` central's business time.

    `ack_id` is the fact_id under that number: a box that holds another one there (a restored card, an empty store) has given out
    numbers twice, and gives its own new ones. A lane that is not in it is not compared.
    """

    epoch: int
    ack: dict[Lane, int]
    head: int
    now: AwareDatetime
    proto: int = PROTO
    snapshot: bool = False  # true: the box must take a snapshot before anything else
    ack_id: dict[Lane, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FactsPush:
    """Facts of one lane, rising by one."""

    box: str
    epoch: int
    lane: Lane
    rows: tuple[FactRow, ...]


@dataclass(frozen=True, slots=True)
class FactsReply:
    """`ack` = the last contiguous seq of the lane after commit; `refused` lists rows that became a task instead of a change."""

    epoch: int
    ack: int
    refused: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedReply:
    """Rows in seq order, at most `limit`, and the jobs that are waiting; `head` may be beyond the last row.

    `seen` is the highest desk fact of this box that was applied when the reply was made: what `rows` do not answer, up to `head`, has
    been answered by doing nothing. `waited_ms` is how long central held the poll: what is left of the poll's round trip was spent on
    the line.
    """

    head: int
    rows: tuple[FeedRow, ...] = ()
    jobs: tuple[Job, ...] = ()
    waited_ms: int = 0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotReply:
    """Every live entity at feed position `as_of`; `seen` = the highest desk fact of this box that central had applied by then."""

    as_of: int
    rows: tuple[FeedRow, ...]
    seen: int = 0


@dataclass(frozen=True, slots=True)
class KindDigest:
    """How many entities of a kind there are and the SHA-256 over their sorted canonical bodies, hex."""

    count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DigestReply:
    """The same function on both ends, at a feed position and fact numbers."""

    feed_seq: int
    lane_seqs: dict[Lane, int]
    kinds: dict[str, KindDigest] = field(default_factory=dict)
