"""What a bar's events mean: put-back grace, restocking rounds, doubted slots, and one judgement for each bottle."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.minibar import Bar, Consumed, Effect, Fate, Inspect, Returned, RoundEnded, due, left, settled
from tests.gateway.bars import GRACE, LOG, NOON, Script, at, heard, of, played


def consumed(effects: Sequence[Effect]) -> list[tuple[int, int]]:
    """Slot and number of each bottle that was charged."""
    return [(effect.take.slot, effect.take.removal_no) for effect in effects if isinstance(effect, Consumed)]


@pytest.mark.parametrize(("back_after", "charged"), [(0, False), (40, False), (60, False), (61, True), (75, True)])
def test_a_bottle_put_back_in_time_costs_nothing(back_after: int, charged: bool) -> None:
    _, effects = played(Script().take(2, 0).put(2, back_after).told)
    assert bool(consumed(effects)) == charged
    assert len(of(Returned, effects)) == (1 if charged else 0)


def test_a_bottle_that_is_not_put_back_is_charged_when_the_grace_is_over_and_only_then() -> None:
    bar, _ = heard(Bar(), Script().take(2, 0).told[0])
    assert due(bar) == at(61)
    assert settled(bar, at(60))[1] == ()
    bar, effects = settled(bar, at(61))
    assert consumed(list(effects)) == [(2, 1)]
    assert due(bar) is None
    assert settled(bar, at(10_000))[1] == ()


def test_a_return_after_the_charge_is_a_question_and_no_refund() -> None:
    script = Script().take(3, 0).put(3, 75)
    bar, effects = played(script.told[:1], ends=at(61))
    assert consumed(effects) == [(3, 1)]
    bar, late = heard(bar, script.told[1])
    assert [(effect.take.slot, effect.in_time) for effect in late if isinstance(effect, Returned)] == [(3, False)]
    assert heard(bar, script.told[1])[1] == ()  # and only one question


def test_a_return_in_time_that_is_heard_of_after_the_charge_says_so() -> None:
    script = Script().take(3, 0).put(3, 40)
    bar, effects = played(script.told[:1], ends=at(61))
    _, late = heard(bar, script.told[1])
    assert consumed(effects) == [(3, 1)]
    assert [effect.in_time for effect in late if isinstance(effect, Returned)] == [True]


def test_without_grace_a_bottle_is_charged_as_soon_as_it_is_gone() -> None:
    _, effects = played(Script().take(1, 0).told, grace=timedelta(0), ends=at(1))
    assert consumed(effects) == [(1, 1)]


# ---------------------------------------------------------------- restocking


def test_in_restock_mode_nothing_is_charged() -> None:
    script = Script().do("begin", 0).take(1, 5).take(2, 6).put(2, 300).do("end", 310)
    bar, effects = played(script.told)
    assert consumed(effects) == []
    assert of(RoundEnded, effects) == [RoundEnded((LOG, 1), "A7", at(310))]
    assert {take.fate for take in bar.takes.values()} == {Fate.ATTENDED}


def test_an_attendant_who_fills_a_slot_does_not_undo_what_the_guest_took() -> None:
    _, effects = played(Script().take(1, 0).do("begin", 20).put(1, 30).do("end", 40).told)
    assert consumed(effects) == [(1, 1)]
    assert of(Returned, effects) == []


def test_restocking_a_consumed_bottle_asks_nothing() -> None:
    script = Script().take(1, 0).do("begin", 1000).put(1, 1010).do("end", 1020)
    bar, effects = played(script.told[:1], ends=at(61))
    _, more = played(script.told[1:], bar=bar)
    assert consumed(effects + more) == [(1, 1)]
    assert of(Returned, more) == []


@pytest.mark.parametrize(
    ("marks", "taken", "charged"),
    [
        ((("open", 1), ("shut", 10)), 100, False),  # the attendant looks away for a moment
        ((("open", 1), ("shut", 10)), 131, True),  # shut for 120 s: the attendant has gone
        ((("open", 1), ("shut", 10), ("open", 100), ("shut", 200)), 300, False),
        ((("open", 1),), 1199, False),
        ((("open", 1),), 1201, True),  # 20 minutes
        ((("end", 5),), 6, True),
    ],
)
def test_restocking_ends_by_word_by_a_shut_door_or_after_twenty_minutes(
    marks: tuple[tuple[str, int], ...], taken: int, charged: bool
) -> None:
    script = Script().do("begin", 0)
    for kind, seconds in marks:
        script.do(kind, seconds)
    _, effects = played(script.take(4, taken).told)
    assert bool(consumed(effects)) == charged
    assert len(of(RoundEnded, effects)) == 1


def test_a_round_that_nobody_ended_is_over_in_time() -> None:
    bar, _ = played(Script().do("begin", 0).do("open", 1).told, ends=at(2))
    assert due(bar) == at(1200)
    assert of(RoundEnded, settled(bar, at(1200))[1]) == [RoundEnded((LOG, 1), "A7", at(1200))]


# ---------------------------------------------------------------- slots that are not believed


def test_a_slot_that_flaps_is_charged_no_more_and_inspected_once() -> None:
    script = Script()
    for second in range(0, 40, 4):
        script.take(5, second)
        script.put(5, second + 2)
    script.take(5, 200)
    _, effects = played(script.told)
    assert consumed(effects) == []
    assert [(effect.slot, effect.why) for effect in effects if isinstance(effect, Inspect)] == [(5, "flapping")]


def test_six_changes_in_a_minute_are_still_a_guest_who_cannot_decide() -> None:
    script = Script()
    for second in (0, 20, 40):
        script.take(5, second)
        script.put(5, second + 10)
    _, effects = played(script.take(5, 61).told)
    assert consumed(effects) == [(5, 4)]
    assert of(Inspect, effects) == []


def test_a_faulty_slot_is_charged_again_after_the_bar_was_restocked() -> None:
    script = Script().take(6, 0).do("fault", 10, 6).take(6, 100).do("begin", 500).do("end", 600)
    bar, effects = played(script.told)
    assert consumed(effects) == []
    assert len(of(Inspect, effects)) == 1
    _, more = played(script.take(6, 700).told[-1:], bar=bar)
    assert consumed(more) == [(6, 3)]


def test_a_faulty_slot_leaves_the_others_as_they_are() -> None:
    _, effects = played(Script().do("fault", 0, 6).take(1, 10).told)
    assert consumed(effects) == [(1, 1)]


# ---------------------------------------------------------------- check-out


def test_at_check_out_a_pending_bottle_is_settled_at_once() -> None:
    bar, _ = played(Script().take(1, 0).take(2, 5).put(2, 10).told, ends=at(20))
    bar, effects = left(bar, gone=lambda take: True)
    assert consumed(list(effects)) == [(1, 1)]
    assert settled(bar, at(100))[1] == ()


def test_who_checks_out_does_not_hurry_the_next_guests_bottle() -> None:
    bar, _ = played(Script().take(1, 0).take(2, 5).told, ends=at(10))
    bar, effects = left(bar, gone=lambda take: take.slot == 1)
    assert consumed(effects) == [(1, 1)]
    assert due(bar) == at(66)


# ---------------------------------------------------------------- whatever the line does

Visits = st.lists(st.tuples(st.integers(1, 3), st.integers(15, 200), st.one_of(st.none(), st.integers(15, 120))), max_size=12)


def guests(visits: list[tuple[int, int, int | None]]) -> tuple[Script, set[tuple[int, int]], set[tuple[int, int]]]:
    """What guests do: who takes what, and puts it back after some seconds or never; with what they owe, and what came back too late.

    An empty slot is filled before it is taken from again, unseen by the bar's log of this guest.
    """
    acts: list[tuple[float, str, int]] = []
    free = dict.fromkeys(range(1, 4), 0.0)
    now = 0.0
    for slot, pause, back in visits:
        now = max(now + pause, free[slot])
        acts.append((now, "take", slot))
        free[slot] = now + 15 + (back or 0)
        if back is not None:
            acts.append((now + back, "put", slot))
    script = Script()
    owed: set[tuple[int, int]] = set()
    late: set[tuple[int, int]] = set()
    for seconds, act, slot in sorted(acts):
        if act == "take":
            script.take(slot, seconds)
            owed.add((slot, script.removals))
        else:
            no, taken = script.out[slot]
            script.put(slot, seconds)
            if seconds - taken <= GRACE.total_seconds():
                owed.discard((slot, no))
            else:
                late.add((slot, no))
    return script, owed, late


@given(Visits, st.randoms(use_true_random=False))
def test_in_any_order_and_with_any_repeats_exactly_the_bottles_never_put_back_in_time_are_charged(
    visits: list[tuple[int, int, int | None]], chance: random.Random
) -> None:
    script, owed, late = guests(visits)
    told = script.told + chance.choices(script.told, k=len(script.told)) if script.told else []
    chance.shuffle(told)
    _, effects = played(told)
    assert sorted(consumed(effects)) == sorted(owed)
    assert {(effect.take.slot, effect.take.removal_no) for effect in effects if isinstance(effect, Returned)} == late


@given(Visits, st.randoms(use_true_random=False))
def test_whenever_the_box_looks_each_bottle_is_charged_at_most_once_and_none_is_forgotten(
    visits: list[tuple[int, int, int | None]], chance: random.Random
) -> None:
    script, owed, _ = guests(visits)
    told = script.told * 2
    chance.shuffle(told)
    bar = Bar()
    effects: list[Effect] = []
    for one in told:
        bar, more = heard(bar, one)
        effects += more
        if chance.random() < 0.5:
            bar, more = settled(bar, NOON + timedelta(seconds=chance.randrange(3000)))
            effects += more
    effects += settled(bar, NOON + timedelta(days=1))[1]
    charged = consumed(effects)
    assert len(charged) == len(set(charged))
    assert owed <= set(charged)
    corrected = {(effect.take.slot, effect.take.removal_no) for effect in effects if isinstance(effect, Returned) and effect.in_time}
    assert set(charged) - owed == corrected  # what was charged too early is told to a person


@given(Visits, st.integers(0, 600))
def test_in_order_no_look_at_any_time_charges_what_is_put_back_in_time(visits: list[tuple[int, int, int | None]], step: int) -> None:
    script, owed, _ = guests(visits)
    bar = Bar()
    effects: list[Effect] = []
    for one in script.told:
        bar, more = heard(bar, one)
        effects += [*more, *settled(bar, at(one.seconds))[1]]
        bar, _ = settled(bar, at(one.seconds))
    effects += settled(bar, NOON + timedelta(seconds=100_000 + step))[1]
    assert sorted(consumed(effects)) == sorted(owed)
