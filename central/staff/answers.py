"""What every route shares: the form of a problem, and doing a change once however often it is sent."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import BaseModel

from central.staff.guard import Caller, services_of
from central.store import idempotency
from central.store.turn import Turn

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=idempotency.LONGEST, description="The same key, the same answer.")
]


class FieldProblem(BaseModel):
    """One field of a request that makes no sense."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """application/problem+json (RFC 9457) with a stable `code`; `reasons` where the state forbids an action."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str = ""
    reasons: list[str] = []
    fields: list[FieldProblem] = []


_MEANINGS = {
    401: "Nobody is signed in, or the token is not valid.",
    403: "Known, but not permitted.",
    404: "There is no such thing here.",
    409: "It contradicts what is so already; `code` and `reasons` say why.",
    422: "The request makes no sense; `fields` says where.",
    429: "Too many tries; see Retry-After.",
}
PROBLEM_JSON = "application/problem+json"


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems that a route may answer with."""
    return {status: {"model": ProblemBody, "description": _MEANINGS[status]} for status in statuses}


READS = errors(401, 403, 404, 422)
CHANGES = errors(401, 403, 404, 409, 422)


async def change_once(request: Request, caller: Caller, key: str | None, act: Callable[[Turn], Mapping[str, Any]]) -> dict[str, Any]:
    """Run `act(turn)` in one transaction and return its answer after COMMIT; with a key, a repeat gets the first answer.

    Raises Conflict when the key was used for another request, and what `act` raises.
    """
    sent = await request.body()
    asked = b"\n".join((request.method.encode(), request.url.path.encode(), sent))

    def run(turn: Turn) -> dict[str, Any]:
        return idempotency.once(turn, key, asked, lambda: act(turn))

    return await services_of(request).change(caller.property_id, caller.actor, run)
