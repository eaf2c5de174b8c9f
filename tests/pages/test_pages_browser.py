"""The pages in a real browser: live without reloading, by keyboard, readable for everybody, on paper, with a line that breaks."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

from central.bookings import keys, stays
from central.store.database import Store
from central.sync import jobs
from central.upkeep import tasks
from tests.lanes import chromium
from tests.pages.desk import PASSWORD, right
from tests.pages.evening import IN_HOUSE, Evening, evening
from wire.facts import JobDone, JobStarted

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotel(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Evening]:
    """The demo property on its evening, served; each test changes guests of its own."""
    file = tmp_path_factory.mktemp("evening") / "central.db"
    shutil.copy(sqlite_template, file)
    store = Store(f"sqlite:///{file}")
    async with evening(store) as found:
        yield found
    store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, nothing else of the machine."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        await opened.close()


@asynccontextmanager
async def seat(
    browser: Browser, hotel: Evening, size: dict[str, int] = DESK, *, script: bool = True, axe: bool = False
) -> AsyncIterator[Page]:
    """A page at the board, signed in; what the browser complains of fails the test."""
    context = await browser.new_context(viewport=size, java_script_enabled=script, bypass_csp=axe)  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(15_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type == "error" and "Failed to load resource" not in said.text else None,
    )
    await page.goto(f"{hotel.url}/login?lang=en")
    await page.fill("#user", "camille")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await page.wait_for_url("**/today")
    await page.goto(f"{hotel.url}/p/demo/board")
    yield page
    assert complaints == []
    await context.close()


def order_url(hotel: Evening, at: int) -> str:
    """The page of the guest of that place in the list of names."""
    return f"{hotel.url}/p/demo/orders/{hotel.stays[at]}"


async def live(page: Page) -> None:
    """Wait until the page says that it is live."""
    await expect(page.locator("[data-live-state=live]")).to_be_visible()


async def test_a_check_in_at_another_desk_turns_the_tile_without_reloading(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await live(page)
        await page.evaluate("window.stayed = true")
        tile = page.locator("#room-210")
        booked = int(await page.locator("a[data-filter=booked] strong").inner_text())
        await expect(tile).to_contain_text("Booked")
        await hotel.hotel.do(stays.check_in, hotel.stays[-1])
        await expect(tile).to_contain_text("Occupied")
        await expect(page.locator("a[data-filter=booked] strong")).to_have_text(str(booked - 1))
        await expect(page.locator("#board-due")).not_to_contain_text("Nguyen")
        assert await page.evaluate("window.stayed")


async def test_a_filter_needs_no_reload_and_survives_a_change(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await live(page)
        await page.evaluate("window.stayed = true")
        await page.click("a[data-filter=booked]")
        await expect(page.locator("#room-209")).to_be_visible()
        await expect(page.locator("#room-201")).to_be_hidden()
        await hotel.hotel.do(stays.check_in, hotel.stays[14])
        await expect(page.locator("#room-209")).to_be_hidden()
        await expect(page.locator("a[data-filter=booked]")).to_have_attribute("aria-current", "true")
        assert page.url.endswith("?show=booked")
        assert await page.evaluate("window.stayed")


async def test_check_in_card_and_door_are_seen_as_they_happen(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await page.goto(order_url(hotel, IN_HOUSE + 2))
        await live(page)
        await page.evaluate("window.stayed = true")
        await page.get_by_role("button", name="Check in").click()
        await expect(page.get_by_role("status").filter(has_text="The guest is checked in.")).to_be_visible()
        (key,) = await hotel.hotel.ask(lambda conn, p: keys.of_stay(conn, p, hotel.stays[IN_HOUSE + 2]))
        await right(hotel.hotel, key.key_id, "pushing", 305)
        await expect(page.locator(".right")).to_contain_text("On its way to the lock")
        await page.get_by_role("button", name="Cut a key").click()
        await expect(page.locator(".job")).to_contain_text("Waiting for the hotel's box")
        (job, *_) = await hotel.hotel.ask(lambda conn, p: jobs.of_reservation(conn, p, hotel.stays[IN_HOUSE + 2]))
        await hotel.hotel.do(jobs.started, JobStarted(job.job_id))
        await expect(page.locator(".job")).to_contain_text("Lay the card on the encoder now")
        await hotel.hotel.do(jobs.done, JobDone(job.job_id, "failed", "CARD_REMOVED"))
        await expect(page.locator(".job")).to_contain_text("The card was taken away too early.")
        await expect(page.get_by_role("button", name="Try the same card again")).to_be_enabled()
        assert await page.evaluate("window.stayed")


async def test_a_patched_form_still_carries_the_sessions_token(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await page.goto(order_url(hotel, 0))
        await live(page)
        (key, *_) = await hotel.hotel.ask(lambda conn, p: keys.of_stay(conn, p, hotel.stays[0]))
        await hotel.hotel.do(keys.lose_key, key.key_id)
        await expect(page.locator("#order-keys")).to_contain_text("Lost")
        await page.get_by_role("button", name="Cut another key").click()
        await expect(page.locator(".job")).to_contain_text("Waiting for the hotel's box")


async def test_what_was_chosen_survives_a_change_around_it(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await page.goto(order_url(hotel, 3))
        await live(page)
        await page.locator("input[value=encoder-2]").check()
        (key, *_) = await hotel.hotel.ask(lambda conn, p: keys.of_stay(conn, p, hotel.stays[3]))
        await hotel.hotel.do(keys.lose_key, key.key_id)
        await expect(page.locator("#order-keys")).to_contain_text("Lost")
        await expect(page.locator("input[value=encoder-2]")).to_be_checked()


async def test_a_box_that_stays_silent_is_named_without_a_click(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await page.goto(order_url(hotel, 1))
        await live(page)
        await page.get_by_role("button", name="Cut a key").click()
        await expect(page.locator(".job")).to_contain_text("The hotel's box does not answer.")


async def test_a_lost_line_is_shown_and_what_was_missed_arrives(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await live(page)
        await page.context.set_offline(True)
        await page.evaluate("document.dispatchEvent(new CustomEvent('latchkey:swapped'))")  # a new connection, which fails
        await expect(page.locator("[data-live-state=lost]")).to_contain_text("Reconnecting")
        await hotel.hotel.do(stays.check_in, hotel.stays[13])
        await page.context.set_offline(False)
        await live(page)
        await expect(page.locator("#room-312")).to_contain_text("Occupied")


async def test_everything_is_reached_by_keyboard(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await page.goto(f"{hotel.url}/p/demo/board")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        focusable = await page.locator(".tile a").evaluate_all("tiles => tiles.filter(tile => tile.tabIndex >= 0).length")
        assert focusable == 24
        await page.locator("#room-201 a").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/orders/*")


@pytest.mark.parametrize(("size", "language"), [(DESK, "en"), (PHONE, "zh")], ids=["desk", "phone"])
async def test_nothing_on_a_page_shuts_somebody_out(hotel: Evening, browser: Browser, size: dict[str, int], language: str) -> None:
    async with seat(browser, hotel, size, axe=True) as page:
        books = ("today", "tasks", "orders", f"orders/{hotel.stays[0]}/folio")
        for path in (*books, "board", "arrivals", f"orders/{hotel.stays[0]}", f"orders/{hotel.stays[9]}", "rooms/303"):
            await page.goto(f"{hotel.url}/p/demo/{path}?lang={language}")
            found = await Axe().run(page)
            faults = [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"] if one["impact"] in SERIOUS]
            assert faults == [], path
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], f"{path} runs off the screen"


async def test_the_desk_works_in_a_browser_without_javascript(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel, script=False) as page:
        assert await page.locator(".tile").count() == 24
        await page.click("a[data-filter=vacant]")
        await expect(page.locator("#room-201")).to_be_hidden()
        await page.goto(order_url(hotel, IN_HOUSE + 3))
        await page.get_by_role("button", name="Check in").click()
        await expect(page.locator(".notice.good")).to_contain_text("The guest is checked in.")


async def test_the_board_fits_on_paper(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        await page.emulate_media(media="print")
        await expect(page.locator(".top")).to_be_hidden()
        await expect(page.locator("#room-201")).to_be_visible()
        assert (await page.pdf(format="A4", landscape=True)).startswith(b"%PDF")


async def test_every_open_board_sees_a_change(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        others = [await (await browser.new_context(storage_state=await page.context.storage_state())).new_page() for _ in range(2)]
        for other in others:
            await other.goto(f"{hotel.url}/p/demo/board")
            await live(other)
        await hotel.hotel.do(stays.check_in, hotel.stays[10])
        await asyncio.gather(*(expect(other.locator("#room-207")).to_contain_text("Occupied") for other in others))


async def test_the_day_stands_above_the_fold(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        for at in range(9):
            await hotel.hotel.do(tasks.add, "minibar_warm", {"device": f"bar-{at}"}, room="301")
        await page.goto(f"{hotel.url}/p/demo/today")
        for part in ("#today-figures", "#board-due section >> nth=0", "#board-due section >> nth=1", "#today-work"):
            box = await page.locator(part).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= DESK["height"], part


async def test_a_task_comes_and_is_done_without_reloading_the_day(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel) as page:
        for one in await hotel.hotel.ask(tasks.open_tasks):
            await hotel.hotel.do(tasks.close, one.task_id)
        await page.goto(f"{hotel.url}/p/demo/today")
        await live(page)
        await hotel.hotel.do(tasks.add, "door_unreachable", {"device": "lock-204"}, room="204")
        await expect(page.locator("#today-work")).to_contain_text("The lock does not answer; keys do not reach it")
        await page.get_by_role("button", name="Done").click()
        await expect(page.locator("#today-work")).to_contain_text("Nothing is to be done.")


async def test_a_folio_is_paid_and_printed(hotel: Evening, browser: Browser) -> None:
    async with seat(browser, hotel, script=False) as page:
        await page.goto(f"{order_url(hotel, 4)}/folio")
        await page.fill("#amount", "20,50")
        await page.get_by_text("Bank card").click()
        await page.get_by_role("button", name="Post the payment").click()
        await expect(page.locator(".notice.good")).to_contain_text("The payment is posted.")
        await expect(page.locator("#line-1")).to_contain_text("€ 20.50")
        await page.emulate_media(media="print")
        await expect(page.locator("#line-1")).to_be_visible()
        await expect(page.get_by_role("button", name="Post the payment")).to_be_hidden()
