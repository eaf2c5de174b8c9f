"""The desk's pages: the frame around each, drawn from views, and live; answers for what goes wrong. Each works without JavaScript."""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import URL

import web
from gateway.desk import drawing, rates
from gateway.desk.guard import office_of, person_of
from gateway.desk.house import nights
from gateway.desk.people import Person
from gateway.desk.problems import NotAllowed, NotReady, Problem, Throttled
from gateway.desk.roles import Permission
from gateway.desk.views import Look, managers
from gateway.desk.walkins import Wish, offers
from gateway.store import Store
from web import assets, words
from web.catalogue import N_, catalogue
from web.live import Changed, LivePage, LivePages, Parts
from wire.ids import new_id

T = TypeVar("T")
HERE = Path(__file__).parent
LOOK_AGAIN_S = 5.0  # the line's state is no change of the store
SHOWN_KINDS = frozenset({"stay", "key", "room", "hold", "right", "staff", "property", "price_list", "device", "sight", "outbox"})
QUIET = frozenset({"outbox/last"})
NAV = (
    ("board", N_("Room board"), "grid"),
    ("arrivals", N_("Arrivals"), "arrive"),
    ("in-house", N_("In house"), "person"),
    ("departures", N_("Departures"), "depart"),
    ("walk-in", N_("Walk-in"), "key"),
)
LISTS = NAV[1:4]
REPEATED = ("display_name", "language", "persons", "nights", "room_type", "room")  # what a form that failed shows again: no secret
GROUPS = ("", "vacant", "booked", "occupied", "maintenance", "dirty", "pickup", "clean", "inspected", "attention")
DONE = {
    "check_in": N_("The guest is checked in. Cut the key now."),
    "check_out": N_("The guest is checked out. The keys are being withdrawn."),
    "move": N_("The guest has moved. Cut a new key for the new room."),
    "extend": N_("The departure is changed. The keys follow."),
    "walk_in": N_("The guest is taken in. Cut the key now."),
    "pay": N_("The payment is noted."),
}
PROBLEMS: dict[str, str] = {  # code -> what a receptionist reads; the rest is told in general words
    "wrong_pin": N_("Name or PIN is wrong. After five mistakes you must wait."),
    "needs_manager": N_("These nights are not among the rooms that this box may sell. A manager's PIN is needed."),
    "not_a_manager": N_("This PIN is not a manager's."),
    "which_manager": N_("Several managers could have given this PIN. Choose one."),
    "no_room_free": N_("No room is free for these nights."),
    "no_key_wanted": N_("This key is no longer valid. Cut another one."),
    "never_met_central": N_("This box has not met central yet. Bring up the line once; then it works without."),
    "not_enrolled": N_("This box is not enrolled yet. Enrol it first."),
    "csrf": N_("This page was open too long. Try again now."),
    "not_permitted": N_("You may not do this. Ask somebody who may."),
    "stay_not_found": N_("This stay is not known here."),
    "departure": N_("Choose a departure after today and within a year."),
    "invalid_request": N_("Something in the form makes no sense. Correct it and send it again."),
}


class News:
    """Wakes live pages after commits of the box's store."""

    def __init__(self, store: Store) -> None:
        self._waiting: set[asyncio.Event] = set()
        store.watch(self._heard)

    def _heard(self, touched: frozenset[str]) -> None:
        if any(what.partition("/")[0] in SHOWN_KINDS and what not in QUIET for what in touched):
            for event in self._waiting:
                event.set()

    @contextmanager
    def listen(self) -> Iterator[Changed]:
        """Give what waits for the next change, or for LOOK_AGAIN_S."""
        event = asyncio.Event()
        self._waiting.add(event)

        async def changed() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await event.wait()
            event.clear()

        try:
            yield changed
        finally:
            self._waiting.discard(event)


class Pages:
    """The pages of a running desk; `app.state.desk_pages`."""

    def __init__(self, store: Store) -> None:
        assets.add(HERE / "static")
        self.look, self.live, self.news = templates(), LivePages(), News(store)


@cache
def templates() -> web.Look:
    """The templates, compiled once a process."""
    return web.templates(HERE / "templates", names={"new_id": new_id})


def pages_of(request: Request) -> Pages:
    """The running desk's pages."""
    pages: Pages = request.app.state.desk_pages
    return pages


def language_of(request: Request, who: Person | None = None) -> str:
    """The language of an answer."""
    return web.language_of(request, who.language if who else None)


# ---------------------------------------------------------------- the frame


def _shell(request: Request, look: Look, who: Person | None, current: str, *, unsent: int = 0, live: str | None = None) -> web.Shell:
    house = look.house
    known = NAV if who is not None and Permission.STAYS_SEE in who.permissions else NAV[:1]
    return web.Shell(
        console=N_("The box's desk"),
        place=house.told.name,
        now=house.local(house.now),
        business_date=house.business_date,
        nav=tuple(web.NavItem(f"/desk/{where}", text, icon, where == current) for where, text, icon in known) if who else (),
        person=who.name if who else None,
        csrf=who.csrf if who else "",
        simulated=house.told.simulated,
        live=live,
        logout="/desk/sign-out",
        path=request.url.path,
        line=drawing.line_state(look, unsent),
    )


def _bare(request: Request) -> web.Shell:
    """The frame where the box knows no hotel yet."""
    return web.Shell(console=N_("The box's desk"), place="Latchkey", now=office_of(request).clock.now(), path=request.url.path)


async def _seen(request: Request, see: Callable[[Look], T]) -> tuple[T, Look, int]:
    """Return what `see` sees, with the look itself (its database is not to be used any more) and what is still unsent."""
    office = office_of(request)
    told, look = await office.look(lambda look: (see(look), look))
    unsent = await office.unsent()
    return told, look, int(unsent["desk"] or 0)


async def _live(request: Request, path: str, see: Callable[[Look], Mapping[str, Hashable]]) -> LivePage:
    """Return the live page of `path`; its parts are those of `see` and the line."""
    office, pages = office_of(request), pages_of(request)

    async def read() -> Parts:
        unsent = int((await office.unsent())["desk"] or 0)
        return await office.look(lambda look: {**see(look), "line": drawing.line_state(look, unsent)})

    known = pages.live.get(path)
    return known or pages.live.open(
        path, await read(), read, _draw(pages.look), cast("Callable[[], AbstractContextManager[Changed]]", pages.news.listen)
    )


_MACROS = {"board-counts": ("board_parts.html", "counts"), "board-due": ("board_parts.html", "due"), "line": ("line_parts.html", "line")}


def _draw(look: web.Look) -> Callable[[str, str, Hashable], str]:
    """Return what draws one part of a page."""

    def draw(language: str, part: str, model: Hashable) -> str:
        owner, _, macro = part.partition("-")
        files = {"order": "order_parts.html", "stay": "stay_parts.html"}
        file, macro = _MACROS.get(part) or (files.get(owner, "board_parts.html"), macro if owner in files else "tile")
        return look.fragment(file, macro, language, model)

    return draw


# ---------------------------------------------------------------- what goes wrong


def told(language: str, problem: Problem) -> list[str]:
    """What went wrong, in sentences for a receptionist."""
    say = catalogue(language).gettext
    if isinstance(problem, NotAllowed):
        return [say(words.REASON[reason]) if reason in words.REASON else reason for reason in problem.reasons]
    if isinstance(problem, Throttled):
        return [say(N_("Too many tries. Wait %(seconds)s seconds.")) % {"seconds": problem.retry_after_s}]
    if problem.code in PROBLEMS:
        return [say(PROBLEMS[problem.code])]
    return [say(N_("Code for support: %(code)s")) % {"code": problem.code}]


def failed(language: str, problem: Problem | None) -> SimpleNamespace | None:
    """A problem as the notice on top of a page."""
    if problem is None:
        return None
    return SimpleNamespace(headline=catalogue(language).gettext(N_("That was not possible")), lines=told(language, problem))


async def problem_page(request: Request, problem: Problem) -> Response:
    """Answer a problem to a browser: sign in first, the form again with the reason, or a page of its own."""
    who = person_of(request)
    if problem.code == "not_signed_in":
        back = str(URL(path=request.url.path, query=request.url.query)) if request.method == "GET" else drawing.BOARD
        return RedirectResponse(URL("/desk/sign-in").include_query_params(next=back), 303)
    if who is not None and request.method == "POST" and Permission.STAYS_SEE in who.permissions:
        with suppress(Problem):
            if "stay_id" in request.path_params:
                return await stay_page(request, who, str(request.path_params["stay_id"]), problem)
            if request.url.path.endswith("/walk-ins"):
                return await walk_in_page(request, who, problem)
    if request.url.path.endswith("/sign-in"):
        return await sign_in_page(request, problem)
    language = language_of(request, who)
    shell = _bare(request)
    if not isinstance(problem, NotReady):
        _, look, unsent = await _seen(request, lambda look: None)
        shell = _shell(request, look, who, "", unsent=unsent)
    headline = catalogue(language).gettext(N_("That was not possible"))
    way_out = web.NavItem(drawing.BOARD, N_("Room board"), "grid")
    text = " ".join(told(language, problem))
    look_of = pages_of(request).look
    return look_of.page("plain.html", language, status=problem.status, shell=shell, heading=headline, text=text, way_out=way_out)


# ---------------------------------------------------------------- the pages


def local(address: str) -> str:
    """Return `address` when it is a page of the desk, else the board: a sign-in form must not send people elsewhere."""
    return address if address.startswith("/desk/") and "\\" not in address and address.isprintable() else drawing.BOARD


async def sign_in_page(request: Request, problem: Problem | None = None) -> Response:
    """The form: who, and the PIN."""
    form = dict(await request.form()) if request.method == "POST" else {}
    language = language_of(request)
    _, look, unsent = await _seen(request, lambda look: None)
    onward = form.get("next") or request.query_params.get("next", "")
    return pages_of(request).look.page(
        "sign_in.html",
        language,
        status=problem.status if problem else 200,
        shell=_shell(request, look, None, "", unsent=unsent),
        people=office_of(request).people.choices(),
        chosen=form.get("staff", ""),
        next=local(str(onward)),
        failed=failed(language, problem),
    )


def board_parts(*, names: bool) -> Callable[[Look], Mapping[str, Hashable]]:
    """Return what reads the board's parts; without `names` nobody is named."""

    def parts(look: Look) -> Mapping[str, Hashable]:
        board = drawing.board(look)
        return (board if names else board.without_names()).parts()

    return parts


async def board_live(request: Request, who: Person) -> LivePage:
    """The board's live page."""
    names = Permission.STAYS_SEE in who.permissions
    return await _live(request, f"board/{names}", board_parts(names=names))


async def board_page(request: Request, who: Person) -> Response:
    """The room board."""
    names = Permission.STAYS_SEE in who.permissions
    board, look, unsent = await _seen(request, drawing.board)
    live, language = await board_live(request, who), language_of(request, who)
    stream = f"/desk/board/live?lang={language}&after={live.position(language)}"
    shell, show = _shell(request, look, who, "board", unsent=unsent, live=stream), request.query_params.get("show", "")
    shown = board if names else board.without_names()
    return pages_of(request).look.page(
        "board.html", language, shell=shell, board=shown, show=show if show in GROUPS else "", find="/desk/find"
    )


async def day_page(request: Request, who: Person, which: str) -> Response:
    """Arrivals, in-house or departures."""
    lists, look, unsent = await _seen(request, drawing.lines)
    tabs = [
        SimpleNamespace(href=f"/desk/{name}", text=text, icon=icon, current=name == which, count=len(lists[name]))
        for name, text, icon in LISTS
    ]
    title = next(text for name, text, _ in LISTS if name == which)
    day = SimpleNamespace(title=title, query="", lines=lists[which], tabs=tabs)
    shell = _shell(request, look, who, which, unsent=unsent)
    return pages_of(request).look.page("day.html", language_of(request, who), shell=shell, day=day, find="/desk/find")


async def find_page(request: Request, who: Person) -> Response:
    """Who is meant by a room, a number or a part of a name."""
    text = request.query_params.get("q", "").strip()[:64]
    hits, look, unsent = await _seen(request, lambda look: [drawing.line(look.house, one) for one in drawing.found(look.house, text)])
    if len(hits) == 1 or (hits and hits[0].room == text):
        return RedirectResponse(hits[0].href, 303)
    day = SimpleNamespace(title=N_("Found"), query=text, lines=hits, tabs=[])
    shell = _shell(request, look, who, "", unsent=unsent)
    return pages_of(request).look.page("day.html", language_of(request, who), shell=shell, day=day, find="/desk/find")


async def stay_live(request: Request, stay_id: str) -> LivePage:
    """The live page of one stay."""
    return await _live(request, f"stay/{stay_id}", lambda look: drawing.stay_page(look, stay_id).parts())


async def stay_page(request: Request, who: Person, stay_id: str, problem: Problem | None = None) -> Response:
    """One stay; with `problem` a notice on top and the problem's status."""
    page, look, unsent = await _seen(request, lambda look: drawing.stay_page(look, stay_id))
    live, language = await stay_live(request, stay_id), language_of(request, who)
    stream = f"/desk/stays/{stay_id}/live?lang={language}&after={live.position(language)}"
    done = DONE.get(request.query_params.get("done", "")) if problem is None else None
    return pages_of(request).look.page(
        "stay.html",
        language,
        status=problem.status if problem else 200,
        shell=_shell(request, look, who, "", unsent=unsent, live=stream),
        stay=page,
        back=web.NavItem(drawing.BOARD, N_("Room board"), "grid"),
        failed=failed(language, problem),
        done=catalogue(language).gettext(done) if done else None,
        waiting=page.keys.job is not None and page.keys.job.state == "started",
    )


async def walk_in_page(request: Request, who: Person, problem: Problem | None = None) -> Response:
    """The form for a guest without an order, with what the box may sell."""
    sent: Mapping[str, Any] = await request.form() if request.method == "POST" else request.query_params
    form = {name: str(sent.get(name, ""))[:120] for name in REPEATED}
    view, look, unsent = await _seen(request, _walk_in)
    language = language_of(request, who)
    return pages_of(request).look.page(
        "walk_in.html",
        language,
        status=problem.status if problem else 200,
        shell=_shell(request, look, who, "walk-in", unsent=unsent),
        view=view,
        form=form,
        failed=failed(language, problem),
    )


def _walk_in(look: Look) -> SimpleNamespace:
    """What can be sold tonight: each free room with how many nights in a row the box may sell it without a manager."""
    house = look.house
    tonight = offers(house, Wish("", "", 1, 1))
    rows = []
    for offer in tonight:
        held = house.held(offer.room, house.business_date, house.business_date.max)
        run = next(at for at in range(len(held) + 1) if drawing.day_after(house, at) not in held)
        price = rates.nightly(house, offer.room_type, nights(house.business_date, drawing.day_after(house, 1)))
        room = house.rooms[offer.room]
        row = SimpleNamespace(
            room=offer.room, room_type=offer.room_type, names=rates.type_names(house, offer.room_type), care=str(room.care), held=run
        )
        row.price = price[0] if price else None
        rows.append(row)
    kinds: dict[str, SimpleNamespace] = {}
    for row in rows:
        kind = kinds.setdefault(row.room_type, SimpleNamespace(code=row.room_type, names=row.names, held=0, free=0))
        kind.free += 1
        kind.held += row.held > 0
    return SimpleNamespace(
        rows=rows, kinds=sorted(kinds.values(), key=lambda kind: kind.code), currency=house.told.currency, managers=managers(look)
    )
