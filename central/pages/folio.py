"""The folio of one reservation: every line for ever, what is owed, taking a payment, taking a line back; made for paper too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, bindparam, select
from starlette.datastructures import URL, FormData

import web
from central.bookings import stays
from central.bookings.list_routes import FolioView, folio_view
from central.folio.ledger import Posting
from central.pages import board as boards
from central.pages import frame, queries
from central.pages.acts import act_once, sent_by, text_of
from central.pages.frame import PageRoute, Viewer
from central.problems import Invalid, NotFound, Problem
from central.rooms.house import House, read_house
from central.services import Services
from central.staff.permissions import Permission
from central.store.tables import staff
from central.store.turn import Turn
from web.catalogue import N_
from web.formats import decimal, minor
from web.views import Line
from web.words import Word

router = APIRouter(route_class=PageRoute, include_in_schema=False)
METHODS: dict[str, Word] = {
    "cash": Word(N_("Cash"), "money"),
    "card": Word(N_("Bank card"), "card"),
    "transfer": Word(N_("Bank transfer"), "send"),
}
DONE = {"paid": N_("The payment is posted."), "reversed": N_("The line is reversed.")}
LONGEST = 200  # characters of a reason
MOST_MINOR = 10**10  # of one payment, as the API has it
_NAMES = select(staff.c.staff_id, staff.c.display_name).where(
    staff.c.property_id == bindparam("p"), staff.c.staff_id.in_(bindparam("ids", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `reverses` and `reversed_by` are the numbers of the other line of the pair; `may_reverse` false for either of them."""

    number: int
    posting_id: str
    day: date
    at: datetime
    code: str
    detail: str
    method: str
    reason: str
    quantity: int
    net_minor: int
    tax_minor: int
    gross_minor: int
    by: str
    reverses: int | None
    reversed_by: int | None


@dataclass(frozen=True, slots=True)
class FolioPage:
    """The page. `due_minor` counts used nights that are posted at check-out; `suggested` is what the payment's field begins with."""

    head: Line
    entries: tuple[Entry, ...]
    currency: str
    balance_minor: int
    due_minor: int
    net_minor: int
    tax_minor: int
    suggested: str
    may_post: bool
    base: str
    today: date


def entries(lines: tuple[Posting, ...], house: House, people: Mapping[str, str]) -> tuple[Entry, ...]:
    """Number the lines from 1 in the order of posting and tie each reversal to its original."""
    numbers = {line.posting_id: at for at, line in enumerate(lines, 1)}
    taken_back = {line.reverses: numbers[line.posting_id] for line in lines if line.reverses}
    codes = {line.posting_id: line.code for line in lines}
    return tuple(
        Entry(
            number=numbers[line.posting_id],
            posting_id=line.posting_id,
            day=line.business_date,
            at=line.posted_at.astimezone(house.zone),
            code=codes.get(line.reverses or "", line.code),
            detail=detail(line),
            method=str(line.detail.get("method", "")),
            reason=str(line.detail.get("reason", "")) if line.reverses else "",
            quantity=line.quantity,
            net_minor=line.net_minor,
            tax_minor=line.tax_minor,
            gross_minor=line.gross_minor,
            by=people.get(line.actor.removeprefix("staff/"), line.actor),
            reverses=numbers.get(line.reverses or ""),
            reversed_by=taken_back.get(line.posting_id),
        )
        for line in lines
    )


def detail(line: Posting) -> str:
    """What stands small beside the code: the night, the article, the payment's reference."""
    return " · ".join(str(line.detail[name]) for name in ("night", "sku", "reference") if line.detail.get(name))


def read_folio(
    conn: Connection, services: Services, property_id: str, reservation_id: str, may_post: bool
) -> tuple[FolioView, FolioPage, House]:
    """Read and draw one folio; raise NotFound."""
    view = folio_view(conn, services, property_id, reservation_id)
    house = read_house(conn, property_id)
    ids = sorted({line.actor.removeprefix("staff/") for line in view.lines})
    people = {row.staff_id: row.display_name for row in conn.execute(_NAMES, {"p": property_id, "ids": ids})}
    around = queries.Today(house, (), (), {reservation_id: view.due_minor}, {}, queries.types(conn, property_id))
    head = boards.line(around, view.reservation)
    page = FolioPage(
        head=head,
        entries=entries(view.lines, house, people),
        currency=view.currency,
        balance_minor=view.balance_minor,
        due_minor=view.due_minor,
        net_minor=sum(line.net_minor for line in view.lines),
        tax_minor=sum(line.tax_minor for line in view.lines),
        suggested=decimal(abs(view.due_minor), view.currency) if view.due_minor else "",
        may_post=may_post,
        base=f"{head.href}/folio",
        today=house.business_date,
    )
    return view, page, house


async def answer(request: Request, who: Viewer, property_id: str, reservation_id: str, problem: Problem | None = None) -> Response:
    """The page; with `problem` a notice on top and the problem's status."""
    services, may_post = frame.services_of(request), Permission.FOLIO_POST in who.permissions
    view, page, house = await services.store.read(lambda conn: read_folio(conn, services, property_id, reservation_id, may_post))
    if web.wants_json(request):
        return JSONResponse(to_jsonable_python(view))
    return frame.pages_of(request).look.page(
        "folio.html",
        who.language,
        status=problem.status if problem else 200,
        shell=frame.shell(request, house, who, ""),
        folio=page,
        methods=METHODS,
        failed=frame.failed(who.language, problem) if problem else None,
        done=DONE.get(request.query_params.get("done", "")) if problem is None else None,
    )


@router.get("/p/{property_id}/orders/{order_id}/folio")
async def folio_page(request: Request, property_id: str, order_id: str) -> Response:
    """The folio of one reservation."""
    who = await frame.viewer(request, property_id, Permission.FOLIO_SEE)
    return await answer(request, who, property_id, order_id)


def payment(form: FormData, currency: str) -> tuple[str, int, str]:
    """Read (method, minor units, reference) from the form; money paid back is negative. Raises Invalid."""
    method, way = text_of(form, "method"), text_of(form, "way")
    try:
        amount = minor(text_of(form, "amount"), currency)
    except ValueError:
        amount = 0
    if not 0 < amount <= MOST_MINOR:
        raise Invalid("bad_amount", "The amount is not a number above nothing.", "Write it like 120.50.")
    if method not in METHODS or way not in {"received", "paid_back"}:
        raise Invalid("bad_method", "There is no such way of paying.", "Choose one.")
    return method, amount if way == "received" else -amount, text_of(form, "reference").strip()[:64]


@router.post("/p/{property_id}/orders/{order_id}/folio/payments")
async def pay(request: Request, property_id: str, order_id: str) -> Response:
    """Take a payment, or give money back; a form that is sent twice is one payment."""
    who = await frame.viewer(request, property_id, Permission.FOLIO_POST)
    try:
        sent = await sent_by(request, who)
        payment_id = text_of(sent.form, "idempotency_key")

        def act(turn: Turn) -> None:
            method, amount, reference = payment(sent.form, read_house(turn.conn, property_id).currency)
            if not payment_id:
                raise Invalid("no_key", "The form carries no key of its own.", "Open the page again.")
            stays.pay(turn, order_id, payment_id, method, amount, reference)

        await act_once(request, property_id, sent, act)
    except NotFound:
        raise
    except Problem as problem:
        return await answer(request, who, property_id, order_id, problem)
    return _onward(property_id, order_id, "paid")


@router.post("/p/{property_id}/orders/{order_id}/folio/{posting_id}/reverse")
async def reverse(request: Request, property_id: str, order_id: str, posting_id: str) -> Response:
    """Take a line back by its exact negative, with a reason."""
    who = await frame.viewer(request, property_id, Permission.FOLIO_POST)
    try:
        sent = await sent_by(request, who)
        reason = " ".join(text_of(sent.form, "reason").split())[:LONGEST]

        def act(turn: Turn) -> None:
            if not reason:
                raise Invalid("no_reason", "A reversal needs a reason.", "Say why.")
            if stays.reverse(turn, posting_id, reason)[1] != order_id:
                raise NotFound("posting", posting_id)  # of another folio: the transaction is undone

        await act_once(request, property_id, sent, act)
    except NotFound:
        raise
    except Problem as problem:
        return await answer(request, who, property_id, order_id, problem)
    return _onward(property_id, order_id, "reversed")


def _onward(property_id: str, order_id: str, done: str) -> Response:
    return RedirectResponse(URL(f"/p/{property_id}/orders/{order_id}/folio").include_query_params(done=done), 303)
