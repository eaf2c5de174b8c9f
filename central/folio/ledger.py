"""The folio of a reservation: postings are added and never changed; each source posts each of its numbers once.

Room and tax are posted night by night under the source `night/<reservation>` with the night's ordinal as number: at check-out for every
night that was used and is not there yet. A night audit posts the same lines earlier, and check-out then finds them there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, cast, func, insert, select

from central.folio.arithmetic import tax_included
from central.problems import Conflict, NotFound
from central.store import audit
from central.store.tables import folio, posting, property_, tax
from central.store.turn import Turn
from central.store.wakeups import announce
from wire.ids import new_id

ROOM = "room"  # transaction codes
PAYMENT = "payment"
REVERSAL = "reversal"

_OF = (folio.c.property_id == bindparam("p"), folio.c.reservation_id == bindparam("r"))
_joined = (posting.c.property_id == folio.c.property_id) & (posting.c.folio_id == folio.c.folio_id)
_FOLIO = (
    select(folio.c.folio_id, folio.c.currency, property_.c.business_date)
    .join_from(folio, property_, property_.c.property_id == folio.c.property_id)
    .where(*_OF)
)
_KNOWN = select(posting.c.source_seq).where(posting.c.property_id == bindparam("p"), posting.c.source == bindparam("source"))
_TAXES = select(tax.c.tax_code, tax.c.basis_points).where(tax.c.property_id == bindparam("p"))
_BALANCE = select(cast(func.coalesce(func.sum(posting.c.gross_minor), 0), BigInteger)).join_from(posting, folio, _joined).where(*_OF)
_LINES = select(posting).join_from(posting, folio, _joined).where(*_OF).order_by(posting.c.posting_id)
_ONE = (
    select(posting, folio.c.reservation_id)
    .join_from(posting, folio, _joined)
    .where(posting.c.property_id == bindparam("p"), posting.c.posting_id == bindparam("id"))
)
_ADD = insert(posting)
_OPEN = insert(folio)


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be posted. `gross_minor` is the whole sum (quantity included), positive owes, negative pays; no `tax_code`, no tax."""

    code: str
    gross_minor: int
    source_seq: int
    tax_code: str | None = None
    quantity: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a folio, as it stands for ever."""

    posting_id: str
    code: str
    quantity: int
    gross_minor: int
    net_minor: int
    tax_minor: int
    tax_code: str | None
    business_date: date
    posted_at: datetime
    actor: str
    detail: dict[str, Any]
    reverses: str | None


def open_folio(turn: Turn, reservation_id: str, currency: str) -> None:
    """Open the one folio of a new reservation."""
    row = {"property_id": turn.property_id, "folio_id": new_id(), "reservation_id": reservation_id, "currency": currency}
    turn.conn.execute(_OPEN, row)


def post_once(turn: Turn, reservation_id: str, source: str, lines: Sequence[Line]) -> int:
    """Post those of `lines` that `source` has not posted yet and return how many that were. May be repeated, in any order.

    Raises NotFound when the reservation has no folio, Conflict for an unknown tax.
    """
    if not lines:
        return 0
    known = set(turn.conn.execute(_KNOWN, {"p": turn.property_id, "source": source}).scalars())
    fresh = [line for line in lines if line.source_seq not in known]
    if not fresh:
        return 0
    home = turn.conn.execute(_FOLIO, {"p": turn.property_id, "r": reservation_id}).one_or_none()
    if home is None:
        raise NotFound("folio", reservation_id)
    taxes = dict(turn.conn.execute(_TAXES, {"p": turn.property_id}).all()) if any(line.tax_code for line in fresh) else {}
    common = {
        "property_id": turn.property_id, "folio_id": home.folio_id, "business_date": home.business_date, "posted_at": turn.now,
        "actor": turn.actor, "source": source,
    }  # fmt: skip
    turn.conn.execute(_ADD, [common | _row(line, taxes) for line in fresh])
    announce(turn.conn, turn.property_id, "folio", reservation_id)
    return len(fresh)


def _row(line: Line, taxes: Mapping[str, int]) -> dict[str, Any]:
    if line.tax_code is not None and line.tax_code not in taxes:
        raise Conflict("unknown_tax", f"There is no tax {line.tax_code!r}.", "Load the property file that has it.")
    net, owed = tax_included(line.gross_minor, taxes[line.tax_code] if line.tax_code else 0)
    return {
        "posting_id": new_id(), "code": line.code, "quantity": line.quantity, "gross_minor": line.gross_minor, "net_minor": net,
        "tax_minor": owed, "tax_code": line.tax_code, "source_seq": line.source_seq, "detail": dict(line.detail), "reverses": None,
    }  # fmt: skip


def pay(turn: Turn, reservation_id: str, payment_id: str, method: str, amount_minor: int, reference: str) -> bool:
    """Post a payment (a positive amount was received) and return whether it is new; the same `payment_id` counts once."""
    line = Line(PAYMENT, -amount_minor, 1, detail={"method": method, "reference": reference})
    new = post_once(turn, reservation_id, f"payment/{payment_id}", [line]) == 1
    if new:
        audit.record(turn, "payment", f"stay/{reservation_id}", method=method, amount_minor=amount_minor)
    return new


def reverse(turn: Turn, posting_id: str, reason: str) -> tuple[str, str]:
    """Post the exact negative of a line and return (its id, the reservation's id).

    Raises NotFound, or Conflict when the line is reversed, or is a reversal, already.
    """
    row = turn.conn.execute(_ONE, {"p": turn.property_id, "id": posting_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("posting", posting_id)
    source = f"reversal/{posting_id}"
    if row["reverses"] or turn.conn.execute(_KNOWN, {"p": turn.property_id, "source": source}).first():
        raise Conflict("already_reversed", "This line is reversed, or is a reversal.", "Look at the folio again.")
    home = turn.conn.execute(_FOLIO, {"p": turn.property_id, "r": row["reservation_id"]}).one()
    negative = {name: -row[name] for name in ("gross_minor", "net_minor", "tax_minor", "quantity")}
    mirror = {name: row[name] for name in ("property_id", "folio_id", "tax_code")} | negative
    made = {"posting_id": new_id(), "code": REVERSAL, "business_date": home.business_date, "posted_at": turn.now, "actor": turn.actor}
    told = {"source": source, "source_seq": 1, "detail": {"reason": reason, "code": row["code"]}, "reverses": posting_id}
    turn.conn.execute(_ADD, mirror | made | told)
    audit.record(turn, "reversal", f"posting/{posting_id}", reason=reason)
    announce(turn.conn, turn.property_id, "folio", row["reservation_id"])
    return str(made["posting_id"]), str(row["reservation_id"])


def balance(conn: Connection, property_id: str, reservation_id: str) -> int:
    """Return what the guest owes now, in minor units; negative when the house owes."""
    return int(conn.execute(_BALANCE, {"p": property_id, "r": reservation_id}).scalar_one())


def lines(conn: Connection, property_id: str, reservation_id: str) -> list[Posting]:
    """Return the folio's lines in the order in which they were posted."""
    rows = conn.execute(_LINES, {"p": property_id, "r": reservation_id}).mappings()
    names = Posting.__dataclass_fields__
    return [Posting(**{name: row[name] for name in names}) for row in rows]
