"""Configuration files: every mistake is named with its place, what was expected and the nearest word."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from host.configuration import ConfigurationError, Document, Section, load, read, save

Unit = Annotated[int, Field(ge=1, le=247)]


@dataclass(frozen=True)
class Settings:
    unit: Unit
    line: str = "east"


class Listen(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0


class Device(Section):
    name: Annotated[str, Field(min_length=1, max_length=40)]
    kind: str
    door: int | None = None
    lock: Literal["online", "hybrid"] = "online"
    settings: dict[str, object] = {}

    @field_validator("name")
    @classmethod
    def slug(cls, name: str) -> str:
        if name != name.lower():
            raise ValueError("expected small letters only")
        return name


class Box(Section):
    property: str
    listen: Listen = Listen()
    mqtt_password: str = ""
    devices: list[Device] = []


@pytest.fixture
def told(tmp_path: Path) -> "Written":
    return Written(tmp_path / "gateway.yaml")


class Written:
    """A file that a test writes and reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def document(self, text: str) -> Document:
        self.path.write_text(text, encoding="utf-8")
        return read(self.path)

    def problems(self, text: str, model: type[object] = Box) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            self.document(text).check(model)
        return [str(problem).removeprefix(f"{self.path}:") for problem in caught.value.problems]


def test_a_right_file_is_the_model(told: Written) -> None:
    told.path.write_text("property: demo\ndevices:\n  - {name: lock-201, kind: mqtt_lock, door: 201}\n")
    assert load(told.path, Box).devices == [Device(name="lock-201", kind="mqtt_lock", door=201)]


def test_an_empty_file_says_what_is_missing(told: Written) -> None:
    assert told.problems("") == ["1:1: property: expected text, and there is none"]


def test_a_number_outside_its_bounds_is_named_with_both_bounds(told: Written) -> None:
    problems = told.problems("property: demo\nlisten:\n  port: 70000\n")
    assert problems == ["3:9: listen.port: expected a whole number from 0 to 65535, got 70000"]


def test_an_unknown_key_gets_the_nearest_known_one(told: Written) -> None:
    assert told.problems("property: demo\nlisten: {prot: 1}\n") == ["2:10: listen.prot: unknown key; did you mean 'port'?"]


def test_an_unknown_key_like_no_other_gets_the_list(told: Written) -> None:
    assert told.problems("property: demo\nlisten: {zzz: 1}\n") == ["2:10: listen.zzz: unknown key; expected one of host, port"]


def test_a_wrong_word_gets_the_nearest_of_the_fixed_ones(told: Written) -> None:
    problems = told.problems("property: demo\ndevices:\n- {name: a, kind: b, lock: hybird}\n")
    assert problems == ["3:28: devices.0.lock: expected one of online, hybrid, got 'hybird'; did you mean 'hybrid'?"]


def test_text_is_not_guessed_from_a_number(told: Written) -> None:
    assert told.problems("property: 42\n") == ["1:11: property: expected text, got 42"]


def test_a_rule_of_the_model_speaks_for_itself(told: Written) -> None:
    assert told.problems("property: demo\ndevices: [{name: Lock, kind: k}]\n") == ["2:18: devices.0.name: expected small letters only"]


def test_all_problems_come_at_once_and_in_the_order_of_the_file(told: Written) -> None:
    text = "devices:\n- {kind: 7}\n- 5\nlisten: []\nporperty: demo\n"
    assert told.problems(text) == [
        "1:1: property: expected text, and there is none",
        "2:3: devices.0.name: expected text of 1 to 40 characters, and there is none",
        "2:10: devices.0.kind: expected text, got 7",
        "3:3: devices.1: expected a mapping, got 5",
        "4:9: listen: expected a mapping, got a list",
        "5:1: porperty: unknown key; did you mean 'property'?",
    ]


def test_a_value_that_should_be_secret_is_not_repeated(told: Written) -> None:
    (problem,) = told.problems("property: demo\nmqtt_password: [hunter2]\n")
    assert problem == "2:16: mqtt_password: expected text, got something that is not shown here"


def test_a_part_is_checked_by_the_driver_that_owns_it_and_keeps_its_place(told: Written) -> None:
    document = told.document("property: demo\ndevices:\n- name: lock-205\n  kind: modbus_lock\n  settings:\n    unit: 300\n    lin: west\n")
    with pytest.raises(ConfigurationError) as caught:
        document.at("devices.0.settings").check(Settings)
    assert str(caught.value).replace(f"{told.path}:", "").splitlines() == [
        "6:11: devices.0.settings.unit: expected a whole number from 1 to 247, got 300",
        "7:5: devices.0.settings.lin: unknown key; did you mean 'line'?",
    ]


def test_an_absent_part_is_reported_where_it_would_be(told: Written) -> None:
    document = told.document("property: demo\ndevices:\n- name: lock-205\n")
    with pytest.raises(ConfigurationError, match=r":3:3: devices\.0\.settings\.unit: expected a whole number .*, and there is none"):
        document.at("devices.0.settings").check(Settings)


def test_a_program_reports_what_only_it_can_know(told: Written) -> None:
    document = told.document("property: demo\ndevices:\n- {name: a, kind: mqtt_lok}\n")
    problem = document.problem("devices.0.kind", "expected the name of a driver", options=["mqtt_lock", "ble_lock"])
    assert (problem.line, problem.column) == (3, 19)
    assert problem.text == "expected the name of a driver, got 'mqtt_lok'; did you mean 'mqtt_lock'?"
    far = document.problem(("devices", 0, "kind"), "expected the name of a driver", options=["x", "y"])
    assert far.text.endswith("; expected one of x, y")


def test_a_key_given_twice_is_a_problem_with_both_places(told: Written) -> None:
    with pytest.raises(ConfigurationError, match=r":3:1: property: is given twice; the first is in line 1$"):
        told.document("property: a\nlisten: {}\nproperty: b\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("property: [a\nb: c\n", "2:2"),
        ("a: b: c\n", "1:5"),
        ("\tproperty: demo\n", "1:1"),
        ("a: 1\n---\nb: 2\n", "2:1"),
        ("{[1]: 2}", "1:2"),
        ("a: &x [*x]", "1:4"),
        ("a: !!python/object:os.system {}", "1:4"),
    ],
)
def test_what_is_no_yaml_of_ours_has_a_place(told: Written, text: str, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        told.document(text).check(Box)
    assert f"gateway.yaml:{place}: " in str(caught.value)


def test_a_file_that_unfolds_without_end_is_refused(told: Written) -> None:
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(ConfigurationError, match="unfolds to more than we read"):
        told.document(bomb)


def test_a_missing_file_and_a_foreign_encoding_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        read(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: 1\nname: café\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"latin\.yaml:2:10: is not UTF-8"):
        read(tmp_path / "latin.yaml")


def test_times_and_words_of_yaml_1_1_stay_text(told: Written) -> None:
    document = told.document("check_in: 15:00\nfirst: no\nsecond: on\nday: 2026-11-21\nzero: 0o17\noctal: 017\nhalf: .5\ntwo: 1e3\n")
    assert document.value == {
        "check_in": "15:00", "first": "no", "second": "on", "day": "2026-11-21", "zero": "0o17", "octal": "017", "half": 0.5, "two": 1000.0,
    }  # fmt: skip


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cs", "Cn"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | WORDS | st.sampled_from(["1e3", "no", "15:00", "0x1f", "~", "null", "2026-11-21"])


@given(st.dictionaries(WORDS, SCALARS | st.lists(SCALARS, max_size=3)))
def test_what_is_saved_is_read_again(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    path = tmp_path_factory.getbasetemp() / "saved.yaml"
    save(path, value)
    assert read(path).value == value
