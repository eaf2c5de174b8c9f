"""The box's line against a central that misbehaves: it says what is wrong, keeps every fact and goes on by itself."""

import asyncio
import socket
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response

from central.store.database import Store
from gateway.sync import carrier
from host.serving import serve
from tests.sync.hotel import NOON, Box, box, hotel, stay, until
from wire import codec
from wire.codec import Known
from wire.facts import LANES, Fact, JobDone, StayCheckedIn
from wire.jobs import Job, JobKind
from wire.messages import FactsReply, HelloReply

Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class Stub:
    """A central of a few lines; a test replaces what it answers."""

    heard: list[Fact] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    hello: Response | None = None
    asked: int = 0

    async def greet(self, request: Request) -> Response:
        self.asked += 1
        return self.hello or Response(codec.encode(HelloReply(1, dict.fromkeys(LANES, len(self.heard)), 0, NOON)))

    async def take(self, request: Request) -> Response:
        raw = await request.body()
        push = codec.decode_push(zlib.decompress(raw) if request.headers.get("content-encoding") == "deflate" else raw)
        self.heard += [row.fact for row in push.rows if isinstance(row, Known)]
        return Response(codec.encode(FactsReply(1, push.rows[-1].seq)))

    async def feed(self, request: Request) -> Response:
        jobs, self.jobs = self.jobs, []
        return Response(codec.feed_reply(0, 0, [], jobs, 0))


@asynccontextmanager
async def talking(stub: Stub, folder: Path) -> AsyncIterator[Box]:
    app = FastAPI()
    app.add_api_route("/sync/v1/hello", stub.greet, methods=["POST"])
    app.add_api_route("/sync/v1/facts", stub.take, methods=["POST"])
    app.add_api_route("/sync/v1/feed", stub.feed)
    serving = await serve(app, "127.0.0.1", 0)
    try:
        async with box(folder, serving.url, "lkb_demo.x", "b1") as there:
            yield there
    finally:
        await serving.stop()


def arrived() -> StayCheckedIn:
    return StayCheckedIn("s1", ("201",), NOON)


@pytest.mark.parametrize(
    ("answer", "state", "why"),
    [
        (Response("<html>Welcome to the airport</html>"), "waiting", "cannot be read"),
        (Response(status_code=302, headers={"location": "http://portal/"}), "waiting", "302"),
        (Response(status_code=500), "waiting", "500"),
        (Response(status_code=403), "refused", "enrol"),
        (Response(status_code=426), "refused", "version"),
    ],
)
async def test_a_central_that_answers_nonsense_is_named_and_no_fact_is_lost(tmp_path: Path, answer: Response, state: str, why: str) -> None:
    stub = Stub(hello=answer)
    async with talking(stub, tmp_path) as there:
        await there.tell(arrived())
        await until(lambda: there.link.health().state == state)
        assert why in there.link.health().why
        assert there.backlog == 1
        assert stub.heard == []


async def test_it_goes_on_by_itself_when_central_answers_again(tmp_path: Path) -> None:
    stub = Stub(hello=Response(status_code=502))
    async with talking(stub, tmp_path) as there:
        await there.tell(arrived())
        await until(lambda: stub.asked > 0)
        stub.hello = None
        await until(lambda: stub.heard == [arrived()])
        await until(lambda: there.link.health().state == "live")


async def test_a_job_that_came_too_late_to_be_begun_is_answered_and_not_done(tmp_path: Path) -> None:
    stub = Stub()
    async with talking(stub, tmp_path) as there:
        await until(lambda: stub.asked > 0)
        stub.jobs = [Job("j1", JobKind.CUT_KEY, "encoder-1", "staff/1", 18000, start_ms=-1)]
        await until(lambda: stub.heard == [JobDone("j1", "expired", "EXPIRED")])
        assert there.jobs == []


async def test_a_job_in_time_has_a_deadline_and_is_given_once(tmp_path: Path) -> None:
    stub = Stub()
    async with talking(stub, tmp_path) as there:
        await until(lambda: stub.asked > 0)
        job = Job("j1", JobKind.OPEN_DOOR, "lock-201", "staff/1", 9000, {"door": 201, "seconds": 5})
        stub.jobs = [job, job]
        await until(lambda: there.jobs != [])
        ((given, deadline),) = there.jobs
        assert given == job
        assert deadline - time.monotonic() <= 9.0
        stub.jobs = [job]
        await until(lambda: stub.jobs == [])
        assert len(there.jobs) == 1


async def test_a_silent_line_is_noticed_and_nothing_is_lost(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "PUSH_LIMIT_S", 0.3)
    async with hotel(store, tmp_path) as there:
        await until(lambda: there.box.link.health().state == "live")
        there.relay.silent = True
        await there.box.tell(arrived())
        await until(lambda: there.box.link.health().state == "waiting")
        there.relay.silent = False
        await there.central.put("stay", "s1", stay())
        await until(lambda: there.box.backlog == 0 and there.box.sees("stay", "s1") is not None)
        assert len(there.central.heard) == 1


async def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    """Without it every exchange on a kept connection takes 40 ms longer."""
    serving = await serve(FastAPI(), "127.0.0.1", 0)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        listener = serving._server.servers[0].sockets[0]
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
    finally:
        await serving.stop()
