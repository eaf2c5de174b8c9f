"""Which bytes on a Modbus TCP connection answer our request. Whatever else arrives is dropped and counted here, once each, by its reason.

malformed           no frame at all (then the whole connection is out of step), one cut short, or one whose parts do not fit one another
wrong_unit          another unit than the one that was asked
wrong_transaction   a number that we never gave
wrong_function      an answer to another kind of request
late                after we had given up, or a second time
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

HEADER = 6  # transaction, protocol (always 0), length; then `length` bytes: unit, function, data (Modbus messaging guide, 3.1.3)
LONGEST = 254  # what `length` may say: 253 bytes of function and data, and the unit
REMEMBERED = 64  # requests whose late answers still find their unit
BUFFER = 1 << 20  # bytes that arrive between two requests before somebody who floods us is hung up on; the library's own limit is one frame
EXCEPTION = 0x80
READS = range(1, 5)
WRITES = frozenset({5, 6, 15, 16})


@dataclass(frozen=True, slots=True)
class _Request:
    transaction: int
    unit: int
    function: int


class Answers:
    """One connection. Give `trace` to the library as its `trace_packet`; `broken` says that the connection cannot be used any more."""

    def __init__(self, count: Callable[[int, str], None], give_up: Callable[[], None]) -> None:
        """`count(unit, reason)` is told of each answer that was dropped; `give_up()` when no answer to the request can come any more."""
        self._count, self._give_up = count, give_up
        self._open: _Request | None = None
        self._past: OrderedDict[int, int] = OrderedDict()  # transaction -> unit
        self._unit = 0  # the one asked last
        self._kept = 0  # bytes that the library keeps and will show again
        self._rest = b""  # bytes that are no whole frame yet
        self.broken = False

    def trace(self, sending: bool, data: bytes) -> bytes:
        """Note a request that goes out; of what has come in, hand on the one frame that answers it, or nothing.

        The library shows all that it keeps since the last request; what was seen before is passed over.
        """
        if sending:
            self._asked(data)
            return data
        fresh = data[self._kept :] if len(data) >= self._kept else data
        answer = self._heard(fresh)
        self._kept = len(data) - len(answer)
        if self._kept > BUFFER // 2:
            self._break()
        return answer

    def over(self) -> None:
        """The request has ended, answered or not: half a frame is no answer, and its other half would spoil the next one."""
        self._open = None
        if self._rest and not self.broken:
            self._count(self._unit, "malformed")
            self._break()

    def _asked(self, frame: bytes) -> None:
        self._open = _Request(int.from_bytes(frame[:2], "big"), frame[6], frame[7])
        self._unit, self._kept = self._open.unit, 0
        self._past[self._open.transaction] = self._open.unit
        self._past.move_to_end(self._open.transaction)
        if len(self._past) > REMEMBERED:
            self._past.popitem(last=False)

    def _heard(self, fresh: bytes) -> bytes:
        if self.broken:
            return b""
        answer, self._rest = b"", self._rest + fresh
        while len(self._rest) >= 4:
            length = int.from_bytes(self._rest[4:6], "big")
            if self._rest[2:4] != b"\0\0" or length > LONGEST:
                self._count(self._unit, "malformed")
                self._break()
                break
            if len(self._rest) < HEADER or len(self._rest) < HEADER + length:
                break
            frame, self._rest = self._rest[: HEADER + length], self._rest[HEADER + length :]
            if self._is_answer(frame):
                answer, self._open = frame, None
        return answer

    def _is_answer(self, frame: bytes) -> bool:
        """Whether `frame` answers the open request; it is counted when it does not."""
        transaction, open_ = int.from_bytes(frame[:2], "big"), self._open
        if len(frame) < HEADER + 2:
            self._count(self._unit, "malformed")
        elif open_ is None or transaction != open_.transaction:
            asked = self._past.get(transaction)
            self._count(self._unit if asked is None else asked, "wrong_transaction" if asked is None else "late")
        elif frame[6] != open_.unit:
            self._count(open_.unit, "wrong_unit")
        elif frame[7] & ~EXCEPTION != open_.function:
            self._count(open_.unit, "wrong_function")
        elif not _whole(frame[7:]):
            self._count(open_.unit, "malformed")
        else:
            return True
        return False

    def _break(self) -> None:
        self.broken, self._rest = True, b""
        if self._open is not None:
            self._give_up()


def _whole(told: bytes) -> bool:
    """Whether function and data fit one another: a read says how many bytes follow, a write repeats four, an exception has one."""
    if told[0] & EXCEPTION:
        return len(told) == 2
    if told[0] in READS:
        return len(told) >= 2 and len(told) == 2 + told[1]
    return told[0] not in WRITES or len(told) == 5
