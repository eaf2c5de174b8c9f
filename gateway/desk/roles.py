"""What each role may do at the box's desk. Whatever is not named here is refused."""

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    """One thing that somebody may be allowed to do; every route names exactly one."""

    ROOMS_SEE = "rooms.see"
    STAYS_SEE = "stays.see"
    STAYS_ACT = "stays.act"
    KEYS_ACT = "keys.act"
    MONEY_TAKE = "money.take"
    UNBACKED = "unbacked"  # sell nights that central has not given to the box


P = Permission
_DESK = frozenset({P.ROOMS_SEE, P.STAYS_SEE, P.STAYS_ACT, P.KEYS_ACT, P.MONEY_TAKE})
GRANTS: dict[str, frozenset[Permission]] = {
    "manager": frozenset(Permission),
    "desk": _DESK,
    "housekeeping": frozenset({P.ROOMS_SEE}),
    "engineer": frozenset({P.ROOMS_SEE}),
}


def granted(roles: Iterable[str]) -> frozenset[Permission]:
    """Return all that these roles may do; a name that is not known grants nothing."""
    return frozenset[Permission]().union(*(GRANTS.get(role, frozenset()) for role in roles))
