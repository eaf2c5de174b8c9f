"""Who is calling: the session cookie of a browser or the bearer token of a program, and whether it may do what it asks for.

Every route depends on `may(permission)`; a route without it is refused by a test, not by luck.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import bindparam, select

from central.problems import Forbidden, Unauthenticated
from central.services import Services
from central.staff.people import TOKEN_PREFIX, hash_of
from central.staff.permissions import Permission, granted
from central.staff.sessions import Session, session_of
from central.store.tables import api_token

COOKIE = "latchkey_session"
CSRF_HEADER = "x-csrf-token"
BOX_PREFIX = "lkb_"  # a box may speak to /sync and to nothing else
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN = select(api_token.c.name, api_token.c.scopes, api_token.c.channel).where(
    api_token.c.property_id == bindparam("p"), api_token.c.token_hash == bindparam("hash"), api_token.c.ended_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `actor` goes into the audit trail; `channel` set: only that channel's orders; `session` None: a program."""

    property_id: str
    actor: str
    permissions: frozenset[Permission]
    channel: str | None = None
    session: Session | None = None


def services_of(request: Request) -> Services:
    """The running program's parts."""
    services: Services = request.app.state.services
    return services


async def session_from(request: Request) -> Session | None:
    """Return who is signed in with this browser, None when nobody is."""
    token = request.cookies.get(COOKIE)
    return await session_of(services_of(request), token) if token else None


def check_csrf(session: Session, told: str | None) -> None:
    """Raise Forbidden unless the request carries the session's own token: another site's page cannot know it."""
    if told is None or not hmac.compare_digest(told.encode(), session.csrf.encode()):
        raise Forbidden("csrf", "The request does not carry this session's token.", "Open the page again and repeat.")


async def _program(services: Services, token: str) -> Caller:
    if token.startswith(BOX_PREFIX):
        raise Forbidden("box_token", "A box may only use /sync.", "Use an API token or sign in.")
    slug, _, secret = token.removeprefix(TOKEN_PREFIX).partition(".")
    found = None
    if secret and token.startswith(TOKEN_PREFIX):
        found = await services.store.read(lambda conn: conn.execute(_TOKEN, {"p": slug, "hash": hash_of(token)}).first())
    if found is None:
        raise Unauthenticated("unknown_token", "This token is not valid.", "Make a new one with `latchkey-central token add`.")
    return Caller(slug, f"token/{found.name}", granted(found.scopes), found.channel)


async def caller_of(request: Request) -> Caller:
    """Return who asks; raise Unauthenticated, or Forbidden for a box's token or a form without the session's token."""
    told = request.headers.get("authorization", "")
    if told.lower().startswith("bearer "):
        return await _program(services_of(request), told[7:].strip())
    session = await session_from(request)
    if session is None:
        raise Unauthenticated("not_signed_in", "Nobody is signed in.", "Sign in, or send a bearer token.")
    if request.method not in SAFE_METHODS:
        check_csrf(session, request.headers.get(CSRF_HEADER))
    return Caller(session.property_id, f"staff/{session.staff_id}", granted(session.roles), session=session)


class May:
    """A route's dependency: lets a caller through who has `permission`, raises Forbidden otherwise."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        caller = await caller_of(request)
        if self.permission not in caller.permissions:
            raise Forbidden("not_permitted", f"This needs the permission {self.permission}.", "Ask somebody who may.")
        return caller


def may(permission: Permission) -> Callable[[Request], Awaitable[Caller]]:
    """Return the dependency for one permission."""
    return May(permission)
