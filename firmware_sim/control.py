"""The control API of a simulated hotel, on loopback: hands, knobs, truth, cards and the clock.

What was asked wrongly is answered with problem+json, a code and a sentence, never with a 500.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from firmware_sim import knobs
from firmware_sim.clock_server import FASTEST, LONGEST_STEP_S, Missing
from firmware_sim.codes import CardType
from firmware_sim.device import Device
from firmware_sim.drawer import KINDS
from firmware_sim.encoder import CARD_TYPES
from firmware_sim.hands import BadHand, gesture
from firmware_sim.hotel import Hotel

HEARTBEAT_S = 15.0  # a comment on an idle stream, so that a dead follower is noticed
LARGEST = 64 * 1024
FIELDS = ("property", "door_first", "door_count", "generation", "copy", "role", "flags", "from", "until", "credential_ref", "areas")


class Problem(Exception):
    """Said to whoever asked: status, code and a sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def application(hotel: Hotel) -> FastAPI:
    """The API over one hotel, which must be running in the same loop."""
    app = FastAPI(title="Latchkey simulator", docs_url=None, redoc_url=None)
    _problems(app)
    _look_routes(app, hotel)
    _hand_routes(app, hotel)
    _card_routes(app, hotel)
    _clock_routes(app, hotel)
    return app


def _problems(app: FastAPI) -> None:
    def answer(status: int, code: str, detail: str) -> JSONResponse:
        told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}
        return JSONResponse(told, status, media_type="application/problem+json")

    @app.exception_handler(Problem)
    async def ours(request: Request, error: Problem) -> JSONResponse:
        return answer(error.status, error.code, error.detail)

    @app.exception_handler(HTTPException)
    async def theirs(request: Request, error: HTTPException) -> JSONResponse:
        where = f"{request.method} {request.url.path}"
        text = {404: f"there is nothing at {where}", 405: f"{where} is not offered; another method may be"}.get(error.status_code)
        return answer(error.status_code, "http", text or str(error.detail))


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request; empty when there is no body. Raises Problem."""
    content = await request.body()
    if len(content) > LARGEST:
        raise Problem(413, "too_large", f"the body has {len(content)} bytes; at most {LARGEST} are read")
    if not content.strip():
        return {}
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise Problem(400, "bad_json", "the body is no JSON") from None
    if not isinstance(told, dict):
        raise Problem(400, "bad_json", "the body must be a JSON object")
    return told


def _found(hotel: Hotel, name: str) -> Device:
    if name not in hotel.devices:
        raise Problem(404, "no_device", f"there is no device {name!r}; GET /sim/devices lists them")
    return hotel.devices[name]


def _look_routes(app: FastAPI, hotel: Hotel) -> None:
    @app.get("/sim/devices")
    async def devices() -> list[dict[str, Any]]:
        return [hotel.shown(device) for device in hotel.devices.values()]

    @app.get("/sim/devices/{name}")
    async def device(name: str) -> dict[str, Any]:
        return hotel.shown(_found(hotel, name))

    @app.get("/sim/truth")
    async def all_truth() -> dict[str, Any]:
        return hotel.truth()

    @app.get("/sim/trace")
    async def trace(after: str = "0") -> list[dict[str, Any]]:
        if not (after.isascii() and after.isdecimal()) or len(after) > 18:
            raise Problem(400, "bad_after", "after must be the number of a trace entry")
        return hotel.world.trace.entries(int(after))


def _hand_routes(app: FastAPI, hotel: Hotel) -> None:
    @app.post("/sim/devices/{name}/faults")
    async def faults(name: str, request: Request) -> dict[str, Any]:
        wanted = await _body(request)
        clear = wanted.pop("clear", False)
        try:
            if clear is True:
                knobs.clear_all(_found(hotel, name))
            return knobs.turn(_found(hotel, name), wanted)
        except knobs.BadKnob as bad:
            raise Problem(422, "bad_knob", str(bad)) from None

    @app.post("/sim/devices/{name}/{hand}")
    async def hand(name: str, hand: str, request: Request) -> dict[str, Any]:
        try:
            return gesture(_found(hotel, name), hand, await _body(request), hotel.drawer)
        except BadHand as bad:
            raise Problem(404 if bad.missing else 400, "bad_hand", str(bad)) from None


def _card_routes(app: FastAPI, hotel: Hotel) -> None:
    @app.get("/sim/cards")
    async def cards() -> list[dict[str, Any]]:
        return [hotel.drawer.shown(card) for card in hotel.drawer.cards.values()]

    @app.post("/sim/cards", status_code=201)
    async def make_card(request: Request) -> dict[str, Any]:
        told = await _body(request)
        name, kind, foreign = told.pop("id", None), told.pop("kind", "rfid48"), told.pop("foreign", False)
        fields = _fields(told)
        if name is not None and not (isinstance(name, str) and name.isascii() and name.isalnum() and len(name) <= 16):
            raise Problem(400, "bad_card", "id must be at most 16 letters and digits")
        if kind not in KINDS or not isinstance(foreign, bool):
            raise Problem(400, "bad_card", f"kind must be one of {', '.join(KINDS)}, and foreign true or false")
        try:
            card = hotel.drawer.make(name, kind)
        except ValueError as error:
            raise Problem(409, "card_exists", str(error)) from None
        if fields or foreign:
            hotel.drawer.stamp(card, fields, foreign)
        hotel.world.trace.add(card.id, "card_made", kind=kind)
        return hotel.drawer.shown(card)


def _fields(told: dict[str, Any]) -> dict[str, int]:
    """The image of a card that is made ready-written. Raises Problem."""
    kind = told.pop("type", None)
    fields: dict[str, int] = {}
    if kind is not None:
        number = CARD_TYPES.get(kind) if isinstance(kind, str) else kind
        if number not in set(CardType):
            raise Problem(400, "bad_card", f"type must be one of {', '.join(CARD_TYPES)}")
        fields["type"] = int(number)
    widths = {"property": 16, "door_first": 16, "door_count": 16, "copy": 8, "role": 8, "flags": 8}
    for name, value in told.items():
        most = 2 ** widths.get(name, 32) - 1
        if name not in FIELDS:
            raise Problem(400, "bad_card", f"a card has no {name!r}; it has id, kind, foreign, type, {', '.join(FIELDS)}")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise Problem(400, "bad_card", f"{name} must be a whole number from 0 to {most}")
        fields[name] = value
    return fields


def _number(told: dict[str, Any], name: str, low: float, high: float) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Problem(400, f"bad_{name}", f"{name} must be a number from {low:g} to {high:g}")
    return float(value)


def _clock_routes(app: FastAPI, hotel: Hotel) -> None:
    clock = hotel.clock

    @app.get("/clock")
    async def read() -> dict[str, Any]:
        return clock.told()

    @app.post("/clock/rate")
    async def rate(request: Request) -> dict[str, Any]:
        wanted = _number(await _body(request), "rate", 0.0, FASTEST)
        hotel.world.trace.add("clock", "rate", rate=wanted)
        clock.set_rate(wanted)
        hotel.save()
        return clock.told()

    @app.post("/clock/step")
    async def step(request: Request) -> dict[str, Any]:
        seconds = _number(await _body(request), "seconds", 0.0, LONGEST_STEP_S)
        hotel.world.trace.add("clock", "step", seconds=seconds)
        try:
            await clock.step(seconds, hotel.world.timers)
            hotel.save()
        except Missing as missing:
            raise Problem(504, "not_caught_up", f"the step was made, but has not been worked off by: {missing}") from None
        return clock.told()

    _follower_routes(app, hotel)


def _follower_routes(app: FastAPI, hotel: Hotel) -> None:
    @app.get("/clock/changes")
    async def changes(follower: str = "") -> StreamingResponse:
        if not 1 <= len(follower) <= 64:
            raise Problem(400, "bad_follower", "follower must be a name of 1 to 64 characters: /clock/changes?follower=NAME")
        return StreamingResponse(_stream(hotel, follower), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @app.post("/clock/caught_up")
    async def caught_up(request: Request) -> dict[str, Any]:
        told = await _body(request)
        name, revision = told.get("follower"), told.get("revision")
        if not isinstance(name, str) or isinstance(revision, bool) or not isinstance(revision, int):
            raise Problem(400, "bad_report", "a report is {follower: NAME, revision: whole number}")
        if not hotel.clock.caught_up(name, revision):
            raise Problem(404, "no_follower", f"nobody called {name!r} follows the clock; open /clock/changes first")
        return hotel.clock.told()


async def _stream(hotel: Hotel, name: str) -> AsyncIterator[str]:
    async with hotel.clock.followed(name) as follower:
        while True:
            try:
                told = await asyncio.wait_for(follower.changes.get(), HEARTBEAT_S)
            except TimeoutError:
                yield ": still here\n\n"
            else:
                yield f"data: {json.dumps(told)}\n\n"
