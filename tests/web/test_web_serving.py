"""What every answer carries: headers that keep strangers' scripts out, compression, addresses that may be cached for ever."""

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route

import web
from web import assets, formats
from web.sse import Feed


async def page(request: Request) -> HTMLResponse:
    """A page that is long enough to be worth compressing."""
    return HTMLResponse(f"<p>{web.language_of(request)}</p>" + "房" * 2000)


async def events(request: Request) -> StreamingResponse:
    """An event stream that ends at once."""
    feed = Feed(beat_s=60.0)
    response = feed.response(request)
    feed.close()
    return response


@pytest.fixture
def browser() -> httpx.AsyncClient:
    """A client of a program that has nothing but what every program has."""
    app = Starlette(routes=[Route("/", page), Route("/events", events)])
    web.attach(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hotel.test")


async def test_no_script_or_style_of_a_stranger_runs(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/events", assets.url("style.css"), "/nowhere"):
        policy = (await browser.get(path)).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy


async def test_pages_are_compressed_and_event_streams_are_not(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/")).headers.get("content-encoding") == "gzip"
    stream = await browser.get("/events")
    assert "content-encoding" not in stream.headers
    assert stream.headers["content-type"].startswith("text/event-stream")


async def test_a_file_address_names_its_content_and_is_kept_for_ever(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(assets.url("style.css"))
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")


async def test_an_address_of_an_older_version_is_answered_but_not_kept(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/static/style.0000000000.css")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["style.css", "..%2Fwords.py", ".env", "nothing.0123456789.js"])
async def test_nothing_else_can_be_fetched(browser: httpx.AsyncClient, name: str) -> None:
    assert (await browser.get(f"/static/{name}")).status_code == 404


async def test_icons_come_with_the_right_type(browser: httpx.AsyncClient) -> None:
    assert (await browser.get(assets.url("icons.svg"))).headers["content-type"] == "image/svg+xml"


async def test_the_language_that_was_chosen_is_remembered(browser: httpx.AsyncClient) -> None:
    assert "<p>zh</p>" in (await browser.get("/", params={"lang": "zh"})).text
    assert "<p>zh</p>" in (await browser.get("/")).text
    assert "<p>en</p>" in (await browser.get("/", params={"lang": "en"})).text


async def test_a_browser_that_asks_for_chinese_gets_it(browser: httpx.AsyncClient) -> None:
    assert "<p>zh</p>" in (await browser.get("/", headers={"accept-language": "fr-FR, zh-CN;q=0.8"})).text
    assert "<p>en</p>" in (await browser.get("/", headers={"accept-language": "fr"})).text


async def test_an_unknown_language_is_not_remembered(browser: httpx.AsyncClient) -> None:
    assert "set-cookie" not in (await browser.get("/", params={"lang": "xx\r\n"})).headers


@pytest.mark.parametrize(
    ("accept", "json"),
    [("application/json", True), ("text/html,application/json", False), ("*/*", False), ("", False), ("application/json, text/html", True)],
)
def test_data_is_answered_to_those_who_ask_for_data(accept: str, json: bool) -> None:
    assert web.wants_json(Request({"type": "http", "headers": [(b"accept", accept.encode())]})) is json


def test_our_modules_carry_nothing_that_the_policy_forbids() -> None:
    for folder in assets.FOLDERS:
        for module in folder.glob("*.js"):
            assert not re.search(r"\beval\(|new Function|\.style\b|https?://", module.read_text()), module.name


PARIS = ZoneInfo("Europe/Paris")


def test_dates_are_written_for_the_reader() -> None:
    at = datetime(2026, 11, 21, 22, 5, tzinfo=PARIS)
    assert formats.day(at.date(), "en") == "Sat 21 Nov"
    assert formats.day(at.date(), "zh") == "11月21日 周六"
    assert formats.moment(at, date(2026, 11, 21), "en") == "22:05"
    assert formats.moment(at, date(2026, 11, 22), "zh") == "11月21日 22:05"
    assert formats.short(at, date(2026, 11, 20), "en") == "21 Nov"


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(123_456, "EUR", "€ 1,234.56"), (-5, "CNY", "−¥ 0.05"), (0, "EUR", "€ 0.00"), (1200, "JPY", "JP¥ 1,200"), (100, "CHF", "CHF 1.00")],
)
def test_money_is_written_to_the_last_minor_unit(minor: int, currency: str, text: str) -> None:
    assert formats.money(minor, currency) == text
