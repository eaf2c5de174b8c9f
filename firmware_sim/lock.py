"""The lock as a reader of keys: what it makes of a card, a token or a PIN. The judgement itself is decision.py."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from firmware_sim import lock_memory
from firmware_sim.card import Card, Image, authentic, cred_hash
from firmware_sim.codes import Alarm, CardType, Mode, Reason, RightFlag, Role, Source
from firmware_sim.decision import Attempt, Claim, Door, Verdict, decide, has_generation
from firmware_sim.device import Command, Draft, Outcome, Setup
from firmware_sim.faults import PowerLost
from firmware_sim.lock_body import LockBody, LockSettings
from firmware_sim.lock_ops import READ_BACK, LockOps
from firmware_sim.nvram import Nvram, StorageFault
from firmware_sim.world import World

__all__ = ["Lock", "LockSettings"]


class Lock(LockBody):
    """One door with its reader."""

    def __init__(self, setup: Setup, world: World, nvram: Nvram, settings: LockSettings) -> None:
        self.wrong_run = 0
        self._table = LockOps(self, settings.kind).table()
        super().__init__(setup, world, nvram, settings)

    def operations(self) -> Mapping[str, Callable[[Command], Outcome]]:
        return {**super().operations(), **self._table}

    def started(self) -> None:
        super().started()
        self.wrong_run = 0
        if self._lockout_until:
            self.world.timers.at(self._lockout_until, self._lockout_over)

    def readback(self, op: str) -> dict[str, Any]:
        return self.memory.readback() if op in READ_BACK else {}

    @property
    def private(self) -> bool:
        """Whether whoever is inside does not want to be disturbed."""
        return self.bolt.deadbolt or self.memory.mode == Mode.PRIVACY

    @property
    def _lockout_until(self) -> float:
        return float(self.nvram.table.get("lockout_until", 0))

    def tap(self, card: Card) -> dict[str, Any]:
        """Hold a card to the reader; tell what a person at the door sees: opened or not, and the reason."""
        image = authentic(card.memory, card.uid, self.settings.k_card)
        if image is not None and (image.property_number != self.settings.property_number or image.type not in set(CardType)):
            image = None  # another hotel's, or of a kind that this lock does not know
        if image is None:
            return self._judge(Attempt(False), Source.RFID)
        if self.kind == "online":
            claims = self._claims(lambda right: right.credential_ref == image.credential_ref and right.cred_hash == "00" * 8)
            return self._judge(Attempt(True, image.credential_ref, claims), Source.RFID)
        if image.type in (CardType.CANCEL, CardType.BLOCK):
            return self._service_card(image)
        return self._judge(Attempt(True, image.credential_ref, (_claim(image),)), Source.RFID)

    def present(self, token: bytes) -> dict[str, Any]:
        """Hold a phone to the reader. A token that no right knows counts like a strange card."""
        return self._token(token, Source.MOBILE)

    def enter_pin(self, digits: str) -> dict[str, Any]:
        """Key in a PIN. A PIN that no right knows counts like a strange card, so that guessing ends in a lockout."""
        return self._token(b"pin" + digits.encode(), Source.KEYPAD)

    def _token(self, token: bytes, source: Source) -> dict[str, Any]:
        wanted = cred_hash(self.k_dev, token)
        claims = self._claims(lambda right: right.cred_hash == wanted)
        return self._judge(Attempt(bool(claims), claims[0].credential_ref if claims else None, claims), source)

    def _claims(self, fits: Callable[[lock_memory.Right], bool]) -> tuple[Claim, ...]:
        found = sorted((right for right in self.memory.rights.values() if fits(right)), key=lambda right: -right.right_ref)
        return tuple(right.claim() for right in found)

    def door(self) -> Door:
        """The lock as the decision sees it now."""
        memory = self.memory
        last = float(self.nvram.table.get("time", 0))
        return Door(
            door=self.settings.door,
            areas=self.settings.areas,
            floor=memory.floor,
            generation=memory.generation,
            blocked=memory.blocked,
            mode=memory.mode,
            locked_out=self._lockout_until > self.world.now(),
            privacy=self.private,
            clock_valid=self.clock.valid,
            time=self.now() if self.clock.valid else last,
            has_power=not self.battery.dead,
            lookahead=self.faults.counter_lookahead,
        )

    def _judge(self, attempt: Attempt, source: Source) -> dict[str, Any]:
        if not self.powered:
            return {"opened": False, "reason": None, "note": "the lock is dead"}
        door, openings = self.door(), len(self.bolt.openings)
        verdict = decide(door, attempt)
        if attempt.authentic:
            self.wrong_run = 0
        try:
            if verdict.reason is None and verdict.claim is not None:
                return self._open(door, verdict, verdict.claim, source)
            return self._deny(door, attempt, Reason(verdict.reason or Reason.UNKNOWN))
        except StorageFault:
            return {"opened": False, "reason": None, "note": "the lock's memory takes no entry, and without one it does not open"}
        except PowerLost:
            self.reboot("power")
            return {"opened": len(self.bolt.openings) > openings, "reason": None, "note": "the power failed during the tap"}

    def _open(self, door: Door, verdict: Verdict, claim: Claim, source: Source) -> dict[str, Any]:
        """Persist generation and log entry, then move the bolt, then tell."""
        memory, drafts = self.memory, []
        if has_generation(door, claim) and claim.generation > memory.generation:
            moved = {"from": memory.generation, "to": claim.generation, "credential_ref": claim.credential_ref}
            drafts.append(Draft("generation_advanced", moved))
            memory = replace(memory, generation=claim.generation)
        source = Source.EMERGENCY if claim.role == Role.EMERGENCY else source
        drafts.append(self.operation("unlock", source, claim))
        if verdict.clock_lost:
            drafts.append(Draft("alarm", {"kind": int(Alarm.TAMPER)}))  # the sheet names no alarm of its own for a lost clock
        if claim.one_shot:
            memory, spent = self._spent(memory, claim)
            drafts += spent
        self.faults.crash("before_persist")
        self.store(self.memory.changes_to(memory), tuple(drafts))
        self.memory = memory
        self.faults.crash("after_persist")
        code = self.move_bolt(source, claim.credential_ref, self.settings.auto_relock_s)
        self.faults.crash("after_bolt")
        self.tell()
        return {"opened": code == "OK", "reason": None, **({} if code == "OK" else {"note": code})}

    def _spent(self, memory: lock_memory.LockMemory, claim: Claim) -> tuple[lock_memory.LockMemory, tuple[Draft, ...]]:
        """A one-shot key after its one time: the right goes, or a card is remembered as used."""
        if claim.right_ref is None:
            return replace(memory, used=memory.used | {claim.credential_ref}), ()
        version = memory.rights[claim.right_ref].version
        return lock_memory.without(memory, claim.right_ref, version, self.now())

    def _deny(self, door: Door, attempt: Attempt, reason: Reason) -> dict[str, Any]:
        """Count and log; nothing else changes."""
        told = {"opened": False, "reason": reason.name.lower(), "sub": int(reason)}
        if door.locked_out:
            counts = dict(self.nvram.table.get("denials", {}))
            counts[str(int(reason))] = counts.get(str(int(reason)), 0) + 1
            self.nvram.put({"denials": counts})
            return told
        drafts = [Draft("access_denied", {"reason": int(reason), "credential_ref": attempt.credential_ref, "count": 1})]
        keys: dict[str, Any] = {}
        run = 0 if attempt.authentic else self.wrong_run + 1
        if run >= self.settings.wrong_limit:
            run, until = 0, self.world.now() + self.settings.lockout_s
            keys["lockout_until"] = until
            drafts.append(Draft("alarm", {"kind": int(Alarm.WRONG_LIMIT)}))
            self.world.timers.at(until, self._lockout_over)
        self.record(tuple(drafts), keys)
        self.wrong_run = run
        return told

    def _lockout_over(self) -> None:
        """The lockout ended: one event for each reason of the taps that came meanwhile."""
        if not self.powered or self._lockout_until > self.world.now():
            return
        counts = self.nvram.table.get("denials", {})
        drafts = tuple(
            Draft("access_denied", {"reason": int(reason), "credential_ref": None, "count": count}) for reason, count in counts.items()
        )
        self.wrong_run = 0
        self.note(drafts, {"lockout_until": None, "denials": None})

    def _service_card(self, image: Image) -> dict[str, Any]:
        """A cancel or block card at a door that reads cards: it changes what opens, and opens nothing."""
        verdict = decide(replace(self.door(), privacy=False, generation=0, floor=0), Attempt(True, None, (_claim(image),)))
        if verdict.reason is not None:
            return self._judge(Attempt(True, image.credential_ref, (_claim(image),)), Source.RFID)
        if image.type == CardType.CANCEL:
            new, drafts = lock_memory.raise_floor(self.memory, {"floor": image.generation})
            moved = {"from": self.memory.floor, "to": new.floor, "credential_ref": image.credential_ref}
            drafts = (Draft("generation_advanced", moved),)
        else:
            known = self.memory.guards.get(image.credential_ref, (0, False))[0]
            args = {"credential_ref": image.credential_ref, "version": max(image.generation, known + 1)}
            new, drafts = lock_memory.guard(self.memory, args, True, self.settings.block_capacity)
        self.record(drafts, self.memory.changes_to(new))
        self.memory = new
        return {"opened": False, "reason": None, "note": "the service card was taken"}


def _claim(image: Image) -> Claim:
    return Claim(
        credential_ref=image.credential_ref,
        role=image.role,
        door_first=image.door_first,
        door_count=image.door_count,
        generation=image.generation,
        start=image.start,
        until=image.until,
        flags=image.flags,
        areas=image.areas,
        extra_doors=image.extra_doors,
        one_shot=image.type == CardType.ONE_SHOT or bool(image.flags & RightFlag.ONE_SHOT),
    )
