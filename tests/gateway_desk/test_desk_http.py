"""The desk as programs see it: who gets in, what each role may do, shapes, repeats, and what no answer and no log contains."""

import logging
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from gateway.desk.roles import Permission, granted
from gateway.desk.routes import router
from tests.gateway_desk.desks import OTHER_PIN, PIN, Desk, day, due, here, key

OPEN = {"/desk/sign-in", "/desk/sign-out", "/desk/pick", "/desk"}


@pytest.fixture
async def client(desk: Desk) -> Any:
    async with desk.client() as made:
        await desk.signed_in(made)
        yield made


async def test_nobody_sees_anything_before_the_pin(desk: Desk) -> None:
    async with desk.client() as stranger:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                path = route.path.replace("{stay_id}", "s1").replace("{job_id}", "j1").replace("{number}", "201")
                answer = await stranger.request(method, path, json={} if method == "POST" else None)
                if path not in OPEN:
                    assert answer.status_code in {401, 422}, (method, path, answer.status_code)
                    assert "Ada" not in answer.text


async def test_housekeeping_sees_rooms_and_no_names(desk: Desk) -> None:
    await desk.put("stay", "s1", here("201"))
    async with desk.client() as maid:
        await desk.signed_in(maid, "maid")
        board = await maid.get("/desk/board")
        assert board.status_code == 200
        assert "Ada" not in board.text
        assert {room["room"]: room["front"] for room in board.json()}["201"] == "occupied"
        for path in ("/desk/day", "/desk/stays/s1", "/desk/holds"):
            assert (await maid.get(path)).status_code == 403
        assert (await maid.post("/desk/stays/s1/check-out", json={})).status_code == 403


def test_a_role_that_is_not_in_the_table_may_do_nothing() -> None:
    assert granted(("owner", "")) == frozenset()
    assert Permission.UNBACKED not in granted(("desk",))


async def test_a_wrong_pin_is_401_and_too_many_are_429(desk: Desk) -> None:
    async with desk.client() as stranger:
        for _ in range(5):
            answer = await stranger.post("/desk/sign-in", json={"staff": "desk", "pin": "000000"})
            assert (answer.status_code, answer.json()["code"]) == (401, "wrong_pin")
        answer = await stranger.post("/desk/sign-in", json={"staff": "desk", "pin": PIN})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_day_and_one_stay_have_the_agreed_shape(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.put("stay", "s1", due("201"))
    await desk.put("stay", "s2", here("202", nights=0))
    await desk.put("stay", "s3", due("203", first=1))
    told = (await client.get("/desk/day")).json()
    assert told["business_date"] == day(0).isoformat()
    assert [[one["stay_id"] for one in told[name]] for name in ("arrivals", "in_house", "departures")] == [["s1"], ["s2"], ["s2"]]
    (line,) = told["arrivals"]
    assert {"stay_id", "number", "status", "guest", "rooms", "doors", "room_type", "arrive", "depart", "balance_minor"} <= line.keys()
    assert {"balance_as_of", "unsent", "actions"} <= line.keys()
    assert {one["action"]: one["allowed"] for one in line["actions"]} == {
        "check_in": True, "check_out": False, "move": False, "extend": False, "shorten": False, "cut_key": False,
    }  # fmt: skip
    await desk.put("key", "k1", key("s2"))
    one = (await client.get("/desk/stays/s2")).json()
    assert one["keys"][0] | {"until": ""} == {"key_id": "k1", "kind": "rfid", "copy_no": 0, "status": "wanted", "until": "", "doors": []}
    assert (one["jobs"], one["door_events"], one["tab"]["own_lines"]) == ([], [], [])


async def test_a_whole_stay_by_program(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.hold("202", 0, 1, 2)
    told = {"room_type": "A", "nights": 1, "display_name": "Wei Zhang", "language": "zh", "persons": 1}
    stay = (await client.post("/desk/walk-ins", json=told)).json()
    assert (stay["status"], stay["rooms"], stay["unsent"]) == ("in_house", ["202"], 2)
    at = f"/desk/stays/{stay['stay_id']}"
    longer = await client.post(f"{at}/extend", json={"departure": day(2).isoformat()})
    assert longer.json()["departure"] == day(2).isoformat()
    paid = {"payment_id": "p1", "method": "cash", "amount_minor": 9_500, "reference": "slip 7"}
    assert (await client.post(f"{at}/payments", json=paid)).json()["balance_minor"] == -9_500
    assert (await client.get(at)).json()["tab"]["own_lines"][0]["amount_minor"] == -9_500
    assert (await client.post(f"{at}/check-out", json={"open_balance": True})).json()["status"] == "checked_out"
    gone = await client.post(f"{at}/check-out", json={})
    assert (gone.status_code, gone.json()["code"], gone.json()["reasons"]) == (409, "not_allowed", ["already_checked_out"])
    assert (await client.get("/desk/unsent")).json() == {"desk": 8, "log": 0, "last": 0, "oldest_age_s": 0.0}
    assert [one["night"] for one in (await client.get("/desk/holds")).json()] == [day(2).isoformat()]


async def test_a_night_without_a_hold_takes_the_managers_pin(desk: Desk, client: httpx.AsyncClient) -> None:
    told = {"nights": 1, "display_name": "Wei Zhang", "language": "zh", "persons": 1}
    refused = await client.post("/desk/walk-ins", json=told)
    assert (refused.status_code, refused.json()["code"]) == (403, "needs_manager")
    wrong = await client.post("/desk/walk-ins", json={**told, "manager_pin": PIN, "manager": "desk"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "not_a_manager")
    mistaken = await client.post("/desk/walk-ins", json={**told, "manager_pin": "000000"})
    assert mistaken.status_code == 401
    assert (await client.post("/desk/walk-ins", json={**told, "manager_pin": OTHER_PIN})).json()["status"] == "in_house"


async def test_a_card_is_a_job_of_the_box(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.put("stay", "s1", here("201"))
    await desk.put("key", "k1", key("s1"))
    answer = await client.post("/desk/stays/s1/cut-key", json={"encoder": "encoder-1", "purpose": "new"}, headers={"Idempotency-Key": "f"})
    again = await client.post("/desk/stays/s1/cut-key", json={"encoder": "encoder-1", "purpose": "new"}, headers={"Idempotency-Key": "f"})
    assert (answer.status_code, again.json()) == (202, answer.json())
    (job,) = desk.jobs.taken
    assert (job.job_id, job.kind, job.target, job.by) == (answer.json()["job_id"], "cut_key", "encoder-1", "staff/desk")
    assert job.args == {"key_id": "k1", "purpose": "new"}
    assert (await client.get(f"/desk/jobs/{job.job_id}")).json()["status"] == "waiting"
    assert (await client.get("/desk/jobs/none")).status_code == 404
    assert (await client.post("/desk/stays/s1/cut-key", json={"encoder": "lock-201"})).status_code == 404


async def test_a_cookie_alone_changes_nothing(desk: Desk) -> None:
    await desk.put("stay", "s1", due("201"))
    async with desk.client() as browser:
        csrf = (await browser.post("/desk/sign-in", json={"staff": "desk", "pin": PIN})).json()["csrf"]
        refused = await browser.post("/desk/stays/s1/check-in", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
        assert (await browser.post("/desk/stays/s1/check-in", json={}, headers={"X-CSRF-Token": csrf})).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/desk/walk-ins", {"display_name": "", "nights": 1}),
        ("/desk/walk-ins", {"display_name": "X", "nights": 0}),
        ("/desk/walk-ins", {"display_name": "X", "documents": "secret-number"}),
        ("/desk/stays/s1/extend", {"departure": "secret-number"}),
        ("/desk/stays/s1/payments", {"payment_id": "p", "method": "secret-number", "amount_minor": 1}),
    ],
)
async def test_what_makes_no_sense_is_refused_without_repeating_it(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == 422
    assert "secret-number" not in answer.text


async def test_no_guests_name_and_no_pin_reaches_a_log(desk: Desk, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await desk.put("stay", "s1", due("201"))
    await desk.hold("202", 0)
    await client.post("/desk/stays/s1/check-in", json={})
    await client.post("/desk/walk-ins", json={"display_name": "Grace Hopper", "document": "X1234567"})
    await client.post("/desk/sign-in", json={"staff": "desk", "pin": "000000"})
    await client.get("/desk/stays/none")
    for secret in ("Lovelace", "Hopper", "X1234567", PIN, "000000"):
        assert secret not in caplog.text
