"""The addresses themselves: what is malformed, too large or not ours gets a clear answer and never a fault of the server."""

import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.store.database import Store
from central.sync import feed, jobs
from central.sync.enrolment import add_box
from central.sync.routes import BODY_LIMIT
from tests.sync.hotel import NOON, SLUG, Central, central, hears, stay
from wire import codec
from wire.codec import FactHead
from wire.facts import StayCheckedOut
from wire.jobs import START_LIMIT_S
from wire.messages import FeedReply, Hello

PUSH = codec.splice("b", 1, "desk", [(1, codec.encode_fact(StayCheckedOut("s1", NOON), FactHead("f1", "stay/s1", NOON, "synced", "box")))])


@dataclass
class Web:
    """A client with the box's token, and the central it talks to."""

    http: httpx.AsyncClient
    central: Central

    async def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        return await self.http.post(f"/sync/v1/{path}", content=content, headers=headers)

    async def feed(self, **query: Any) -> FeedReply:
        answer = await self.http.get("/sync/v1/feed", params=query)
        return codec.decode(FeedReply, answer.raise_for_status().content)


@pytest.fixture
async def web(store: Store) -> AsyncIterator[Web]:
    async with central(store, hears) as (here, serving):
        made = await here.do(add_box, serving.url)
        headers = {"authorization": f"Bearer {made['token']}"}
        async with httpx.AsyncClient(base_url=serving.url, headers=headers, timeout=40) as http:
            yield Web(http, here)


async def test_a_deflated_push_is_understood(web: Web) -> None:
    answer = await web.post("facts", zlib.compress(PUSH, 1), **{"content-encoding": "deflate"})
    assert (answer.status_code, answer.json()["ack"]) == (200, 1)


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"", "identity", 400),
        (b"nonsense", "identity", 400),
        (b"nonsense", "deflate", 400),
        (zlib.compress(PUSH)[:-4], "deflate", 400),
        (PUSH, "br", 400),
        (b"x" * (BODY_LIMIT + 1), "identity", 413),
        (zlib.compress(b"x" * (BODY_LIMIT * 40), 9), "deflate", 413),
        (PUSH.replace(b'"epoch":1', b'"epoch":7'), "identity", 409),
    ],
)
async def test_a_bad_push_has_a_clear_answer(web: Web, content: bytes, encoding: str, status: int) -> None:
    answer = await web.post("facts", content, **{"content-encoding": encoding})
    assert answer.status_code == status
    assert answer.json()["code"]
    assert web.central.heard == []


async def test_no_bytes_bring_the_addresses_down(web: Web) -> None:
    bodies: list[bytes] = []

    @settings(max_examples=60)
    @given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    def collect(raw: bytes) -> None:
        bodies.append(raw)

    collect()
    for raw in bodies:
        for path in ("hello", "facts"):
            assert (await web.post(path, raw)).status_code == 400


async def test_a_box_of_another_protocol_is_told_to_upgrade(web: Web) -> None:
    hello = codec.encode(Hello("b", 1, {"desk": 0, "log": 0, "last": 0}, 0, proto=(99,)))
    assert (await web.post("hello", hello)).status_code == 426


async def test_a_poll_without_news_waits_and_is_woken_by_a_put(web: Web) -> None:
    assert (await web.feed(after=0, wait=0)).rows == ()
    await web.central.put("stay", "s1", stay())
    reply = await web.feed(after=0, wait=25)
    assert [row.id for row in reply.rows] == ["s1"]


async def test_a_cursor_from_the_future_or_before_the_floor_is_gone(web: Web) -> None:
    assert (await web.http.get("/sync/v1/feed?after=5&wait=0")).status_code == 410
    await web.central.put("stay", "s1", stay())
    gone = await web.central.do(feed.remove, "stay", "s1")
    await web.central.do(feed.forget_deletions, gone)
    assert (await web.http.get("/sync/v1/feed?after=0&wait=0")).status_code == 410
    assert (await web.http.get(f"/sync/v1/feed?after={gone}&wait=0")).status_code == 200


async def test_the_feed_comes_in_pages_and_each_entity_once(web: Web) -> None:
    for number in (1, 2, 3, 1):
        await web.central.put("stay", f"s{number}", stay())
    first = await web.feed(after=0, limit=2, wait=0)
    rest = await web.feed(after=first.rows[-1].seq, limit=2, wait=0)
    assert [row.id for row in first.rows + rest.rows] == ["s2", "s3", "s1"]
    assert rest.head == rest.rows[-1].seq == 4


async def test_a_job_is_offered_once_with_the_time_that_is_left(web: Web) -> None:
    job_id = await web.central.do(jobs.ask, "open_door", "lock-201", {"door": 201, "seconds": 5})
    (job,) = (await web.feed(after=0, wait=0)).jobs
    assert job.job_id == job_id
    assert 0 < job.start_ms <= START_LIMIT_S * 1000
    assert job.ttl_ms <= 10_000
    assert (await web.feed(after=0, wait=0)).jobs == ()
    again = (await web.feed(after=0, wait=5)).jobs  # nobody has said that it began: the answer may have been lost
    assert [one.job_id for one in again] == [job_id]
    assert again[0].ttl_ms < job.ttl_ms


async def test_a_busy_encoder_takes_no_second_job(web: Web) -> None:
    from central.problems import Conflict

    await web.central.do(jobs.ask, "cut_key", "encoder-1", {"key_id": "k1", "purpose": "new"})
    with pytest.raises(Conflict):
        await web.central.do(jobs.ask, "cut_key", "encoder-1", {"key_id": "k2", "purpose": "new"})
    await web.central.do(jobs.ask, "cut_key", "encoder-2", {"key_id": "k2", "purpose": "new"})


async def test_an_expired_job_is_never_offered(web: Web, store: Store) -> None:
    long_ago = jobs.real_ms() - 60_000

    def age(turn: Any, job_id: str) -> None:
        from sqlalchemy import update

        from central.sync.tables import job

        turn.conn.execute(update(job).where(job.c.job_id == job_id).values(asked_ms=long_ago))

    job_id = await web.central.do(jobs.ask, "read_card", "encoder-1", {})
    await web.central.do(age, job_id)
    assert (await web.feed(after=0, wait=0)).jobs == ()
    state = await store.read(lambda conn: jobs.get(conn, SLUG, job_id))
    assert state is not None
    assert state.status == "withdrawn"
