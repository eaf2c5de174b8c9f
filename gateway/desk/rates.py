"""What a night costs and how room types are called, as far as central has told the box; functions of the house."""

from collections.abc import Iterable
from datetime import date

from gateway.desk.house import House
from wire.entities import Item

OUTLET = "rooms"  # the price list whose items are room types: sku "<type>" or "<type>/<weekday>", 0 = Monday


def _items(house: House) -> tuple[Item, ...]:
    """The items of the list that is valid now."""
    lists = [one for one in house.prices if one.outlet == OUTLET and one.valid_from <= house.now]
    newest = max(lists, key=lambda one: (one.valid_from, one.version), default=None)
    return newest.items if newest is not None else ()


def type_names(house: House, room_type: str) -> tuple[tuple[str, str], ...]:
    """Return a room type's names by language, none when central has not told them."""
    return next((tuple(sorted(item.names.items())) for item in _items(house) if item.sku.partition("/")[0] == room_type), ())


def nightly(house: House, room_type: str, nights: Iterable[date]) -> tuple[int, ...]:
    """Return the house's gross price of each night; empty when one is not known here: then central prices them itself."""
    told = {item.sku: item.gross_minor for item in _items(house)}
    found: list[int] = []
    for night in nights:
        price = told.get(f"{room_type}/{night.weekday()}", told.get(room_type))
        if price is None:
            return ()
        found.append(price)
    return tuple(found)
