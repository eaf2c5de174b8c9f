"""Whatever happens to stays, in whatever order the doors get to hear of it: who has left opens nothing, who is here gets in."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.device import AccessRight, LockKind, PutRight
from gateway.rules import access, progress
from gateway.rules.book import Book, start_of
from gateway.rules.door import DoorState, after, resend, steps
from gateway.rules.hotel import Door, Hotel
from tests.gateway.houses import ARRIVE, DAY, ROOMS, key, left, stay
from wire.entities import KeyBody, KeyStatus, StayBody, StayStatus
from wire.facts import RightState

START = datetime.fromisoformat("2026-11-21T14:00:00Z")
refs = st.integers(1, 6)
rights = st.builds(
    AccessRight,
    right_ref=refs,
    version=st.integers(1, 5),
    credential_ref=refs,
    door_first=st.just(201),
    door_count=st.just(1),
    generation=st.integers(0, 9),
    start=st.just(START),
    until=st.just(START + DAY),
)
doors = st.builds(
    DoorState,
    floor=st.integers(0, 9),
    rights=st.lists(rights, max_size=4).map(lambda found: {right.right_ref: right for right in found}),
    blocked=st.dictionaries(refs, st.integers(1, 5), max_size=3),
)


def folded(state: DoorState, ops: tuple[object, ...]) -> DoorState:
    for op in ops:
        state = after(state, op)  # type: ignore[arg-type]
    return state


@given(doors, doors)
def test_the_steps_lead_from_what_a_door_holds_to_what_it_must_hold(wanted: DoorState, held: DoorState) -> None:
    reached = folded(held, steps(wanted, held))
    assert reached == replace(wanted, floor=max(wanted.floor, held.floor))
    assert steps(wanted, reached) == ()
    assert folded(reached, steps(wanted, held)) == reached


@given(doors, doors)
def test_everything_sent_again_makes_an_emptied_door_whole_and_harms_no_other(wanted: DoorState, held: DoorState) -> None:
    assert folded(DoorState(), resend(wanted)) == wanted
    reached = folded(held, steps(wanted, held))
    assert folded(reached, resend(wanted)) == reached


# ---------------------------------------------------------------- a house that lives


DOORS = {
    201: Door(201, LockKind.ONLINE, "lock-201"),
    202: Door(202, LockKind.ONLINE, "lock-202"),
    211: Door(211, LockKind.HYBRID, "lock-211"),
    212: Door(212, LockKind.DATA_ON_CARD),
}


@dataclass
class Card:
    ref: int
    generation: int
    doors: tuple[int, ...]
    until: datetime


@dataclass
class House:
    """Central's view, the box's book, and locks and cards as the device sheet describes them."""

    now: datetime = ARRIVE
    stays: dict[str, StayBody] = field(default_factory=dict)
    keys: dict[str, KeyBody] = field(default_factory=dict)
    cards: list[tuple[str, Card]] = field(default_factory=list)
    book: Book = field(default_factory=Book)
    held: dict[int, DoorState] = field(default_factory=lambda: {201: DoorState(), 202: DoorState(), 211: DoorState()})
    used: dict[int, int] = field(default_factory=dict)  # each lock's own generation
    made: int = 0

    def plan(self) -> access.Plan:
        house = Hotel(DOORS, self.stays, self.keys, {}, ROOMS)
        done = access.plan(house, self.book, self.now, "synced")
        again = access.plan(house, done.book, self.now, "synced")
        assert again.book == done.book
        assert again.tasks == ()
        for door, floor in self.book.floors.items():
            assert done.book.floors[door] >= floor
        self.book = done.book
        return done

    def deliver(self, door: int, most: int = 99) -> None:
        """The door hears at most so many of the commands that it is due."""
        wanted = self.plan().wanted.get(door, DoorState())
        for op in steps(wanted, self.held[door])[:most]:
            if isinstance(op, PutRight):
                old = self.held[door].rights.get(op.right.right_ref)
                assert old is None or op.right.version > old.version
            self.held[door] = after(self.held[door], op)
        rows = [right for right in self.book.rights.values() if right.door == door]
        changed = progress.reached(rows, wanted, self.held[door], self.now)
        self.book = replace(self.book, rights={**self.book.rights, **{right.right_ref: right for right in changed}})
        self.plan()

    def settle(self) -> None:
        for _ in range(4):
            for door in self.held:
                self.deliver(door)

    def cut(self, key_id: str) -> None:
        """The encoder writes the key's card as it is wanted now."""
        rows = [
            right for right in self.book.rights.values() if right.key_id == key_id and right.wanted and right.lock is not LockKind.ONLINE
        ]
        if not rows:
            return
        newest = max(right.body.generation for right in rows)
        rows = [right for right in rows if right.body.generation == newest]
        body = rows[0].body
        self.cards.append((key_id, Card(body.credential_ref, newest, tuple(right.door for right in rows), body.until)))
        written = {
            right.right_ref: replace(
                right, state=RightState.ENCODED, encoded=newest, exposed_until=max(right.exposed_until or body.until, body.until)
            )
            for right in rows
        }
        self.book = replace(self.book, rights={**self.book.rights, **written})
        self.plan()

    def opens(self, key_id: str, door: int) -> bool:
        """Whether a tap of the key's newest (any) card opens; the lock's generation follows."""
        if DOORS[door].kind is LockKind.ONLINE:
            credential = self.book.credentials.get(key_id)
            found = [right for right in self.held[door].rights.values() if credential and right.credential_ref == credential.ref]
            tries = [(right.credential_ref, right.generation, right.start, right.until) for right in found]
        else:
            mine = [card for name, card in self.cards if name == key_id and door in card.doors]
            tries = [(card.ref, card.generation, start_of(card.generation), card.until) for card in mine]
        for ref, generation, start, until in tries:
            fits = generation >= max(self.used.get(door, 0), self.held[door].floor) and ref not in self.held[door].blocked
            if fits and start - timedelta(seconds=300) <= self.now < until:
                self.used[door] = max(self.used.get(door, 0), generation)
                return True
        return False

    def here(self) -> list[str]:
        return sorted(name for name, body in self.stays.items() if body.status is StayStatus.IN_HOUSE)

    def free(self) -> list[int]:
        taken = {door for name in self.here() for door in self.stays[name].doors}
        return [door for door in DOORS if door not in taken]


def happen(house: House, what: str, pick: int) -> None:  # noqa: C901, PLR0912 - one line for each thing that can happen
    here, free, now = house.here(), house.free(), house.now
    name = here[pick % len(here)] if here else ""
    if what == "check in" and free:
        house.made += 1
        new, door = f"s{house.made}", free[pick % len(free)]
        house.stays[new] = stay(door, arrive=ARRIVE if pick % 2 else now, depart=now + DAY, in_house_since=now)
        house.keys[f"{new}-0"] = key(new, now + DAY)
    elif what == "second key" and here:
        number = sum(1 for body in house.keys.values() if body.stay_id == name)
        house.keys[f"{name}-{number}"] = key(name, house.stays[name].depart, copy=number)
    elif what == "lose" and here:
        mine = sorted(key_id for key_id, body in house.keys.items() if body.stay_id == name)
        lost = mine[pick % len(mine)]
        house.keys[lost] = replace(house.keys[lost], status=KeyStatus.LOST)
    elif what == "extend" and here:
        house.stays[name] = replace(house.stays[name], depart=house.stays[name].depart + DAY)
        for key_id, body in list(house.keys.items()):
            if body.stay_id == name:
                house.keys[key_id] = replace(body, until=body.until + DAY)
    elif what == "move" and here and free:
        door = free[pick % len(free)]
        house.stays[name] = replace(house.stays[name], doors=(door,), rooms=(str(door),), moved_at=now)
    elif what == "check out" and here:
        house.stays[name] = left(house.stays[name])
    elif what == "deliver":
        house.deliver(list(house.held)[pick % 3], most=1 + pick % 2)
    elif what == "cut" and house.keys:
        house.cut(sorted(house.keys)[pick % len(house.keys)])
    elif what == "tap" and house.keys:
        house.opens(sorted(house.keys)[pick % len(house.keys)], list(house.held)[pick % 3])
    elif what == "wipe":
        door = list(house.held)[pick % 3]
        house.held[door], house.used[door] = DoorState(), 0
    elif what == "later":
        house.now += timedelta(minutes=pick * 7)
    house.plan()


HAPPENINGS = ("check in", "second key", "lose", "extend", "move", "check out", "deliver", "cut", "tap", "wipe", "later")


def lived(story: list[tuple[str, int]]) -> House:
    house = House()
    for what, pick in story:
        happen(house, what, pick)
    house.settle()
    for key_id in sorted(house.keys):
        house.cut(key_id)  # a guest who moved to a door that reads cards has come for a new one
    house.settle()
    return house


stories = st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 20)), max_size=25)


@settings(max_examples=150)
@given(stories)
def test_who_has_left_opens_nothing_and_who_is_here_gets_in(story: list[tuple[str, int]]) -> None:
    house = lived(story)
    live = [door for door in house.held if DOORS[door].kind is LockKind.ONLINE or house.held[door].floor]
    for key_id, body in house.keys.items():
        owner = house.stays[body.stay_id or ""]
        gone = owner.status is StayStatus.CHECKED_OUT or body.status is KeyStatus.LOST
        for door in live:
            if gone or door not in owner.doors:
                assert not house.opens(key_id, door), f"{key_id} still opens {door}"
        if not gone and house.now < body.until:
            for door in owner.doors:
                if DOORS[door].kind is LockKind.ONLINE:
                    assert house.opens(key_id, door), f"{key_id} does not open {door}"
                elif door == 211:
                    house.cut(key_id)
                    assert house.opens(key_id, door), f"the card of {key_id} does not open {door}"


@settings(max_examples=100)
@given(stories)
def test_no_two_stays_share_a_start_minute_at_a_door_and_no_number_is_issued_twice(story: list[tuple[str, int]]) -> None:
    house = lived(story)
    for door in DOORS:
        minutes = [grant.generation >> 8 for (_, at), grant in house.book.grants.items() if at == door]
        assert len(minutes) == len(set(minutes))
    numbers = [right.right_ref for right in house.book.rights.values()]
    numbers += [credential.ref for credential in house.book.credentials.values()]
    numbers += [right.version for right in house.book.rights.values()] + [block.version for block in house.book.blocks.values()]
    assert len(numbers) == len(set(numbers))
    assert all(number <= house.book.last_number for number in numbers)


@settings(max_examples=100)
@given(stories)
def test_everything_comes_to_rest(story: list[tuple[str, int]]) -> None:
    house = lived(story)
    wanted = house.plan().wanted
    for door, held in house.held.items():
        assert steps(wanted.get(door, DoorState()), held) == ()
    for right in house.book.rights.values():
        assert not progress.under_way(right), right
