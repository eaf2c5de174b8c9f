"""The order list: its filter, its pages, and the same rows as a file for a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection
from starlette.datastructures import URL

import web
from central.bookings import order_list
from central.bookings.order_list import Filter, ListRow, Page
from central.pages import board as boards
from central.pages import frame, queries
from central.pages.frame import PageRoute, Viewer
from central.problems import Invalid
from central.rooms.house import House, read_house
from central.services import Services
from central.staff.permissions import Permission
from central.store import audit
from central.store.turn import Turn
from web import words
from web.catalogue import N_, catalogue
from web.formats import decimal
from web.views import Line

router = APIRouter(route_class=PageRoute, include_in_schema=False)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for a formula at the start of a cell
COLUMNS = (
    N_("Reservation"), N_("Guest"), N_("Status"), N_("Channel"), N_("Arrival"), N_("Departure"), N_("Nights"), N_("Room"), N_("Room type"),
    N_("Persons"), N_("Total of the nights"), N_("Currency"), N_("Booked"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListPage:
    """What the page shows: the lines, the filter as it was typed, the addresses of the next page, of the file and of the other order."""

    lines: tuple[tuple[Line, datetime], ...]
    filter: Mapping[str, str]
    base: str
    channels: tuple[str, ...]
    statuses: tuple[str, ...]
    shows_money: bool
    first: str | None
    following: str | None
    file: str
    turned: str
    latest: bool
    filtered: bool


def file_cell(value: object) -> str:
    """Write one cell so that no spreadsheet runs it: what looks like the start of a formula gets an apostrophe before it."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def file_row(language: str, house: House, row: ListRow) -> list[str]:
    """One line of the file, in the order of COLUMNS; days as ISO 8601, money as a decimal number."""
    stay = row.reservation
    status = catalogue(language).gettext(words.STATUS[boards.status_of(stay, house.business_date)].text)
    plain = (
        stay.number, stay.guest.display_name, status, stay.channel, stay.arrival, stay.departure, (stay.departure - stay.arrival).days,
        stay.room or "", stay.room_type, stay.persons, decimal(sum(stay.nightly_gross_minor), house.currency), house.currency,
        row.booked_at.astimezone(house.zone).date(),
    )  # fmt: skip
    return [file_cell(value) for value in plain]


def written(lines: Iterable[Sequence[str]]) -> str:
    """Lines as CSV (RFC 4180)."""
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue()


def address(base: str, told: Mapping[str, str], **more: str) -> str:
    """An address of the list with a filter."""
    return str(URL(base).include_query_params(**told, **more))


def shown(found: queries.Today, page: Page, asked: Filter, channels: Sequence[str], *, after: str | None, money: bool) -> ListPage:
    """Draw one page of the list."""
    base, told = f"/p/{found.house.property_id}/orders", asked.told()
    other = replace(asked, sort="earliest" if asked.sort == "latest" else "latest")
    lines = tuple(
        (replace(boards.line(found, row.reservation), channel=row.reservation.channel), row.booked_at.astimezone(found.house.zone))
        for row in page.rows
    )
    return ListPage(
        lines=lines,
        filter=told,
        base=base,
        channels=tuple(channels),
        statuses=order_list.STATUSES,
        shows_money=money,
        first=address(base, told) if after else None,
        following=address(base, told, after=page.after) if page.after else None,
        file=address(f"{base}.csv", told),
        turned=address(base, other.told()),
        latest=asked.sort == "latest",
        filtered=bool(told.keys() - {"sort"}),
    )


def read_page(
    conn: Connection, services: Services, property_id: str, asked: Filter, after: str | None, money: bool
) -> tuple[queries.Today, Page, list[str]]:
    """Read one page and what stands around it: a fixed number of statements."""
    house = read_house(conn, property_id)
    page = order_list.page(conn, services.vault, property_id, asked, after)
    owed = queries.dues(conn, house, [row.reservation for row in page.rows]) if money else {}
    around = queries.Today(house, (), (), owed, {}, queries.types(conn, property_id))
    return around, page, order_list.channels(conn, property_id)


async def _viewer(request: Request, property_id: str) -> Viewer:
    return await frame.viewer(request, property_id, Permission.STAYS_SEE)


@router.get("/p/{property_id}/orders")
async def orders_page(request: Request, property_id: str, after: str | None = None) -> Response:
    """The order list; a filter that makes no sense is shown again with what is wrong with it."""
    who, services = await _viewer(request, property_id), frame.services_of(request)
    money, problem, told = Permission.FOLIO_SEE in who.permissions, None, dict(request.query_params)
    try:
        asked = order_list.wanted(told)
        around, page, channels = await services.store.read(lambda conn: read_page(conn, services, property_id, asked, after, money))
    except Invalid as wrong:
        if web.wants_json(request):
            raise
        problem, asked, after = wrong, Filter(), None
        around, page, channels = await services.store.read(lambda conn: read_page(conn, services, property_id, asked, None, money))
    if web.wants_json(request):
        return JSONResponse(to_jsonable_python(page))
    return frame.pages_of(request).look.page(
        "orders.html",
        who.language,
        status=problem.status if problem else 200,
        shell=frame.shell(request, around.house, who, "orders"),
        list=shown(around, page, asked, channels, after=after, money=money),
        failed=frame.failed(who.language, problem) if problem else None,
    )


@router.get("/p/{property_id}/orders.csv")
async def orders_file(request: Request, property_id: str) -> Response:
    """The whole filtered list as CSV, told page by page; the audit trail says who took it out (never what name was looked for)."""
    who, services = await _viewer(request, property_id), frame.services_of(request)
    asked = order_list.wanted(request.query_params)

    def note(turn: Turn) -> House:
        told = asked.told()
        audit.record(turn, "orders_exported", f"property/{property_id}", **told | ({"text": "…"} if asked.text else {}))
        return read_house(turn.conn, property_id)

    house = await services.change(property_id, who.actor, note)
    say = catalogue(who.language).gettext

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff" + written([[say(column) for column in COLUMNS]])  # the mark tells spreadsheets that it is UTF-8
        after: str | None = None
        while True:
            page = await services.store.read(partial(_chunk, services, property_id, asked, after))
            yield written(file_row(who.language, house, row) for row in page.rows)
            after = page.after
            if after is None:
                return

    name = f"orders-{property_id}-{house.business_date.isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _chunk(services: Services, property_id: str, asked: Filter, after: str | None, conn: Connection) -> Page:
    return order_list.page(conn, services.vault, property_id, asked, after, order_list.MOST)
