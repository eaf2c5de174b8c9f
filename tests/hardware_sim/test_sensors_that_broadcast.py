"""BTHome sensors: state from the first packet, events from changes, nothing from repeats and replays."""

from functools import partial

import pytest

from gateway.buses.ble import BTHOME, Advertisement
from gateway.device import Code, Ping, RaiseFloor, Refused
from tests.hardware_sim.conftest import MakeRig
from tests.hardware_sim.rig import ADDRESS, Rig

BOTH = pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])


async def sensor(make_rig: MakeRig, encrypted: bool) -> Rig:
    rig = await make_rig("bthome", "ble", settings={"key": encrypted}, encrypted=encrypted)
    await rig.log.until(lambda: rig.log.states)
    return rig


def changes(rig: Rig) -> list[tuple[str, object]]:
    return [(event.type, event.data.get("open", event.data.get("on"))) for event in rig.log.committed]


def told_last(rig: Rig, opened: bool) -> bool:
    return changes(rig)[-1:] == [("contact", opened)]


@BOTH
async def test_a_door_and_a_movement_are_events_once_each(encrypted: bool, make_rig: MakeRig) -> None:
    rig = await sensor(make_rig, encrypted)
    assert (rig.log.states[0].attributes["contact_entry"], rig.log.committed) == (False, [])
    for opened in (True, False, True):
        rig.device.contact(opened)
        await rig.log.until(partial(told_last, rig, opened))
    rig.device.move()
    await rig.log.until(lambda: ("motion", True) in changes(rig))
    assert changes(rig) == [("contact", True), ("contact", False), ("contact", True), ("motion", True)]
    assert [event.seq for event in rig.log.committed] == [1, 2, 3, 4]
    assert rig.drops.reasons == []


async def test_a_packet_that_is_played_again_is_dropped(make_rig: MakeRig) -> None:
    rig = await sensor(make_rig, True)
    peripheral = next(iter(rig.hotel.sides)).peripherals["bthome-1"]  # type: ignore[attr-defined]
    old = dict(peripheral.advertisement().service_data)
    rig.device.contact(True)
    await rig.log.until(lambda: changes(rig) == [("contact", True)])
    rig.driver._heard(Advertisement(ADDRESS, {}, {BTHOME: next(iter(old.values()))}, -50))  # type: ignore[attr-defined]
    assert rig.drops.of("replay") == 1
    assert changes(rig) == [("contact", True)]


async def test_a_plain_packet_from_a_sensor_with_a_key_is_dropped(make_rig: MakeRig) -> None:
    rig = await make_rig("bthome", "ble", settings={"key": True}, encrypted=False)
    await rig.log.until(lambda: rig.drops.of("unencrypted"))
    assert rig.log.reports == []


async def test_a_sensor_takes_no_commands(make_rig: MakeRig) -> None:
    rig = await sensor(make_rig, False)
    assert (await rig.driver.apply(rig.command(Ping()))).code is Code.UNSUPPORTED
    assert (await rig.driver.apply(rig.command(RaiseFloor(1)))).code is Code.UNSUPPORTED
    with pytest.raises(Refused):
        await rig.driver.confirmed()


async def test_a_stranger_on_the_air_is_put_on_the_list(make_rig: MakeRig) -> None:
    rig = await make_rig("lock", "ble", settings={"address": "C4:00:00:00:02:10"})
    await rig.log.until(lambda: rig.drops.strangers)
    assert rig.drops.strangers[0][0] == ADDRESS
    assert rig.log.reports == []
