"""Who may open which door, and when: the workflows of check-in, copy, loss, extension, move and check-out."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.device import AccessRight, Confirmed, LockKind, PutRight, RaiseFloor
from gateway.rules import progress
from gateway.rules.access import Plan, plan
from gateway.rules.book import Book, generation_at, past
from gateway.rules.door import DoorState, guard_digest, learn, rights_digest, steps
from gateway.rules.hotel import Hotel
from tests.gateway.houses import ARRIVE, DAY, DEPART, MINUTE, NOON, due, hotel, key, left, stay
from wire.entities import KeyStatus
from wire.facts import RightState

LATER = ARRIVE + MINUTE


def planned(house: Hotel, book: Book | None = None, now: datetime = LATER) -> Plan:
    return plan(house, book or Book(), now, "synced")


def worked_off(result: Plan, *doors: int, now: datetime = LATER) -> Book:
    """All (or the given) doors have done what was wanted of them."""
    rights = dict(result.book.rights)
    for door, wanted in result.wanted.items():
        if not doors or door in doors:
            rows = [right for right in rights.values() if right.door == door]
            rights |= {right.right_ref: right for right in progress.reached(rows, wanted, wanted, now)}
    return replace(result.book, rights=rights)


def states(book: Book, key_id: str) -> dict[int, RightState]:
    return {right.door: right.state for right in book.rights.values() if right.key_id == key_id}


def cut(book: Book, *key_ids: str) -> Book:
    """The encoder has written each key's card."""
    rights = {
        ref: replace(right, state=RightState.ENCODED, encoded=right.body.generation, exposed_until=right.body.until)
        if right.key_id in key_ids and right.lock is not LockKind.ONLINE
        else right
        for ref, right in book.rights.items()
    }
    return replace(book, rights=rights)


def test_the_digests_are_those_of_the_device_sheet() -> None:
    start, until = datetime.fromisoformat("2026-11-21T14:00:00Z"), datetime.fromisoformat("2026-11-24T12:00:00Z")
    right = AccessRight(71, 3, 48879, 205, 1, 389130241, start, until)
    assert (rights_digest([right]), rights_digest([])) == (0x77BDBD5A, 0)
    assert (guard_digest(389130496, {}), guard_digest(389130496, {0xBEEF: 3})) == (0xB6E6383D, 0xACB1046A)
    assert generation_at(start) == 389130241
    assert past(389130241) == 389130496


def test_a_check_in_raises_the_floor_and_then_puts_one_right_for_each_key() -> None:
    house = hotel({"a": stay(201)}, {"k": key("a"), "l": key("a", copy=1)})
    result = planned(house)
    generation = generation_at(ARRIVE)
    wanted = result.wanted[201]
    assert wanted.floor == generation
    assert sorted(right.copy for right in wanted.rights.values()) == [0, 1]
    assert {right.generation for right in wanted.rights.values()} == {generation}
    assert [type(op) for op in steps(wanted, DoorState())] == [RaiseFloor, PutRight, PutRight]
    assert states(result.book, "k") == {201: RightState.PLANNED}


def test_planning_again_changes_nothing() -> None:
    house = hotel({"a": stay(201), "b": stay(211), "c": stay(212)})
    once = planned(house)
    assert planned(house, once.book).book == once.book
    active = worked_off(once)
    assert planned(house, active).book == active


def test_a_guest_who_has_not_come_opens_nothing() -> None:
    assert planned(hotel({"a": due(201)})).wanted == {}


def test_an_extension_keeps_the_generation_and_raises_the_version() -> None:
    body = stay(201)
    book = worked_off(planned(hotel({"a": body})))
    longer = planned(hotel({"a": replace(body, depart=DEPART + DAY)}), book)
    (before,) = book.rights.values()
    (after,) = longer.wanted[201].rights.values()
    assert (after.generation, after.until) == (before.body.generation, DEPART + DAY)
    assert after.version > before.body.version
    assert after.right_ref == before.right_ref


def test_a_lost_key_is_deleted_and_its_copy_lives_on() -> None:
    body = stay(201)
    book = worked_off(planned(hotel({"a": body}, {"k": key("a"), "l": key("a", copy=1)})))
    after = planned(hotel({"a": body}, {"k": key("a", status=KeyStatus.LOST), "l": key("a", copy=1)}), book)
    assert [right.copy for right in after.wanted[201].rights.values()] == [1]
    assert after.wanted[201].floor == book.floors[201]
    assert states(worked_off(after), "k") == {201: RightState.REVOKED}


def test_a_check_out_raises_the_floor_past_the_stay_and_takes_every_right() -> None:
    body = stay(201)
    book = worked_off(planned(hotel({"a": body})))
    out = planned(hotel({"a": left(body)}), book)
    assert out.wanted[201].floor == past(generation_at(ARRIVE))
    assert out.wanted[201].rights == {}
    assert states(out.book, "a-k") == {201: RightState.REVOKING}
    assert states(worked_off(out), "a-k") == {201: RightState.REVOKED}


def test_a_stay_that_central_has_forgotten_has_ended() -> None:
    book = worked_off(planned(hotel({"a": stay(201)})))
    assert planned(hotel({}), book).wanted[201].rights == {}


def test_two_stays_never_share_a_start_minute_at_a_door() -> None:
    first = stay(201)
    book = worked_off(planned(hotel({"a": first})))
    gone = worked_off(planned(hotel({"a": left(first)}), book))
    second = planned(hotel({"a": left(first), "b": stay(201)}), gone)
    (right,) = second.wanted[201].rights.values()
    assert right.generation == generation_at(ARRIVE + MINUTE)
    assert right.generation >= second.wanted[201].floor
    assert right.start <= LATER


def test_a_stay_taken_back_after_its_check_out_gets_a_new_right_over_the_floor() -> None:
    body = stay(201)
    gone = worked_off(planned(hotel({"a": left(body)}), worked_off(planned(hotel({"a": body})))))
    back = planned(hotel({"a": body}), gone, now=ARRIVE + timedelta(minutes=30))
    (right,) = back.wanted[201].rights.values()
    assert right.generation == generation_at(ARRIVE + timedelta(minutes=30))
    assert right.generation >= back.wanted[201].floor
    assert right.right_ref not in gone.rights


def test_a_move_opens_the_new_door_before_it_closes_the_old_one() -> None:
    body = stay(202)
    book = worked_off(planned(hotel({"a": body})))
    moved_at = ARRIVE + timedelta(hours=9)
    moved = stay(204, moved_at=moved_at)
    during = planned(hotel({"a": moved}), book, now=moved_at)
    assert len(during.wanted[202].rights) == len(during.wanted[204].rights) == 1
    (new,) = during.wanted[204].rights.values()
    assert new.generation == generation_at(moved_at)
    after = planned(hotel({"a": moved}), worked_off(during), now=moved_at)
    assert after.wanted[202].rights == {}
    assert after.wanted[202].floor == past(generation_at(ARRIVE))
    assert states(worked_off(after), "a-k") == {202: RightState.REVOKED, 204: RightState.ACTIVE}


def test_a_guest_whose_new_door_is_silent_keeps_the_old_one_until_somebody_else_moves_in() -> None:
    book = worked_off(planned(hotel({"a": stay(202)})))
    moved = stay(204, moved_at=ARRIVE + MINUTE)
    book = worked_off(planned(hotel({"a": moved}), book), 202)
    assert len(planned(hotel({"a": moved}), book).wanted[202].rights) == 1
    taken = planned(hotel({"a": moved, "b": stay(202, arrive=ARRIVE + DAY)}), book, now=ARRIVE + DAY)
    assert {right.key_id for right in taken.book.rights.values() if right.door == 202 and right.wanted} == {"b-k"}


def test_a_door_added_in_mid_stay_gives_the_whole_set_one_new_generation() -> None:
    book = worked_off(planned(hotel({"a": stay(201)})))
    both = planned(hotel({"a": stay(201, 202, moved_at=ARRIVE + DAY)}), book, now=ARRIVE + DAY)
    found = {right.generation for door in (201, 202) for right in both.wanted[door].rights.values()}
    assert found == {generation_at(ARRIVE + DAY)}
    dropped = planned(hotel({"a": stay(201, moved_at=ARRIVE + DAY)}), worked_off(both), now=ARRIVE + DAY)
    assert dropped.wanted[202].rights == {}
    assert [right.generation for right in dropped.wanted[201].rights.values()] == [generation_at(ARRIVE + DAY)]


def test_a_hybrid_door_takes_the_floor_and_blocks_only_what_was_lost() -> None:
    body = stay(211)
    keys = {"k": key("a"), "l": key("a", copy=1)}
    book = cut(planned(hotel({"a": body}, keys)).book, "k", "l")
    assert planned(hotel({"a": body}, keys), book).wanted[211] == DoorState(floor=generation_at(ARRIVE))
    lost = planned(hotel({"a": body}, {**keys, "k": key("a", status=KeyStatus.LOST)}), book)
    assert set(lost.wanted[211].blocked) == {book.credentials["k"].ref}
    out = planned(hotel({"a": left(body)}, keys), worked_off(lost))
    assert out.wanted[211].floor == past(generation_at(ARRIVE))
    assert out.wanted[211].blocked == {}
    assert states(worked_off(out), "l") == {211: RightState.REVOKED}


def test_a_card_only_door_shows_released_and_until_when_it_can_still_be_opened() -> None:
    body = stay(212)
    book = cut(planned(hotel({"a": body})).book, "a-k")
    out = planned(hotel({"a": left(body)}), book)
    (right,) = out.book.rights.values()
    assert (right.state, right.exposure_until) == (RightState.RELEASED, DEPART)
    assert out.due == DEPART
    assert states(planned(hotel({"a": left(body)}), out.book, now=DEPART).book, "a-k") == {212: RightState.DEAD}


def test_a_card_that_was_never_cut_is_dead_at_once() -> None:
    body = stay(212)
    out = planned(hotel({"a": left(body)}), planned(hotel({"a": body})).book)
    assert states(out.book, "a-k") == {212: RightState.DEAD}


def test_a_lost_card_of_a_card_only_door_makes_every_other_card_be_cut_again() -> None:
    body = stay(212)
    keys = {"k": key("a"), "l": key("a", copy=1)}
    book = cut(planned(hotel({"a": body}, keys)).book, "k", "l")
    lost = planned(hotel({"a": body}, {**keys, "k": key("a", status=KeyStatus.LOST)}), book)
    rights = {right.key_id: right for right in lost.book.rights.values()}
    assert rights["l"].body.generation == generation_at(ARRIVE, 2)
    assert (rights["l"].state, rights["k"].state) == (RightState.PLANNED, RightState.RELEASED)
    assert {task.kind for task in lost.tasks} == {"lost_card_exposed", "card_to_cut_again"}
    assert planned(hotel({"a": body}, {**keys, "k": key("a", status=KeyStatus.LOST)}), lost.book).tasks == ()


def test_a_shorter_stay_leaves_its_card_exposed_and_says_until_when() -> None:
    body = stay(212)
    book = cut(planned(hotel({"a": body})).book, "a-k")
    shorter = planned(hotel({"a": replace(body, depart=DEPART - DAY)}), book)
    (right,) = shorter.book.rights.values()
    assert (right.state, right.exposure_until) == (RightState.ENCODED, DEPART)


def test_a_card_cut_ahead_stays_valid_whatever_order_the_cards_were_cut_in() -> None:
    tomorrow = ARRIVE + DAY
    early = plan(hotel({"b": due(212, arrive=tomorrow)}), Book(), NOON, "synced", frozenset({"b"}))
    first = planned(hotel({"b": due(212, arrive=tomorrow), "a": stay(212, depart=tomorrow - MINUTE)}), early.book)
    out = planned(hotel({"b": due(212, arrive=tomorrow), "a": left(stay(212))}), first.book)
    generations = {right.key_id: right.body.generation for right in out.book.rights.values()}
    assert generations["a-k"] < out.wanted[212].floor <= generations["b-k"] == generation_at(tomorrow)


def test_a_card_cut_ahead_and_overtaken_is_listed_to_be_cut_again() -> None:
    ahead = cut(plan(hotel({"b": due(212)}), Book(), NOON, "synced", frozenset({"b"})).book, "b-k")
    walk_in = stay(212, arrive=ARRIVE + timedelta(hours=2))
    other = planned(hotel({"b": due(212), "a": walk_in}), ahead)
    gone = planned(hotel({"b": due(212), "a": left(walk_in)}), other.book)
    came = planned(hotel({"b": stay(212, in_house_since=ARRIVE + timedelta(hours=5)), "a": left(walk_in)}), gone.book)
    right = next(right for right in came.book.rights.values() if right.key_id == "b-k")
    assert right.body.generation >= came.wanted[212].floor
    assert [task.kind for task in came.tasks] == ["card_to_cut_again"]


def test_an_expired_right_is_deleted_ten_minutes_later_and_not_by_a_clock_that_may_be_wrong() -> None:
    house = hotel({"a": stay(201)})
    book = worked_off(planned(house))
    late = DEPART + timedelta(minutes=10)
    assert planned(house, book, now=late - MINUTE).book == book
    assert plan(house, book, late, "untrusted").book == book
    gone = planned(house, book, now=late)
    assert gone.wanted[201].rights == {}
    assert states(worked_off(gone, now=late), "a-k") == {201: RightState.EXPIRED}
    assert plan(house, worked_off(gone, now=late), late, "untrusted").wanted[201].rights == {}


def test_a_door_that_serves_several_rooms_has_no_floor() -> None:
    house = hotel({"a": stay(201, 202), "b": stay(203, 202)})
    common = replace(house, doors={**house.doors, 202: replace(house.doors[202], common=True)})
    result = planned(common)
    assert result.wanted[202].floor == 0
    assert {right.flags for right in result.wanted[202].rights.values()} == {0x08}
    assert len(result.wanted[202].rights) == 2


def test_what_a_door_holds_is_learnt_from_its_digests_alone() -> None:
    result = planned(hotel({"a": stay(201)}))
    wanted = result.wanted[201]
    half = DoorState(floor=wanted.floor)
    said = Confirmed(0, 0, guard_digest(half.floor, {}), half.floor, 0)
    assert learn(said, (wanted,)) == half
    assert learn(Confirmed(1, 1234, guard_digest(0, {}), 0, 0), (wanted,)) is None
