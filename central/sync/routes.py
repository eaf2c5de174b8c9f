"""The five addresses that a box calls, under /sync/v1. A box opens nothing else, and nobody else opens these.

Bodies may come deflated (zlib). Every trouble is problem+json by the composition root: 401 no credentials, 403 not a box of ours,
400 unreadable, 409 another epoch, 410 take the snapshot, 413 too large, 426 no common protocol.
"""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, text

from central.problems import Forbidden, Problem, Unauthenticated
from central.services import Services
from central.store.turn import Turn
from central.store.wakeups import RESYNC, Subscription
from central.sync import feed, intake, jobs
from central.sync.enrolment import Box, box_of_token, is_box_token, property_of
from wire import codec
from wire.facts import LANES, Lane
from wire.intake import Ledger, Outdated, gone, greet
from wire.jobs import Job
from wire.messages import CATCH_UP_BYTES, FEED_ROWS, FEED_WAIT_S, DigestReply, FactsReply, Hello, HelloReply

BODY_LIMIT = 2 * CATCH_UP_BYTES  # of what was sent and of what it unpacks to
RECHECK_S = 5.0  # another process may have written: its wake-ups do not reach this one
_LANES = text("SELECT lane, last_seq, last_fact_id FROM box_lane WHERE property_id = :property_id AND box_id = :box_id")
_HEARD = text("UPDATE box SET heard_at = :now_ms WHERE property_id = :property_id AND box_id = :box_id")
_VERSION = text("UPDATE box SET version = :version WHERE property_id = :property_id AND box_id = :box_id")
JSON = "application/json"


class BadRequest(Problem):
    status = 400


class WrongEpoch(Problem):
    status = 409


class Gone(Problem):
    status = 410


class TooLarge(Problem):
    status = 413


class UpgradeNeeded(Problem):
    status = 426


def router(services: Services, rules: intake.Rules, real_ms: Callable[[], int] = jobs.real_ms) -> APIRouter:
    """Return the routes of /sync/v1. `rules` say what facts do; `real_ms` counts down jobs."""
    line = _Line(services, rules, real_ms)
    routes = APIRouter(prefix="/sync/v1", tags=["sync"])

    @routes.post("/hello", response_model=HelloReply)
    async def hello(request: Request) -> Response:
        return await line.hello(_token(request), await _body(request))

    @routes.post("/facts", response_model=FactsReply)
    async def facts(request: Request) -> Response:
        return await line.facts(_token(request), await _body(request))

    @routes.get("/feed")
    async def feed_(
        request: Request,
        after: Annotated[int, Query(ge=0)],
        limit: Annotated[int, Query(ge=1, le=FEED_ROWS)] = FEED_ROWS,
        wait: Annotated[int, Query(ge=0, le=FEED_WAIT_S)] = FEED_WAIT_S,
    ) -> Response:
        answering = asyncio.create_task(line.feed(_token(request), after, limit, wait))
        leaving = asyncio.create_task(_left(request))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return answering.result() if answering.done() else Response(status_code=499)  # nobody reads it
        except asyncio.CancelledError:  # central is going down
            return Response(status_code=503, headers={"Retry-After": "2"})
        finally:
            answering.cancel()
            leaving.cancel()

    @routes.get("/snapshot")
    async def snapshot(request: Request) -> Response:
        return await line.snapshot(_token(request))

    @routes.get("/digest", response_model=DigestReply)
    async def digest(request: Request) -> Response:
        return await line.digest(_token(request))

    return routes


def _token(request: Request) -> str:
    """Return the box's token; raise Unauthenticated without any credentials and Forbidden for those of anybody else."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_box_token(token):
        return token
    if request.headers.get("authorization") or request.cookies:
        raise Forbidden("not_a_box", "These addresses are for the property's box only.", "Use /api/v1.")
    raise Unauthenticated("no_token", "A box calls with its token.", "Enrol the box: latchkey-gateway enrol FILE.")


async def _left(request: Request) -> None:
    """Return when the caller has hung up: a poll for nobody must not be given a job."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    """Return the body, unpacked; raise TooLarge before more than the limit is held."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise _too_large()
    encoding = request.headers.get("content-encoding", "identity")
    if encoding == "identity":
        return bytes(raw)
    if encoding != "deflate":
        raise BadRequest("encoding", f"The body is encoded as {encoding!r}; deflate and identity are understood.")
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(raw, BODY_LIMIT + 1)
    except zlib.error:
        raise BadRequest("unreadable", "The body does not unpack.") from None
    if len(body) > BODY_LIMIT or unpacker.unconsumed_tail:
        raise _too_large()
    if not unpacker.eof:
        raise BadRequest("unreadable", "The body is cut off.")
    return body


def _too_large() -> TooLarge:
    return TooLarge("too_large", f"A body has at most {BODY_LIMIT} bytes, unpacked.", "Send fewer rows.")


@dataclass(frozen=True, slots=True)
class _Page:
    head: feed.Head
    rows: tuple[feed.Entry, ...]
    job_in_ms: int | None


class _Line:
    """One box's requests, answered; holds nothing between two of them."""

    def __init__(self, services: Services, rules: intake.Rules, real_ms: Callable[[], int]) -> None:
        self._services, self._rules, self._real_ms = services, rules, real_ms

    async def hello(self, token: str, raw: bytes) -> Response:
        try:
            told = codec.decode(Hello, raw)
        except codec.Unreadable as error:
            raise BadRequest("unreadable", str(error)) from None
        return _json(codec.encode(await self._change(token, _greeted, token, told)))

    async def facts(self, token: str, raw: bytes) -> Response:
        push = await asyncio.to_thread(_push, raw) if len(raw) > LARGE else _push(raw)
        return _json(codec.encode(await self._change(token, _taken, token, push, self._rules)))

    async def feed(self, token: str, after: int, limit: int, wait_s: int) -> Response:
        clock, store = self._services.clock, self._services.store
        box = await self._box(token)
        begun = clock.monotonic()
        with store.hub.subscribe(box.property_id) as news:
            while True:
                page = await store.read(lambda conn: self._page(conn, box.property_id, after, limit))
                if gone(after, page.head.seq, page.head.floor):
                    raise Gone("gone", f"The feed cannot go on after {after}.", "Take the snapshot.")
                waited = clock.monotonic() - begun
                if page.rows or page.job_in_ms == 0 or waited >= wait_s:
                    break
                next_job_s = RECHECK_S if page.job_in_ms is None else page.job_in_ms / 1000
                await _news(news, min(wait_s - waited, RECHECK_S, next_job_s))
        offered: tuple[Job, ...] = ()
        if page.job_in_ms == 0:
            offered = await self._services.change(box.property_id, f"box/{box.box_id}", jobs.offer, self._real_ms())
        waited_ms = int((clock.monotonic() - begun) * 1000)
        return _json(codec.feed_reply(page.head.seq, page.head.seen, map(_row, page.rows), offered, waited_ms))

    async def snapshot(self, token: str) -> Response:
        box = await self._box(token)
        vault = self._services.vault
        head, rows = await self._services.store.read(
            lambda conn: (_settled(conn, box.property_id), feed.snapshot(conn, vault, box.property_id))
        )
        return _json(codec.snapshot_reply(head.seq, head.seen, map(_row, rows)))

    async def digest(self, token: str) -> Response:
        box = await self._box(token)
        return _json(codec.encode(await self._services.store.read(lambda conn: self._digest(conn, box))))

    def _digest(self, conn: Connection, box: Box) -> DigestReply:
        head = feed.head(conn, box.property_id)
        return DigestReply(head.seq, dict(_ledger(conn, box, head).last), feed.digests(conn, self._services.vault, box.property_id))

    def _page(self, conn: Connection, property_id: str, after: int, limit: int) -> _Page:
        head = _settled(conn, property_id)
        rows = feed.read(conn, self._services.vault, property_id, after, limit) if head.seq > after else ()
        return _Page(head, rows, jobs.due_ms(conn, property_id, self._real_ms()))

    async def _box(self, token: str) -> Box:
        return _mine(await self._services.store.read(lambda conn: box_of_token(conn, token)))

    async def _change(self, token: str, use_case: "Callable[..., HelloReply | FactsReply]", *args: object) -> HelloReply | FactsReply:
        property_id = property_of(token)
        if property_id is None:
            raise _not_ours()
        return await self._services.change(property_id, "box", use_case, *args)


def _settled(conn: Connection, property_id: str) -> feed.Head:
    """Return the feed's head with `seen` as the box may rely on it: below whatever a person must decide on."""
    head = feed.head(conn, property_id)
    return replace(head, seen=feed.settled_seen(conn, property_id, head.seen))


LARGE = 64 * 1024  # bytes of a push that take the event loop long enough to be worth a thread


def _push(raw: bytes) -> codec.Push:
    try:
        return codec.decode_push(raw)
    except codec.BadPush as error:
        raise BadRequest("unreadable", str(error)) from None


def _greeted(turn: Turn, token: str, told: Hello) -> HelloReply:
    box = _mine(box_of_token(turn.conn, token))
    head = feed.head(turn.conn, turn.property_id)
    ledger = _ledger(turn.conn, box, head)
    lanes = ledger.last
    try:
        reply = greet(told, ledger, turn.now)
    except Outdated as error:
        raise UpgradeNeeded("no_common_protocol", str(error), "Bring the older of the two up to date.") from None
    if head.seen != lanes.get("desk", 0):  # another box serves the property now: `seen` counts its facts
        feed.mark_seen(turn, lanes.get("desk", 0))
    _heard(turn, box)
    turn.conn.execute(_VERSION, {"property_id": box.property_id, "box_id": box.box_id, "version": told.version})
    return reply


def _taken(turn: Turn, token: str, push: codec.Push, rules: intake.Rules) -> FactsReply:
    box = _mine(box_of_token(turn.conn, token))
    if push.epoch != box.epoch:
        raise WrongEpoch("wrong_epoch", f"The push is of epoch {push.epoch}, the box's is {box.epoch}.", "Greet again.")
    _heard(turn, box)
    return intake.take(turn, box.box_id, push, rules, box.epoch)


def _heard(turn: Turn, box: Box) -> None:
    now_ms = int(turn.now.timestamp() * 1000)
    turn.conn.execute(_HEARD, {"property_id": box.property_id, "box_id": box.box_id, "now_ms": now_ms})


def _ledger(conn: Connection, box: Box, head: feed.Head) -> Ledger:
    rows = conn.execute(_LANES, {"property_id": box.property_id, "box_id": box.box_id}).all()
    known = {str(lane): (int(last), str(fact_id)) for lane, last, fact_id in rows}
    last: dict[Lane, int] = {lane: known.get(lane, (0, ""))[0] for lane in LANES}
    last_id: dict[Lane, str] = {lane: known[lane][1] for lane in LANES if known.get(lane, (0, ""))[1]}
    return Ledger(box.epoch, last, head.seq, head.floor, last_id)


def _mine(box: Box | None) -> Box:
    if box is None:
        raise _not_ours()
    return box


def _not_ours() -> Forbidden:
    return Forbidden("unknown_box", "This token opens nothing.", "Enrol the box again: latchkey-central gateway add.")


async def _news(news: Subscription, limit_s: float) -> None:
    """Return when there may be something for the box, or after `limit_s`."""
    try:
        async with asyncio.timeout(limit_s):
            while not any(wakeup.topic in {feed.TOPIC, jobs.TOPIC, RESYNC} for wakeup in await news.get()):
                pass
    except TimeoutError:
        return


def _row(entry: feed.Entry) -> bytes:
    return codec.feed_row(entry.seq, entry.kind, entry.id, entry.op, entry.seen, entry.body)


def _json(body: bytes) -> Response:
    return Response(body, media_type=JSON)
