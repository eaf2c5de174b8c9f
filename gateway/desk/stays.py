"""What the desk does to stays: check-in, check-out, another departure, a move, a payment. Functions of one transaction; they return
the stay's id.

Each asks the one law in `wire.stays`, then appends facts: the mirror shows them at once, the planner makes rights of them, central
hears of them when it can. None asks whether central answers.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta

from gateway.desk.house import House, nights, read_house
from gateway.desk.law import meant, must
from gateway.desk.problems import Conflict, Invalid, NeedsManager, NotAllowed
from gateway.store import Tx
from gateway.witness import Witness
from wire.entities import Care, KeyKind, StayBody
from wire.facts import (
    CareSet,
    HoldReturned,
    KeyIssued,
    PaymentTaken,
    StayCheckedIn,
    StayCheckedOut,
    StayDatesChanged,
    StayMoved,
)
from wire.ids import new_id
from wire.stays import Action, Reason

LONGEST = timedelta(days=365)  # as central: longer stays are contracts
MOST_KEYS = 8
PAYMENTS = uuid.UUID("0f7b1c9e-52a4-5d0a-8f0e-6f8f3a0d7c11")  # our own namespace, drawn once: the same payment is the same fact
METHODS = frozenset({"cash", "card"})
Settle = Callable[[Tx, str, Witness], None]  # what a stay has taken and not yet been charged for goes on its tab


# ---------------------------------------------------------------- in


def check_in(tx: Tx, witness: Witness, stay_id: str, number: str | None = None, keys: int = 1) -> str:
    """Let the guest in and want `keys` keys until the departure. Without a room the stay gets the one given, or a free one of its type.

    Raises NotAllowed with the reason (not due yet, room occupied, no room …).
    """
    house = read_house(tx.db, witness.now)
    stay = house.stay(stay_id)
    given = replace(stay, rooms=(number,)) if number else meant(house, stay_id, stay)
    for room in given.rooms:
        house.room(room)
    must(house, Action.CHECK_IN, stay_id, given)
    enter(tx, witness, house, stay_id, given, keys)
    return stay_id


def enter(tx: Tx, witness: Witness, house: House, stay_id: str, stay: StayBody, keys: int) -> None:
    """Tell the check-in and its keys. A room that the box was holding back is given back first: the stay brings its own claim."""
    if not 0 <= keys <= MOST_KEYS:
        raise Invalid("keys", f"Between 0 and {MOST_KEYS} keys.", "Cut more later.")
    if stay.rooms != house.stays.get(stay_id, stay).rooms:
        _release(tx, witness, house, stay.rooms, *_rest(house, stay))
    witness.tell(tx, StayCheckedIn(stay_id, stay.rooms, witness.now), entity=f"stay/{stay_id}")
    for _ in range(keys):
        add_key(tx, witness, stay_id)


def _rest(house: House, stay: StayBody) -> tuple[date, date]:
    """The nights that are left of a stay."""
    first = max(house.arrival(stay), house.business_date)
    return first, max(house.departure(stay), first)


def _release(tx: Tx, witness: Witness, house: House, rooms: Iterable[str], first: date, end: date) -> None:
    for number in rooms:
        for hold_id in house.held(number, first, end).values():
            witness.tell(tx, HoldReturned(hold_id), entity=f"hold/{hold_id}")


def add_key(tx: Tx, witness: Witness, stay_id: str) -> str:
    """Want one more card for a stay, until its departure, and return the key's id."""
    house = read_house(tx.db, witness.now)
    copies = [key.copy_no for key in house.keys_of(stay_id).values()]
    key_id = new_id()
    issued = KeyIssued(key_id, KeyKind.RFID, house.stay(stay_id).depart, stay_id, None, max(copies, default=-1) + 1)
    witness.tell(tx, issued, entity=f"key/{key_id}")
    return key_id


# ---------------------------------------------------------------- while here


def change_departure(tx: Tx, witness: Witness, stay_id: str, departure: date, *, manager: bool = False) -> str:
    """Let a guest in house stay longer or leave earlier; the keys follow.

    Each added night spends a hold: of the guest's own room, else of its type. Nights that no hold covers need a manager (NeedsManager).
    """
    house = read_house(tx.db, witness.now)
    stay = house.stay(stay_id)
    last = house.departure(stay)
    if departure == last:
        return stay_id
    must(house, Action.EXTEND if departure > last else Action.SHORTEN, stay_id, stay)
    if not house.business_date < departure <= house.arrival(stay) + LONGEST:
        raise Invalid("departure", "The departure is before tomorrow or more than a year away.", "Choose another day.")
    own = house.rooms[stay.rooms[0]].room_type if stay.rooms and stay.rooms[0] in house.rooms else stay.room_type
    spent = backing(house, stay.rooms[0] if stay.rooms else "", own, nights(last, departure))
    open_nights = (departure - last).days - len(spent)
    if open_nights > 0 and not manager:
        raise NeedsManager(open_nights)
    depart = house.depart_at(departure)
    witness.tell(tx, StayDatesChanged(stay_id, depart, tuple(spent.values())), entity=f"stay/{stay_id}")
    for key_id, key in house.keys_of(stay_id, wanted=True).items():
        witness.tell(tx, KeyIssued(key_id, key.kind, depart, stay_id, None, key.copy_no), entity=f"key/{key_id}")
    return stay_id


def backing(house: House, number: str, room_type: str, wanted: Iterable[date]) -> dict[date, str]:
    """Return which hold each of the nights spends: one of the room itself, else one of another room of its type; none for the rest."""
    found: dict[date, str] = {}
    for night in wanted:
        mine = [(hold.room != number, hold.room, hold_id) for hold_id, hold in house.holds.items() if hold.night == night]
        fits = [entry for entry in mine if house.holds[entry[2]].room_type == room_type or not entry[0]]
        if fits:
            found[night] = min(fits)[2]
    return found


def move(tx: Tx, witness: Witness, stay_id: str, number: str) -> str:
    """Move a guest to another room for the rest of the stay; the same keys open its doors from then on. Raises NotAllowed."""
    house = read_house(tx.db, witness.now)
    stay = house.stay(stay_id)
    first, end = _rest(house, stay)
    house.room(number)
    must(house, Action.MOVE, stay_id, stay)
    if number in stay.rooms:
        return stay_id
    state = house.state(number, first, end, stay_id)
    for wrong, reason in (
        (state.occupied, Reason.ROOM_OCCUPIED),
        (state.out_of_order, Reason.ROOM_OUT_OF_ORDER),
        (state.taken, Reason.ROOM_TAKEN),
    ):
        if wrong:
            raise NotAllowed(str(Action.MOVE), [str(reason)])
    _release(tx, witness, house, (number,), first, end)
    before = stay.rooms[0] if stay.rooms else number
    witness.tell(tx, StayMoved(stay_id, before, number, witness.now), entity=f"stay/{stay_id}")
    witness.tell(tx, CareSet(before, Care.DIRTY), entity=f"room/{before}")
    return stay_id


def pay(tx: Tx, witness: Witness, stay_id: str, *, payment_id: str, method: str, amount_minor: int, reference: str) -> str:
    """Note money that was received at this desk; the same `payment_id` counts once."""
    house = read_house(tx.db, witness.now)
    house.stay(stay_id)
    if method not in METHODS or amount_minor == 0:
        raise Invalid("payment", "A payment is cash or card, and not zero.", "Correct it.")
    taken = PaymentTaken(payment_id, stay_id, method, amount_minor, house.told.currency, reference, witness.now)
    witness.tell(tx, taken, entity=f"stay/{stay_id}", fact_id=str(uuid.uuid5(PAYMENTS, f"{house.slug}/{payment_id}")))
    return stay_id


# ---------------------------------------------------------------- out


def check_out(tx: Tx, witness: Witness, stay_id: str, settle: Settle | None = None) -> str:
    """Let the guest go: always possible here, whatever is open becomes a task at central. The keys stop working, the room is dirty."""
    house = read_house(tx.db, witness.now)
    stay = house.stay(stay_id)
    must(house, Action.CHECK_OUT, stay_id, stay)
    if settle is not None:
        settle(tx, stay_id, witness)
    witness.tell(tx, StayCheckedOut(stay_id, witness.now), entity=f"stay/{stay_id}")
    for number in stay.rooms:
        witness.tell(tx, CareSet(number, Care.DIRTY), entity=f"room/{number}")
    return stay_id


def card_key(tx: Tx, witness: Witness, stay_id: str, purpose: str, key_id: str | None = None) -> str:
    """Return the key to write on a card. `new` and `extend`: the one asked for, else the first that is valid; `copy`: a further one.

    A key that has no card yet comes before a new key. Raises NotAllowed when nobody is in house, Conflict for a key that is not valid.
    """
    house = read_house(tx.db, witness.now)
    stay = house.stay(stay_id)
    must(house, Action.CUT_KEY, stay_id, stay)
    wanted = list(house.keys_of(stay_id, wanted=True))
    if key_id is not None:
        if key_id not in wanted:
            raise Conflict("no_key_wanted", "The stay has no such key that is valid.", "Cut another one.")
        return key_id
    if purpose == "copy":
        wanted = [key for key in wanted if not has_card(tx, key)]
    return wanted[0] if wanted else add_key(tx, witness, stay_id)


def has_card(tx: Tx, key_id: str) -> bool:
    """Whether a card with this key was finished at this box."""
    asked = "SELECT 1 FROM job_run WHERE kind = 'cut_key' AND state = 'done' AND json_extract(args, '$.key_id') = ?"
    return tx.db.execute(asked, (key_id,)).fetchone() is not None
