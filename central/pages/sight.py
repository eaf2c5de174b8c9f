"""The pages that show something: room board, lists of the day, one order; each with its live stream."""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

from fastapi import APIRouter, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy import Connection

import web
from central.bookings.board import BoardRoom
from central.bookings.views import ReservationRow
from central.pages import board as boards
from central.pages import frame, queries
from central.pages import order as orders
from central.pages.frame import PageRoute, Viewer
from central.problems import NotFound, Problem
from central.rooms.house import House
from central.services import Services
from central.staff.permissions import Permission
from central.store.wakeups import RESYNC, Wakeup
from web import views
from web.catalogue import N_
from web.live import Changed, LivePage, Read

router = APIRouter(route_class=PageRoute, include_in_schema=False)
EVENTS_BACK = timedelta(days=2)  # of a room's doors, where no stay says from when
LOOK_AGAIN_S = 20.0  # what only time changes (a departure that falls due, a repair that begins) is seen this late
SHOWS = ("", *views.GROUPS, "dirty", "pickup", "clean", "inspected", "attention")
NOT_ON_BOARD = frozenset({"feed", "job"})  # every put is announced with its room, stay or order as well
LISTS = (("arrivals", N_("Arrivals"), "arrive"), ("in-house", N_("In house"), "person"), ("departures", N_("Departures"), "depart"))
DONE = {
    "check_in": N_("The guest is checked in. Cut the key now."),
    "check_out": N_("The guest is checked out. The keys are being withdrawn."),
    "move": N_("The guest has moved. Cut a new key for the new room."),
    "assign": N_("The room is assigned."),
}


def listening(
    services: Services, property_id: str, matters: Callable[[Wakeup], bool], due_s: Callable[[], float]
) -> Callable[[], AbstractContextManager[Changed]]:
    """Return what a live page listens with: wake-ups that matter to it, and the time after which it looks anyway."""

    @contextmanager
    def listen() -> Iterator[Changed]:
        with services.store.hub.subscribe(property_id) as news:

            async def changed() -> None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(due_s()):
                        while not any(wakeup.topic == RESYNC or matters(wakeup) for wakeup in await news.get()):
                            pass

            yield changed

    return listen


# ---------------------------------------------------------------- the room board


async def read_board(services: Services, property_id: str, names: bool) -> tuple[queries.Found, views.Board]:
    """Read and draw the board; without `names` nobody is named on it."""
    found = await services.store.read(lambda conn: queries.rooms(conn, services.vault, property_id, services.clock.now()))
    board = boards.board(found)
    return found, board if names else board.without_names()


def draw_board(look: web.Look) -> Callable[[str, str, Hashable], str]:
    """Return what draws one part of the board."""
    macros = {"board-counts": "counts", "board-due": "due"}
    return lambda language, part, model: look.fragment("board_parts.html", macros.get(part, "tile"), language, model)


def board_path(property_id: str, names: bool) -> str:
    """The name of the board's live page."""
    return f"board/{property_id}/{'names' if names else 'rooms'}"


async def live_board(request: Request, property_id: str, names: bool) -> tuple[LivePage, queries.Found, views.Board]:
    """Return the live page of the board, and the board as it is now."""
    services, pages = frame.services_of(request), frame.pages_of(request)
    found, board = await read_board(services, property_id, names)

    async def read() -> Mapping[str, Hashable]:
        return (await read_board(services, property_id, names))[1].parts()

    listen = listening(services, property_id, lambda wakeup: wakeup.topic not in NOT_ON_BOARD, lambda: LOOK_AGAIN_S)
    return pages.live.open(board_path(property_id, names), board.parts(), cast("Read", read), draw_board(pages.look), listen), found, board


@router.get("/p/{property_id}/board")
async def board_page(request: Request, property_id: str, show: str = "") -> Response:
    """The room board; `show` is a colour group, a care state or "attention"."""
    who = await frame.viewer(request, property_id, Permission.ROOMS_SEE)
    live, found, board = await live_board(request, property_id, Permission.STAYS_SEE in who.permissions)
    if web.wants_json(request):
        rooms = found.rooms if Permission.STAYS_SEE in who.permissions else [replace(room, stay=None) for room in found.rooms]
        return JSONResponse(jsonable_encoder(rooms))
    stream = f"/p/{property_id}/board/live?lang={who.language}&after={live.position(who.language)}"
    shell = frame.shell(request, found.today.house, who, "board", stream)
    return frame.pages_of(request).look.page(
        "board.html", who.language, shell=shell, board=board, show=show if show in SHOWS else "", find=f"/p/{property_id}/find"
    )


@router.get("/p/{property_id}/board/live")
async def board_stream(request: Request, property_id: str) -> Response:
    """The board's events."""
    who = await frame.viewer(request, property_id, Permission.ROOMS_SEE)
    names = Permission.STAYS_SEE in who.permissions
    live = frame.pages_of(request).live.get(board_path(property_id, names)) or (await live_board(request, property_id, names))[0]
    return live.response(request, who.language)


# ---------------------------------------------------------------- lists of the day


def _day(request: Request, who: Viewer, house: House, current: str, day: SimpleNamespace) -> Response:
    shell = frame.shell(request, house, who, current)
    return frame.pages_of(request).look.page("day.html", who.language, shell=shell, day=day, find=f"/p/{house.property_id}/find")


# ---------------------------------------------------------------- one order


async def read_order(services: Services, property_id: str, wanted: str) -> tuple[queries.OneOrder, views.Order]:
    """Read and draw one order."""
    found = await services.store.read(lambda conn: queries.order(conn, services.vault, property_id, wanted, services.clock.now()))
    return found, orders.order(found)


def draw_order(look: web.Look) -> Callable[[str, str, Hashable], str]:
    """Return what draws one part of an order's page."""
    return lambda language, part, model: look.fragment("order_parts.html", part.removeprefix("order-"), language, model)


async def live_order(request: Request, property_id: str, wanted: str) -> tuple[LivePage, queries.OneOrder, views.Order]:
    """Return the live page of an order, and the order as it is now."""
    services, pages = frame.services_of(request), frame.pages_of(request)
    found, view = await read_order(services, property_id, wanted)
    key, room = found.view.reservation.reservation_id, {found.view.reservation.room}
    due = {"s": _due_s(found)}

    async def read() -> Mapping[str, Hashable]:
        again, drawn = await read_order(services, property_id, key)
        room.add(again.view.reservation.room)
        due["s"] = _due_s(again)
        return cast("Mapping[str, Hashable]", drawn.parts())

    def matters(wakeup: Wakeup) -> bool:
        if wakeup.topic in {"stay", "folio"}:
            return wakeup.entity in {key, ""}
        return wakeup.entity in room if wakeup.topic == "room" else wakeup.topic != "feed"

    listen = listening(services, property_id, matters, lambda: due["s"])
    parts = cast("Mapping[str, Hashable]", view.parts())
    return pages.live.open(f"order/{property_id}/{key}", parts, read, draw_order(pages.look), listen), found, view


def _due_s(found: queries.OneOrder) -> float:
    """When time alone changes what the page says: a job that is not answered in time."""
    return min((state.left_ms / 1000 + 0.05 for state in found.view.jobs if state.left_ms), default=LOOK_AGAIN_S)


async def order_answer(request: Request, who: Viewer, property_id: str, wanted: str, problem: Problem | None = None) -> Response:
    """The page of an order; with `problem` a notice on top and the problem's status."""
    live, found, view = await live_order(request, property_id, wanted)
    pages, key = frame.pages_of(request), found.view.reservation.reservation_id
    stream = f"/p/{property_id}/orders/{key}/live?lang={who.language}&after={live.position(who.language)}"
    done = DONE.get(request.query_params.get("done", "")) if problem is None else None
    return pages.look.page(
        "order.html",
        who.language,
        status=problem.status if problem else 200,
        shell=frame.shell(request, found.house, who, "", stream),
        order=view,
        back=web.NavItem(f"/p/{property_id}/board", N_("Room board"), "grid"),
        folio_href=f"/p/{property_id}/orders/{key}/folio" if Permission.FOLIO_SEE in who.permissions else None,
        failed=frame.failed(who.language, problem) if problem else None,
        done=done,
        waiting=any(not state.ended for state in found.view.jobs),
    )


@router.get("/p/{property_id}/orders/{order_id}")
async def order_page(request: Request, property_id: str, order_id: str) -> Response:
    """One order, by the id of a reservation or of the whole order."""
    who = await frame.viewer(request, property_id, Permission.STAYS_SEE)
    if web.wants_json(request):
        found, _ = await read_order(frame.services_of(request), property_id, order_id)
        return JSONResponse(jsonable_encoder(found.view))
    return await order_answer(request, who, property_id, order_id)


@router.get("/p/{property_id}/orders/{order_id}/live")
async def order_stream(request: Request, property_id: str, order_id: str) -> Response:
    """The order's events."""
    who = await frame.viewer(request, property_id, Permission.STAYS_SEE)
    live, _, _ = await live_order(request, property_id, order_id)
    return live.response(request, who.language)


# ---------------------------------------------------------------- one room


async def read_room(services: Services, property_id: str, number: str) -> tuple[BoardRoom, House, views.RoomPage]:
    """Read and draw one room; raise NotFound."""

    def read(conn: Connection) -> tuple[BoardRoom, House, views.RoomPage]:
        now = services.clock.now()
        found = queries.rooms(conn, services.vault, property_id, now)
        room = next((room for room in found.rooms if room.room == number), None)
        if room is None:
            raise NotFound("room", number)
        events = queries.room_doors(conn, property_id, room.doors, now - EVENTS_BACK)
        house = found.today.house
        return room, house, boards.room_page(found.today, room, orders.doors(house, room.devices, events, {}))

    return await services.store.read(read)


@router.get("/p/{property_id}/rooms/{number}")
async def room_page(request: Request, property_id: str, number: str) -> Response:
    """One room: its care, its devices, who is expected."""
    who = await frame.viewer(request, property_id, Permission.ROOMS_SEE)
    told, house, room = await read_room(frame.services_of(request), property_id, number)
    if Permission.STAYS_SEE not in who.permissions:
        room = replace(room, stays=(), tile=replace(room.tile, guest="", href=room.tile.room_href))
    if web.wants_json(request):
        return JSONResponse(jsonable_encoder(told if Permission.STAYS_SEE in who.permissions else replace(told, stay=None)))
    may_set = Permission.ROOMS_CARE in who.permissions
    shell = frame.shell(request, house, who, "")
    return frame.pages_of(request).look.page("room.html", who.language, shell=shell, room=room, may_set=may_set)


# ---------------------------------------------------------------- finding


@router.get("/p/{property_id}/find")
async def find_page(request: Request, property_id: str, q: str = "") -> Response:
    """Who is meant: an order's number, a room, or a part of the name of somebody who is in house or expected."""
    who = await frame.viewer(request, property_id, Permission.STAYS_SEE)
    services, text = frame.services_of(request), q.strip()

    def read(conn: Connection) -> tuple[queries.Today, list[ReservationRow]]:
        today = queries.today(conn, services.vault, property_id)
        named = [row for row in (*today.here, *today.left) if text.casefold() in row.guest.display_name.casefold()]
        known, dues = queries.numbered(conn, services.vault, property_id, text)
        return replace(today, dues={**today.dues, **dues}), [*known, *named] if text else []

    today, rows = await services.store.read(read)
    lines = boards.current_first({row.reservation_id: boards.line(today, row) for row in rows}.values())
    if len(lines) == 1 or (lines and lines[0].room == text and lines[0].status in boards.CURRENT[:3]):
        return RedirectResponse(lines[0].href, 303)
    title = SimpleNamespace(title=N_("Found"), query=text, lines=lines, tabs=[])
    return _day(request, who, today.house, "", title)


@router.get("/p/{property_id}/{which}")
async def day_page(request: Request, property_id: str, which: str) -> Response:
    """Arrivals, in-house or departures."""
    if which not in {name for name, _, _ in LISTS}:
        raise NotFound("page", which)
    who = await frame.viewer(request, property_id, Permission.STAYS_SEE)
    services = frame.services_of(request)
    today = await services.store.read(lambda conn: queries.today(conn, services.vault, property_id))
    lists = boards.day(today)
    if web.wants_json(request):
        return JSONResponse(jsonable_encoder([frame.data(line) for line in lists[which]]))
    tabs = [
        SimpleNamespace(href=f"/p/{property_id}/{name}", text=text, icon=icon, current=name == which, count=len(lists[name]))
        for name, text, icon in LISTS
    ]
    title = next(text for name, text, _ in LISTS if name == which)
    return _day(request, who, today.house, which, SimpleNamespace(title=title, query="", lines=lists[which], tabs=tabs))
