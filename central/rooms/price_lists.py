"""Prices of what lies in the rooms: versions of a list, each valid from an instant on, in the feed for as long as a bar may be late.

A bottle costs what it cost when it was taken, so a version stays known for 60 days after the next one has followed it.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from central.store import audit
from central.store.tables import price_list
from central.store.turn import Turn
from central.sync import feed
from wire.entities import Item, PriceListBody

MINIBAR = "minibar"  # the outlet
RATES = "rooms"  # what a night costs, so that a box without a line can say the price
KEEP = timedelta(days=60)

_OF = (price_list.c.property_id == bindparam("p"), price_list.c.outlet == bindparam("o"))
_VERSIONS = select(price_list).where(*_OF).order_by(price_list.c.version.desc())
_FORGET = delete(price_list).where(*_OF, price_list.c.version == bindparam("v"))


def set_prices(turn: Turn, outlet: str, items: Iterable[Item]) -> int | None:
    """Make `items` the outlet's prices from now on, tell the box, and return the version; the same prices again change nothing.

    The first list of an outlet counts from a day ago: nobody has paid another price. None when there never was, and is, no price.
    """
    told = tuple(items)
    versions = turn.conn.execute(_VERSIONS, {"p": turn.property_id, "o": outlet}).mappings().all()
    raw = [_raw(item) for item in told]
    if (versions and versions[0]["items"] == raw) or (not versions and not told):
        return versions[0]["version"] if versions else None
    version = versions[0]["version"] + 1 if versions else 1
    valid_from = turn.now if versions else turn.now - timedelta(days=1)
    row = {"property_id": turn.property_id, "outlet": outlet, "version": version, "valid_from": valid_from, "items": raw}
    turn.conn.execute(insert(price_list), row)
    feed.put(turn, "price_list", f"{outlet}/{version}", PriceListBody(outlet, version, valid_from, told))
    for newer, old in pairwise(versions):
        if newer["valid_from"] < turn.now - KEEP:
            turn.conn.execute(_FORGET, {"p": turn.property_id, "o": outlet, "v": old["version"]})
            feed.remove(turn, "price_list", f"{outlet}/{old['version']}")
    audit.record(turn, "prices_set", f"price_list/{outlet}/{version}", items=len(told))
    return version


def _raw(item: Item) -> dict[str, Any]:
    return {"sku": item.sku, "names": dict(item.names), "gross_minor": item.gross_minor, "tax_code": item.tax_code}
