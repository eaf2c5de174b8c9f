"""Guest profiles, thin: a display name and a language. The name is sealed; nothing here is ever logged."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, insert, select, update

from central.store.tables import guest
from central.store.turn import Turn
from central.store.vault import Vault
from wire.entities import Guest
from wire.ids import new_id

_MAKE = insert(guest)
_READ = select(guest.c.guest_id, guest.c.name_sealed, guest.c.language).where(
    guest.c.property_id == bindparam("p"), guest.c.guest_id.in_(bindparam("ids", expanding=True))
)
_CHANGE = (
    update(guest)
    .where(guest.c.property_id == bindparam("p"), guest.c.guest_id == bindparam("key"))
    .values(name_sealed=bindparam("name_sealed"), language=bindparam("language"))
)


def place(property_id: str, guest_id: str) -> str:
    """The vault's place of a guest's name."""
    return f"guest/{property_id}/{guest_id}/name"


def make(turn: Turn, who: Guest) -> str:
    """Keep a new profile and return its id."""
    guest_id = new_id()
    sealed = turn.vault.seal(place(turn.property_id, guest_id), who.display_name)
    row = {"property_id": turn.property_id, "guest_id": guest_id, "name_sealed": sealed, "language": who.language, "made_at": turn.now}
    turn.conn.execute(_MAKE, row)
    return guest_id


def change(turn: Turn, guest_id: str, who: Guest) -> None:
    """Replace name and language."""
    sealed = turn.vault.seal(place(turn.property_id, guest_id), who.display_name)
    turn.conn.execute(_CHANGE, {"p": turn.property_id, "key": guest_id, "name_sealed": sealed, "language": who.language})


def read(conn: Connection, vault: Vault, property_id: str, guest_ids: Iterable[str]) -> dict[str, Guest]:
    """Return the profiles of these ids in one query; an unknown id is absent."""
    rows = conn.execute(_READ, {"p": property_id, "ids": sorted(set(guest_ids))})
    return {row.guest_id: Guest(vault.open_text(place(property_id, row.guest_id), bytes(row.name_sealed)), row.language) for row in rows}
