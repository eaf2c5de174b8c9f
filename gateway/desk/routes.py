"""The desk over HTTP: one address and one function for a thing, answered as JSON or, to a browser, as a page.

A form posts the same fields as a program; besides them `csrf` and `idempotency_key` (a program sends the header Idempotency-Key).
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from gateway.desk import views
from gateway.desk.guard import must, must_act, office_of, problem_json, set_cookie, token_of
from gateway.desk.problems import Invalid, Problem
from gateway.desk.requests import CheckInIn, CheckOutIn, CutKeyIn, DepartureIn, PaymentIn, RoomIn, SignInIn, WalkInIn
from gateway.desk.roles import Permission

M = TypeVar("M", bound=BaseModel)
BODY_LIMIT = 16 * 1024


class DeskRoute(APIRoute):
    """A route whose problems are answered in the form in which it was asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler that FastAPI makes."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return problem_json(problem)

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
    if int(request.headers.get("content-length") or 0) > BODY_LIMIT:
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


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with a PIN: a token for programs, a cookie for browsers."""
    told = (await read(request, SignInIn)).told
    token, person = await office_of(request).people.sign_in(told.staff, told.pin)
    answer = _data({"token": token, "name": person.name, "roles": person.roles, "csrf": person.csrf})
    set_cookie(answer, token, secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the caller's session."""
    office_of(request).people.sign_out(token_of(request)[0])
    return _data({})


# ---------------------------------------------------------------- seeing


@router.get("/day")
async def day(request: Request) -> Response:
    """Arrivals, in house, departures."""
    must(request, Permission.STAYS_SEE)
    return _data(await office_of(request).look(views.day))


@router.get("/board")
async def board(request: Request) -> Response:
    """Every room; somebody who may not see stays is told no names."""
    names = Permission.STAYS_SEE in must(request, Permission.ROOMS_SEE).permissions
    rooms = await office_of(request).look(views.board)
    return _data(rooms if names else [views.without_guest(room) for room in rooms])


@router.get("/stays/{stay_id}")
async def stay(request: Request, stay_id: str) -> Response:
    """All of one stay."""
    must(request, Permission.STAYS_SEE)
    return _data(await office_of(request).look(lambda look: views.one(look, stay_id)))


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
    await office_of(request).pay(who, stay_id, sent.told.model_dump(), form=sent.form)
    return await _done(request, stay_id, "pay")


@router.post("/stays/{stay_id}/cut-key")
async def cut_key(request: Request, stay_id: str) -> Response:
    """Have a card cut."""
    sent = await read(request, CutKeyIn)
    who = must_act(request, Permission.KEYS_ACT, sent.csrf)
    told = sent.told
    job_id = await office_of(request).cut_key(who, stay_id, told.encoder, told.purpose, key_id=told.key_id, form=sent.form)
    return _data({"job_id": job_id}, 202)


@router.post("/walk-ins")
async def walk_in(request: Request) -> Response:
    """Take in a guest without an order."""
    sent = await read(request, WalkInIn)
    who = must_act(request, Permission.STAYS_ACT, sent.csrf)
    told = sent.told
    stay_id = await office_of(request).walk_in(who, told.wish(), document=told.document, manager=told.word(), form=sent.form)
    return await _done(request, stay_id, "walk_in")
