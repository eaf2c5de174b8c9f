"""The card encoder: one job at a time on the card that lies on its plate, at the pace of a real one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from firmware_sim import card as cards
from firmware_sim.arguments import U8, U16, Refuse, named, number, numbers_list
from firmware_sim.card import Card, Image
from firmware_sim.codes import CODES, CardType, EncoderState
from firmware_sim.device import Command, Device, Draft, Outcome, Progress, Setup
from firmware_sim.faults import CardFault, PowerLost
from firmware_sim.nvram import Nvram
from firmware_sim.plate import Plate
from firmware_sim.world import World

WAIT_CARD_S = 12.0  # device sheet 2.2
CARD_TYPES = {kind.name.lower(): int(kind) for kind in CardType}
PURPOSES = {"new": 1, "copy": 2, "extend": 3}
JOBS = frozenset({"ENCODE", "READ", "VERIFY", "ERASE"})
SELECT, WRITE, CHECK = 0.2, 0.5, 0.3  # shares of a job's time
_NO_FAULT = CardFault("")
_SELECT_CODES = {"wrong_type": "WRONG_CARD_TYPE", "foreign": "FOREIGN_CARD", "protected": "CARD_PROTECTED"}


class Encoder(Device):
    """One encoder on a desk. Its job runs in real time; `wait_card_s` is shortened by tests only."""

    device_class = "encoder"

    def __init__(self, setup: Setup, world: World, nvram: Nvram, property_number: int, k_card: bytes) -> None:
        self.property_number, self.k_card = property_number, k_card
        self.plate = Plate()
        self.work = EncoderState.IDLE
        self.busy = self.cancelled = False
        self.last_error = 0
        self.last_read: dict[str, Any] = {}
        self.last_code = 0
        self.wait_card_s = WAIT_CARD_S
        super().__init__(setup, world, nvram)

    def operations(self) -> Mapping[str, Callable[[Command], Outcome]]:
        return {**super().operations(), "CANCEL": self._cancel}

    def started(self) -> None:
        super().started()
        self.work = EncoderState.IDLE
        self.busy = False

    def power_off(self) -> None:
        super().power_off()
        self.plate.stir()

    def attributes(self) -> dict[str, Any]:
        return {
            "state": int(self.work),
            "card_present": self.plate.card is not None,
            "written_total": int(self.nvram.table.get("written", 0)),
            "last_error": self.last_error,
        }

    def lay_card(self, card: Card) -> dict[str, Any]:
        """Put a card on the plate; one that lay there is pushed aside."""
        self.plate.put(card)
        self.world.physical.put({f"{self.name}/plate": card.id})
        if self.powered:
            self.note((Draft("card_presented", {"uid_hash": cards.uid_hash(card.uid)}),))
        return {"card": card.id}

    def lift_card(self) -> dict[str, Any]:
        """Take the card away, also in the middle of a job."""
        lifted = self.plate.put(None)
        self.world.physical.put({f"{self.name}/plate": None})
        if lifted is not None and self.powered:
            self.note((Draft("card_removed", {}),))
        return {"card": lifted.id if lifted else None}

    async def perform(self, command: Command, progress: Progress | None) -> Outcome:
        if command.op not in JOBS:
            return await super().perform(command, progress)
        if self.busy:
            raise Refuse("BUSY")
        keys = self._versioned(command)
        image = self._image(command) if command.op == "ENCODE" or command.args.get("credential_ref") else None
        self.busy, self.cancelled, boot = True, False, self.boot_counter
        for status in ("accepted", "running"):
            if progress is not None:
                progress(self.answer(command, status, "OK"))
        try:
            outcome = await self._card_work(command.op, image, boot)
        except Refuse as refused:
            self.last_error = CODES[refused.code]
            outcome = Outcome(refused.code, drafts=(Draft("encode_failed", {"code": refused.code}),) if command.op == "ENCODE" else ())
        finally:
            if self.boot_counter == boot:
                self.busy = False
                self._step(EncoderState.IDLE)
        self.last_code = CODES[outcome.code]
        return replace(outcome, keys={**outcome.keys, **keys})

    def _versioned(self, command: Command) -> dict[str, Any]:
        """The number of the job, which must rise when the box gives one. Raises Refuse."""
        version = number(command.args, "version", default=0)
        if version and version <= int(self.nvram.table.get("v/job", 0)):
            raise Refuse("STALE_VERSION")
        return {"v/job": version} if version else {}

    async def _card_work(self, op: str, image: Image | None, boot: int) -> Outcome:
        """Wait for the card, do the work on it, check it. Raises Refuse with the code of what went wrong, PowerLost."""
        fault = self.faults.next_card() or _NO_FAULT
        self._step(EncoderState.WAITING_CARD)
        lies = await self.plate.until(self.wait_card_s, lambda: self._over(boot) or (self.plate.card is not None and fault.kind != "none"))
        card = self.plate.card
        if not lies or card is None or self.cancelled:
            raise Refuse("NO_CARD")
        seconds = fault.ms / 1000 if fault.kind == "slow" else self.faults.draw_card_work()
        self._step(EncoderState.READING)
        await self._hold(card, seconds * SELECT, boot)
        _select(card, fault)
        if op in ("READ", "VERIFY"):
            await self._hold(card, seconds * CHECK, boot)
            return self._read(card) if op == "READ" else self._verify(card, image)
        self._may_write(card)
        content = bytes(cards.MEMORY) if op == "ERASE" or image is None else cards.written(image, card.uid, self.k_card)
        self._step(EncoderState.WRITING)
        await self._write(card, content, seconds * WRITE, fault, boot)
        self._step(EncoderState.VERIFYING)
        await self._hold(card, seconds * CHECK, boot)
        if fault.kind == "verify_mismatch":
            raise Refuse("VERIFY_MISMATCH")
        return self._done(op, card, image)

    def _over(self, boot: int) -> bool:
        return self.cancelled or not self.powered or self.boot_counter != boot

    async def _hold(self, card: Card, seconds: float, boot: int) -> None:
        """Spend time on a card that must stay where it is. Raises Refuse(CARD_REMOVED), PowerLost."""
        await self.plate.until(seconds, lambda: self.plate.card is not card or not self.powered or self.boot_counter != boot)
        if not self.powered or self.boot_counter != boot:
            raise PowerLost
        if self.plate.card is not card:
            raise Refuse("CARD_REMOVED")

    async def _write(self, card: Card, content: bytes, seconds: float, fault: CardFault, boot: int) -> None:
        """Write; a card that is lifted meanwhile keeps the part that had arrived. Raises Refuse, PowerLost."""
        loop = asyncio.get_running_loop()
        begun, lift = loop.time(), None
        if fault.kind == "lifted_at":
            lift = loop.call_later(min(fault.ms / 1000, seconds * 0.9), self.lift_card)
        try:
            await self._hold(card, seconds, boot)
        except (Refuse, PowerLost):
            card.write(content, min((loop.time() - begun) / max(seconds, 1e-6), 0.99))
            raise
        finally:
            if lift is not None:
                lift.cancel()
        if fault.kind == "write_fail":
            raise Refuse("WRITE_ERROR")
        card.write(content)

    def _may_write(self, card: Card) -> None:
        """Neither a staff card nor another hotel's is ever written over. Raises Refuse."""
        held = cards.legible(card.memory)
        ours = cards.authentic(card.memory, card.uid, self.k_card)
        if held is not None and (held.property_number != self.property_number or (ours is not None and not ours.is_guest)):
            raise Refuse("FOREIGN_CARD")

    def _read(self, card: Card) -> Outcome:
        if card.blank:
            self.last_read = {"type": 0, "blank": True}
        else:
            image = cards.authentic(card.memory, card.uid, self.k_card)
            if image is None or image.property_number != self.property_number:
                raise Refuse("FOREIGN_CARD")
            self.last_read = shown(image)
        return Outcome(result={**self.last_read, "uid_hash": cards.uid_hash(card.uid)})

    def _verify(self, card: Card, image: Image | None) -> Outcome:
        held = cards.authentic(card.memory, card.uid, self.k_card)
        if held is None or (image is not None and held != image):
            raise Refuse("VERIFY_MISMATCH")
        self.last_read = shown(held)
        return Outcome(result={"credential_ref": held.credential_ref, "uid_hash": cards.uid_hash(card.uid)})

    def _done(self, op: str, card: Card, image: Image | None) -> Outcome:
        told = {"credential_ref": image.credential_ref if image and op == "ENCODE" else None, "uid_hash": cards.uid_hash(card.uid)}
        self.last_error = 0
        drafts = (Draft("encode_done", told),) if op == "ENCODE" else ()
        return Outcome(result=told, keys={"written": int(self.nvram.table.get("written", 0)) + 1}, drafts=drafts)

    def _cancel(self, command: Command) -> Outcome:
        """Stop waiting for a card; a job that has a card under it is not stopped."""
        if self.busy and self.work != EncoderState.WAITING_CARD:
            raise Refuse("BUSY")
        self.cancelled = self.busy
        self.plate.stir()
        return Outcome()

    def _step(self, state: EncoderState) -> None:
        self.work = state
        self.changed()

    def _image(self, command: Command) -> Image:
        """The image that a command asks for. Raises Refuse(BAD_REQUEST)."""
        args = command.args
        if command.op == "ENCODE":
            named(args, "purpose", PURPOSES)
        image = Image(
            type=named(args, "type", CARD_TYPES, CardType.GUEST),
            property_number=self.property_number,
            door_first=number(args, "door_first", U16),
            door_count=number(args, "door_count", U16),
            generation=number(args, "generation"),
            copy=number(args, "copy", U8, 0),
            flags=number(args, "flags", U8, 0),
            start=number(args, "from"),
            until=number(args, "until"),
            credential_ref=number(args, "credential_ref"),
            areas=number(args, "areas", default=0),
            extra_doors=tuple(door for door in numbers_list(args, "extra_doors", U16, 5) if door),
        )
        return cards.with_role(image, number(args, "role", U8, 0))


def _select(card: Card, fault: CardFault) -> None:
    """The card answers and is of a kind that an encoder knows. Raises Refuse."""
    if fault.kind in _SELECT_CODES:
        raise Refuse(_SELECT_CODES[fault.kind])
    if card.kind in ("wrong_type", "protected"):
        raise Refuse(_SELECT_CODES[card.kind])


def shown(image: Image) -> dict[str, Any]:
    """The fields of a card by their names on the wire; never its mac."""
    names = {"start": "from", "property_number": "property"}
    fields = {names.get(name, name): getattr(image, name) for name in Image.__slots__}
    return fields | {"extra_doors": list(image.extra_doors)}
