"""Loading a property file into the database: new properties are founded, known ones follow the file where that loses nothing."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from central.problems import Conflict
from central.rooms.care import publish_room
from central.rooms.house import business_date_at, publish_property
from central.rooms.inventory import HORIZON, open_nights, resize
from central.rooms.price_lists import MINIBAR, RATES, set_prices
from central.rooms.property_file import WEEKDAYS, PropertyFile
from central.store import audit
from central.store.tables import feed_head, property_, rate, room, room_door, room_type, tax
from central.store.turn import Turn
from central.store.vault import Vault
from wire.entities import Item

_KNOWN = select(property_).where(property_.c.property_id == bindparam("p"))
_TYPE_OF = select(room.c.room, room.c.room_type).where(room.c.property_id == bindparam("p"))


def load_property(conn: Connection, told: PropertyFile, actor: str, now: datetime, vault: Vault) -> bool:
    """Bring the property to what the file says and put it and its rooms into the feed; return whether it is new.

    May be repeated. Rooms that are missing in the file, or of another type there, raise Conflict: stays hang on them.
    """
    known = conn.execute(_KNOWN, {"p": told.slug}).one_or_none()
    settings = told.model_dump(include={"number", "name", "time_zone", "currency", "check_in", "check_out", "languages", "simulated"})
    if known is None:
        today = business_date_at(now, ZoneInfo(told.time_zone))
        conn.execute(insert(property_), {"property_id": told.slug, "business_date": today, **settings})
        conn.execute(insert(feed_head), {"property_id": told.slug})
    turn = Turn.take(conn, told.slug, actor, now, vault)
    today = today_of(turn)
    if known is not None:
        conn.execute(update(property_).where(property_.c.property_id == told.slug).values(**settings))
    _load_types(turn, told)
    _load_rooms(turn, told)
    open_nights(turn, today - timedelta(days=1), today + timedelta(days=HORIZON))
    for code, physical in Counter(one.type for one in told.rooms).items():
        resize(turn, code, physical)
    publish_property(turn)
    for one in told.rooms:
        publish_room(turn, one.number)
    set_prices(turn, MINIBAR, (Item(article.sku, article.names, article.gross_minor, article.tax) for article in told.minibar))
    set_prices(turn, RATES, _rates(told))
    audit.record(turn, "property_loaded", f"property/{told.slug}", rooms=len(told.rooms))
    return known is None


def _rates(told: PropertyFile) -> list[Item]:
    """What a night costs, for a box without a line: one item for each type and weekday (0 = Monday) on which the night begins."""
    names = {kind.code: kind.names for kind in told.room_types}
    return [
        Item(f"{price.type}/{at}", names[price.type], price.weekdays.get(weekday, price.gross_minor), price.tax)
        for price in told.prices
        for at, weekday in enumerate(WEEKDAYS)
    ]


def today_of(turn: Turn) -> date:
    """The property's business date."""
    day: date = turn.conn.execute(_KNOWN, {"p": turn.property_id}).one().business_date
    return day


def _load_types(turn: Turn, told: PropertyFile) -> None:
    for at, one in enumerate(told.room_types):
        _upsert(turn, room_type, {"room_type": one.code}, {"names": one.names, "capacity": one.capacity, "sort": at})
    for code, percent in told.taxes.items():
        _upsert(turn, tax, {"tax_code": code}, {"basis_points": int(percent * 100)})
    for price in told.prices:
        for at, weekday in enumerate(WEEKDAYS):
            cost = {"gross_minor": price.weekdays.get(weekday, price.gross_minor), "tax_code": price.tax}
            _upsert(turn, rate, {"room_type": price.type, "weekday": at}, cost)


def _load_rooms(turn: Turn, told: PropertyFile) -> None:
    before = {row.room: row.room_type for row in turn.conn.execute(_TYPE_OF, {"p": turn.property_id}).all()}
    after = {one.number: one.type for one in told.rooms}
    if gone := sorted(number for number, kind in before.items() if after.get(number) != kind):
        raise Conflict("room_in_use", f"Rooms {', '.join(gone)} are gone or changed in the file.", "Take them out of order instead.")
    for at, one in enumerate(told.rooms):
        _upsert(turn, room, {"room": one.number}, {"room_type": one.type, "floor": one.floor, "sort": at})
    turn.conn.execute(delete(room_door).where(room_door.c.property_id == turn.property_id))
    doors = [{"property_id": turn.property_id, "room": one.number, "door": door} for one in told.rooms for door in sorted(set(one.doors))]
    if doors:
        turn.conn.execute(insert(room_door), doors)


def _upsert(turn: Turn, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Change the row, or make it: under the property's lock nobody comes between."""
    mine = {"property_id": turn.property_id, **key}
    changed = turn.conn.execute(update(table).where(*(table.c[name] == value for name, value in mine.items())).values(**values))
    if not changed.rowcount:
        turn.conn.execute(insert(table), {**mine, **values})
