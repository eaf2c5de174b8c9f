"""What the bars of the house say: a bottle on the folio of who took it, a question for a person, a round of the attendant.

One removal is one line for ever: its source is `<device>/<log_id>`, its number slot and removal together.
"""

from typing import Any

from sqlalchemy import bindparam, select

from central.bookings import books
from central.bookings.books import Reservation
from central.folio import ledger
from central.folio.ledger import Line
from central.store import audit
from central.store.tables import posting
from central.store.turn import Turn
from central.store.wakeups import announce
from central.upkeep import tasks
from wire.facts import ConsumptionReview, ItemConsumed, Restocked
from wire.messages import FactRow
from wire.stays import Status

MINIBAR = "minibar"  # transaction code
UNASSIGNED = "consumption_unassigned"
_POSTED = select(posting.c.posting_id).where(
    posting.c.property_id == bindparam("p"), posting.c.source == bindparam("source"), posting.c.source_seq == bindparam("n")
)


def number(slot: int, removal_no: int) -> int:
    """Return the one number of a removal within its bar's log: slot (16 bits) before removal (32 bits)."""
    return slot << 32 | removal_no


def item_consumed(turn: Turn, row: FactRow, fact: ItemConsumed) -> None:
    """Post a bottle once on the folio of the stay that took it, also after its check-out: then a person is told to collect it.

    Raises NotFound for a stay, Conflict for a tax that we do not have: a person must decide.
    """
    if fact.stay_id is None:
        _ask(turn, row, UNASSIGNED, fact.room, None, device=fact.device, slot=fact.slot, sku=fact.sku, gross_minor=fact.gross_minor)
        return
    stay: Reservation = books.read(turn.conn, turn.property_id, fact.stay_id)
    detail = {
        "sku": fact.sku, "room": fact.room, "device": fact.device, "slot": fact.slot, "removed_at": fact.removed_at.isoformat(),
        "price_version": fact.price_version, "late": fact.late,
    }  # fmt: skip
    line = Line(MINIBAR, fact.gross_minor, number(fact.slot, fact.removal_no), fact.tax_code, detail=detail)
    if not ledger.post_once(turn, fact.stay_id, f"{fact.device}/{fact.log_id}", [line]):
        return
    books.publish(turn, stay)
    if stay.status is not Status.IN_HOUSE:
        _ask(turn, row, "late_charge", fact.room, fact.stay_id, amount_minor=fact.gross_minor, sku=fact.sku)


def consumption_review(turn: Turn, row: FactRow, fact: ConsumptionReview) -> None:
    """Ask a person about a bottle. One that came back after it was charged names its line: a rebate is a line against that one."""
    args: dict[str, Any] = {"device": fact.device, "slot": fact.slot, "removal_no": fact.removal_no, "at": fact.at.isoformat()}
    if fact.log_id is not None:
        key = {"p": turn.property_id, "source": f"{fact.device}/{fact.log_id}", "n": number(fact.slot, fact.removal_no)}
        if (posted := turn.conn.execute(_POSTED, key).scalar()) is not None:
            args["posting_id"] = posted
    kind = fact.reason if fact.reason == UNASSIGNED else f"minibar_{fact.reason}"
    _ask(turn, row, kind, fact.room, fact.stay_id, **args)


def restocked(turn: Turn, row: FactRow, fact: Restocked) -> None:
    """Note in the trail who filled a bar."""
    audit.record(turn, "restocked", f"room/{fact.room}", device=fact.device, attendant=fact.attendant, at=fact.at.isoformat())
    announce(turn.conn, turn.property_id, "room", fact.room)


def _ask(turn: Turn, row: FactRow, kind: str, room: str, stay_id: str | None, **args: Any) -> None:
    """Raise the task of one fact, once."""
    tasks.add(turn, kind, args, room=room, reservation_id=stay_id, task_id=row.fact_id, raised_at=row.at)


HANDLERS: dict[type[Any], Any] = {ItemConsumed: item_consumed, ConsumptionReview: consumption_review, Restocked: restocked}
