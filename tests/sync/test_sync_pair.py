"""Box and central over a line that loses, repeats, delays and re-orders: at the end both are equal and each fact has counted once."""

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.sync.ends import MISTAKES
from tests.sync.world import MOVES, USUAL, World

WEIGHTS = [USUAL.get(name, 1) for name in MOVES]
STEPS = 120


def soak(seed: int, plant: tuple[str, ...] = (), pushes: int = 1) -> None:
    """One run: STEPS things happen by chance, then the faults stop."""
    luck = Random(seed)
    world = World(plant, pushes)
    for name in luck.choices(list(MOVES), WEIGHTS, k=STEPS):
        MOVES[name](world, luck.randrange(1000))
        world.check()
    world.calm()


@pytest.mark.parametrize("pushes", [1, 3])
def test_after_any_faults_both_ends_are_equal_and_each_fact_counted_once(pushes: int) -> None:
    for seed in range(200):
        soak(seed, pushes=pushes)


def found(mistake: str, seeds: range = range(400)) -> bool:
    for seed in seeds:
        try:
            soak(seed, (mistake,))
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_of_the_line_is_found(mistake: str) -> None:
    assert found(mistake)


class Line(RuleBasedStateMachine):
    """The same world, driven by hypothesis, which makes a short story of any fault that it finds."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(names=st.lists(st.sampled_from(list(MOVES)), min_size=1, max_size=8), pick=st.integers(0, 99))
    def happen(self, names: list[str], pick: int) -> None:
        for name in names:
            MOVES[name](self.world, pick)

    @rule(picks=st.lists(st.integers(0, 9), min_size=1, max_size=6))
    def talk(self, picks: list[int]) -> None:
        for pick in picks:
            MOVES["deliver"](self.world, pick)
            self.world.answer(pick)

    @invariant()
    def holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.calm()


Line.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TestLine = Line.TestCase
