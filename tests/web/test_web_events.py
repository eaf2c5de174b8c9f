"""Live events: bounded, in order, at most ten a second per room, and honest about what was missed."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from starlette.requests import Request

from web.live import Changed, Listen, LivePage, LivePages
from web.sse import Feed, Viewer


def feed(**changes: float) -> Feed:
    """A feed without waiting between two patches of a key, unless said otherwise."""
    return Feed(**{"gap_s": 0.0, "beat_s": 60.0, **changes})  # type: ignore[arg-type]


async def opened(viewer: Viewer) -> AsyncIterator[str]:
    """The viewer's stream after its greeting."""
    frames = viewer.frames()
    assert (await anext(frames)).startswith("retry:")
    return frames


def keys_in(frame: str) -> list[Any]:
    """The states that the patches of a frame carry."""
    return [json.loads(line[6:]) for line in frame.splitlines() if line.startswith("data: ") and line != "data: {}"]


def last_id(frame: str) -> str:
    """What a browser would send as Last-Event-ID after this frame."""
    return [line[4:] for line in frame.splitlines() if line.startswith("id: ")][-1]


async def test_a_change_reaches_an_open_page() -> None:
    news = feed()
    frames = await opened(news.join(news.position))
    news.publish("room-201", "occupied")
    assert keys_in(await anext(frames)) == ["occupied"]


async def test_only_the_newest_state_of_a_room_waits() -> None:
    news = feed()
    viewer = news.join(news.position)
    for state in range(50):
        news.publish("room-201", state)
    assert keys_in(await anext(await opened(viewer))) == [49]


async def test_a_page_that_cannot_follow_is_told_to_load_again() -> None:
    news = feed(queue=3)
    viewer = news.join(news.position)
    for room in range(4):
        news.publish(f"room-{room}", "occupied")
    frames = await opened(viewer)
    assert "event: resync" in await anext(frames)
    news.publish("room-1", "vacant")
    assert keys_in(await anext(frames)) == ["vacant"]


async def test_what_waits_for_a_page_is_bounded() -> None:
    news = feed(queue=3)
    viewer = news.join(news.position)
    for room in range(10_000):
        news.publish(f"room-{room}", "occupied")
    assert len(viewer._waiting) <= 3  # the promise is about memory, so memory is looked at


async def test_a_page_that_comes_back_gets_what_it_missed() -> None:
    news = feed()
    news.publish("room-201", "booked")
    seen = news.position
    news.publish("room-202", "occupied")
    assert keys_in(await anext(await opened(news.join(seen)))) == ["occupied"]


async def test_a_page_from_before_a_restart_loads_again() -> None:
    assert "event: resync" in await anext(await opened(feed().join("0000abcd-7")))


async def test_a_page_that_was_away_too_long_loads_again() -> None:
    news = feed(ring=2)
    seen = news.position
    for state in range(3):
        news.publish("room-201", state)
    assert "event: resync" in await anext(await opened(news.join(seen)))


async def test_an_id_never_claims_what_still_waits() -> None:
    news = feed(gap_s=30.0)
    frames = await opened(news.join(news.position))
    news.publish("room-201", "first")
    first = last_id(await anext(frames))
    news.publish("room-201", "second")  # waits for its turn
    news.publish("room-202", "other")
    other = await anext(frames)
    assert keys_in(other) == ["other"]
    assert last_id(other) == first
    assert keys_in(await anext(await opened(news.join(last_id(other))))) == ["second", "other"]


async def test_a_room_is_sent_at_most_once_per_gap() -> None:
    news = feed(gap_s=0.05)
    frames = await opened(news.join(news.position))
    loop = asyncio.get_running_loop()
    news.publish("room-201", 1)
    await anext(frames)
    sent = loop.time()
    news.publish("room-201", 2)
    news.publish("room-201", 3)
    assert keys_in(await anext(frames)) == [3]
    assert loop.time() - sent >= 0.04


async def test_a_quiet_stream_beats() -> None:
    frames = await opened(feed(beat_s=0.01).join(None))
    assert "resync" in await anext(frames)
    assert "event: beat" in await anext(frames)


async def test_a_page_that_is_left_is_forgotten() -> None:
    news = feed()
    response = news.response(asked(""))
    stream = cast("AsyncGenerator[str]", response.body_iterator)
    await anext(stream)
    assert news.watched
    await stream.aclose()
    assert not news.watched


def asked(after: str) -> Request:
    """A browser that opens a stream."""
    return Request({"type": "http", "headers": [], "query_string": f"after={after}".encode()})


def hotel(**rooms: str) -> tuple[dict[str, str], LivePage]:
    """Rooms by element id, and the live page that shows them."""
    state = dict(rooms)

    async def read() -> dict[str, str]:
        return dict(state)

    return state, LivePage(state, read, lambda language, part, model: f"<li id={part}>{language} {model}</li>")


async def test_only_the_tile_that_changed_is_sent_and_in_the_viewers_language() -> None:
    state, page = hotel(r201="vacant", r202="vacant")
    request = asked(page.position("zh"))
    stream = aiter(page.response(request, "zh").body_iterator)
    await anext(stream)
    state["r201"] = "occupied"
    assert await page.refresh() == 1
    assert keys_in(str(await anext(stream))) == [{"id": "r201", "html": "<li id=r201>zh occupied</li>"}]
    assert await page.refresh() == 0


async def test_a_room_that_was_added_makes_the_page_load_again() -> None:
    state, page = hotel(r201="vacant")
    stream = aiter(page.response(asked(page.position("en")), "en").body_iterator)
    await anext(stream)
    state["r202"] = "vacant"
    await page.refresh()
    assert "resync" in str(await anext(stream))


@contextmanager
def never() -> Iterator[Changed]:
    """A hotel in which nothing happens."""

    async def changed() -> None:
        await asyncio.Event().wait()

    yield changed


@contextmanager
def always() -> Iterator[Changed]:
    """A hotel in which something happens all the time."""

    async def changed() -> None:
        await asyncio.sleep(0)

    yield changed


@pytest.mark.parametrize("listen", [never, always])
async def test_nobody_looks_so_nothing_is_read(listen: Listen) -> None:
    pages = LivePages(linger_s=0.02)
    state, _ = hotel(r201="vacant")

    async def read() -> dict[str, str]:
        return state

    page = pages.open("/board", state, read, lambda *_: "", listen)
    assert pages.open("/board", {}, read, lambda *_: "", listen) is page
    (task,) = pages._tasks.values()
    await task
    assert pages.get("/board") is None


async def test_what_happens_while_the_page_is_drawn_is_not_missed() -> None:
    pages = LivePages()

    async def read() -> dict[str, str]:
        return {"r201": "occupied"}  # already so when the listening begins

    page = pages.open("/board", {"r201": "vacant"}, read, lambda language, part, model: str(model), never)
    stream = aiter(page.response(asked(page.position("en")), "en").body_iterator)
    await anext(stream)
    assert keys_in(str(await anext(stream))) == [{"id": "r201", "html": "occupied"}]
    await pages.close()


async def test_a_page_that_cannot_be_read_ends_its_streams() -> None:
    pages = LivePages()

    async def read() -> dict[str, str]:
        raise OSError("the database is gone")

    page = pages.open("/board", {"r201": "vacant"}, read, lambda *_: "", always)
    stream = aiter(page.response(asked(page.position("en")), "en").body_iterator)
    assert [str(frame) async for frame in stream] == ["retry: 1000\n\n"]
    assert pages.get("/board") is None
