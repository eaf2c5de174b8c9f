"""Who asks, and how they are answered: bearer token or cookie, CSRF, and every problem as problem+json or as a page."""

import secrets

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from gateway.desk.office import Office
from gateway.desk.people import Person
from gateway.desk.problems import Forbidden, Problem, SignedOut, Throttled
from gateway.desk.roles import Permission

COOKIE = "latchkey_desk"
CSRF_HEADER = "x-csrf-token"
_BEARER = "bearer "


def office_of(request: Request) -> Office:
    """The running desk."""
    office: Office = request.app.state.office
    return office


def token_of(request: Request) -> tuple[str | None, bool]:
    """Return (the caller's token, whether it came by cookie)."""
    given = request.headers.get("authorization", "")
    if given.lower().startswith(_BEARER):
        return given[len(_BEARER) :].strip(), False
    return request.cookies.get(COOKIE), True


def person_of(request: Request) -> Person | None:
    """Return who is signed in."""
    return office_of(request).people.of_token(token_of(request)[0])


def must(request: Request, permission: Permission) -> Person:
    """Return who asks; raise SignedOut, or Forbidden without `permission`."""
    person = person_of(request)
    if person is None:
        raise SignedOut("not_signed_in", "Nobody is signed in at this box.", "Sign in with your PIN.")
    return person.must(permission)


def must_act(request: Request, permission: Permission, csrf: str = "") -> Person:
    """Return who changes something. A cookie alone is not enough: the form or a header repeats the session's token."""
    person = must(request, permission)
    told = csrf or request.headers.get(CSRF_HEADER, "")
    if token_of(request)[1] and not secrets.compare_digest(told.encode(), person.csrf.encode()):
        raise Forbidden("csrf", "This page was open too long.", "Try again now.")
    return person


def set_cookie(answer: Response, token: str, *, secure: bool) -> None:
    """Let the browser hold the session; it ends with the browser."""
    answer.set_cookie(COOKIE, token, httponly=True, secure=secure, samesite="strict", path="/")


def wants_page(request: Request) -> bool:
    """Whether a browser asks: everybody else gets data."""
    return "text/html" in request.headers.get("accept", "")


def problem_json(problem: Problem) -> JSONResponse:
    """Return a problem as data, in the same shape as central's."""
    body = {
        "type": f"urn:latchkey:problem:{problem.code}", "title": problem.code.replace("_", " "), "status": problem.status,
        "detail": problem.what, "code": problem.code, "remedy": problem.remedy, "reasons": list(problem.reasons), "fields": [],
    }  # fmt: skip
    headers = {"Retry-After": str(problem.retry_after_s)} if isinstance(problem, Throttled) else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="latchkey box"'
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")
