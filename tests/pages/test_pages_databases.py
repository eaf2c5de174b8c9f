"""What the pages read says the same on SQLite and on PostgreSQL: the whole way of a guest, seen on every page."""

from central.bookings import keys, stays
from tests.pages.desk import Desk, at_door, right
from tests.pages.test_pages_desk import tile, visible
from wire.entities import Guest


async def test_a_guest_is_followed_through_every_page(desk: Desk) -> None:
    stay = await desk.hotel.book("web-1", nights=2)
    await desk.hotel.book("web-2", guest=Guest("Grace Hopper"))
    await desk.sign_in()
    assert "2 Booked" in visible(await desk.open("board"))
    await desk.hotel.do(stays.check_in, stay)
    await desk.encoder()
    (key,) = await desk.hotel.ask(lambda conn, p: keys.of_stay(conn, p, stay))
    await right(desk.hotel, key.key_id, "active")
    await at_door(desk.hotel, "lock_operation", 1, op="unlock", source="rfid")
    text = visible(await desk.open(f"orders/{stay}"))
    for said in ("Opens the door", "Opened with a card", "encoder-1", "€ 100.00 stays open on the bill"):
        assert said in text
    await desk.send("keys", key_id=key.key_id)
    assert "Waiting for the hotel's box" in visible(desk.seen.text)
    assert "€ 100.00" in visible(await desk.open("in-house"))
    await desk.open("find", q="1001")
    await desk.send("check-out", open_balance="yes")
    assert "Checked out" in visible(await desk.open("departures"))
    assert "Dirty" in tile(await desk.open("board"), "201")
    assert "Opened with a card" in visible(await desk.open("rooms/201"))
