"""A scenario file is checked before anything is done, and a run says plainly what did not hold."""

from pathlib import Path
from typing import Any

import pytest

from demo.scenarios import checks
from demo.scenarios.acts import ACTS
from demo.scenarios.day import day_file
from demo.scenarios.runner import Seen, run
from demo.scenarios.script import Act, filled, read_script
from demo.scenarios.stage import Stage
from host.configuration import ConfigurationError
from host.exits import HostError


async def shout(stage: Any, word: str = "ahoy") -> str:
    """Return the word."""
    return word


async def same(stage: Any, one: str, other: str) -> Seen:
    """Compare."""
    return Seen(one, other, "the test")


async def fail(stage: Any) -> None:
    """Cannot be done."""
    raise HostError("the crane is broken", "Mend it")


HERE: dict[str, Act] = {"shout": shout, "same": same, "fail": fail}


def script(folder: Path, *steps: str) -> Path:
    file = folder / "try.yaml"
    file.write_text("scenario: a try\nsteps:\n" + "".join(f"  - {step}\n" for step in steps))
    return file


def stage() -> Stage:
    return Stage({}, *[None] * 4)  # type: ignore[arg-type] # these acts touch none of them


def test_the_shipped_day_is_in_order() -> None:
    assert len(read_script(day_file(), ACTS).steps) > 80
    assert checks.ARRIVES_S > 0


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{when: x, do: shuot}", "did you mean 'shout'"),
        ("{when: x, then: y, do: shout}", "one of given, when and then"),
        ("{do: shout}", "one of given, when and then"),
        ("{when: x, do: shout, with: {wrod: a}}", "word"),
        ("{then: x, do: same, with: {one: a}}", "needs other"),
        ("{when: x, do: shout, with: {word: $nobody.name}}", "nothing was kept as nobody"),
    ],
)
def test_a_wrong_step_is_named_with_its_line(tmp_path: Path, step: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_script(script(tmp_path, "{when: first, do: shout}", step), HERE)
    assert f"{tmp_path / 'try.yaml'}:4" in str(caught.value)
    assert said in str(caught.value)


def test_what_a_step_kept_is_put_in_where_it_is_named() -> None:
    kept = {"stay": {"room": "201", "nights": [1, 2]}}
    assert filled({"a": "$stay.room", "b": ["$stay.nights.1", "x"]}, kept) == {"a": "201", "b": [2, "x"]}


async def test_a_check_that_does_not_hold_makes_a_bad_day_and_the_day_goes_on(tmp_path: Path) -> None:
    steps = (
        "{when: x, do: shout, as: word}",
        "{then: equal, do: same, with: {one: $word, other: no}}",
        "{then: fine, do: same, with: {one: a, other: a}}",
    )
    outcome = await run(read_script(script(tmp_path, *steps), HERE), stage(), lambda line: None)
    assert [check.ok for check in outcome.checks] == [False, True]
    assert not outcome.ok
    assert outcome.complaint() == "equal: expected ahoy, saw no (the test)"


async def test_a_step_that_cannot_be_done_ends_the_day_with_a_sentence(tmp_path: Path) -> None:
    outcome = await run(
        read_script(script(tmp_path, "{when: we lift, do: fail}", "{when: x, do: shout}"), HERE), stage(), lambda line: None
    )
    assert outcome.complaint() == "when we lift: the crane is broken. Mend it"
    assert not outcome.ok


async def test_a_day_without_checks_is_no_good_day(tmp_path: Path) -> None:
    outcome = await run(read_script(script(tmp_path, "{when: x, do: shout}"), HERE), stage(), lambda line: None)
    assert not outcome.ok
