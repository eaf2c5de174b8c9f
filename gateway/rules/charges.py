"""What a bottle that is gone for good becomes, pure: a charge to the guest of that time at the price of that time, or a question."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.rules.minibar import Take
from gateway.rules.tenancy import Tenancy
from wire.entities import Item, PriceListBody
from wire.facts import ConsumptionReview, ItemConsumed

OUTLET = "minibar"
UNASSIGNED = "consumption_unassigned"  # device sheet, minibar: nobody lived there; the room's next guest never pays it
NO_PRICE = "no_price"
NO_POST = "no_post"
RETURNED_LATE = "returned_late"
RETURNED_IN_TIME = "returned_in_time"  # the bar told it only after the charge


@dataclass(frozen=True, slots=True)
class Fridge:
    """One bar as the configuration tells it. `slots`: what lies where."""

    device: str
    room: str
    slots: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Price:
    """What one thing cost, and by which version of the list."""

    version: int
    item: Item


def price(lists: Iterable[PriceListBody], sku: str, at: datetime, outlet: str = OUTLET) -> Price | None:
    """Return the price in force at `at`: the list that became valid last before it, of two at once the later version."""
    valid = [body for body in lists if body.outlet == outlet and body.valid_from <= at]
    newest = max(valid, key=lambda body: (body.valid_from, body.version), default=None)
    if newest is None:
        return None
    return next((Price(newest.version, item) for item in newest.items if item.sku == sku), None)


def owed(
    fridge: Fridge, take: Take, tenancy: Tenancy | None, lists: Iterable[PriceListBody], *, late: bool = False, no_post: bool = False
) -> ItemConsumed | ConsumptionReview:
    """Return what to tell of a consumed take. `tenancy` = who lived in the room when it was removed; `late` = has checked out since."""
    if tenancy is None:
        return review(fridge, take, UNASSIGNED)
    if no_post:
        return review(fridge, take, NO_POST, tenancy.stay_id)
    sku = fridge.slots.get(take.slot)
    cost = price(lists, sku, take.at) if sku is not None else None
    if cost is None:
        return review(fridge, take, NO_PRICE, tenancy.stay_id)
    return ItemConsumed(
        device=fridge.device,
        log_id=take.log_id,
        slot=take.slot,
        removal_no=take.removal_no,
        room=fridge.room,
        removed_at=take.at,
        sku=cost.item.sku,
        price_version=cost.version,
        gross_minor=cost.item.gross_minor,
        tax_code=cost.item.tax_code,
        stay_id=tenancy.stay_id,
        late=late,
    )


def review(fridge: Fridge, take: Take, reason: str, stay_id: str | None = None) -> ConsumptionReview:
    """Return the question to a person about one take."""
    return ConsumptionReview(fridge.device, fridge.room, take.slot, take.removal_no, reason, take.at, stay_id, take.log_id)
