"""The desk over HTTP: one address and one function for a thing, answered as JSON or, to a browser, as a page.

A form posts the same fields as a program; besides them `csrf` and `idempotency_key` (a program sends the header Idempotency-Key).
"""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException

from gateway.desk import drawing, pages, views
from gateway.desk.guard import (
    COOKIE,
    must,
    must_act,
    office_of,
    person_of,
    problem_json,
    set_cookie,
    token_of,
    wants_page,
)
from gateway.desk.problems import Invalid, NotFound, Problem
from gateway.desk.requests import CheckInIn, CheckOutIn, CutKeyIn, DepartureIn, KeyIn, PaymentIn, RoomIn, SignInIn, WalkInIn
from gateway.desk.roles import Permission
from gateway.store import StoreError

M = TypeVar("M", bound=BaseModel)
ANOTHER = "another"  # the form's word for a key that does not exist yet
BODY_LIMIT = 16 * 1024

_log = logging.getLogger(__name__)


class DeskRoute(APIRoute):
    """A route whose problems are answered in the form in which it was asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler that FastAPI makes."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return await pages.problem_page(request, problem) if wants_page(request) else problem_json(problem)
            except StoreError as why:
                _log.error("desk: %s", why)
                broken = Problem("store", "The box could not write it down: nothing was changed.", "Try again; look at the disk.")
                return await pages.problem_page(request, broken) if wants_page(request) else problem_json(broken)

        return answer


router = APIRouter(prefix="/desk", route_class=DeskRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Sent(Generic[M]):
    """What was sent: the fields, the session's token as a form repeats it, and the key by which a repeat is known."""

    told: M
    csrf: str
    form: str | None


async def read(request: Request, model: type[M]) -> Sent[M]:
    """Return what was sent, from JSON or a form; raise Invalid with the fields that make no sense, never with what was in them."""
    if "transfer-encoding" in request.headers or int(request.headers.get("content-length") or 0) > BODY_LIMIT:
        raise HTTPException(413, "That is too long for this desk.")
    key = request.headers.get("idempotency-key", "")
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return Sent(model.model_validate_json(await request.body() or b"{}"), "", key[:64] or None)
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str) and value != ""}
        csrf, key = form.pop("csrf", ""), form.pop("idempotency_key", key)
        return Sent(model.model_validate(form), csrf, key[:64] or None)
    except ValidationError as error:
        names = sorted({".".join(str(part) for part in one["loc"]) for one in error.errors(include_url=False, include_input=False)} - {""})
        raise Invalid("invalid_request", f"This makes no sense: {', '.join(names) or 'the body'}.", "Correct it.", names) from None


def _data(content: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(jsonable_encoder(content), status, {"Cache-Control": "no-store"})


# ---------------------------------------------------------------- in and out


@router.get("")
async def start(request: Request) -> Response:
    """Send people to the board."""
    return RedirectResponse(drawing.BOARD, 303)


@router.get("/sign-in")
async def sign_in_form(request: Request) -> Response:
    """The form."""
    return await pages.sign_in_page(request)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with a PIN: a token for programs, a cookie for browsers."""
    told = (await read(request, SignInIn)).told
    token, person = await office_of(request).people.sign_in(told.staff, told.pin)
    answer: Response
    if wants_page(request):
        answer = RedirectResponse(pages.local(told.next), 303)
    else:
        answer = _data({"token": token, "name": person.name, "roles": person.roles, "csrf": person.csrf})
    set_cookie(answer, token, secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the caller's session."""
    if person_of(request) is not None:
        form = await request.form() if wants_page(request) else {}
        must_act(request, Permission.ROOMS_SEE, str(form.get("csrf", "")))
        office_of(request).people.sign_out(token_of(request)[0])
    answer: Response = RedirectResponse("/desk/sign-in", 303) if wants_page(request) else _data({})
    answer.delete_cookie(COOKIE)
    return answer


# ---------------------------------------------------------------- seeing


@router.get("/day")
async def day(request: Request) -> Response:
    """Arrivals, in house, departures."""
    who = must(request, Permission.STAYS_SEE)
    if wants_page(request):
        return await pages.day_page(request, who, "arrivals")
    return _data(await office_of(request).look(views.day))


@router.get("/board")
async def board(request: Request) -> Response:
    """Every room; somebody who may not see stays is told no names."""
    who = must(request, Permission.ROOMS_SEE)
    if wants_page(request):
        return await pages.board_page(request, who)
    rooms = await office_of(request).look(views.board)
    return _data(rooms if Permission.STAYS_SEE in who.permissions else [views.without_guest(room) for room in rooms])


@router.get("/board/live")
async def board_stream(request: Request) -> Response:
    """The board's events."""
    who = must(request, Permission.ROOMS_SEE)
    return (await pages.board_live(request, who)).response(request, pages.language_of(request, who))


@router.get("/find")
async def find(request: Request) -> Response:
    """Who is meant."""
    return await pages.find_page(request, must(request, Permission.STAYS_SEE))


@router.get("/walk-in")
async def walk_in_form(request: Request) -> Response:
    """The form for a guest without an order."""
    return await pages.walk_in_page(request, must(request, Permission.STAYS_SEE))


@router.get("/stays/{stay_id}")
async def stay(request: Request, stay_id: str) -> Response:
    """All of one stay."""
    who = must(request, Permission.STAYS_SEE)
    if wants_page(request):
        return await pages.stay_page(request, who, stay_id)
    return _data(await office_of(request).look(lambda look: views.one(look, stay_id)))


@router.get("/stays/{stay_id}/live")
async def stay_stream(request: Request, stay_id: str) -> Response:
    """The events of one stay."""
    who = must(request, Permission.STAYS_SEE)
    return (await pages.stay_live(request, stay_id)).response(request, pages.language_of(request, who))


@router.get("/jobs/{job_id}")
async def job(request: Request, job_id: str) -> Response:
    """One job of this box."""
    must(request, Permission.STAYS_SEE)
    return _data(await office_of(request).job(job_id))


@router.get("/holds")
async def holds(request: Request) -> Response:
    """The room nights that the box may sell by itself."""
    must(request, Permission.STAYS_SEE)
    return _data(await office_of(request).look(lambda look: views.holds(look.house)))


@router.get("/encoders")
async def encoders(request: Request) -> Response:
    """The hotel's encoders."""
    must(request, Permission.STAYS_SEE)
    return _data(await office_of(request).look(views.encoders))


@router.get("/unsent")
async def unsent(request: Request) -> Response:
    """What central does not hold yet."""
    must(request, Permission.ROOMS_SEE)
    return _data(await office_of(request).unsent())


# ---------------------------------------------------------------- acting


async def _done(request: Request, stay_id: str, action: str) -> Response:
    """Show the stay after `action`."""
    if wants_page(request):
        return RedirectResponse(URL(drawing.base_of(stay_id)).include_query_params(done=action), 303)
    return _data(await office_of(request).stay(stay_id))


@router.post("/stays/{stay_id}/check-in")
async def check_in(request: Request, stay_id: str) -> Response:
    """Let a guest in."""
    sent = await read(request, CheckInIn)
    who = must_act(request, Permission.STAYS_ACT, sent.csrf)
    await office_of(request).check_in(who, stay_id, room=sent.told.room, keys=sent.told.keys, form=sent.form)
    return await _done(request, stay_id, "check_in")


@router.post("/stays/{stay_id}/check-out")
async def check_out(request: Request, stay_id: str) -> Response:
    """Let a guest go."""
    sent = await read(request, CheckOutIn)
    who = must_act(request, Permission.STAYS_ACT, sent.csrf)
    await office_of(request).check_out(who, stay_id, form=sent.form)
    return await _done(request, stay_id, "check_out")


@router.post("/stays/{stay_id}/move")
async def move(request: Request, stay_id: str) -> Response:
    """Give a guest another room."""
    sent = await read(request, RoomIn)
    who = must_act(request, Permission.STAYS_ACT, sent.csrf)
    await office_of(request).move(who, stay_id, sent.told.room, form=sent.form)
    return await _done(request, stay_id, "move")


@router.post("/stays/{stay_id}/extend")
async def extend(request: Request, stay_id: str) -> Response:
    """Change a guest's departure."""
    sent = await read(request, DepartureIn)
    who = must_act(request, Permission.STAYS_ACT, sent.csrf)
    await office_of(request).extend(who, stay_id, sent.told.departure, manager=sent.told.word(), form=sent.form)
    return await _done(request, stay_id, "extend")


@router.post("/stays/{stay_id}/payments")
async def pay(request: Request, stay_id: str) -> Response:
    """Note money that was received."""
    sent = await read(request, PaymentIn)
    who = must_act(request, Permission.MONEY_TAKE, sent.csrf)
    currency = await office_of(request).look(lambda look: look.house.told.currency)
    await office_of(request).pay(who, stay_id, sent.told.payment(currency), form=sent.form)
    return await _done(request, stay_id, "pay")


@router.post("/stays/{stay_id}/cut-key")
async def cut_key(request: Request, stay_id: str) -> Response:
    """Have a card cut."""
    sent = await read(request, CutKeyIn)
    who = must_act(request, Permission.KEYS_ACT, sent.csrf)
    told = sent.told
    job_id = await office_of(request).cut_key(who, stay_id, told.encoder, told.purpose, key_id=told.key_id, form=sent.form)
    return _data({"job_id": job_id}, 202)


@router.post("/stays/{stay_id}/keys")
async def key_form(request: Request, stay_id: str) -> Response:
    """Have a card cut as the page's form asks: for a key that exists, or for another one. The page then follows the encoder."""
    sent = await read(request, KeyIn)
    who = must_act(request, Permission.KEYS_ACT, sent.csrf)
    wanted = sent.told.key_id if sent.told.key_id != ANOTHER else None
    first = await office_of(request).look(lambda look: next(iter(look.house.keys_of(stay_id, wanted=True)), None))
    purpose = "copy" if sent.told.key_id == ANOTHER or (wanted is not None and wanted != first) else "new"
    await office_of(request).cut_key(who, stay_id, sent.told.encoder, purpose, key_id=wanted, form=sent.form)
    return RedirectResponse(drawing.base_of(stay_id), 303)


@router.post("/walk-ins")
async def walk_in(request: Request) -> Response:
    """Take in a guest without an order."""
    sent = await read(request, WalkInIn)
    who = must_act(request, Permission.STAYS_ACT, sent.csrf)
    told = sent.told
    stay_id = await office_of(request).walk_in(who, told.wish(), document=told.document, manager=told.word(), form=sent.form)
    return await _done(request, stay_id, "walk_in")


@router.get("/{which}")
async def day_list(request: Request, which: str) -> Response:
    """One list of the day: arrivals, in-house or departures."""
    who = must(request, Permission.STAYS_SEE)
    if which not in {name for name, _, _ in pages.LISTS}:
        raise NotFound("page", which)
    if wants_page(request):
        return await pages.day_page(request, who, which)
    told = await office_of(request).look(views.day)
    return _data(told[which.replace("-", "_")])
