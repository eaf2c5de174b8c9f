"""A book that is being changed by one `plan`: what the rules read and write while they decide. Lives for one call."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.rules.book import FINAL, Block, Book, Credential, Grant, Right
from gateway.rules.hotel import Hotel, Task
from wire.facts import RightState


@dataclass(slots=True)
class Draft:
    """`start` is never changed; the tables beside it are copies. `trusted` = the clock may grant or end."""

    start: Book
    hotel: Hotel
    now: datetime
    trusted: bool
    tasks: list[Task] = field(default_factory=list)
    due: datetime | None = None
    last_number: int = 0
    credentials: dict[str, Credential] = field(default_factory=dict)
    grants: dict[tuple[str, int], Grant] = field(default_factory=dict)
    rights: dict[int, Right] = field(default_factory=dict)
    floors: dict[int, int] = field(default_factory=dict)
    blocks: dict[tuple[int, int], Block] = field(default_factory=dict)
    _by_stay: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _by_door: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    _by_key: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        book = self.start
        self.last_number = book.last_number
        self.credentials, self.rights = dict(book.credentials), dict(book.rights)
        self.floors, self.blocks = dict(book.floors), dict(book.blocks)
        for grant in book.grants.values():
            self.grant(grant)
        for right in book.rights.values():
            self._by_key[right.key_id].add(right.right_ref)

    def book(self) -> Book:
        """Return the result."""
        return Book(self.last_number, self.credentials, self.grants, self.rights, self.floors, self.blocks)

    def number(self) -> int:
        """Issue the next number: higher than every one before it."""
        self.last_number += 1
        return self.last_number

    # ------------------------------------------------------------ grants and floors

    def grant(self, grant: Grant) -> None:
        self.grants[grant.stay_id, grant.door] = grant
        self._by_stay[grant.stay_id].add(grant.door)
        self._by_door[grant.door].add(grant.stay_id)

    def ungrant(self, grant: Grant) -> None:
        del self.grants[grant.stay_id, grant.door]
        self._by_stay[grant.stay_id].discard(grant.door)
        self._by_door[grant.door].discard(grant.stay_id)

    def of_stay(self, stay_id: str) -> list[Grant]:
        """Return the stay's grants at all doors, closed ones too."""
        return [self.grants[stay_id, door] for door in sorted(self._by_stay[stay_id])]

    def at_door(self, door: int) -> list[Grant]:
        """Return all grants at the door, closed ones too."""
        return [self.grants[stay_id, door] for stay_id in sorted(self._by_door[door])]

    def generation_of(self, stay_id: str) -> int | None:
        """Return the generation that the stay's keys carry now."""
        return max((grant.generation for grant in self.of_stay(stay_id) if not grant.closed), default=None)

    def raise_floor(self, door: int, floor: int) -> None:
        """Raise, never lower."""
        self.floors[door] = max(self.floors.get(door, 0), floor)

    def is_common(self, door: int) -> bool:
        found = self.hotel.doors.get(door)
        return found is not None and found.common

    def lingers(self, stay_id: str | None, door: int) -> bool:
        """Whether the stay has not left the door yet (a move whose new door does not open so far)."""
        grant = self.grants.get((stay_id or "", door))
        return grant is not None and grant.begun and not grant.closed

    # ------------------------------------------------------------ rights and blocks

    def rights_of(self, key_id: str, door: int | None = None) -> Iterator[Right]:
        """Yield the rights of a key, at one door or at all."""
        for ref in sorted(self._by_key[key_id]):
            right = self.rights[ref]
            if door is None or right.door == door:
                yield right

    def save(self, right: Right) -> None:
        """Put a right into the book; its time of change moves with its state."""
        before = self.rights.get(right.right_ref)
        if before is None or before.state is not right.state:
            right = replace(right, changed_at=self.now)
        self.rights[right.right_ref] = right
        self._by_key[right.key_id].add(right.right_ref)

    def still_opens(self, right: Right) -> bool:
        """Whether a card with this right would pass the floor of its card-reading door."""
        newest = max(right.encoded or 0, right.body.generation)
        return right.exposed_until is not None and (self.is_common(right.door) or newest >= self.floors.get(right.door, 0))

    def block(self, right: Right) -> None:
        """Bar the right's credential at its door until its card has expired."""
        place = right.door, right.body.credential_ref
        newest = max(right.encoded or 0, right.body.generation)
        until = right.exposed_until or right.body.until
        self.blocks[place] = Block(*place, version=self.number(), generation=newest, until=until)

    def unblock(self, block: Block) -> None:
        self.blocks[block.door, block.credential_ref] = replace(block, version=self.number(), wanted=False)

    # ------------------------------------------------------------ time

    def reached(self, at: datetime) -> bool:
        """Whether time has come, by a clock that may say so; else note that it is due then."""
        if self.now >= at:
            return self.trusted
        self.wait_for(at)
        return False

    def wait_for(self, at: datetime) -> None:
        """Note that time alone changes something at `at`."""
        if at > self.now and (self.due is None or at < self.due):
            self.due = at


def settled(right: Right) -> bool:
    """Whether the right has come to where its door takes no more part in it."""
    return right.state in FINAL or right.state in {RightState.ACTIVE, RightState.ENCODED, RightState.REFUSED, RightState.RELEASED}
