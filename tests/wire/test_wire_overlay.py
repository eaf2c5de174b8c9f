"""Own changes stay on top: a departed guest is never in house again, whatever arrives late."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.entities import Care, Guest, HoldBody, KeyBody, KeyKind, KeyStatus, RoomBody, StayBody, StayStatus
from wire.facts import (
    CareSet,
    Fact,
    HoldReturned,
    KeyIssued,
    KeyLost,
    PaymentTaken,
    StayCheckedIn,
    StayCheckedOut,
    StayDatesChanged,
    StayMoved,
    WalkInTaken,
)
from wire.overlay import on_top, overlay, subjects

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOORS = {"201": (201,), "202": (202, 902)}


def stay(status: StayStatus = StayStatus.DUE_IN, room: str = "201") -> StayBody:
    return StayBody("1001", status, (room,), DOORS[room], "A", NOON, NOON + timedelta(days=2), Guest("Ada"), balance_minor=5000)


def arrived(room: str = "201") -> StayCheckedIn:
    return StayCheckedIn("s1", (room,), NOON)


def left() -> StayCheckedOut:
    return StayCheckedOut("s1", NOON + timedelta(hours=1))


def test_a_check_in_at_the_box_shows_at_once() -> None:
    seen = overlay(stay(), [arrived()], DOORS)
    assert seen is not None
    assert (seen.status, seen.in_house_since) == (StayStatus.IN_HOUSE, NOON)


def test_a_check_in_to_another_room_opens_its_doors() -> None:
    seen = overlay(stay(), [arrived("202")], DOORS)
    assert seen is not None
    assert (seen.rooms, seen.doors) == (("202",), (202, 902))


def test_a_move_gives_the_new_doors_only() -> None:
    seen = overlay(stay(StayStatus.IN_HOUSE), [StayMoved("s1", "201", "202", NOON)], DOORS)
    assert seen is not None
    assert (seen.rooms, seen.doors, seen.moved_at) == (("202",), (202, 902), NOON)


def test_a_guest_who_is_here_stays_when_central_cancels() -> None:
    seen = overlay(stay(StayStatus.CANCELLED), [arrived()], DOORS)
    assert seen is not None
    assert seen.status is StayStatus.IN_HOUSE


def test_a_late_put_does_not_bring_a_departed_guest_back() -> None:
    seen = overlay(stay(StayStatus.IN_HOUSE), [arrived(), left()], DOORS)
    assert seen is not None
    assert seen.status is StayStatus.CHECKED_OUT


def test_a_departure_told_by_central_stands_against_an_older_check_in_here() -> None:
    seen = overlay(stay(StayStatus.CHECKED_OUT), [arrived(), StayMoved("s1", "201", "202", NOON)], DOORS)
    assert seen == stay(StayStatus.CHECKED_OUT)


def test_a_payment_at_the_box_lowers_the_balance_shown() -> None:
    seen = overlay(stay(), [PaymentTaken("p1", "s1", "cash", 3000, "EUR", "slip 7", NOON)])
    assert seen is not None
    assert seen.balance_minor == 2000


def test_an_extension_at_the_box_shows_at_once() -> None:
    later = NOON + timedelta(days=3)
    seen = overlay(stay(StayStatus.IN_HOUSE), [StayDatesChanged("s1", later, ("h1",))])
    assert seen is not None
    assert seen.depart == later
    assert on_top("hold", HoldBody("201", "A", NOON.date()), [StayDatesChanged("s1", later, ("h1",))]) is None


def walk_in() -> WalkInTaken:
    return WalkInTaken("s9", "202", "A", NOON, NOON + timedelta(days=1), (NOON.date(),), "Bo", "zh", 2, (9900,), ("h1",))


def test_a_walk_in_exists_before_central_knows() -> None:
    seen = overlay(None, [walk_in(), StayCheckedIn("s9", ("202",), NOON)], DOORS)
    assert seen is not None
    assert (seen.status, seen.doors, seen.guest) == (StayStatus.IN_HOUSE, (202, 902), Guest("Bo", "zh"))
    assert subjects(walk_in()) == (("stay", "s9"), ("hold", "h1"))


def test_a_fact_about_a_stay_that_nobody_knows_shows_nothing() -> None:
    assert overlay(None, [arrived()]) is None


def test_a_key_issued_here_opens_and_a_lost_one_does_not() -> None:
    issued = KeyIssued("k1", "rfid", NOON, stay_id="s1", copy_no=1)
    assert on_top("key", None, [issued]) == KeyBody(KeyKind.RFID, NOON, KeyStatus.WANTED, "s1", None, 1)
    lost = on_top("key", None, [issued, KeyLost("k1")])
    assert isinstance(lost, KeyBody)
    assert lost.status is KeyStatus.LOST


def test_a_room_is_as_clean_as_it_was_said_to_be_here() -> None:
    room = RoomBody("A", 2, (201,), Care.DIRTY)
    assert on_top("room", room, [CareSet("201", Care.CLEAN)]) == replace(room, care=Care.CLEAN)
    assert on_top("room", room, []) == room


def test_a_returned_hold_is_gone() -> None:
    assert on_top("hold", HoldBody("201", "A", NOON.date()), [HoldReturned("h1")]) is None


# ---------------------------------------------------------------- any interleaving


@dataclass
class Both:
    """Central and box of one stay with a feed and a lane between them, each in order but as late as you like."""

    ignore_seen: bool = False
    truth: StayBody = field(default_factory=stay)  # central's
    seen: int = 0
    feed: list[tuple[int, StayBody]] = field(default_factory=list)
    lane: list[tuple[int, Fact]] = field(default_factory=list)
    put: StayBody = field(default_factory=stay)
    own: list[tuple[int, Fact]] = field(default_factory=list)
    made: int = 0
    departed: bool = False

    def tell(self, fact: Fact) -> None:
        self.made += 1
        self.own.append((self.made, fact))
        self.lane.append((self.made, fact))
        self.look()

    def view(self) -> StayBody:
        seen = overlay(self.put, [fact for _, fact in self.own], DOORS)
        assert seen is not None
        return seen

    def look(self) -> None:
        status = self.view().status
        assert not (self.departed and status is StayStatus.IN_HOUSE), "a departed guest is in house again"
        self.departed |= status is StayStatus.CHECKED_OUT

    def fact_arrives(self) -> None:
        if self.lane:
            self.seen, fact = self.lane.pop(0)
            judged = overlay(self.truth, [fact], DOORS)  # central believes the property
            assert judged is not None
            self.truth = judged
            self.feed.append((self.seen, self.truth))

    def put_arrives(self) -> None:
        if self.feed:
            seen, self.put = self.feed.pop(0)
            self.own = [] if self.ignore_seen else [own for own in self.own if own[0] > seen]
            self.look()

    def happen(self, what: str) -> None:
        status = self.view().status
        if what == "arrive" and status in {StayStatus.DUE_IN, StayStatus.CANCELLED}:
            self.tell(arrived())
        elif what == "move" and status is StayStatus.IN_HOUSE:
            here = self.view().rooms[0]
            self.tell(StayMoved("s1", here, "202" if here == "201" else "201", NOON))
        elif what == "leave" and status is StayStatus.IN_HOUSE:
            self.tell(left())
        elif what == "extend" and status is StayStatus.IN_HOUSE:
            self.tell(StayDatesChanged("s1", NOON + timedelta(days=3 + self.made)))
        elif what == "amend":
            self.truth = replace(self.truth, balance_minor=self.truth.balance_minor + 1)
            self.feed.append((self.seen, self.truth))
        elif what == "cancel" and self.truth.status is StayStatus.DUE_IN:
            self.truth = replace(self.truth, status=StayStatus.CANCELLED)
            self.feed.append((self.seen, self.truth))
        elif what == "leave at central" and self.truth.status is StayStatus.IN_HOUSE:
            self.truth = replace(self.truth, status=StayStatus.CHECKED_OUT)
            self.feed.append((self.seen, self.truth))
        elif what == "fact arrives":
            self.fact_arrives()
        elif what == "put arrives":
            self.put_arrives()

    def end(self) -> None:
        while self.lane or self.feed:
            self.fact_arrives()
            self.put_arrives()


WHAT = ["arrive", "move", "leave", "extend", "amend", "cancel", "leave at central", "fact arrives", "put arrives"]


@given(st.lists(st.sampled_from(WHAT), max_size=40))
def test_any_order_of_puts_and_facts_ends_equal_and_never_reopens_a_stay(moves: list[str]) -> None:
    both = Both()
    for what in moves:
        both.happen(what)
    both.end()
    assert both.own == []
    assert both.view() == both.truth


def test_a_box_that_ignores_what_central_has_seen_reopens_a_stay() -> None:
    both = Both(ignore_seen=True)
    for what in ["arrive", "fact arrives", "leave"]:
        both.happen(what)
    with pytest.raises(AssertionError, match="in house again"):
        both.happen("put arrives")
