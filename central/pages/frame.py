"""What every page of central has: who is signed in, the frame around the content, and answers for what goes wrong."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import URL

import web
from central.problems import Forbidden, NotAllowed, Problem, Unauthenticated
from central.rooms.house import House, all_properties, read_house
from central.services import Services
from central.staff.guard import session_from
from central.staff.permissions import Permission, granted
from central.staff.sessions import Session
from web import task_words, words
from web.catalogue import N_, catalogue
from web.live import LivePages
from wire.ids import new_id

log = logging.getLogger(__name__)
TEMPLATES = Path(__file__).parent / "templates"
NAV = (
    ("today", N_("Today"), "bell"),
    ("board", N_("Room board"), "grid"),
    ("orders", N_("Orders"), "calendar"),
    ("arrivals", N_("Arrivals"), "arrive"),
    ("in-house", N_("In house"), "person"),
    ("departures", N_("Departures"), "depart"),
)
PROBLEMS: dict[str, str] = {  # code -> what a receptionist reads; the rest is told in general words
    "busy": N_("The encoder is still working on another card. Wait a moment, or take the other one."),
    "no_key_wanted": N_("This key is no longer valid. Cut another one."),
    "room_taken": N_("The room has been given to somebody else meanwhile. Choose another one."),
    "no_room_left": N_("No room of this type is left for these nights."),
    "csrf": N_("This page was open too long. Try again now."),
    "not_permitted": N_("You may not do this. Ask somebody who may."),
    "wrong_login": N_("User name or password is wrong."),
    "which_property": N_("Choose your hotel."),
    "throttled": N_("Too many tries. Wait a little."),
    "already_reversed": N_("This line is reversed already."),
    "bad_amount": N_("The amount is not a number. Write it like 120.50."),
    "no_reason": N_("Say why the line is reversed."),
    "bad_method": N_("Choose how it was paid."),
    "bad_day": N_("One of the days is not a date."),
    "bad_status": N_("There is no such status."),
    "bad_cursor": N_("This page of the list is not there. Begin at the first."),
    "task_not_found": N_("Somebody has closed this task meanwhile."),
    "fault": N_("This should not have happened. Try again, then tell support."),
    "idempotency_key_reused": N_("This form was sent before with other values. Try again now."),
}
HEADLINES: dict[int, str] = {
    403: N_("You may not do this"),
    404: N_("There is no such page"),
    409: N_("That was not possible"),
    500: N_("Something went wrong"),
}


class SignInFirst(Exception):
    """Nobody is signed in: the browser is sent to the login page and comes back afterwards."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of a running central; `app.state.pages`."""

    look: web.Look
    live: LivePages


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page, in which language, with which permissions."""

    session: Session
    language: str
    permissions: frozenset[Permission]

    @property
    def actor(self) -> str:
        """As the audit trail names them."""
        return f"staff/{self.session.staff_id}"


@cache
def look() -> web.Look:
    """The templates, compiled once a process."""
    return web.templates(TEMPLATES, names={"new_id": new_id, "task_words": task_words})


def make() -> Pages:
    """Return the pages' templates and live part."""
    return Pages(look(), LivePages())


def services_of(request: Request) -> Services:
    """The running program's parts."""
    services: Services = request.app.state.services
    return services


def pages_of(request: Request) -> Pages:
    """The running program's pages."""
    pages: Pages = request.app.state.pages
    return pages


async def viewer(request: Request, property_id: str, permission: Permission) -> Viewer:
    """Return who looks; raise SignInFirst when nobody of this hotel is signed in, Forbidden without `permission`."""
    session = await session_from(request)
    if session is None or session.property_id != property_id:
        if web.wants_json(request):
            raise Unauthenticated("not_signed_in", "Nobody of this hotel is signed in.", "Sign in.")
        raise SignInFirst
    permissions = granted(session.roles)
    if permission not in permissions:
        raise Forbidden("not_permitted", f"This needs the permission {permission}.", "Ask somebody who may.")
    return Viewer(session, web.language_of(request, session.language), permissions)


def shell(request: Request, house: House, who: Viewer, current: str, live: str | None = None) -> web.Shell:
    """The frame of a page of one hotel; `current` names the entry of the navigation."""
    base = f"/p/{house.property_id}"
    return web.Shell(
        console=N_("Front office"),
        place=house.name,
        now=services_of(request).clock.now().astimezone(house.zone),
        business_date=house.business_date,
        nav=tuple(web.NavItem(f"{base}/{where}", text, icon, where == current) for where, text, icon in NAV),
        person=who.session.name,
        csrf=who.session.csrf,
        simulated=house.simulated,
        live=live,
        logout="/logout",
        path=request.url.path,
    )


def told(language: str, problem: Problem) -> list[str]:
    """What went wrong, in sentences for a receptionist."""
    say = catalogue(language).gettext
    if isinstance(problem, NotAllowed):
        return [say(words.REASON[reason]) if reason in words.REASON else reason for reason in problem.reasons]
    if problem.code in PROBLEMS:
        return [say(PROBLEMS[problem.code])]
    return [say(N_("Code for support: %(code)s")) % {"code": problem.code}]


def failed(language: str, problem: Problem) -> SimpleNamespace:
    """A problem as the notice on top of a page."""
    headline = HEADLINES.get(problem.status, N_("That was not possible"))
    return SimpleNamespace(headline=catalogue(language).gettext(headline), lines=told(language, problem))


async def outside(request: Request) -> web.Shell:
    """The frame of a page that shows nothing of a hotel's business: login, errors. It still says which hotel, and whether it is real."""
    services, slug = services_of(request), request.path_params.get("property_id")
    houses = await services.store.read(lambda conn: [read_house(conn, one) for one in all_properties(conn)])
    mine = [house for house in houses if house.property_id == slug] or houses
    now = services.clock.now()
    return web.Shell(
        console=N_("Front office"),
        place=mine[0].name if len(mine) == 1 else "Latchkey",
        now=now.astimezone(mine[0].zone) if len(mine) == 1 else now,
        simulated=bool(mine) and all(house.simulated for house in mine),
        path=request.url.path,
    )


async def problem_page(request: Request, problem: Problem) -> Response:
    """A whole page for a problem that has no page of its own."""
    language = web.language_of(request)
    notice = failed(language, problem)
    return pages_of(request).look.page(
        "plain.html",
        language,
        status=problem.status,
        shell=await outside(request),
        heading=notice.headline,
        text=" ".join(notice.lines),
        way_out=web.NavItem("/", N_("Today"), "bell"),
    )


class PageRoute(APIRoute):
    """A route whose problems are answered with pages; a caller who asks for data gets the API's answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler that FastAPI makes."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except SignInFirst:
                back = str(URL(path=request.url.path, query=request.url.query)) if request.method == "GET" else "/"
                return RedirectResponse(URL("/login").include_query_params(next=back), 303)
            except Problem as problem:
                if web.wants_json(request):
                    raise
                return await problem_page(request, problem)
            except Exception:
                if web.wants_json(request):
                    raise
                log.exception("a page could not be drawn", extra={"path": request.url.path})
                return await problem_page(
                    request, Problem("fault", "This should not have happened.", "Try again; then look at central's log.")
                )

        return answer


def data(view: Any) -> dict[str, Any]:
    """A view as data, for callers that ask for JSON and for tests."""
    return asdict(view)
