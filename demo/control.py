"""The demo's own switchboard on loopback: the line between box and central, and the life of each process.

    POST /line                                   up | down | blackhole | slow
    POST /processes/{gateway|central|broker|sim} kill9 | start

The word is the body, as plain text or as JSON (`"down"`, or `{"mode": "down"}`). The control_token of demo.json opens it.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse

from demo.relay import MODES, Relay
from host.exits import HostError

Program = Literal["gateway", "central", "broker", "sim"]
Act = Literal["kill9", "start"]
ACTS: tuple[Act, ...] = ("kill9", "start")
W = TypeVar("W", bound=str)


async def said_word(request: Request, words: Sequence[W]) -> W:
    """Return the one word of the body. Raises 422 that names the words there are."""
    raw = (await request.body())[:200].decode(errors="replace").strip()
    try:
        found = json.loads(raw)
    except ValueError:
        found = raw
    if isinstance(found, dict) and len(found) == 1:
        (found,) = found.values()
    for word in words:
        if found == word:
            return word
    raise HTTPException(422, f"Say one of {', '.join(words)}; got {raw[:40]!r}.")


def switchboard(token: str, relay: Relay, act: Callable[[Program, Act], Awaitable[int | None]]) -> FastAPI:
    """Return the application. `act` does it and returns the process id that results, or None."""

    def allowed(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "Send `Authorization: Bearer <control_token of demo.json>`.")

    app = FastAPI(title="Latchkey demo control", dependencies=[Depends(allowed)], docs_url=None, redoc_url=None)

    @app.get("/line")
    async def line() -> dict[str, str]:
        return {"mode": relay.mode}

    @app.post("/line")
    async def set_line(request: Request) -> dict[str, str]:
        relay.set(await said_word(request, MODES))
        return {"mode": relay.mode}

    @app.post("/processes/{program}")
    async def process(program: Program, request: Request) -> dict[str, int | None]:
        return {"pid": await act(program, await said_word(request, ACTS))}

    @app.exception_handler(HTTPException)
    async def said(_: object, problem: HTTPException) -> JSONResponse:
        return JSONResponse({"title": problem.detail}, problem.status_code, media_type="application/problem+json")

    @app.exception_handler(HostError)
    async def not_done(_: object, problem: HostError) -> JSONResponse:
        return JSONResponse({"title": str(problem)}, 503, media_type="application/problem+json")

    return app
