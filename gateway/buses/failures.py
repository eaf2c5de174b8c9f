"""How a bus fails, in words without any device: no answer, or an answer that is no.

BusError
 - LinkDown   the line is not there, or nobody answered in time: the outcome is unknown
 - SaidNo     the other side understood and refused on the protocol's own level (`code`)
 - Nonsense   the answer has not the form that the request asked for
"""


class BusError(Exception):
    """What went wrong on a line; the driver adds who and what to do."""


class LinkDown(BusError):
    """No line or no answer in time. Whether the request took effect is unknown."""


class SaidNo(BusError):
    """A protocol-level refusal: a Modbus exception or an ATT error. The link itself is up."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class Nonsense(BusError):
    """An answer came, and it is not one to our request."""
