"""Cutting, reading and erasing cards over MQTT and Modbus: exactly one outcome each."""

import asyncio
from datetime import timedelta

import pytest

from firmware_sim.card import authentic
from firmware_sim.faults import CardFault
from gateway.device import CancelCard, CardFields, Code, Encode, EraseCard, ReadCard, Transport, VerifyCard
from tests.hardware_sim.conftest import MakeRig, pairs
from tests.hardware_sim.rig import K_CARD, NUMBER, Rig

ENCODERS: tuple[tuple[str, Transport], ...] = (("encoder", "mqtt"), ("encoder", "modbus"))


@pytest.fixture
def make_encoder(make_rig: MakeRig) -> MakeRig:
    """An encoder whose card work takes no longer than the test needs."""

    async def start(kind: str, binding: Transport, **more: object) -> Rig:
        rig = await make_rig(kind, binding, **more)
        rig.device.faults.card = CardFault("slow", 50)
        await rig.quiet()
        return rig

    return start


def fields(rig: Rig, **more: object) -> CardFields:
    """A guest's card for door 205."""
    now = rig.hotel.clock.now().replace(microsecond=0)
    return CardFields(205, 1, 389130241, 0xBEEF, now - timedelta(hours=1), now + timedelta(days=2), areas=3, **more)  # type: ignore[arg-type]


@pairs(ENCODERS)
@pytest.mark.parametrize("extra", [(), (207,), (207, 208, 209, 210, 211)])
async def test_a_card_is_cut_and_read_back(kind: str, binding: Transport, extra: tuple[int, ...], make_encoder: MakeRig) -> None:
    rig = await make_encoder(kind, binding)
    card = rig.hotel.drawer.make()
    wanted = fields(rig, extra_doors=extra)
    cutting = asyncio.create_task(rig.driver.apply(rig.command(Encode(wanted, "new", 1), ttl_s=18)))
    await rig.log.until(lambda: rig.device.attributes()["state"] == 1)
    rig.device.lay_card(card)
    assert (await cutting).code is Code.OK
    image = authentic(card.memory, card.uid, K_CARD)
    assert image is not None
    assert (image.property_number, image.door_first, image.credential_ref, image.extra_doors) == (NUMBER, 205, 0xBEEF, extra)
    read = await rig.driver.apply(rig.command(ReadCard(), ttl_s=18))
    assert {key: read.result[key] for key in ("door_first", "generation", "credential_ref", "areas", "property")} == {
        "door_first": 205,
        "generation": 389130241,
        "credential_ref": 0xBEEF,
        "areas": 3,
        "property": NUMBER,
    }
    assert tuple(read.result["extra_doors"]) == extra
    assert (await rig.driver.apply(rig.command(VerifyCard(wanted), ttl_s=18))).code is Code.OK
    done = await rig.log.until(lambda: [event for event in rig.log.committed if event.type == "encode_done"])
    assert [event.data["credential_ref"] for event in done] == [0xBEEF]
    assert (await rig.driver.apply(rig.command(EraseCard(2), ttl_s=18))).code is Code.OK
    assert authentic(card.memory, card.uid, K_CARD) is None


@pairs(ENCODERS)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("foreign", Code.FOREIGN_CARD),
        ("protected", Code.CARD_PROTECTED),
        ("wrong_type", Code.WRONG_CARD_TYPE),
        ("verify_mismatch", Code.VERIFY_MISMATCH),
        ("write_fail", Code.WRITE_ERROR),
    ],
)
async def test_a_card_that_cannot_be_cut_has_its_code(kind: str, binding: Transport, fault: str, code: Code, make_encoder: MakeRig) -> None:
    rig = await make_encoder(kind, binding)
    rig.device.lay_card(rig.hotel.drawer.make())
    rig.device.faults.card = CardFault(fault, count=1)
    reply = await rig.driver.apply(rig.command(Encode(fields(rig), "new", 1), ttl_s=18))
    assert reply.code is code


@pairs(ENCODERS)
async def test_a_waiting_encoder_can_be_told_to_stop(kind: str, binding: Transport, make_encoder: MakeRig) -> None:
    rig = await make_encoder(kind, binding)
    cutting = asyncio.create_task(rig.driver.apply(rig.command(Encode(fields(rig), "new", 1), ttl_s=18)))
    await rig.log.until(lambda: rig.device.attributes()["state"] == 1)
    assert (await rig.driver.apply(rig.command(CancelCard()))).code is Code.OK
    assert (await cutting).code is Code.NO_CARD


@pairs(ENCODERS)
async def test_a_card_that_is_lifted_too_early_is_said_to_be(kind: str, binding: Transport, make_encoder: MakeRig) -> None:
    rig = await make_encoder(kind, binding)
    rig.device.lay_card(rig.hotel.drawer.make())
    rig.device.faults.card = CardFault("lifted_at", 10, count=1)
    reply = await rig.driver.apply(rig.command(Encode(fields(rig), "new", 1), ttl_s=18))
    assert reply.code is Code.CARD_REMOVED
