"""What each role and each token's scope may do. Whatever is not named here is refused."""

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    """One thing that somebody may be allowed to do; every route of the API names exactly one."""

    PROPERTY_SEE = "property.see"
    AVAILABILITY_SEE = "availability.see"
    ORDERS_SEE = "orders.see"
    ORDERS_TAKE = "orders.take"
    ORDERS_CHANGE = "orders.change"
    STAYS_SEE = "stays.see"
    STAYS_ACT = "stays.act"
    KEYS_ACT = "keys.act"
    FOLIO_SEE = "folio.see"
    FOLIO_POST = "folio.post"
    ROOMS_SEE = "rooms.see"
    ROOMS_CARE = "rooms.care"
    ROOMS_REPAIR = "rooms.repair"
    ROOMS_HOLD = "rooms.hold"
    DEVICES_SEE = "devices.see"
    TASKS_SEE = "tasks.see"
    TASKS_CLOSE = "tasks.close"
    AUDIT_SEE = "audit.see"
    STAFF_MANAGE = "staff.manage"


P = Permission
_ROOMS = frozenset({P.PROPERTY_SEE, P.ROOMS_SEE, P.TASKS_SEE, P.TASKS_CLOSE})
_CHANNEL = frozenset({P.PROPERTY_SEE, P.AVAILABILITY_SEE, P.ORDERS_SEE, P.ORDERS_TAKE, P.ORDERS_CHANGE})
_DESK = _ROOMS | _CHANNEL | {P.STAYS_SEE, P.STAYS_ACT, P.KEYS_ACT, P.FOLIO_SEE, P.FOLIO_POST, P.ROOMS_CARE, P.ROOMS_HOLD, P.DEVICES_SEE}
GRANTS: dict[str, frozenset[Permission]] = {
    "manager": frozenset(Permission),
    "desk": _DESK,
    "housekeeping": _ROOMS | {P.ROOMS_CARE},
    "engineer": _ROOMS | {P.ROOMS_REPAIR, P.DEVICES_SEE},
    "channel": _CHANNEL,
}
ROLES = ("manager", "desk", "housekeeping", "engineer")  # of people
SCOPES = ("channel", "desk", "manager")  # of tokens


def granted(names: Iterable[str]) -> frozenset[Permission]:
    """Return all that these roles or scopes may do; a name that is not known grants nothing."""
    return frozenset[Permission]().union(*(GRANTS.get(name, frozenset()) for name in names))
