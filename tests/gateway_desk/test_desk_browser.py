"""The desk's pages in a real browser: readable for everybody, live, with a pad for fingers, and on a phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize, async_playwright, expect

from gateway.desk import stays
from host.serving import served
from tests.gateway_desk.desks import PIN, Desk, due, here, key
from tests.lanes import chromium

pytestmark = pytest.mark.browser
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
DESK: ViewportSize = {"width": 1366, "height": 768}
PHONE: ViewportSize = {"width": 390, "height": 844}
PAGES = ("board", "arrivals", "walk-in", "stays/s1", "stays/s2")


@asynccontextmanager
async def seat(desk: Desk, size: ViewportSize, *, language: str = "en", axe: bool = False) -> AsyncIterator[tuple[Page, str]]:
    """A page at the sign-in form, and the desk's address; what the browser complains of fails the test."""
    complaints: list[str] = []
    async with served(desk.app, "127.0.0.1", 0) as serving, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = await (await browser.new_context(viewport=size, bypass_csp=axe)).new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        await page.goto(f"{serving.url}/desk/sign-in?lang={language}")
        yield page, serving.url
        await browser.close()
        await desk.app.state.desk_pages.live.close()
    assert complaints == []


async def sign_in(page: Page) -> None:
    await page.select_option("#staff", "desk")
    await page.fill("#pin", PIN)
    await page.click("button.primary")
    await page.wait_for_url("**/desk/board")


async def filled(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201", balance_minor=9_500, nightly_gross_minor=(9_500, 9_500)))
    await desk.put("key", "k1", key("s1"))
    await desk.put("stay", "s2", due("202"))
    await desk.hold("203", 0, 1)


@pytest.mark.parametrize(("size", "language"), [(DESK, "zh"), (PHONE, "en")], ids=["desk in Chinese", "phone in English"])
async def test_everybody_can_read_and_nothing_is_wider_than_the_screen(desk: Desk, size: ViewportSize, language: str) -> None:
    await filled(desk)
    async with seat(desk, size, language=language, axe=True) as (page, url):
        found = [await _faults(page)]
        await sign_in(page)
        for path in PAGES:
            await page.goto(f"{url}/desk/{path}")
            found.append(await _faults(page))
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert found == [[]] * len(found)


async def _faults(page: Page) -> list[str]:
    told = await Axe().run(page)
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in told.response["violations"] if one["impact"] in {"serious", "critical"}]


async def test_fingers_type_a_pin_on_the_pad(desk: Desk) -> None:
    async with seat(desk, PHONE) as (page, _):
        await page.select_option("#staff", "desk")
        for digit in f"9{PIN}":
            await page.click(f".pad button:text-is('{digit}')")
            if digit == "9":
                await page.click(".pad button[aria-label]")
        await expect(page.locator("#pin")).to_have_value(PIN)
        await page.click("button.primary")
        await page.wait_for_url("**/desk/board")


async def test_a_check_in_elsewhere_is_seen_without_reloading(desk: Desk) -> None:
    await filled(desk)
    async with seat(desk, DESK) as (page, _):
        await sign_in(page)
        await expect(page.locator("#room-202 .state")).to_have_text("Booked")
        await expect(page.locator("[data-live-state=live]")).to_be_visible()
        await desk.do(stays.check_in, "s2")
        await expect(page.locator("#room-202 .state")).to_have_text("Occupied")


async def test_a_check_in_by_keyboard_shows_the_key_and_the_door(desk: Desk) -> None:
    await filled(desk)
    async with seat(desk, DESK) as (page, url):
        await sign_in(page)
        await page.goto(f"{url}/desk/stays/s2")
        await page.focus("#order-desk button.primary")
        await page.keyboard.press("Enter")
        await expect(page.locator(".notice.good")).to_be_visible()
        await expect(page.locator("#order-keys .key-head")).to_have_count(1)
