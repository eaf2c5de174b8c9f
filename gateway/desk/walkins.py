"""A guest without an order, taken at the box: which room, which holds, at which price; identity is sealed before anything is written."""

from dataclasses import dataclass
from datetime import date, timedelta

from gateway.desk import rates, stays
from gateway.desk.house import House, nights, read_house
from gateway.desk.problems import Conflict, Invalid, NeedsManager
from gateway.store import Tx
from gateway.witness import Witness
from wire.facts import WalkInTaken
from wire.rooms import READY

LONGEST = 30  # nights of one walk-in; whoever stays longer books


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says. `sealed` is what only central can read, made outside the transaction."""

    display_name: str
    language: str
    persons: int
    nights: int
    room_type: str | None = None
    room: str | None = None
    keys: int = 1
    sealed: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One room for the whole walk-in. `holds` by night; nights without one are sold on a manager's word."""

    room: str
    room_type: str
    holds: dict[date, str]
    unbacked: int
    ready: bool


def offers(house: House, wish: Wish) -> list[Offer]:
    """Return the rooms that could be given, the best first: fewest nights without a hold, holds of the room itself, ready, in order."""
    first = house.business_date
    wanted = nights(first, first + timedelta(days=wish.nights))
    found: list[tuple[int, int, bool, str, Offer]] = []
    for number in house.free(wish.room_type, first, first + timedelta(days=wish.nights)):
        if wish.room not in {None, number}:
            continue
        room = house.rooms[number]
        spent = stays.backing(house, number, room.room_type, wanted)
        strange = sum(house.holds[hold_id].room != number for hold_id in spent.values())
        offer = Offer(number, room.room_type, spent, len(wanted) - len(spent), room.care in READY)
        found.append((offer.unbacked, strange, not offer.ready, number, offer))
    return [entry[-1] for entry in sorted(found, key=lambda entry: entry[:-1])]


def take(tx: Tx, witness: Witness, stay_id: str, wish: Wish, *, manager: bool = False) -> str:
    """Take the guest in as the stay `stay_id`, check in at once, and return the id.

    Raises Conflict when no room is free, NeedsManager when no hold covers a night.
    """
    if not 1 <= wish.nights <= LONGEST or not 1 <= wish.persons <= 32:
        raise Invalid("walk_in", f"Between 1 and {LONGEST} nights and 1 to 32 persons.", "Correct it.")
    house = read_house(tx.db, witness.now)
    if wish.room is not None:
        house.room(wish.room)
    best = next(iter(offers(house, wish)), None)
    if best is None:
        raise Conflict("no_room_free", "No such room is free for these nights.", "Choose another type or fewer nights.")
    if best.unbacked and not manager:
        raise NeedsManager(best.unbacked)
    first = house.business_date
    days = nights(first, first + timedelta(days=wish.nights))
    taken = WalkInTaken(
        stay_id=stay_id,
        room=best.room,
        room_type=best.room_type,
        arrive=witness.now.replace(second=0, microsecond=0),
        depart=house.depart_at(first + timedelta(days=wish.nights)),
        nights=days,
        display_name=wish.display_name,
        language=wish.language,
        persons=wish.persons,
        nightly_gross_minor=rates.nightly(house, best.room_type, days),
        holds=tuple(best.holds[day] for day in sorted(best.holds)),
        unbacked=best.unbacked > 0,
        sealed=wish.sealed,
    )
    witness.tell(tx, taken, entity=f"stay/{stay_id}")
    after = read_house(tx.db, witness.now)
    stays.enter(tx, witness, after, stay_id, after.stay(stay_id), wish.keys)
    return stay_id
