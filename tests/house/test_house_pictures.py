"""Pictures of pages: one of each kind, found by following links, in two sizes and two languages."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from fastapi import Cookie, FastAPI, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from playwright.sync_api import sync_playwright

from bench.screenshots import FLAGS, kind_of, read, running, shoot, wait_for
from host.exits import HostError
from host.serving import served
from tests.lanes import chromium

BOARD = "".join(
    f'<a href="{path}">x</a>' for path in ("/p/demo/orders/17", "/p/demo/orders/18", "/p/demo/day", "/p/demo/day.csv", "/logout")
)
LOGIN = "<form method=post><input name=user><input name=password type=password><button>In</button></form>"


def hotel() -> FastAPI:
    """A few pages behind a login."""
    app = FastAPI()

    @app.get("/login")
    def ask() -> HTMLResponse:
        return HTMLResponse(LOGIN)

    @app.post("/login")
    def answer(user: str = Form(), password: str = Form()) -> Response:
        if (user, password) != ("anna", "secret"):
            return HTMLResponse(LOGIN)
        landing = RedirectResponse("/p/demo/board", 303)
        landing.set_cookie("session", "s")
        return landing

    @app.get("/p/demo/{page:path}")
    def page(page: str, session: str = Cookie()) -> HTMLResponse:
        return HTMLResponse(f"<h1>{page}</h1>{BOARD}")

    return app


@pytest.fixture
def central() -> Iterator[str]:
    """The pages above, served from a thread."""
    url: Future[str] = Future()
    ended: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        ended.set_result((asyncio.get_running_loop(), end))
        async with served(hotel(), "127.0.0.1", 0) as serving:
            url.set_result(serving.url)
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    yield url.result(10)
    loop, end = ended.result(10)
    loop.call_soon_threadsafe(end.set)
    thread.join()


@pytest.mark.browser
def test_each_kind_of_page_is_taken_in_two_sizes_and_two_languages(central: str, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        demo = {"central": central, "login": {"user": "anna", "password": "secret"}}
        taken = {path.name for path in shoot(browser, demo, tmp_path)}
        with pytest.raises(HostError, match="refused the demo's login"):
            shoot(browser, {**demo, "login": {"user": "anna", "password": "wrong"}}, tmp_path)
        browser.close()
    names = ("login", "p-demo-board", "p-demo-day", "p-demo-orders")
    assert taken == {f"{name}-{language}-{size}.png" for name in names for language in ("zh", "en") for size in ("1366x768", "390x844")}
    assert all((tmp_path / name).stat().st_size > 1000 for name in taken)


def test_one_order_stands_for_all_orders() -> None:
    assert kind_of("/p/demo/orders/0190b2") == kind_of("/p/demo/orders/17") == "p-demo-orders"
    assert kind_of("/") == "start"


def test_a_demo_that_runs_is_used(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(json.dumps({"central": "http://127.0.0.1:8800"}))
    with running(tmp_path / "demo.json") as demo:
        assert demo["central"] == "http://127.0.0.1:8800"


def test_a_status_file_that_is_none_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no status of a running demo"):
        read(tmp_path / "demo.json")


def test_a_demo_that_is_started_is_used_when_it_says_that_it_is_open() -> None:
    assert wait_for(['{"say": "central: up"}\n', '{"say": "open", "status": "demo.json"}\n', "never read"]) == Path("demo.json")
    with pytest.raises(HostError, match="did not come up"):
        wait_for(['{"say": "all of it is stopped"}\n'])
