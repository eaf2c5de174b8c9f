"""The forms of the pages: signing in and out, check-in, check-out, rooms, keys, care. Each works without JavaScript.

A form carries the session's token and an idempotency key; a good answer is a redirect to the page that shows the change, a refusal
is that page with the reason on top.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from starlette.datastructures import URL, FormData

import web
from central.bookings import keys, stays
from central.pages import frame
from central.pages.frame import PageRoute, Viewer
from central.pages.sight import order_answer
from central.problems import Invalid, Problem
from central.rooms.care import set_care
from central.staff.guard import COOKIE, check_csrf, session_from
from central.staff.permissions import Permission
from central.staff.routes import set_cookie
from central.staff.sessions import sign_in, sign_out
from central.store import idempotency
from central.store.tables import property_
from central.store.turn import Turn
from wire.entities import Care, KeyStatus

router = APIRouter(route_class=PageRoute, include_in_schema=False)
ANOTHER = "another"  # the form's word for "a key that does not exist yet"
_HOTELS = select(property_.c.property_id, property_.c.name).order_by(property_.c.name)


# ---------------------------------------------------------------- in and out


@router.get("/")
async def start(request: Request) -> Response:
    """Send people to their hotel's start page."""
    session = await session_from(request)
    if session is None:
        raise frame.SignInFirst
    return RedirectResponse(f"/p/{session.property_id}/today", 303)


@router.get("/login")
async def login_page(request: Request) -> Response:
    """The form."""
    return await _login(request, request.query_params.get("next", "/"))


async def _login(request: Request, onward: str, user: str = "", hotel: str = "", problem: Problem | None = None) -> Response:
    hotels = await frame.services_of(request).store.read(lambda conn: [(row.property_id, row.name) for row in conn.execute(_HOTELS)])
    language = web.language_of(request)
    return frame.pages_of(request).look.page(
        "login.html",
        language,
        status=problem.status if problem else 200,
        shell=await frame.outside(request),
        action="/login",
        next=local(onward),
        user=user,
        property=hotel,
        properties=hotels if len(hotels) > 1 else [],
        failed=" ".join(frame.told(language, problem)) if problem else None,
    )


def local(address: str) -> str:
    """Return `address` when it is a path of ours, else the start page: a login form must not send people elsewhere."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable() else "/"


@router.post("/login")
async def login(request: Request) -> Response:
    """Sign in and go on to where the person was going."""
    form = await request.form()
    user, hotel, onward = text_of(form, "user"), text_of(form, "property"), text_of(form, "next")
    try:
        token = await sign_in(frame.services_of(request), hotel or None, user, text_of(form, "password"))
    except Problem as problem:
        return await _login(request, onward, user, hotel, problem)
    answer = RedirectResponse(local(onward), 303)
    set_cookie(answer, token, secure=request.url.scheme == "https")
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Sign out."""
    session = await session_from(request)
    if session is not None:
        check_csrf(session, text_of(await request.form(), "csrf"))
        await sign_out(frame.services_of(request), session, request.cookies[COOKIE])
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def text_of(form: FormData, name: str) -> str:
    """The text of one field; empty where it is missing, or a file."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


# ---------------------------------------------------------------- one order


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was sent by somebody who may."""

    who: Viewer
    form: FormData


async def sent_by(request: Request, who: Viewer) -> Sent:
    """Return the form; raise Forbidden without the session's token."""
    form = await request.form()
    check_csrf(who.session, text_of(form, "csrf"))
    return Sent(who, form)


async def act_once(request: Request, property_id: str, sent: Sent, use_case: Callable[[Turn], object]) -> None:
    """Run a use case once for each idempotency key: a form that is sent twice counts once."""
    told = json.dumps(sorted((name, str(value)) for name, value in sent.form.multi_items() if name != "csrf"))
    fingerprint = f"{request.url.path} {told}".encode()

    def once(turn: Turn) -> dict[str, Any]:
        def act() -> Mapping[str, Any]:
            use_case(turn)
            return {}

        return idempotency.once(turn, text_of(sent.form, "idempotency_key")[: idempotency.LONGEST] or None, fingerprint, act)

    await frame.services_of(request).change(property_id, sent.who.actor, once)


async def _on_order(
    request: Request, property_id: str, order_id: str, permission: Permission, done: str, use_case: Callable[[Turn, FormData], object]
) -> Response:
    """Act on an order and show it: redirect when it went well, the same page with the reason when it did not."""
    who = await frame.viewer(request, property_id, permission)
    try:
        sent = await sent_by(request, who)
        await act_once(request, property_id, sent, lambda turn: use_case(turn, sent.form))
    except Problem as problem:
        return await order_answer(request, who, property_id, order_id, problem)
    onward = URL(f"/p/{property_id}/orders/{order_id}")
    return RedirectResponse(onward.include_query_params(done=done) if done else onward, 303)


@router.post("/p/{property_id}/orders/{order_id}/check-in")
async def check_in(request: Request, property_id: str, order_id: str) -> Response:
    """Let the guest in."""
    return await _on_order(request, property_id, order_id, Permission.STAYS_ACT, "check_in", lambda turn, _: stays.check_in(turn, order_id))


@router.post("/p/{property_id}/orders/{order_id}/check-out")
async def check_out(request: Request, property_id: str, order_id: str) -> Response:
    """Let the guest go; with an open balance only when the form says so."""

    def act(turn: Turn, form: FormData) -> object:
        return stays.check_out(turn, order_id, open_balance=text_of(form, "open_balance") == "yes")

    return await _on_order(request, property_id, order_id, Permission.STAYS_ACT, "check_out", act)


@router.post("/p/{property_id}/orders/{order_id}/move")
async def move(request: Request, property_id: str, order_id: str) -> Response:
    """Move the guest to another room."""
    return await _on_order(
        request, property_id, order_id, Permission.STAYS_ACT, "move", lambda turn, form: stays.move(turn, order_id, text_of(form, "room"))
    )


@router.post("/p/{property_id}/orders/{order_id}/assign")
async def assign(request: Request, property_id: str, order_id: str) -> Response:
    """Give the reservation a room before arrival."""
    return await _on_order(
        request,
        property_id,
        order_id,
        Permission.STAYS_ACT,
        "assign",
        lambda turn, form: stays.assign(turn, order_id, text_of(form, "room")),
    )


@router.post("/p/{property_id}/orders/{order_id}/keys")
async def cut(request: Request, property_id: str, order_id: str) -> Response:
    """Cut a card: for a key that exists, or for another one. The page then follows the encoder."""

    def act(turn: Turn, form: FormData) -> object:
        encoder, wanted = text_of(form, "encoder"), text_of(form, "key_id")
        if not encoder:
            raise Invalid("no_encoder", "No encoder was chosen.", "Choose one.")
        key = keys.add_key(turn, order_id) if wanted == ANOTHER else _own_key(turn, order_id, wanted)
        return keys.cut_key(turn, order_id, encoder, "copy" if key.copy_no else "new", key.key_id)

    return await _on_order(request, property_id, order_id, Permission.KEYS_ACT, "", act)


def _own_key(turn: Turn, reservation_id: str, wanted: str) -> keys.Key:
    """The stay's key of that id, else its first valid one (a form without JavaScript sends none when Enter is pressed)."""
    mine = [key for key in keys.of_stay(turn.conn, turn.property_id, reservation_id) if key.status is KeyStatus.WANTED]
    found = next((key for key in mine if key.key_id == wanted), None if wanted else next(iter(mine), None))
    return found or keys.add_key(turn, reservation_id)


# ---------------------------------------------------------------- one room


@router.post("/p/{property_id}/rooms/{number}/care")
async def care(request: Request, property_id: str, number: str) -> Response:
    """Write down how clean a room is."""
    sent = await sent_by(request, await frame.viewer(request, property_id, Permission.ROOMS_CARE))
    try:
        wanted = Care(text_of(sent.form, "care"))
    except ValueError:
        raise Invalid("unknown_care", "A room is dirty, pickup, clean or inspected.") from None
    await act_once(request, property_id, sent, lambda turn: set_care(turn, number, wanted))
    return RedirectResponse(f"/p/{property_id}/rooms/{number}", 303)
