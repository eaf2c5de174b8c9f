"""A browser at the front desk of the small hotel: signs in, opens pages, sends their forms as a browser without JavaScript would."""

from collections.abc import AsyncIterator, Sequence
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest_asyncio
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import Connection, Table, insert

from central import pages
from central.app import create
from central.staff.people import Credentials, add_staff
from central.store.database import Store
from central.store.tables import device, door_event, door_right
from central.store.wakeups import announce
from tests.central.hotel import Hotel, found

PASSWORD = "abcd-efgh-jkmn-pqrs"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # a real one is slow on purpose


class Forms(HTMLParser):
    """The forms of a page and what a browser would send with each, by the end of the action; and all visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.buttons: dict[str, list[tuple[str, str, bool]]] = {}
        self.words: list[str] = []
        self._form: dict[str, str] | None = None
        self._ids: dict[str, str] = {}
        self._action = ""
        self._select = ""
        self._hush = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._action = told.get("action", "").rsplit("/", 1)[-1]
            self._form = self.forms.setdefault(self._action, {})
            self._ids[told.get("id", "")] = self._action
        elif tag == "input" and self._form is not None and told.get("name"):
            if told.get("type") not in {"radio", "checkbox"} or "checked" in told:
                self._form[told["name"]] = told.get("value", "")
        elif tag == "select":
            self._select = told.get("name", "")
        elif tag == "option" and self._form is not None and (self._select not in self._form or "selected" in told):
            self._form[self._select] = told.get("value", "")
        elif tag == "button":
            self.buttons.setdefault(self._action, []).append((told.get("name", ""), told.get("value", ""), "disabled" in told))
        self._hush += tag in {"script", "style"}
        self.words += [told[name] for name in ("placeholder", "aria-label", "title", "alt") if told.get(name)]

    def handle_endtag(self, tag: str) -> None:
        self._hush -= tag in {"script", "style"}
        if tag == "form":
            self._form, self._action = None, ""

    def handle_data(self, data: str) -> None:
        if not self._hush and data.strip():
            self.words.append(data.strip())


class Desk:
    """One browser. `seen` is the page that is open."""

    def __init__(self, hotel: Hotel, app: FastAPI, browser: httpx.AsyncClient) -> None:
        self.hotel, self.app, self.browser = hotel, app, browser
        self.seen: httpx.Response

    async def open(self, path: str, **query: str) -> str:
        """Open a page of the hotel and return its text."""
        self.seen = await self.browser.get(
            path if path.startswith("/") else f"/p/{self.hotel.slug}/{path}", params=query, follow_redirects=True
        )
        return self.seen.text

    async def send(self, action: str, **values: str) -> str:
        """Fill in and send the form of the open page whose action ends in `action`; return the page that comes back."""
        form = Forms(self.seen.text).forms[action] | values
        target = next(a for a in _actions(self.seen.text) if a.rsplit("/", 1)[-1] == action)
        self.seen = await self.browser.post(target, data=form, follow_redirects=True)
        return self.seen.text

    async def sign_in(self, login: str = "camille", password: str = PASSWORD) -> str:
        """Sign in by the form."""
        await self.open("/login")
        return await self.send("login", user=login, password=password)

    async def encoder(self, name: str = "encoder-1", health: str = "online") -> None:
        """The box has spoken of an encoder."""
        told: dict[str, Any] = {"device_class": "encoder", "room": None, "health": health, "flags": [], "at": self.hotel.clock.now()}
        await put(self.hotel, device, device=name, **told)


async def put(hotel: Hotel, table: Table, **row: Any) -> None:
    """Write a row that a fact of the box would have brought, and wake who watches."""

    def write(conn: Connection) -> None:
        conn.execute(insert(table), {"property_id": hotel.slug, **row})
        announce(conn, hotel.slug, "device")

    await hotel.store.write(write)


async def right(hotel: Hotel, key_id: str, state: str, door: int = 201, **more: Any) -> None:
    """The box has spoken of a key at a door."""
    told = {"lock": "online", "code": None, "exposure_until": None, "at": hotel.clock.now()}
    await put(hotel, door_right, key_id=key_id, door=door, state=state, **told | more)


async def at_door(hotel: Hotel, kind: str, seq: int, door: int = 201, key_id: str | None = None, **data: Any) -> None:
    """A lock has reported an event."""
    told = {"log_id": 1, "tq": "set", "reservation_id": None, "at": hotel.clock.now()}
    await put(hotel, door_event, device=f"lock-{door}", seq=seq, door=door, type=kind, data=data, key_id=key_id, **told)


def _actions(text: str) -> list[str]:
    """The addresses that the forms of a page are sent to."""
    return [part.split('"', 1)[0] for part in text.split('action="')[1:]]


async def add_people(hotel: Hotel) -> None:
    """Camille works at the desk, Ines cleans."""
    for login, name, role in (("camille", "Camille", "desk"), ("ines", "Ines", "housekeeping")):
        await hotel.do(add_staff, Credentials(login, PASSWORD, "", HASH, ""), name, [role])


@pytest_asyncio.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    """A browser in front of the small hotel's pages; nobody is signed in."""
    hotel = await found(store)
    await add_people(hotel)
    app = create(hotel.services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hotel.test") as browser:
        yield Desk(hotel, app, browser)
    await pages.close(app)
