"""The desk's pages without a line of script: signing in, acting by forms, what is refused in which words, no name to strangers."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest

from gateway.desk.pages import DONE, PROBLEMS
from tests.gateway_desk.desks import OTHER_PIN, PIN, Desk, day, due, here, key
from web.catalogue import FOLDER, read_po
from wire.entities import StayStatus

HTML = {"Accept": "text/html"}
SAME = {"PIN"}


def text_of(page: str) -> list[str]:
    """The visible pieces of text of a page."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return [one for one in (unescape(part).strip() for part in re.split(r"<[^>]+>", bare)) if one]


class Browser:
    """A browser with a cookie jar and no script. `csrf` is what the last page's forms carry."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client, self.csrf = client, ""

    async def get(self, path: str) -> httpx.Response:
        answer = await self.client.get(path, headers=HTML, follow_redirects=True)
        found = re.search(r'name="csrf" value="([^"]*)"', answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        return await self.client.post(path, data={"csrf": self.csrf, **fields}, headers=HTML, follow_redirects=True)

    async def sign_in(self, staff: str = "desk", pin: str = PIN, onward: str = "") -> httpx.Response:
        answer = await self.post("/desk/sign-in", staff=staff, pin=pin, next=onward)
        await self.get("/desk/board")
        return answer


@pytest.fixture
async def browser(desk: Desk) -> AsyncIterator[Browser]:
    async with desk.client() as client:
        yield Browser(client)
    await desk.app.state.desk_pages.live.close()


async def test_a_stranger_is_asked_for_the_pin_and_comes_back_to_where_they_were_going(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", here("201"))
    asked = await browser.get("/desk/stays/s1")
    assert asked.url.path == "/desk/sign-in"
    assert "Ada" not in asked.text
    assert {"Rita", "Max", "Mia"} <= set(text_of(asked.text))
    landed = await browser.sign_in(onward="/desk/stays/s1")
    assert (landed.url.path, "Ada Lovelace" in landed.text) == ("/desk/stays/s1", True)


@pytest.mark.parametrize("onward", ["https://elsewhere.example/", "//elsewhere.example", "/desk/\\elsewhere", "/p/demo"])
async def test_the_sign_in_form_sends_nobody_elsewhere(browser: Browser, onward: str) -> None:
    assert (await browser.sign_in(onward=onward)).url == httpx.URL("http://box/desk/board")


async def test_a_wrong_pin_is_said_on_the_form_and_is_not_repeated_there(browser: Browser) -> None:
    answer = await browser.post("/desk/sign-in", staff="desk", pin="987654")
    assert answer.status_code == 401
    assert PROBLEMS["wrong_pin"] in text_of(answer.text)
    assert "987654" not in answer.text


async def test_every_answer_of_the_console_carries_the_policy(browser: Browser) -> None:
    await browser.sign_in()
    for path in ("/desk/board", "/desk/arrivals", "/desk/walk-in", "/desk/stays/none"):
        answer = await browser.get(path)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "<script>" not in answer.text
        assert " style=" not in answer.text


async def test_a_stay_from_door_to_door_by_forms_alone(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.hold("202", 2)
    await browser.sign_in()
    page = await browser.post("/desk/stays/s1/check-in", idempotency_key="f1")
    assert DONE["check_in"] in text_of(page.text)
    await browser.post("/desk/stays/s1/keys", encoder="encoder-1", key_id="another", idempotency_key="f2")
    assert [job.args["purpose"] for job in desk.jobs.taken] == ["copy"]
    page = await browser.post("/desk/stays/s1/extend", departure=day(3).isoformat(), manager_pin="", idempotency_key="f3")
    assert DONE["extend"] in text_of(page.text)
    page = await browser.post("/desk/stays/s1/payments", payment_id="p1", method="cash", amount="12,50", idempotency_key="f4")
    assert DONE["pay"] in text_of(page.text)
    assert desk.stay("s1").balance_minor == -1_250
    page = await browser.post("/desk/stays/s1/check-out", open_balance="yes", idempotency_key="f5")
    assert DONE["check_out"] in text_of(page.text)
    assert desk.stay("s1").status is StayStatus.CHECKED_OUT


async def test_what_the_law_refuses_stands_on_the_page_with_its_reason(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.put("stay", "s2", here("201"))
    await browser.sign_in()
    answer = await browser.post("/desk/stays/s1/check-in")
    assert answer.status_code == 409
    assert "Somebody else is still checked in to this room." in text_of(answer.text)


async def test_a_night_beyond_the_holds_asks_for_the_manager_on_the_same_page(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", here("201"))
    await browser.sign_in()
    refused = await browser.post("/desk/stays/s1/extend", departure=day(2).isoformat())
    assert PROBLEMS["needs_manager"] in text_of(refused.text)
    wrong = await browser.post("/desk/stays/s1/extend", departure=day(2).isoformat(), manager_pin="111111")
    assert (wrong.status_code, PROBLEMS["wrong_pin"] in text_of(wrong.text)) == (401, True)
    done = await browser.post("/desk/stays/s1/extend", departure=day(2).isoformat(), manager_pin=OTHER_PIN)
    assert DONE["extend"] in text_of(done.text)


async def test_a_walk_in_by_form_and_what_a_failed_one_shows_again(desk: Desk, browser: Browser) -> None:
    await browser.sign_in()
    told = {"display_name": "Wei Zhang", "language": "zh", "persons": "2", "nights": "1", "room_type": "A", "document": "X1234567"}
    refused = await browser.post("/desk/walk-ins", **told, manager_pin="")
    assert refused.status_code == 403
    assert 'value="Wei Zhang"' in refused.text
    assert "X1234567" not in refused.text
    await desk.hold("202", 0)
    landed = await browser.post("/desk/walk-ins", **told, manager_pin="")
    assert landed.url.path.startswith("/desk/stays/")
    assert "Wei Zhang" in landed.text


async def test_a_form_without_its_token_changes_nothing(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", due("201"))
    await browser.sign_in()
    browser.csrf = "made up"
    answer = await browser.post("/desk/stays/s1/check-in")
    assert (answer.status_code, desk.stay("s1").status) == (403, StayStatus.DUE_IN)
    await browser.post("/desk/sign-out")
    assert (await browser.get("/desk/board")).url.path == "/desk/board"


async def test_signing_out_ends_the_session(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.post("/desk/sign-out")).url.path == "/desk/sign-in"
    assert (await browser.get("/desk/board")).url.path == "/desk/sign-in"


async def test_housekeeping_gets_the_board_without_names_and_no_way_further(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", here("201"))
    await browser.sign_in("maid")
    board = await browser.get("/desk/board?lang=en")
    assert "Occupied" in text_of(board.text)
    assert "Ada" not in board.text
    assert "/desk/stays/" not in board.text
    assert (await browser.get("/desk/stays/s1")).status_code == 403


async def test_the_page_says_how_old_centrals_word_is(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", here("201", balance_minor=9_500))
    await browser.sign_in()
    await desk.office.line.keep(desk.clock.now())
    page = await browser.get("/desk/stays/s1?lang=en")
    assert "Works without central" in " ".join(text_of(page.text))
    assert "as of 13:00" in text_of(page.text)


@pytest.mark.parametrize(("text", "where"), [("201", "/desk/stays/s1"), ("lovel", "/desk/stays/s1"), ("nobody", "/desk/find")])
async def test_a_guest_is_found_by_room_or_name(desk: Desk, browser: Browser, text: str, where: str) -> None:
    await desk.put("stay", "s1", here("201"))
    await browser.sign_in()
    assert (await browser.get(f"/desk/find?q={text}")).url.path == where


async def test_no_text_of_a_chinese_page_is_left_in_english(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", here("201", balance_minor=100))
    await desk.put("key", "k1", key("s1"))
    await desk.put("stay", "s2", due("202"))
    await desk.hold("203", 0, 1)
    await browser.sign_in()
    english = {entry["msgid"] for entry in read_po(FOLDER / "zh.po") if re.search("[a-z]", entry["msgid"])} - SAME
    for path in (
        "board",
        "arrivals",
        "in-house",
        "departures",
        "walk-in",
        "walk-in?room=203",
        "stays/s1",
        "stays/s2",
        "stays/none",
        "sign-in",
    ):
        page = await browser.get(f"/desk/{path}{'&' if '?' in path else '?'}lang=zh")
        assert english & set(text_of(page.text)) == set(), path


async def test_a_page_that_is_open_hears_of_a_check_in_at_another_one(desk: Desk, browser: Browser) -> None:
    await desk.put("stay", "s1", due("201"))
    await browser.sign_in()
    found = re.search(r'data-live="([^"]+)"', (await browser.get("/desk/board")).text)
    assert found is not None
    page = desk.app.state.desk_pages.live.get("board/True")
    await browser.post("/desk/stays/s1/check-in")
    assert page is not None
    viewer = page._feeds["en"].join(unescape(found[1]).partition("after=")[2])
    frames = viewer.frames()
    said = [await anext(frames) for _ in range(2)]
    assert "Occupied" in "".join(said) or "room-201" in "".join(said)
