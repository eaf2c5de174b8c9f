"""The API: who may do what, sent twice counts once, every error is a problem with a code, and the document tells the truth."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import func, select

from central.app import create
from central.rooms import routes as room_routes
from central.staff.guard import COOKIE, May
from central.staff.passwords import hash_password
from central.staff.people import Credentials, add_staff, add_token
from central.staff.permissions import GRANTS, ROLES, SCOPES, Permission
from central.store.tables import api_token, audit, orders, staff_session
from central.sync.enrolment import add_box
from host.clock import ManualClock
from tests.central.hotel import NOON, Hotel, day

PASSWORD = "correct-horse"
HASH = hash_password(PASSWORD)
ORDER: dict[str, Any] = {
    "channel": "web", "channel_reference": "r1", "guest": {"display_name": "Ada Lovelace"}, "room_type": "A",
    "arrival": day(0).isoformat(), "nights": 2, "adults": 2, "children": 1,
}  # fmt: skip


class Desk:
    """A hotel behind HTTP."""

    def __init__(self, hotel: Hotel, app: FastAPI) -> None:
        self.hotel, self.app = hotel, app

    @asynccontextmanager
    async def client(self, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A program with this token, or a browser without one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://central", headers=headers) as client:
            yield client

    async def token(self, *scopes: str, channel: str | None = None) -> str:
        name = f"{'-'.join(scopes)}-{channel}"
        return await self.hotel.do(add_token, name, scopes or ("desk",), channel)

    async def staff(self, login: str, *roles: str) -> None:
        await self.hotel.do(add_staff, Credentials(login, PASSWORD, "123456", HASH, "pin"), login.title(), roles)


@pytest_asyncio.fixture
async def desk(hotel: Hotel) -> Desk:
    return Desk(hotel, create(hotel.services))


@pytest_asyncio.fixture
async def program(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """A program of the desk."""
    async with desk.client(await desk.token("desk")) as client:
        yield client


def routes_of(app: FastAPI) -> list[APIRoute]:
    return [one for one in _all(app) if one.path.startswith("/api/v1/") and not one.path.startswith("/api/v1/session")]


def _all(app: FastAPI) -> list[APIRoute]:
    from central.app import API

    return [route for router in API for route in router.routes if isinstance(route, APIRoute)]


def permission_of(route: APIRoute) -> Permission:
    (found,) = {one.call.permission for one in route.dependant.dependencies if isinstance(one.call, May)}
    return found


def some(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "nothing", path)


async def test_an_order_is_taken_and_the_guest_checked_in(program: httpx.AsyncClient) -> None:
    taken = await program.post("/api/v1/orders", json=ORDER)
    assert (taken.status_code, taken.json()["created"]) == (201, True)
    stay = taken.json()["reservations"][0]["reservation_id"]
    may = {one["action"] for one in taken.json()["reservations"][0]["actions"] if one["allowed"]}
    assert may == {"amend", "assign", "cancel", "check_in"}
    done = await program.post(f"/api/v1/reservations/{stay}/check-in", json={"keys": 2})
    refused = {one["action"]: one["reason_code"] for one in done.json()["actions"] if not one["allowed"]}
    assert refused == dict.fromkeys(["amend", "assign", "cancel", "check_in", "no_show"], "already_in_house")
    assert (done.status_code, done.json()["status"], done.json()["room"]) == (200, "in_house", "201")
    seen = (await program.get(f"/api/v1/reservations/{stay}")).json()
    assert (seen["reservation"]["guest"]["display_name"], seen["reservation"]["persons"], len(seen["keys"])) == ("Ada Lovelace", 3, 2)
    board = {cell["room"]: cell["word"] for cell in (await program.get("/api/v1/board")).json()}
    assert board == {"201": "occupied", "202": "vacant", "203": "vacant", "301": "vacant"}


async def test_an_order_that_is_sent_again_is_the_same_order(program: httpx.AsyncClient, desk: Desk) -> None:
    answers = [await program.post("/api/v1/orders", json=ORDER) for _ in range(3)]
    assert [one.status_code for one in answers] == [201, 200, 200]
    assert len({one.json()["order_id"] for one in answers}) == 1
    assert await desk.hotel.ask(lambda conn, _: conn.execute(select(func.count()).select_from(orders)).scalar_one()) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"nights": 3}, "departure"),
        ({"arrival": day(1).isoformat()}, "arrival"),
        ({"adults": 1}, "persons"),
        ({"rooms": 2}, "rooms"),
        ({"room_type": "B"}, "room_type"),
        ({"guest": {"display_name": "Grace Hopper"}}, "guest"),
        ({"nightly_gross_minor": [1, 2]}, "nightly_gross_minor"),
    ],
)
async def test_a_version_that_comes_again_with_another_content_is_not_dropped_in_silence(
    program: httpx.AsyncClient, desk: Desk, change: dict[str, Any], field: str
) -> None:
    first = (await program.post("/api/v1/orders", json=ORDER)).json()
    again = await program.post("/api/v1/orders", json={**ORDER, **change})
    assert (again.status_code, again.json()["order_id"], again.json()["differs"]) == (200, first["order_id"], True)
    look = select(audit.c.detail).where(audit.c.action == "order_repeat_differs")
    (detail,) = await desk.hotel.ask(lambda conn, _: conn.execute(look).scalars().all())
    assert field in detail["fields"]
    assert not [word for word in ("Hopper", "Lovelace") if word in str(detail)]
    newer = await program.post("/api/v1/orders", json={**ORDER, "version": 2})
    assert (newer.status_code, newer.json()["differs"]) == (200, False)


async def test_what_the_desk_changed_in_house_is_no_difference_of_the_channels(program: httpx.AsyncClient) -> None:
    stay = (await program.post("/api/v1/orders", json=ORDER)).json()["reservations"][0]["reservation_id"]
    await program.post(f"/api/v1/reservations/{stay}/check-in", json={})
    longer = await program.post(f"/api/v1/reservations/{stay}/extend", json={"departure": day(3).isoformat()})
    assert longer.status_code == 200
    assert (await program.post("/api/v1/orders", json=ORDER)).json()["differs"] is False


async def test_a_request_with_the_same_key_is_answered_and_not_done_again(program: httpx.AsyncClient) -> None:
    stay = (await program.post("/api/v1/orders", json=ORDER)).json()["reservations"][0]["reservation_id"]
    path, key = f"/api/v1/reservations/{stay}/check-in", {"Idempotency-Key": "press-1"}
    first, again = [await program.post(path, headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    other = await program.post(f"/api/v1/reservations/{stay}/check-out", headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    third = await program.post(path)
    assert (third.status_code, third.json()["reasons"]) == (409, ["already_in_house"])


async def test_a_refused_request_may_be_sent_again_with_its_key(program: httpx.AsyncClient, desk: Desk) -> None:
    stay = (await program.post("/api/v1/orders", json={**ORDER, "arrival": day(1).isoformat()})).json()["reservations"][0]["reservation_id"]
    path, key = f"/api/v1/reservations/{stay}/check-in", {"Idempotency-Key": "press-1"}
    assert (await program.post(path, headers=key)).status_code == 409
    desk.hotel.clock.move(timedelta(hours=20))
    assert (await program.post(path, headers=key)).status_code == 200


async def test_an_order_is_amended_and_cancelled(program: httpx.AsyncClient) -> None:
    number = (await program.post("/api/v1/orders", json=ORDER)).json()["order_id"]
    amended = await program.patch(f"/api/v1/orders/{number}", json={"departure": day(3).isoformat(), "version": 2})
    assert (amended.status_code, amended.json()["version"]) == (200, 2)
    cancelled = await program.post(f"/api/v1/orders/{number}/cancel", json={"reason": "ill"})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    left = (await program.get("/api/v1/availability", params={"arrival": day(0).isoformat(), "departure": day(3).isoformat()})).json()
    assert [(one["room_type"], one["left"]) for one in left] == [("A", 3), ("B", 1)]


async def test_the_pages_of_a_list_of_orders_follow_one_another(program: httpx.AsyncClient) -> None:
    for n in range(3):
        await program.post("/api/v1/orders", json={**ORDER, "channel_reference": f"r{n}", "nights": 1})
    first = (await program.get("/api/v1/orders", params={"limit": 2})).json()
    rest = (await program.get("/api/v1/orders", params={"limit": 2, "after": first[-1]["order_id"]})).json()
    assert [one["channel_reference"] for one in first + rest] == ["r2", "r1", "r0"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"arrival": "soon"}, "arrival"),
        ({"arrival": "2026-07-01T00:00:00"}, "arrival"),
        ({"arrival": "2026-07-01T00:00:00Z"}, "arrival"),
        ({"arrival": 1_782_864_000}, "arrival"),
        ({"arrival": "1782864000"}, "arrival"),
        ({"rooms": 0}, "rooms"),
        ({"guest": {"display_name": ""}}, "guest.display_name"),
        ({"guest": {"display_name": "a\nb"}}, "guest.display_name"),
        ({"nightly_gross_minor": [-1, 2]}, "nightly_gross_minor.0"),
        ({"nights": None}, "body"),
        ({"pets": 1}, "pets"),
        ({"channel_reference": "x" * 65}, "channel_reference"),
        ({"booked_at": "2026-01-01T00:00:00"}, "booked_at"),
    ],
)
async def test_a_bad_order_is_a_problem_that_names_the_field_and_repeats_no_value(
    program: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answer = await program.post("/api/v1/orders", json={**ORDER, **change})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["code"] == "invalid_request"
    assert [one["field"] for one in answer.json()["fields"]] == [field]
    assert "Lovelace" not in answer.text


async def test_a_full_house_says_so_with_a_code(program: httpx.AsyncClient) -> None:
    await program.post("/api/v1/orders", json={**ORDER, "rooms": 3})
    answer = await program.post("/api/v1/orders", json={**ORDER, "channel_reference": "late"})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room_left")


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(40):
        yield b" " * 65536


async def test_a_body_without_end_is_refused_declared_or_not(program: httpx.AsyncClient) -> None:
    for answer in (await program.post("/api/v1/orders", content=b" " * 2_000_000), await program.post("/api/v1/orders", content=chunks())):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_strange_addresses_and_methods_are_problems_too(program: httpx.AsyncClient) -> None:
    for answer, status, code in (
        (await program.get("/api/v1/nowhere"), 404, "not_found"),
        (await program.delete("/api/v1/orders"), 405, "method_not_allowed"),
        (await program.get("/api/v1/orders/nothing"), 404, "order_not_found"),
    ):
        assert (answer.status_code, answer.json()["code"], answer.headers["content-type"]) == (status, code, "application/problem+json")


async def test_a_fault_is_a_problem_without_a_traceback(program: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("Ada Lovelace broke it")

    monkeypatch.setattr(room_routes, "_rooms", breaks)
    answer = await program.get("/api/v1/rooms")
    assert (answer.status_code, answer.json()["code"]) == (500, "fault")
    assert "Lovelace" not in answer.text


def test_every_route_names_its_one_permission(desk_app: FastAPI) -> None:
    known = routes_of(desk_app)
    assert len(known) > 20
    for route in known:
        assert permission_of(route) in Permission, route.path


@pytest.fixture
def desk_app(tmp_path: Any) -> FastAPI:
    """The application without a database behind it: enough to ask for its routes."""
    from central.services import Services
    from central.store.vault import Vault

    return create(Services(None, Vault(bytes(32)), ManualClock(NOON)))  # type: ignore[arg-type]


async def test_nobody_gets_in_without_a_token_and_a_box_nowhere_but_sync(desk: Desk) -> None:
    box = (await desk.hotel.do(add_box, "http://central"))["token"]
    for token, status in ((None, 401), ("lka_demo.wrong", 401), ("nonsense", 401), (box, 403)):
        async with desk.client(token) as client:
            for route in routes_of(desk.app):
                for method in route.methods or ():
                    answer = await client.request(method, some(route.path))
                    assert (route.path, answer.status_code) == (route.path, status)


@pytest.mark.parametrize("scope", SCOPES)
async def test_each_scope_may_do_exactly_what_its_row_says(desk: Desk, scope: str) -> None:
    document = desk.app.openapi()
    async with desk.client(await desk.token(scope)) as client:
        for route in routes_of(desk.app):
            for method in route.methods or ():
                answer = await client.request(method, some(route.path))
                refused = permission_of(route) not in GRANTS[scope]
                assert (answer.status_code == 403) == refused, (scope, method, route.path, answer.text)
                told = document["paths"][route.path][method.lower()]["responses"]
                assert str(answer.status_code) in told, f"{method} {route.path} answers {answer.status_code} and does not say so"


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_exactly_what_its_row_says(desk: Desk, role: str) -> None:
    await desk.staff(role, role)
    async with desk.client() as browser:
        me = (await browser.post("/api/v1/session", json={"login": role, "password": PASSWORD})).json()
        assert me["permissions"] == sorted(GRANTS[role])
        for route in routes_of(desk.app):
            for method in route.methods or ():
                answer = await browser.request(method, some(route.path), headers={"X-CSRF-Token": me["csrf"]})
                assert (answer.status_code == 403) == (permission_of(route) not in GRANTS[role]), (role, method, route.path)


async def test_a_channel_sees_and_changes_its_own_orders_only(desk: Desk, program: httpx.AsyncClient) -> None:
    number = (await program.post("/api/v1/orders", json=ORDER)).json()["order_id"]
    async with desk.client(await desk.token("channel", channel="agency")) as agency:
        own = (await agency.post("/api/v1/orders", json={**ORDER, "channel": "agency"})).json()["order_id"]
        assert (await agency.post("/api/v1/orders", json=ORDER)).json()["code"] == "other_channel"
        for answer in (
            await agency.get(f"/api/v1/orders/{number}"),
            await agency.patch(f"/api/v1/orders/{number}", json={}),
            await agency.post(f"/api/v1/orders/{number}/cancel"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
        assert [one["order_id"] for one in (await agency.get("/api/v1/orders")).json()] == [own]


async def test_a_browser_changes_nothing_without_its_sessions_token(desk: Desk) -> None:
    await desk.staff("ann", "desk")
    async with desk.client() as browser:
        signed_in = await browser.post("/api/v1/session", json={"login": "ann", "password": PASSWORD})
        cookie = signed_in.headers["set-cookie"]
        assert COOKIE in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert (await browser.post("/api/v1/orders", json=ORDER)).json()["code"] == "csrf"
        foreign = await browser.post("/api/v1/orders", json=ORDER, headers={"X-CSRF-Token": "another"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "csrf")
        taken = await browser.post("/api/v1/orders", json=ORDER, headers={"X-CSRF-Token": signed_in.json()["csrf"]})
        assert taken.status_code == 201
    actor = await desk.hotel.ask(lambda conn, _: conn.execute(select(audit.c.actor).where(audit.c.action == "order_taken")).scalar_one())
    assert actor == f"staff/{signed_in.json()['staff_id']}"


async def test_who_signs_out_is_a_stranger_again(desk: Desk) -> None:
    await desk.staff("ann", "desk")
    async with desk.client() as browser:
        me = (await browser.post("/api/v1/session", json={"login": "ann", "password": PASSWORD, "property": "demo"})).json()
        token = browser.cookies[COOKIE]
        assert (await browser.delete("/api/v1/session")).status_code == 403
        assert (await browser.delete("/api/v1/session", headers={"X-CSRF-Token": me["csrf"]})).status_code == 204
        assert (await browser.get("/api/v1/session")).status_code == 401
        browser.cookies.set(COOKIE, token)
        assert (await browser.get("/api/v1/session")).status_code == 401


async def test_no_token_lies_in_the_database(desk: Desk) -> None:
    await desk.staff("ann", "desk")
    token = await desk.token("desk")
    async with desk.client() as browser:
        await browser.post("/api/v1/session", json={"login": "ann", "password": PASSWORD})
        cookie = browser.cookies[COOKIE]
    rows = await desk.hotel.ask(lambda conn, _: [str(row) for table in (staff_session, api_token) for row in conn.execute(select(table))])
    assert len(rows) == 2
    for secret in (token, cookie):
        assert not any(secret.partition(".")[2] in row for row in rows)


async def test_wrong_passwords_slow_down_and_a_right_one_waits_too(hotel: Hotel) -> None:
    real = ManualClock(NOON)
    desk = Desk(hotel, create(replace(hotel.services, real_now=real.now)))
    await desk.staff("ann", "desk")
    async with desk.client() as browser:

        async def tries(password: str, login: str = "ann") -> int:
            return (await browser.post("/api/v1/session", json={"login": login, "password": password})).status_code

        assert [await tries("wrong") for _ in range(6)] == [401] * 5 + [429]
        assert await tries(PASSWORD) == 429
        assert await tries("wrong", "nobody") == 401
        real.move(timedelta(minutes=1, seconds=1))
        assert await tries(PASSWORD) == 200
        assert await tries("wrong") == 401


async def test_a_session_ends_by_real_time_and_not_when_a_day_is_stepped(hotel: Hotel) -> None:
    real = ManualClock(NOON)
    desk = Desk(hotel, create(replace(hotel.services, real_now=real.now)))
    await desk.staff("ann", "desk")
    async with desk.client() as browser:
        await browser.post("/api/v1/session", json={"login": "ann", "password": PASSWORD})
        hotel.clock.move(timedelta(days=3))
        assert (await browser.get("/api/v1/session")).status_code == 200
        real.move(timedelta(hours=12))
        assert (await browser.get("/api/v1/session")).status_code == 401


async def test_the_documents_errors_are_problems(desk_app: FastAPI) -> None:
    document = desk_app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = {status: one for status, one in operation["responses"].items() if status >= "400"}
            assert {"401", "422"} <= set(errors) or path.endswith("/session"), (method, path)
            assert all(set(one["content"]) == {"application/problem+json"} for one in errors.values())
    assert "HTTPValidationError" not in document["components"]["schemas"]
