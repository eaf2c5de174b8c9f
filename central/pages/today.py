"""The start page: the day at a glance. Who comes, leaves and is here, how the rooms are, what is wrong and what is to be done."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection

import web
from central.bookings import facts
from central.pages import board as boards
from central.pages import frame, queries
from central.pages.acts import act_once, sent_by, text_of
from central.pages.frame import PageRoute, Viewer
from central.pages.sight import LOOK_AGAIN_S, NOT_ON_BOARD, listening
from central.problems import Problem
from central.services import Services
from central.staff.permissions import Permission
from central.upkeep import tasks
from central.upkeep.tasks import Task
from web import task_words, views
from web.live import LivePage, Read
from wire.stays import Status

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SHOWN = 6  # guests of a list, and below tasks and alarms: what stands above the fold at 1366 x 768; the rest is one click away
TASKS_SHOWN, ALARMS_SHOWN = 4, 3
MOST = 200  # tasks of the page that shows all


@dataclass(frozen=True, slots=True)
class Figures:
    """The day in numbers."""

    arrivals_due: int
    arrived: int
    departures_due: int
    departed: int
    in_house: int
    guests: int
    rooms: views.Counts
    base: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """One room with something wrong at its devices, the worst first."""

    room: str
    href: str
    trouble: tuple[views.Trouble, ...]


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One open task."""

    task_id: str
    kind: str
    room: str | None
    href: str | None
    details: str
    amount_minor: int | None
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """What is wrong and what is to be done, and how many of each are shown."""

    alarms: tuple[Alarm, ...]
    tasks: tuple[TaskLine, ...]
    may_close: bool
    base: str
    currency: str
    today: date
    most_tasks: int = TASKS_SHOWN
    most_alarms: int = ALARMS_SHOWN


@dataclass(frozen=True, slots=True)
class Start:
    """The start page."""

    figures: Figures
    due: views.Due
    work: Work

    def parts(self) -> dict[str, Hashable]:
        """The parts of the page by the id of their element."""
        return {"today-figures": self.figures, "board-due": self.due, "today-work": self.work}


def start(found: queries.Found, open_tasks: Sequence[Task], who: "Sees") -> Start:
    """Draw the day together; whoever may not see stays sees rooms and their tasks only."""
    board = boards.board(found)
    board = board if who.stays else board.without_names()
    today = found.today
    day, base = today.house.business_date, f"/p/{today.house.property_id}"
    inside = [row for row in today.here if row.status == Status.IN_HOUSE]
    figures = Figures(
        arrivals_due=sum(1 for row in today.here if row.status == Status.CONFIRMED),
        arrived=sum(1 for row in (*inside, *today.left) if row.arrival == day),
        departures_due=sum(1 for row in inside if row.departure <= day),
        departed=len(today.left),
        in_house=len(inside),
        guests=sum(row.persons for row in inside),
        rooms=board.counts,
        base=base,
    )
    alarms = tuple(Alarm(tile.room, tile.room_href, tile.trouble) for tile in board.tiles if tile.trouble)
    lines = tuple(task_line(today, one, stays=who.stays) for one in open_tasks) if who.tasks else ()
    return Start(figures, replace(board.due, shown=SHOWN), Work(alarms, lines, who.close, base, today.house.currency, day))


@dataclass(frozen=True, slots=True)
class Sees:
    """What a viewer may see of the day; viewers who see the same share one live page."""

    stays: bool
    tasks: bool
    close: bool

    @classmethod
    def of(cls, who: Viewer) -> "Sees":
        """By the viewer's permissions."""
        return cls(*(one in who.permissions for one in (Permission.STAYS_SEE, Permission.TASKS_SEE, Permission.TASKS_CLOSE)))


def task_line(today: queries.Today, task: Task, *, stays: bool) -> TaskLine:
    """Draw one task; it leads to its stay, else to its room."""
    base = f"/p/{today.house.property_id}"
    href = f"{base}/rooms/{task.room}" if task.room else None
    if stays and task.reservation_id:
        href = f"{base}/orders/{task.reservation_id}"
    owed = task.args.get("amount_minor")
    return TaskLine(
        task_id=task.task_id,
        kind=task.kind,
        room=task.room,
        href=href,
        details=task_words.details(task.args),
        amount_minor=owed if isinstance(owed, int) else None,
        raised_at=task.raised_at.astimezone(today.house.zone),
    )


async def read_start(services: Services, property_id: str, sees: Sees) -> tuple[queries.Found, list[Task], Start]:
    """Read and draw the start page."""

    def read(conn: Connection) -> tuple[queries.Found, list[Task]]:
        found = queries.rooms(conn, services.vault, property_id, services.clock.now())
        return found, tasks.open_tasks(conn, property_id, MOST)

    found, open_tasks = await services.store.read(read)
    return found, open_tasks, start(found, open_tasks, sees)


def draw(look: web.Look, language: str, part: str, model: Hashable) -> str:
    """Draw one part of the page."""
    if part == "board-due":
        return look.fragment("board_parts.html", "due", language, model)
    return look.fragment("today_parts.html", part.removeprefix("today-"), language, model)


async def live_start(request: Request, property_id: str, sees: Sees) -> tuple[LivePage, queries.Found, list[Task], Start]:
    """Return the live start page, and the day as it is now."""
    services, pages = frame.services_of(request), frame.pages_of(request)
    found, open_tasks, drawn = await read_start(services, property_id, sees)

    async def read() -> Mapping[str, Hashable]:
        return (await read_start(services, property_id, sees))[2].parts()

    listen = listening(services, property_id, lambda wakeup: wakeup.topic not in NOT_ON_BOARD, lambda: LOOK_AGAIN_S)
    path = f"today/{property_id}/{sees}"
    live = pages.live.open(path, drawn.parts(), cast("Read", read), lambda *told: draw(pages.look, *told), listen)
    return live, found, open_tasks, drawn


@router.get("/p/{property_id}/today")
async def today_page(request: Request, property_id: str) -> Response:
    """The day at a glance."""
    who = await frame.viewer(request, property_id, Permission.ROOMS_SEE)
    return await answer(request, who, property_id)


async def answer(request: Request, who: Viewer, property_id: str, problem: Problem | None = None) -> Response:
    """The start page; with `problem` a notice on top and the problem's status."""
    sees = Sees.of(who)
    live, found, open_tasks, drawn = await live_start(request, property_id, sees)
    if web.wants_json(request):
        return JSONResponse(to_jsonable_python(data(found, open_tasks, sees)))
    stream = f"/p/{property_id}/today/live?lang={who.language}&after={live.position(who.language)}"
    return frame.pages_of(request).look.page(
        "today.html",
        who.language,
        status=problem.status if problem else 200,
        shell=frame.shell(request, found.today.house, who, "today", stream),
        start=drawn,
        failed=frame.failed(who.language, problem) if problem else None,
        find=f"/p/{property_id}/find" if sees.stays else None,
    )


def data(found: queries.Found, open_tasks: Sequence[Task], sees: Sees) -> dict[str, Any]:
    """The day as the API tells it: its board, day and tasks."""
    rooms = found.rooms if sees.stays else [replace(room, stay=None) for room in found.rooms]
    day = [*found.today.here, *found.today.left] if sees.stays else []
    return {"business_date": found.today.house.business_date, "rooms": rooms, "day": day, "tasks": open_tasks if sees.tasks else []}


@router.get("/p/{property_id}/today/live")
async def today_stream(request: Request, property_id: str) -> Response:
    """The start page's events."""
    who = await frame.viewer(request, property_id, Permission.ROOMS_SEE)
    live = (await live_start(request, property_id, Sees.of(who)))[0]
    return live.response(request, who.language)


@router.get("/p/{property_id}/tasks")
async def tasks_page(request: Request, property_id: str) -> Response:
    """All that is wrong and to be done."""
    who = await frame.viewer(request, property_id, Permission.TASKS_SEE)
    found, open_tasks, drawn = await read_start(frame.services_of(request), property_id, Sees.of(who))
    if web.wants_json(request):
        return JSONResponse(to_jsonable_python(open_tasks))
    shell = frame.shell(request, found.today.house, who, "today")
    return frame.pages_of(request).look.page(
        "tasks.html", who.language, shell=shell, work=replace(drawn.work, most_tasks=MOST, most_alarms=MOST)
    )


@router.post("/p/{property_id}/tasks/{task_id}/close")
async def close_task(request: Request, property_id: str, task_id: str) -> Response:
    """Note that a task is done."""
    who = await frame.viewer(request, property_id, Permission.TASKS_CLOSE)
    try:
        sent = await sent_by(request, who)
        await act_once(request, property_id, sent, lambda turn: facts.close_task(turn, task_id))
    except Problem as problem:
        return await answer(request, who, property_id, problem)
    onward = "tasks" if text_of(sent.form, "back") == "tasks" else "today"
    return RedirectResponse(f"/p/{property_id}/{onward}", 303)
