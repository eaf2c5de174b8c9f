"""What is written on a key card: from a key and its stay's doors to the card's fields. Pure.

A card names a range of doors and, in image 2, up to five more. A range holds no door outside the stay: 1208 and 1210 are not 1208–1210.
The fields follow from the book alone, so a card that has to be cut again is the identical image.
"""

from collections.abc import Iterable

from gateway.device import AccessRight, CardFields, Code, Role
from gateway.rules import grants
from gateway.rules.access import LAST
from gateway.rules.book import Book
from gateway.rules.hotel import Hotel
from wire.entities import KeyKind, KeyStatus, StayStatus

EXTRA_DOORS = 5  # image 2
GUEST, STAFF = 1, 2  # card types


class NoCard(Exception):
    """Why no card can be cut; `code` in the words of devices, `why` for the log."""

    def __init__(self, code: Code, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


def card(hotel: Hotel, book: Book, key_id: str, *, new: bool = False) -> CardFields:
    """Return the fields of the key's card; raise NoCard.

    `new` asks for a first card: with another stay in house at one of the doors that is a CONFLICT, since its keys would end.
    """
    key, credential = hotel.keys.get(key_id), book.credentials.get(key_id)
    if key is None or key.kind is not KeyKind.RFID or key.status is not KeyStatus.WANTED or credential is None:
        raise NoCard(Code.NOT_FOUND, f"key {key_id} is not wanted as a card")
    if key.stay_id is None:
        return _staff_card(book, key_id, credential.ref)
    stay = hotel.stays.get(key.stay_id)
    generation = max(
        (grant.generation for grant in book.grants.values() if grant.stay_id == key.stay_id and not grant.closed), default=None
    )
    if stay is None or generation is None or stay.status not in grants.LIVE:
        raise NoCard(Code.NOT_FOUND, f"key {key_id} belongs to no stay that is due or in house")
    doors = grants.doors_of_stay(hotel, stay)
    if new and _others_in_house(hotel, key.stay_id, doors):
        raise NoCard(Code.CONFLICT, "another stay is in house at one of the doors")
    first, count, extra = door_range(doors)
    start = grants.opens_from(stay, generation)
    if start >= key.until:
        raise NoCard(Code.EXPIRED, f"key {key_id} has run out")
    until = min(key.until, LAST)
    return CardFields(first, count, generation, credential.ref, start, until, copy=min(key.copy_no, 255), extra_doors=extra)


def _staff_card(book: Book, key_id: str, ref: int) -> CardFields:
    bodies: list[AccessRight] = [right.body for right in book.rights.values() if right.key_id == key_id and right.wanted]
    if not bodies:
        raise NoCard(Code.NOT_FOUND, f"key {key_id} opens no door")
    first, count, extra = door_range(body.door_first for body in bodies)
    body = bodies[0]
    kind = 6 if body.role is Role.EMERGENCY else STAFF
    return CardFields(first, count, 0, ref, body.start, body.until, copy=int(body.role), card_type=kind, extra_doors=extra)


def _others_in_house(hotel: Hotel, stay_id: str, doors: Iterable[int]) -> bool:
    mine = {door for door in doors if not (door in hotel.doors and hotel.doors[door].common)}
    return any(
        other.status is StayStatus.IN_HOUSE and mine & set(grants.doors_of_stay(hotel, other))
        for other_id, other in hotel.stays.items()
        if other_id != stay_id
    )


def door_range(doors: Iterable[int]) -> tuple[int, int, tuple[int, ...]]:
    """Return the longest run of consecutive doors as (first, count) and the other doors; raise NoCard when more than five are left."""
    numbers = sorted(set(doors))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    if not runs:
        raise NoCard(Code.NOT_FOUND, "there is no door to open")
    longest = max(runs, key=len)
    extra = tuple(number for number in numbers if number not in longest)
    if len(extra) > EXTRA_DOORS:
        raise NoCard(Code.RESOURCE_EXHAUSTED, f"{len(extra)} doors beside a range do not fit on one card")
    return longest[0], len(longest), extra
