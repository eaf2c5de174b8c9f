"""What gateway.yaml says of minibars and occupancy, and the mistakes in it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import configuration
from host.configuration import ConfigurationError, save

BAR = {"name": "bar-201", "kind": "mqtt_minibar", "room": "201", "slots": {1: "cola", 2: "beer"}, "grace_s": 90}


def load(folder: Path, *devices: dict[str, Any], **more: Any) -> configuration.Configuration:
    told = {"property": "demo", "buses": {"mqtt": {"host": "127.0.0.1", "port": 1}}, "devices": list(devices), **more}
    save(folder / "gateway.yaml", told)
    return configuration.load(folder / "gateway.yaml")


def test_a_bar_knows_its_slots_and_its_grace(tmp_path: Path) -> None:
    found = load(tmp_path, BAR, {"name": "bar-202", "kind": "mqtt_minibar", "room": "202"})
    assert {name: dict(fridge.slots) for name, fridge in found.fridges().items()} == {"bar-201": {1: "cola", 2: "beer"}, "bar-202": {}}
    assert found.graces() == {"bar-201": timedelta(seconds=90)}


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"slots": {0: "cola"}}, "devices.0.slots"),
        ({"slots": {"first": "cola"}}, "devices.0.slots"),
        ({"slots": {1: ""}}, "devices.0.slots"),
        ({"grace_s": 601}, "devices.0.grace_s"),
        ({"kind": "mqtt_room"}, "only a minibar has this"),
    ],
)
def test_a_mistake_about_a_bar_is_named_with_its_place(tmp_path: Path, wrong: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        load(tmp_path, {**BAR, **wrong})


def test_the_house_may_set_how_long_it_must_be_quiet(tmp_path: Path) -> None:
    policy = load(tmp_path, BAR, occupancy={"quiet_s": 900, "night_factor": 3, "ajar_counts_as_shut": True}).policy()
    assert (policy.quiet, policy.night_factor, policy.ajar_counts_as_shut) == (timedelta(minutes=15), 3, True)
    with pytest.raises(ConfigurationError, match="quiet_s"):
        load(tmp_path, BAR, occupancy={"quiet_s": 5})
