"""The day at a glance, the order list, its file, and the folio, without a browser's help and on both databases."""

import csv
import io

import pytest
from sqlalchemy import select

from central.bookings import stays
from central.bookings.order_list import Filter
from central.folio import ledger
from central.pages.orders import file_cell, read_page
from central.store.tables import audit
from central.upkeep import tasks
from tests.central.counting import statements
from tests.central.hotel import day
from tests.pages.desk import Desk, Forms
from tests.pages.test_pages_desk import arrived, visible
from wire.entities import Guest

JSON = {"accept": "application/json"}


async def lines(desk: Desk, stay: str) -> list[int]:
    """What stands on the folio, in minor units."""
    return [line.gross_minor for line in await desk.hotel.ask(lambda conn, p: ledger.lines(conn, p, stay))]


async def charged(desk: Desk) -> str:
    """A guest in house with a bottle on the folio, whose folio is open in the browser."""
    stay = await arrived(desk)
    await desk.hotel.do(ledger.post_once, stay, "test/1", [ledger.Line("minibar", 450, 1, "room", detail={"sku": "cola"})])
    await desk.open(f"orders/{stay}/folio")
    return stay


# ---------------------------------------------------------------- the day


async def test_signing_in_leads_to_the_day(desk: Desk) -> None:
    await desk.sign_in()
    assert desk.seen.url.path == "/p/demo/today"


async def test_the_day_tells_who_comes_who_is_here_and_how_rooms_are(desk: Desk) -> None:
    await desk.hotel.book("web-2", guest=Guest("Grace Hopper"))
    await arrived(desk)
    text = visible(await desk.open("today"))
    for said in (
        "Arrivals 1 still to come, 1 have arrived",
        "In house 1 1 person",
        "Grace Hopper",
        "1 Occupied",
        "2 Vacant",
        "Open tasks 0",
    ):
        assert said in text


async def test_a_task_has_words_and_is_done_by_one_click(desk: Desk) -> None:
    await desk.sign_in()
    await desk.hotel.do(tasks.add, "door_unreachable", {"device": "lock-201"}, room="201")
    assert "The lock does not answer; keys do not reach it lock-201" in visible(await desk.open("today"))
    assert "Nothing is to be done." in visible(await desk.send("close"))
    assert await desk.hotel.ask(tasks.open_tasks) == []


async def test_a_task_that_somebody_else_has_done_says_so(desk: Desk) -> None:
    await desk.sign_in()
    task = await desk.hotel.do(tasks.add, "of_a_newer_version", {})
    assert "Something needs to be looked at" in visible(await desk.open("tasks"))
    await desk.hotel.do(tasks.close, task)
    assert "Somebody has closed this task meanwhile." in visible(await desk.send("close"))
    assert desk.seen.status_code == 404


async def test_a_housekeeper_sees_the_day_without_names(desk: Desk) -> None:
    await arrived(desk)
    await desk.sign_in("ines")
    assert "Ada" not in await desk.open("today")
    assert "1 Occupied" in visible(desk.seen.text)
    assert "Ada" not in (await desk.browser.get("/p/demo/today", headers=JSON)).text
    for page in ("orders", "orders.csv"):
        await desk.open(page)
        assert desk.seen.status_code == 403


async def test_the_day_as_data_is_what_the_api_tells(desk: Desk) -> None:
    await arrived(desk)
    told = (await desk.browser.get("/p/demo/today", headers=JSON)).json()
    assert told["rooms"] == (await desk.browser.get("/api/v1/board")).json()
    assert told["day"] == (await desk.browser.get("/api/v1/day")).json()


# ---------------------------------------------------------------- the order list


async def test_the_list_is_filtered_and_leads_to_order_and_folio(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.hotel.book("web-2", first=3, guest=Guest("Grace Hopper"), channel="agency")
    assert "Grace Hopper" in await desk.open("orders")
    text = await desk.open("orders", status="in_house", channel="web", arrival_from=day(0).isoformat())
    assert "Grace Hopper" not in text
    assert f"/p/demo/orders/{stay}/folio" in text
    assert Forms(text).forms["orders"]["arrival_from"] == day(0).isoformat()
    assert "/p/demo/orders.csv?arrival_from=" in text


async def test_a_filter_that_makes_no_sense_shows_the_list_and_the_reason(desk: Desk) -> None:
    await arrived(desk)
    text = visible(await desk.open("orders", arrival_from="soon"))
    assert desk.seen.status_code == 422
    assert "One of the days is not a date." in text
    assert "Ada Lovelace" in text


async def test_the_list_goes_on_where_the_page_ends(desk: Desk) -> None:
    for at in range(3):
        await desk.hotel.book(f"r{at}", first=at)
    await desk.sign_in()
    first = (await desk.browser.get("/api/v1/reservations", params={"limit": 2})).json()
    assert [row["reservation"]["number"] for row in first["rows"]] == ["1003", "1002"]
    text = await desk.open("orders", after=first["after"])
    assert "1001" in text
    assert "1002" not in text
    assert "First page" in text


async def test_the_list_as_data_is_what_the_api_tells(desk: Desk) -> None:
    await arrived(desk)
    page = await desk.browser.get("/p/demo/orders", params={"status": "in_house"}, headers=JSON)
    assert page.json() == (await desk.browser.get("/api/v1/reservations", params={"status": "in_house"})).json()
    assert page.json()["rows"][0]["reservation"]["channel"] == "web"


async def test_a_list_page_asks_the_same_few_questions_however_long_it_is(desk: Desk) -> None:
    hotel, counts = desk.hotel, []
    for more in (1, 4):
        for at in range(more):
            await hotel.book(f"more{more}{at}", first=at + more)
        with statements() as told:
            await hotel.ask(lambda conn, p: read_page(conn, hotel.services, p, Filter(), None, money=True))
        counts.append(len(told))
    assert counts == [10, 10]  # house twice, rows, when booked, guests, two of the balances, types, one for each channel and one to end


async def test_the_file_has_the_same_filter_and_runs_no_formula(desk: Desk) -> None:
    await arrived(desk)
    await desk.hotel.book("web-2", first=3, guest=Guest('=HYPERLINK("http://evil.test")'))
    await desk.open("orders.csv", status="confirmed")
    head, *rows = csv.reader(io.StringIO(desk.seen.text.removeprefix("\ufeff")))
    assert head[:3] == ["Reservation", "Guest", "Status"]
    assert [row[1] for row in rows] == ['\'=HYPERLINK("http://evil.test")']
    assert rows[0][10:12] == ["100.00", "EUR"]
    assert 'filename="orders-demo-2026-07-01.csv"' in desk.seen.headers["content-disposition"]


async def test_the_trail_says_who_took_the_list_out_and_no_name(desk: Desk) -> None:
    await arrived(desk)
    await desk.open("orders.csv", text="Lovelace", channel="web")
    query = select(audit.c.detail, audit.c.actor).where(audit.c.action == "orders_exported")
    row = await desk.hotel.store.read(lambda conn: conn.execute(query).one())
    assert row.detail == {"text": "…", "channel": "web"}
    assert row.actor.startswith("staff/")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert file_cell(text) == f"'{text}"
    assert file_cell(f"a{text}") == f"a{text}"


# ---------------------------------------------------------------- the folio


async def test_the_folio_shows_net_tax_and_gross_of_each_line(desk: Desk) -> None:
    await charged(desk)
    text = visible(desk.seen.text)
    assert "2026-07-01 Minibar cola" in text
    assert "€ 4.09 € 0.41 € 4.50" in text
    assert "To pay at check-out € 104.50" in text


async def test_a_payment_that_is_sent_twice_counts_once(desk: Desk) -> None:
    stay = await charged(desk)
    form = Forms(desk.seen.text).forms["payments"] | {"method": "card", "amount": "4,50"}
    for _ in range(2):
        await desk.browser.post(f"/p/demo/orders/{stay}/folio/payments", data=form)
    assert await lines(desk, stay) == [450, -450]
    assert "Payment · Bank card" in visible(await desk.open(f"orders/{stay}/folio"))


async def test_money_is_given_back(desk: Desk) -> None:
    stay = await charged(desk)
    assert "The payment is posted." in await desk.send("payments", method="cash", amount="1", way="paid_back")
    assert await lines(desk, stay) == [450, 100]


@pytest.mark.parametrize("amount", ["", "ten", "-5", "0", "1.234", "1e3"])
async def test_an_amount_that_is_none_posts_nothing(desk: Desk, amount: str) -> None:
    stay = await charged(desk)
    assert "The amount is not a number." in await desk.send("payments", method="cash", amount=amount)
    assert desk.seen.status_code == 422
    assert await lines(desk, stay) == [450]


async def test_a_reversal_names_its_original_and_its_reason(desk: Desk) -> None:
    stay = await charged(desk)
    text = visible(await desk.send("reverse", reason="not drunk"))
    assert "taken back by line 2" in text
    assert "Reversal Minibar of line 1 not drunk" in text
    assert await lines(desk, stay) == [450, -450]
    assert "reverse" not in Forms(desk.seen.text).forms


async def test_a_line_is_reversed_once_and_with_a_reason(desk: Desk) -> None:
    stay = await charged(desk)
    assert "Say why the line is reversed." in await desk.send("reverse", reason="  ")
    form = Forms(desk.seen.text).forms["reverse"]
    action = next(part.split('"')[0] for part in desk.seen.text.split('action="') if part.split('"')[0].endswith("/reverse"))
    await desk.browser.post(action, data=form | {"reason": "twice", "idempotency_key": "one"})
    again = await desk.browser.post(action, data=form | {"reason": "twice", "idempotency_key": "two"})
    assert again.status_code == 409
    assert "This line is reversed already." in again.text
    assert await lines(desk, stay) == [450, -450]


async def test_a_line_of_another_folio_is_not_reversed_here(desk: Desk) -> None:
    stay = await charged(desk)
    other = await desk.hotel.book("web-9", first=3)
    (line,) = await desk.hotel.ask(lambda conn, p: ledger.lines(conn, p, stay))
    form = Forms(desk.seen.text).forms["reverse"] | {"reason": "wrong place"}
    answer = await desk.browser.post(f"/p/demo/orders/{other}/folio/{line.posting_id}/reverse", data=form)
    assert answer.status_code == 404
    assert await lines(desk, stay) == [450]


async def test_a_form_from_elsewhere_posts_nothing(desk: Desk) -> None:
    stay = await charged(desk)
    await desk.send("payments", method="cash", amount="4.50", csrf="guessed")
    assert desk.seen.status_code == 403
    assert await lines(desk, stay) == [450]


async def test_a_housekeeper_sees_no_folio(desk: Desk) -> None:
    stay = await charged(desk)
    await desk.sign_in("ines")
    await desk.open(f"orders/{stay}/folio")
    assert desk.seen.status_code == 403


async def test_the_folio_as_data_is_what_the_api_tells(desk: Desk) -> None:
    stay = await charged(desk)
    page = await desk.browser.get(f"/p/demo/orders/{stay}/folio", headers=JSON)
    assert page.json() == (await desk.browser.get(f"/api/v1/reservations/{stay}/folio")).json()
    assert [line["gross_minor"] for line in page.json()["lines"]] == [450]


async def test_the_pages_speak_the_hotels_chinese(desk: Desk) -> None:
    stay = await charged(desk)
    await desk.hotel.do(stays.pay, stay, "p1", "cash", 450)
    text = visible(await desk.open(f"orders/{stay}/folio", lang="zh"))
    for said in ("客账", "冲账", "入账", "营业日", "今日", "订单查询", "现金"):
        assert said in text
    assert "预抵" in visible(await desk.open("today", lang="zh"))
    assert "抵店" in visible(await desk.open("orders", lang="zh"))
