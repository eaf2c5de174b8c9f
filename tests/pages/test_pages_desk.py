"""The pages at work, without a browser's help: what stands on them, what their forms do, what a refusal says."""

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from central.bookings import keys, stays
from central.bookings.orders import take_order
from central.staff.guard import COOKIE
from central.sync import jobs
from central.sync.tables import job
from tests.central.hotel import order as new_order
from tests.pages.desk import Desk, Forms, at_door, right
from tests.stores import DATABASES
from web.catalogue import catalogue
from wire.entities import Guest
from wire.facts import JobDone, JobStarted

pytestmark = pytest.mark.parametrize("address", DATABASES, indirect=True)


def visible(text: str) -> str:
    """All that a person can read of a page, in one line."""
    return " ".join(html.unescape(word) for word in Forms(text).words)


def tile(text: str, room: str) -> str:
    """What a person reads on one tile of the board."""
    found = re.search(rf'<li id="room-{room}".*?</li>', text, re.DOTALL)
    assert found, f"no tile for {room}"
    return visible(found[0])


async def arrived(desk: Desk) -> str:
    """A guest in house in room 201, and a browser that is signed in."""
    stay = await desk.hotel.book("web-1", nights=2)
    await desk.hotel.do(stays.check_in, stay)
    await desk.sign_in()
    return stay


async def card_job(desk: Desk, stay: str, **outcome: str) -> None:
    """The box has begun, and with an outcome ended, the newest card job of a stay."""
    (newest, *_) = await desk.hotel.ask(lambda conn, p: jobs.of_reservation(conn, p, stay))
    await desk.hotel.do(jobs.started, JobStarted(newest.job_id))
    if outcome:
        await desk.hotel.do(jobs.done, JobDone(newest.job_id, outcome["outcome"], outcome.get("code", "OK")))  # type: ignore[arg-type]


async def test_a_stranger_is_sent_to_the_login_and_back(desk: Desk) -> None:
    await desk.open("board")
    assert "Sign in" in visible(desk.seen.text)
    assert "Room board" in visible(await desk.send("login", user="camille", password="abcd-efgh-jkmn-pqrs"))
    assert desk.seen.url.path == "/p/demo/board"


async def test_a_wrong_password_says_so_and_shows_no_room(desk: Desk) -> None:
    text = visible(await desk.sign_in(password="wrong"))
    assert "User name or password is wrong." in text
    assert desk.seen.status_code == 401
    assert COOKIE not in desk.browser.cookies


@pytest.mark.parametrize("onward", ["//evil.test/", "https://evil.test", "/\\evil.test", "javascript:alert(1)"])
async def test_the_login_sends_nobody_to_another_site(desk: Desk, onward: str) -> None:
    await desk.open("/login", next=onward)
    answer = await desk.browser.post("/login", data={"user": "camille", "password": "abcd-efgh-jkmn-pqrs", "next": onward})
    assert answer.headers["location"] == "/"


async def test_somebody_who_signs_out_sees_nothing_more(desk: Desk) -> None:
    await desk.sign_in()
    await desk.open("board")
    await desk.send("logout")
    assert "Sign in" in visible(await desk.open("board"))


async def test_the_board_shows_every_room_with_its_word(desk: Desk) -> None:
    await desk.hotel.do(stays.check_in, await desk.hotel.book("web-1"))
    await desk.hotel.book("web-2", guest=Guest("Grace Hopper"))
    await desk.sign_in()
    text = await desk.open("board")
    assert "Occupied" in tile(text, "201")
    assert "Ada Lovelace" in tile(text, "201")
    assert "Booked" in tile(text, "202")
    assert "Vacant" in tile(text, "203")
    assert "Clean" in tile(text, "203")
    assert "4 All rooms 2 Vacant 1 Booked 1 Occupied 0 Maintenance" in visible(text)


async def test_a_simulated_hotel_says_so_on_every_page(desk: Desk) -> None:
    stay = await arrived(desk)
    for path in ("board", "arrivals", "in-house", "departures", f"orders/{stay}", "rooms/203"):
        assert "Simulated hotel" in visible(await desk.open(path)), path


async def test_a_cleaner_sees_rooms_and_no_guests(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.sign_in("ines")
    assert "Ada" not in await desk.open("board")
    assert "Occupied" in tile(desk.seen.text, "201")
    assert "Ada" not in await desk.open("rooms/201")
    assert "Ada" not in (await desk.browser.get("/p/demo/board", headers={"accept": "application/json"})).text
    assert "You may not do this" in await desk.open(f"orders/{stay}")
    assert desk.seen.status_code == 403


async def test_an_arrival_is_checked_in_by_one_form(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1")
    await desk.sign_in()
    assert "Ada Lovelace" in await desk.open("arrivals")
    await desk.open(f"orders/{stay}")
    text = visible(await desk.send("check-in"))
    assert "The guest is checked in." in text
    assert "In house" in text
    assert "Ada Lovelace" not in visible(await desk.open("arrivals"))
    assert "Ada Lovelace" in visible(await desk.open("in-house"))


async def test_an_arrival_that_is_not_due_cannot_be_checked_in_and_says_why(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1", first=3)
    await desk.sign_in()
    text = await desk.open(f"orders/{stay}")
    assert "It is too early" in visible(text)
    assert Forms(text).buttons["check-in"] == [("", "", True)]


async def test_what_was_refused_says_why_and_changes_nothing(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1")
    await desk.sign_in()
    await desk.open(f"orders/{stay}")
    page = desk.seen
    await desk.hotel.do(stays.check_in, stay)  # at another desk
    desk.seen = page
    text = visible(await desk.send("check-in"))
    assert desk.seen.status_code == 409
    assert "The guest is checked in already." in text


async def test_a_form_that_is_sent_twice_counts_once(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    await desk.open(f"orders/{stay}")
    page = desk.seen
    await desk.send("keys", encoder="encoder-1", key_id="another")
    desk.seen = page
    await desk.send("keys", encoder="encoder-1", key_id="another")
    assert desk.seen.status_code == 200
    assert len(await desk.hotel.ask(lambda conn, p: keys.of_stay(conn, p, stay))) == 2


async def test_a_form_of_another_site_does_nothing(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1")
    await desk.sign_in()
    await desk.open(f"orders/{stay}")
    await desk.send("check-in", csrf="stolen")
    assert desk.seen.status_code == 403
    assert "Due in" in visible(await desk.open(f"orders/{stay}"))


async def test_check_out_names_the_sum_that_stays_open(desk: Desk) -> None:
    stay = await arrived(desk)
    text = visible(await desk.open(f"orders/{stay}"))
    assert "€ 100.00 stays open on the bill" in text
    assert "posted at check-out" in text
    assert "The bill is not settled." in visible(await desk.send("check-out"))
    assert desk.seen.status_code == 409
    text = visible(await desk.send("check-out", open_balance="yes"))
    assert "Checked out" in text
    assert "posted at check-out" not in text
    assert "€ 100.00" in text


async def test_a_guest_moves_to_a_free_room(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.open(f"orders/{stay}")
    assert "The guest has moved." in visible(await desk.send("move", room="203"))
    text = await desk.open("board")
    assert "Ada Lovelace" in tile(text, "203")
    assert "Dirty" in tile(text, "201")


async def test_a_room_is_assigned_before_arrival(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1", first=1)
    await desk.sign_in()
    await desk.open(f"orders/{stay}")
    assert "The room is assigned." in visible(await desk.send("assign", room="203"))


async def test_a_card_is_followed_from_the_click_to_the_guest(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    text = await desk.open(f"orders/{stay}")
    assert "no card yet" in visible(text)
    (_, key_id, _), *_ = Forms(text).buttons["keys"]
    text = await desk.send("keys", key_id=key_id)
    assert "Waiting for the hotel's box" in visible(text)
    assert '<noscript><meta http-equiv="refresh"' in text
    await card_job(desk, stay)
    assert "Lay the card on the encoder now" in visible(await desk.open(f"orders/{stay}"))
    await card_job(desk, stay, outcome="done")
    text = visible(await desk.open(f"orders/{stay}"))
    assert "The card is ready. Give it to the guest." in text
    assert "card cut" in text
    assert "http-equiv" not in desk.seen.text


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [
        ("CARD_REMOVED", "The card was taken away too early. Lay the same card again", "房卡拿走得太早。 请把同一张卡再放上去"),
        ("FOREIGN_CARD", "This is a staff card or another hotel's card.", "这是员工卡或其他酒店的卡"),
        ("WRONG_CARD_TYPE", "This kind of card does not work", "这种卡不适用"),
        ("NO_CARD", "No card was laid on the encoder.", "发卡器上没有放卡"),
        ("SOMETHING_NEW", "The device reported a fault.", "设备报告故障"),
    ],
)
async def test_a_card_that_failed_says_what_to_do(desk: Desk, code: str, english: str, chinese: str) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    await desk.open(f"orders/{stay}")
    await desk.send("keys", key_id="")
    await card_job(desk, stay, outcome="failed", code=code)
    text = visible(await desk.open(f"orders/{stay}"))
    assert "No card was made." in text
    assert english in text
    assert "Try the same card again" in text
    assert chinese in visible(await desk.open(f"orders/{stay}", lang="zh"))


async def test_the_second_try_is_for_the_same_key(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    await desk.open(f"orders/{stay}")
    await desk.send("keys", key_id="")
    await card_job(desk, stay, outcome="unknown", code="CARD_REMOVED")
    text = await desk.open(f"orders/{stay}")
    (_, again, _), *_ = Forms(text).buttons["keys"]
    await desk.send("keys", key_id=again)
    known = await desk.hotel.ask(lambda conn, p: keys.of_stay(conn, p, stay))
    assert [key.key_id for key in known] == [again]


async def test_a_box_that_does_not_answer_is_named(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    await desk.open(f"orders/{stay}")
    await desk.send("keys", key_id="")
    await desk.hotel.store.write(lambda conn: conn.execute(update(job).values(asked_ms=0)))  # long ago, and nobody began
    text = visible(await desk.open(f"orders/{stay}"))
    assert "The hotel's box does not answer." in text
    assert "Cut the key at the box's own console." in text


async def test_an_encoder_that_is_busy_says_so(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    await desk.open(f"orders/{stay}")
    await desk.send("keys", key_id="")
    await card_job(desk, stay)
    await desk.open(f"orders/{stay}")
    assert "The encoder is still working on another card." in visible(await desk.send("keys", key_id="another"))


async def test_every_state_of_a_right_is_told_with_its_end(desk: Desk) -> None:
    stay = await arrived(desk)
    (key,) = await desk.hotel.ask(lambda conn, p: keys.of_stay(conn, p, stay))
    await right(desk.hotel, key.key_id, "active")
    await right(desk.hotel, key.key_id, "released", 212, lock="data_on_card", exposure_until=key.until)
    await right(desk.hotel, key.key_id, "retrying", 213, code="LINK_DOWN")
    text = visible(await desk.open(f"orders/{stay}"))
    assert "Opens the door" in text
    assert "can still open until 3 Jul 11:00" in text
    assert "The lock does not answer; trying again" in text
    assert "The box keeps trying." in text


async def test_the_doors_speak_of_this_stay_only(desk: Desk) -> None:
    await at_door(desk.hotel, "access_denied", 1, reason="expired")  # before anybody lived there
    desk.hotel.clock.move(timedelta(minutes=5))
    stay = await arrived(desk)
    await at_door(desk.hotel, "lock_operation", 2, op="unlock", source="rfid")
    text = visible(await desk.open(f"orders/{stay}"))
    assert "Opened with a card" in text
    assert "the key has run out" not in text


async def test_a_cleaner_sets_a_room_clean(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.hotel.do(stays.check_out, stay, open_balance=True)
    await desk.sign_in("ines")
    assert "Dirty" in tile(await desk.open("board"), "201")
    await desk.open("rooms/201")
    await desk.send("care", care="clean")
    assert "Clean" in tile(await desk.open("board"), "201")


@pytest.mark.parametrize("query", ["201", "Lovel", "1001"])
async def test_one_search_finds_room_guest_and_number(desk: Desk, query: str) -> None:
    stay = await arrived(desk)
    await desk.open("find", q=query)
    assert desk.seen.url.path == f"/p/demo/orders/{stay}"


async def test_a_room_number_finds_who_is_there_now(desk: Desk) -> None:
    gone = await desk.hotel.book("web-0")
    await desk.hotel.do(stays.check_in, gone)
    await desk.hotel.do(stays.check_out, gone, open_balance=True)
    await desk.hotel.book("web-2", first=5, guest=Guest("Grace Hopper"))
    stay = await desk.hotel.book("web-1", guest=Guest("Mary Somerville"))
    await desk.hotel.do(stays.check_in, stay, "201")
    await desk.sign_in()
    await desk.open("find", q="201")
    assert desk.seen.url.path == f"/p/demo/orders/{stay}"


async def test_a_search_that_finds_nobody_says_so(desk: Desk) -> None:
    await arrived(desk)
    assert "Nobody is on this list." in visible(await desk.open("find", q="%"))


async def test_an_order_of_two_rooms_shows_both(desk: Desk) -> None:
    taken = await desk.hotel.do(take_order, new_order("group", rooms=2))
    await desk.sign_in()
    text = visible(await desk.open(f"orders/{taken['order_id']}"))
    assert "Other rooms of this order" in text
    assert "1001-2" in text


@pytest.mark.parametrize("path", ["orders/nobody", "rooms/999", "nothing", "../elsewhere/board"])
async def test_what_does_not_exist_is_said_in_words(desk: Desk, path: str) -> None:
    await desk.sign_in()
    text = await desk.open(path)
    assert "Traceback" not in text
    assert desk.seen.status_code == 404 or "Sign in" in text


async def test_the_pages_of_another_hotel_stay_closed(desk: Desk) -> None:
    await desk.sign_in()
    assert "Sign in" in visible(await desk.open("/p/other/board"))


async def test_data_is_answered_with_what_the_api_says(desk: Desk) -> None:
    stay = await arrived(desk)
    asked = {"accept": "application/json"}
    rooms = (await desk.browser.get("/p/demo/board", headers=asked)).json()
    assert [room["room"] for room in rooms] == ["201", "202", "203", "301"]
    told = (await desk.browser.get(f"/p/demo/orders/{stay}", headers=asked)).json()
    assert {one["action"]: one["allowed"] for one in told["actions"]}["check_out"] is True


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_page_names_a_language_and_speaks_another(desk: Desk, language: str) -> None:
    await desk.sign_in()
    text = await desk.open("board", lang=language)
    assert f'<html lang="{"zh-Hans" if language == "zh" else "en"}">' in text


async def test_no_english_text_is_left_on_a_chinese_page(desk: Desk) -> None:
    stay = await arrived(desk)
    await desk.encoder()
    (key,) = await desk.hotel.ask(lambda conn, p: keys.of_stay(conn, p, stay))
    await right(desk.hotel, key.key_id, "active")
    await at_door(desk.hotel, "lock_operation", 2, op="unlock", source="rfid")
    await desk.open(f"orders/{stay}", lang="zh")
    await desk.send("keys", key_id=key.key_id)
    await card_job(desk, stay, outcome="failed", code="CARD_REMOVED")
    texts = catalogue("zh").texts
    for path in ("board", "arrivals", "in-house", "departures", f"orders/{stay}", "rooms/203", "/login", "find"):
        said = Forms(await desk.open(path, lang="zh")).words
        left = [word for word in said if word in texts and texts[word] != word]
        assert left == [], path
        latin = [word.strip(" ·") for word in said if re.search(r"[a-z]{4,}", word) and not re.search(r"[\u4e00-\u9fff]", word)]
        assert set(latin) <= {
            "Ada Lovelace",
            "Camille",
            "English",
            "Test House",
            "encoder-1",
            "Latchkey",
            "Ada Lovelace · 201 · Test House",
        }, path


async def test_every_answer_to_a_form_is_in_the_readers_language(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1")
    await desk.sign_in()
    await desk.open(f"orders/{stay}", lang="zh")
    assert "已办理入住，请现在制卡。" in visible(await desk.send("check-in"))
    assert "客账未结清。" in visible(await desk.send("check-out"))
    assert "已办理退房" in visible(await desk.send("check-out", open_balance="yes"))
    assert "The guest" not in visible(desk.seen.text)


async def test_every_page_has_one_heading_and_a_way_past_the_navigation(desk: Desk) -> None:
    stay = await arrived(desk)
    for path in ("board", "arrivals", f"orders/{stay}", "rooms/203", "/login"):
        text = await desk.open(path)
        assert text.count("<h1") == 1, path
        assert 'class="skip" href="#main"' in text
        assert "style=" not in text
        assert not re.search(r"\son\w+=", text)
        assert "<script>" not in text
