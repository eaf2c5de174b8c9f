"""Every error as application/problem+json with a code, and the OpenAPI that says so."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from central.problems import NotAllowed, Problem, Throttled
from central.staff.answers import PROBLEM_JSON

log = logging.getLogger(__name__)
_WORDS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def problem_response(
    status: int, code: str, detail: str, remedy: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Return one problem as an answer."""
    body = {
        "type": f"urn:latchkey:problem:{code}", "title": code.replace("_", " "), "status": status, "detail": detail, "code": code,
        "remedy": remedy, "reasons": [], "fields": [],
    }  # fmt: skip
    return JSONResponse(body | more, status, media_type=PROBLEM_JSON, headers=dict(headers or {}))


def _ours(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Problem):
        raise error
    reasons = list(error.reasons) if isinstance(error, NotAllowed) else []
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Throttled) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="latchkey"'
    return problem_response(error.status, error.code, error.what, error.remedy, headers=headers, reasons=reasons)


def _unreadable(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [
        {"field": ".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), "message": one["msg"]} for one in error.errors()
    ]
    return problem_response(422, "invalid_request", "The request makes no sense.", "Correct the fields named.", fields=fields)


def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _WORDS.get(error.status_code, "refused")
    return problem_response(error.status_code, code, str(error.detail), headers=error.headers)


def _fault(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(500, "fault", "This should not have happened.", "Try again; then look at central's log.")


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem, and say so in its OpenAPI."""
    app.add_exception_handler(Problem, _ours)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's documented way to change the document


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in document["paths"].values():
            for operation in path.values():
                _true_errors(operation["responses"])
        schemas = document.get("components", {}).get("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema


def _true_errors(responses: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {PROBLEM_JSON: problem}
