"""The demo hotel has each class on each of its transports, and the two programs are told the same."""

from itertools import groupby

from demo.broker import Accounts, acl
from demo.plan import Ports, demo_hotel, gateway_yaml, many_locks, simulator_yaml

PORTS = Ports(1, 2, 3, 4, 5, 6, {"east": 7, "west": 8})


def test_every_class_stands_on_every_transport_it_exists_on() -> None:
    assert {(d.cls, d.binding) for d in demo_hotel()} == {
        ("lock", "mqtt"), ("lock", "modbus"), ("lock", "ble"), ("lock", "none"), ("encoder", "mqtt"), ("encoder", "modbus"),
        ("minibar", "mqtt"), ("minibar", "modbus"), ("room", "mqtt"), ("room", "modbus"), ("bthome", "ble"),
    }  # fmt: skip


def test_there_are_twenty_four_doors_one_hybrid_and_one_that_only_reads_cards() -> None:
    locks = [d for d in demo_hotel() if d.cls == "lock"]
    assert len({d.door for d in locks}) == len(locks) == 24
    assert sorted(d.lock for d in locks if d.lock != "online") == ["data_on_card", "hybrid"]


def test_no_two_units_of_a_line_share_an_id_and_no_two_radios_an_address() -> None:
    units = sorted((d.line or "", d.unit or 0) for d in demo_hotel() if d.unit)
    assert all(len(list(same)) == 1 for _, same in groupby(units))
    assert all(1 <= unit <= 247 for _, unit in units)
    addresses = [d.address for d in demo_hotel() if d.address]
    assert len(set(addresses)) == len(addresses)


def test_box_and_simulator_are_told_of_the_same_devices() -> None:
    box = gateway_yaml(demo_hotel(), PORTS, "demo")
    sim = simulator_yaml(demo_hotel(), PORTS, "demo", 42, 7)
    with_driver = {d["name"] for d in box["devices"]}
    assert with_driver == {d["name"] for d in sim["devices"] if d["binding"] != "none"}
    assert [d["door"] for d in box["doors"]] == [212]


def test_a_hotel_can_have_two_hundred_devices() -> None:
    names = [d.name for d in many_locks(200)]
    assert len(names) == len(set(names)) == 200


def test_a_device_may_write_its_own_folder_only_and_nobody_but_the_gateway_commands() -> None:
    rules = acl(Accounts("demo", {"gateway": "a", "join": "b", "lock-201": "c"})).split("\n\n")
    mine = next(rule for rule in rules if rule.startswith("user lock-201"))
    assert "topic write hgw/v1/demo/lock-201/event\n" in mine
    assert "cmd\n" not in mine.replace("topic read hgw/v1/demo/lock-201/cmd\n", "")
    assert [r.splitlines()[0] for r in rules if "topic write hgw/v1/demo/+/cmd" in r] == ["user gateway"]
