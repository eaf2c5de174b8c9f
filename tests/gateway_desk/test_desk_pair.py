"""What the desk does with the line down arrives at central once, both sides agree to the byte, and no night is sold twice."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from central.bookings import books, keys, stays
from central.bookings.books import Reservation
from central.folio import ledger
from central.rooms.day import turn_of_day
from central.rooms.inventory import availability
from central.store.database import Store
from central.store.tables import access_key, hold, orders, reservation
from central.upkeep.tasks import open_tasks
from gateway.desk import views
from gateway.desk.walkins import Wish
from host.clock import ManualClock
from host.sealing import unseal
from tests.central.hotel import NOON, day
from tests.gateway_desk.pairs import Pair, box, pair, until
from wire import codec
from wire.entities import StayStatus
from wire.facts import WalkInTaken
from wire.stays import Status


async def read(there: Pair, stay_id: str) -> Reservation:
    return await there.central.ask(lambda conn, slug: books.read(conn, slug, stay_id))


async def left(there: Pair, nights: int = 3) -> tuple[int, ...]:
    """Rooms of type A that central can still sell, night by night."""
    return (await there.central.ask(lambda conn, slug: availability(conn, slug, day(0), day(nights))))[0].by_night


async def count(there: Pair, table: Any) -> int:
    return int(await there.central.ask(lambda conn, _: conn.execute(select(func.count()).select_from(table)).scalar_one()))


def wish(nights: int = 1, name: str = "Grace Hopper") -> Wish:
    return Wish(name, "en", 1, nights, "A")


async def holds(there: Pair) -> int:
    return len(await there.office.look(lambda look: views.holds(look.house)))


async def test_an_evening_without_a_line_arrives_once_and_both_sides_agree(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        due, here = await there.central.book("due", nights=2), await there.central.book("here", nights=2)
        await there.central.do(stays.check_in, here)
        await until(lambda: there.stay(here) is not None and there.stay(here).status is StayStatus.IN_HOUSE and there.stay(due))
        await there.level()
        before = await left(there)
        there.down()
        walked = await there.office.walk_in(there.who, wish(2), document="X1234567", form="w")
        await there.office.extend(there.who, walked, day(3))
        await there.office.check_in(there.who, due, keys=2)
        await there.office.pay(there.who, due, {"payment_id": "p1", "method": "cash", "amount_minor": 5_000, "reference": "slip 7"})
        await there.office.check_out(there.who, here)
        assert there.stay(due).balance_minor == -5_000
        assert await count(there, orders) == 2
        await there.up()
        taken, arrived, gone = [await read(there, one) for one in (walked, due, here)]
        assert (taken.status, taken.arrival, taken.departure) == (Status.IN_HOUSE, day(0), day(3))
        assert (arrived.status, gone.status) == (Status.IN_HOUSE, Status.CHECKED_OUT)
        assert len(await there.central.ask(lambda conn, slug: keys.of_stay(conn, slug, due))) == 2
        folio = await there.central.ask(lambda conn, slug: ledger.lines(conn, slug, due))
        assert [line.gross_minor for line in folio] == [-5_000]
        assert [task.kind for task in await there.central.ask(open_tasks)] == ["open_balance"]
        assert await left(there) == tuple(n + 1 for n in before[:2]) + before[2:]  # only the night of the early departure came back
        theirs, ours = await there.agreed()
        assert theirs["kinds"] == json.loads(json.dumps(ours["kinds"]))


async def test_lost_answers_make_no_second_guest(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        await there.level()
        there.down()
        walked = await there.office.walk_in(there.who, wish())
        there.relay.lose = 2
        await there.up()
        assert await count(there, reservation) == 1
        assert (await read(there, walked)).status is Status.IN_HOUSE
        assert await count(there, access_key) == 1


async def test_the_same_night_is_not_sold_at_the_box_and_at_central(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        await there.level()
        there.down()
        first, second = [await there.office.walk_in(there.who, wish(name=name)) for name in ("Ada", "Grace")]
        sold: list[str] = []
        while (await left(there, 1))[0] > 0:
            sold.append(await there.central.book(f"web-{len(sold)}"))
        await there.up()
        rooms = [(await read(there, one)).room for one in (first, second, *sold)]
        assert len(rooms) == len(set(rooms)) == 5
        assert await there.central.ask(open_tasks) == []


async def test_a_stay_cut_off_from_central_goes_on_after_a_restart(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path / "first") as there:
        due = await there.central.book("due", nights=2)
        await until(lambda: there.stay(due))
        await there.level()
        there.office.line.word()
        await there.office.line.keep(NOON)
        there.down()
        await there.link.stop()
        await there.store.close()
        enrolled = {"token": there.token, "box_id": there.link._peer.box_id, "k_pin": "00" * 32, "central_public": "00" * 32}
        clock = ManualClock(NOON + timedelta(hours=2))
        async with box(tmp_path / "first", there.relay, enrolled, clock) as (_, link, office):
            word = office.line.word()
            assert (word.state != "live", word.heard_at) == (True, NOON)
            await office.check_in(there.who, due)
            seen = await office.look(lambda look: views.one(look, due))
            assert (seen["status"], seen["tab"]["age_s"], len(seen["keys"])) == ("in_house", 7200.0, 1)
            there.relay.up = True
            await until(lambda: sum(link.health().backlog.values()) == 0)
            assert (await read(there, due)).status is Status.IN_HOUSE


async def test_central_and_nobody_else_reads_the_document(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        await there.level()
        stay_id = await there.office.walk_in(there.who, wish(), document="X1234567")
        rows = there.store.peek(lambda db: db.execute("SELECT seq, row FROM outbox WHERE lane = 'desk' ORDER BY seq").fetchall())
        texts = [codec.read_row(row["seq"], bytes(row["row"])) for row in rows]
        fact = next(codec.decode_fact(row.kind, row.body) for row in texts if row.kind == "WalkInTaken")
        assert isinstance(fact, WalkInTaken)

        def private(conn: Connection, slug: str) -> bytes:
            return there.central.services.vault.secret(conn, slug, "central_private", lambda: b"")

        told = unseal(await there.central.ask(private), base64.b64decode(fact.sealed or ""), f"walk-in/{stay_id}")
        assert json.loads(told) == {"document": "X1234567"}
        await there.up()


async def test_an_extension_out_of_the_boxes_holds_leaves_central_nothing_to_decide(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        here = await there.central.book("here")
        await there.central.do(stays.check_in, here)
        await until(lambda: there.stay(here) is not None and there.stay(here).status is StayStatus.IN_HOUSE)
        await there.level()
        there.down()
        before = await holds(there)
        await there.office.extend(there.who, here, day(2))
        assert await holds(there) == before - 1
        await there.up()
        assert (await read(there, here)).departure == day(2)
        assert await there.central.ask(open_tasks) == []
        until_then = [key.until for key in await there.central.ask(lambda conn, slug: keys.of_stay(conn, slug, here))]
        assert until_then == [there.stay(here).depart]
        assert await count(there, hold) == before - 1


async def test_a_week_without_a_line_leaves_nothing_lost_nothing_double_and_nothing_to_decide(store: Store, tmp_path: Path) -> None:
    async with pair(store, tmp_path) as there:
        due = [await there.central.book(f"r{n}", first=n, nights=2) for n in range(3)]
        await until(lambda: all(there.stay(one) for one in due))
        await there.level()
        there.down()
        walked: list[str] = []
        for n in range(7):
            day_list = await there.office.look(views.day)
            for stay in day_list["departures"]:
                if stay["status"] == "in_house":
                    await there.office.check_out(there.who, stay["stay_id"])
            if n < len(due):
                await there.office.check_in(there.who, due[n])
            if n in {0, 3}:
                walked.append(await there.office.walk_in(there.who, wish(2, name=f"Guest {n}")))
            if n == 1:
                await there.office.extend(there.who, walked[0], day(3))
            there.central.clock.move(timedelta(days=1))
            there.office.clock.move(timedelta(days=1))  # type: ignore[attr-defined]
        await there.central.do(turn_of_day)
        await there.up()
        states = [await read(there, one) for one in (*due, *walked)]
        assert {one.status for one in states} == {Status.CHECKED_OUT}
        assert [(one.arrival, one.departure) for one in states[:3]] == [(day(n), day(n + 2)) for n in range(3)]
        assert [(one.arrival, one.departure) for one in states[3:]] == [(day(0), day(3)), (day(3), day(5))]
        for one in states:
            folio = await there.central.ask(lambda conn, slug, stay=one: ledger.lines(conn, slug, stay.reservation_id))  # type: ignore[misc]
            assert sum(line.gross_minor for line in folio) == sum(one.nightly_gross_minor)
        assert {task.kind for task in await there.central.ask(open_tasks)} == {"open_balance"}
        theirs, ours = await there.agreed()
        assert theirs["kinds"] == json.loads(json.dumps(ours["kinds"]))
