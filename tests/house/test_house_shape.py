"""Our modules have the shape of the house, and each check of it bites."""

import sys

import pytest

from tests.house.shape import complaints, doubles, imports
from tests.house.tree import modules, text_of

GOOD = '"""What a door may hold. Nothing else."""\n'


def test_every_module_has_the_shape_of_the_house() -> None:
    assert [complaint for path in modules() for complaint in complaints(path, text_of(path))] == []


def test_no_two_test_files_share_a_name() -> None:
    assert doubles(modules()) == []


def test_what_both_programs_agree_on_needs_pydantic_and_nothing_else() -> None:
    used = {name for path in modules() if path.startswith("wire/") for name in imports(text_of(path))}
    assert used <= {"pydantic", "pydantic_core", "wire"} | sys.stdlib_module_names


def method(name: str) -> str:
    return f"    def {name}(self) -> None: ...\n"


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("gateway/x.py", GOOD + "x = 1\n" * 500, "gateway/x.py: has 501 lines, 500 are allowed"),
        ("gateway/x.py", GOOD + "def f():\n" + "    x = 1\n" * 40, "gateway/x.py:2: f has 41 lines, 40 are allowed"),
        ("gateway/x.py", GOOD + "async def f():\n" + "    x = 1\n" * 40, "gateway/x.py:2: f has 41 lines, 40 are allowed"),
        (
            "gateway/x.py",
            GOOD + "class C:\n" + "".join(method(f"m{n}") for n in range(21)),
            "gateway/x.py:2: C has 21 methods, 20 are allowed",
        ),
        ("gateway/x.py", "x = 1\n", "gateway/x.py:1: does not begin with a docstring that says what may live there"),
        ("gateway/x.py", "", "gateway/x.py:1: does not begin with a docstring that says what may live there"),
        ("gateway/x.py", '"""Doors"""\n', "gateway/x.py:1: the first sentence of the docstring does not end with a full stop"),
        (
            "gateway/x.py",
            '"""Doors\n\nAnd locks. Really."""\n',
            "gateway/x.py:1: the first sentence of the docstring does not end with a full stop",
        ),
        ("gateway/utils.py", GOOD, "gateway/utils.py: 'utils' does not say what is in it"),
        ("gateway/door_helpers.py", GOOD, "gateway/door_helpers.py: 'door_helpers' does not say what is in it"),
        ("gateway/common/doors.py", GOOD, "gateway/common/doors.py: 'common' does not say what is in it"),
        (
            "gateway/x.py",
            GOOD + "x = 1  # TO" + "DO later\n",
            "gateway/x.py:2: leaves a note where a test marked xfail would say what is missing",
        ),
        ("tests/test_x.py", GOOD + "def test_it(): ...\n", "tests/test_x.py:2: test_it is no sentence about the hotel"),
    ],
)
def test_a_module_of_another_shape_is_named(path: str, text: str, complaint: str) -> None:
    assert complaints(path, text) == [complaint]


def test_a_module_at_the_limits_is_let_through() -> None:
    text = GOOD + "def f():\n" + "    x = 1\n" * 39 + "class C:\n" + "".join(method(f"m{n}") for n in range(20))
    text += "x = 1\n" * (500 - text.count("\n"))
    assert complaints("gateway/doors.py", text) == []


def test_a_second_file_of_one_name_is_named() -> None:
    found = doubles(["tests/a/test_x.py", "tests/a/conftest.py", "tests/b/conftest.py", "tests/b/test_x.py"])
    assert found == ["tests/b/test_x.py: has the name of tests/a/test_x.py"]


def test_an_import_inside_a_function_is_seen() -> None:
    assert list(imports("def f():\n    import httpx\n    from paho.mqtt import client\n")) == ["httpx", "paho"]
