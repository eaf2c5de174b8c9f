"""Signing in and out for programs and scripts that keep cookies; pages have forms of their own over the same functions."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from central.problems import Unauthenticated
from central.staff.answers import errors
from central.staff.guard import COOKIE, CSRF_HEADER, check_csrf, services_of, session_from
from central.staff.permissions import granted
from central.staff.sessions import LASTS, Session, session_of, sign_in, sign_out

routes = APIRouter(prefix="/api/v1/session", tags=["session"])


class SignIn(BaseModel):
    """Name and password; `property` where central serves several."""

    model_config = ConfigDict(extra="forbid")
    login: Annotated[str, Field(min_length=1, max_length=80)]
    password: Annotated[str, Field(min_length=1, max_length=200)]
    property: Annotated[str | None, Field(max_length=32)] = None


class Me(BaseModel):
    """Who is signed in; `csrf` goes into the X-CSRF-Token header of every change."""

    property: str
    staff_id: str
    name: str
    language: str
    roles: list[str]
    permissions: list[str]
    csrf: str


def set_cookie(response: Response, token: str, *, secure: bool) -> None:
    """Give the browser its session: no script reads it, no other site sends it."""
    response.set_cookie(COOKIE, token, max_age=int(LASTS.total_seconds()), httponly=True, samesite="strict", secure=secure, path="/")


def _me(session: Session) -> Me:
    return Me(
        property=session.property_id,
        staff_id=session.staff_id,
        name=session.name,
        language=session.language,
        roles=list(session.roles),
        permissions=sorted(granted(session.roles)),
        csrf=session.csrf,
    )


@routes.post("", responses=errors(401, 422, 429))
async def begin(told: SignIn, request: Request, response: Response) -> Me:
    """Sign in: sets the session cookie."""
    services = services_of(request)
    token = await sign_in(services, told.property, told.login, told.password)
    session = await session_of(services, token)
    if session is None:
        raise Unauthenticated("wrong_login", "Name or password is wrong.", "Try again.")
    set_cookie(response, token, secure=request.url.scheme == "https")
    return _me(session)


@routes.get("", responses=errors(401))
async def who(request: Request) -> Me:
    """Say who is signed in."""
    session = await session_from(request)
    if session is None:
        raise Unauthenticated("not_signed_in", "Nobody is signed in.", "Sign in.")
    return _me(session)


@routes.delete("", status_code=204, responses=errors(401, 403))
async def end(request: Request, response: Response) -> None:
    """Sign out."""
    session = await session_from(request)
    if session is None:
        raise Unauthenticated("not_signed_in", "Nobody is signed in.", "Sign in.")
    check_csrf(session, request.headers.get(CSRF_HEADER))
    await sign_out(services_of(request), session, request.cookies[COOKIE])
    response.delete_cookie(COOKIE, path="/")
