"""The minibar: a fridge that knows its slots and its door, and nothing of prices."""

from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.arguments import Refuse, number
from firmware_sim.card import Card, legible
from firmware_sim.codes import Source
from firmware_sim.device import Command, Device, Draft, Outcome, Setup
from firmware_sim.nvram import Nvram
from firmware_sim.world import Timer, World

RESTOCK_DOOR_S = 120  # restock ends when the door has been closed for so long, device sheet 2.3
RESTOCK_MAX_S = 1200  # or after 20 min
COLD = 60  # 0.1 °C


class Minibar(Device):
    """One fridge. Slots count from 1. `true_stock` is what really lies in it, whatever the sensors say."""

    device_class = "minibar"

    def __init__(self, setup: Setup, world: World, nvram: Nvram, slots: int) -> None:
        self.slots = slots
        kept = world.physical.section(setup.name)
        self.true_stock = {slot: bool(kept.get(f"slot-{slot}", True)) for slot in range(1, slots + 1)}
        self.door_open = bool(kept.get("door"))
        self.locked = self.restocking = False
        self.attendant: Any = None
        self.temp = COLD
        self._taken: dict[int, tuple[int, float]] = {}  # slot -> removal_no, when
        self._restock_end: list[Timer] = []
        super().__init__(setup, world, nvram)

    def operations(self) -> Mapping[str, Callable[[Command], Outcome]]:
        return {
            **super().operations(),
            "BAR_LOCK": lambda c: self._lock(c, True),
            "BAR_UNLOCK": lambda c: self._lock(c, False),
            "RESTOCK_BEGIN": self._restock_begin,
            "RESTOCK_END": lambda c: Outcome(act=self._end_restock),
            "GET_INVENTORY": lambda c: Outcome(result={"slots": self.attributes()["slots"]}),
        }

    def started(self) -> None:
        super().started()
        self.locked = bool(self.nvram.table.get("locked"))
        self._taken = {int(slot): (no, at) for slot, (no, at) in self.nvram.section("taken").items()}
        self.restocking = False

    def attributes(self) -> dict[str, Any]:
        return {
            "bar_door": self.door_open,
            "bar_locked": self.locked,
            "temp": int(self.faults.stuck.get("temp", self.temp)),
            "slots": [{"slot": slot, "present": self.seen(slot)} for slot in self.true_stock],
            "restock": self.restocking,
        }

    def seen(self, slot: int) -> bool:
        """What the slot's sensor says."""
        return bool(self.faults.stuck.get(f"slot-{slot}", self.true_stock[slot]))

    def _lock(self, command: Command, on: bool) -> Outcome:
        version = number(command.args, "version", default=0)
        if on and version and version <= int(self.nvram.table.get("v/bar", 0)):
            raise Refuse("STALE_VERSION")

        def settle() -> None:
            self.locked = on

        drafts = (Draft("bar_lock", {"on": on, "source": int(Source.REMOTE)}),) if on != self.locked else ()
        keys = {"locked": on, **({"v/bar": version} if on and version else {})}
        return Outcome(keys=keys, drafts=drafts, settle=settle)

    def _restock_begin(self, command: Command) -> Outcome:
        attendant = command.args.get("attendant")
        if not isinstance(attendant, int | str) or isinstance(attendant, bool) or len(str(attendant)) > 64:
            raise Refuse("BAD_REQUEST")
        return Outcome(act=lambda: self._begin_restock(attendant))

    def _begin_restock(self, attendant: Any) -> str:
        self.restocking, self.attendant = True, attendant
        self._stop_timers()
        self._restock_end = [self.world.timers.at(self.world.now() + RESTOCK_MAX_S, self._timed_out)]
        self.note((Draft("restock", {"state": "begin", "attendant": attendant}),))
        return "OK"

    def _end_restock(self) -> str:
        if self.restocking:
            self.restocking = False
            self._stop_timers()
            self.note((Draft("restock", {"state": "end", "attendant": self.attendant}),))
        return "OK"

    def _timed_out(self) -> None:
        if self.powered:
            self._end_restock()

    def _stop_timers(self) -> None:
        for timer in self._restock_end:
            timer.cancel()
        self._restock_end = []

    # ------------------------------------------------------------ hands

    def open_door(self) -> dict[str, Any]:
        """Open the fridge; a locked one stays shut."""
        if self.locked and not self.door_open:
            return {"opened": False, "note": "the bar is locked"}
        if not self.door_open:
            late, self._restock_end = self._restock_end[1:], self._restock_end[:1]
            for timer in late:
                timer.cancel()  # the first is the longest time that a restock may take
            self._move(door=True)
            self._sensed("door", Draft("bar_door", {"open": True}))
        return {"opened": True}

    def close_door(self) -> dict[str, Any]:
        """Shut the fridge."""
        if self.door_open:
            self._move(door=False)
            self._sensed("door", Draft("bar_door", {"open": False}))
            if self.restocking:
                self._restock_end.append(self.world.timers.at(self.world.now() + RESTOCK_DOOR_S, self._timed_out))
        return {"closed": True}

    def remove(self, slot: int) -> dict[str, Any]:
        """Take the bottle out of a slot; the door is opened first when it is shut."""
        if not self.open_door()["opened"]:
            return {"removed": False, "note": "the bar is locked"}
        if not self.true_stock[slot]:
            return {"removed": False, "note": "the slot is empty"}
        self._move(slot=slot, present=False)
        if f"slot-{slot}" not in self.faults.stuck:
            self.slot_changed(slot, present=False)
        return {"removed": True}

    def put_back(self, slot: int) -> dict[str, Any]:
        """Put a bottle into a slot."""
        if not self.open_door()["opened"]:
            return {"returned": False, "note": "the bar is locked"}
        if self.true_stock[slot]:
            return {"returned": False, "note": "the slot is taken"}
        self._move(slot=slot, present=True)
        if f"slot-{slot}" not in self.faults.stuck:
            self.slot_changed(slot, present=True)
        return {"returned": True}

    def slot_changed(self, slot: int, present: bool) -> None:
        """The slot's sensor has changed, whatever the bottle did."""
        if not self.powered:
            return
        if present:
            removal_no, at = self._taken.pop(slot, (0, self.now()))
            told = {"slot": slot, "removal_no": removal_no, "after_s": max(int(self.now() - at), 0)}
            self.note((Draft("slot_returned", told),), {f"taken/{slot}": None})
            return
        removal_no = int(self.nvram.table.get("removals", 0)) + 1
        self._taken[slot] = (removal_no, self.now())
        keys = {"removals": removal_no, f"taken/{slot}": [removal_no, self.now()]}
        self.note((Draft("slot_removed", {"slot": slot, "removal_no": removal_no}),), keys)

    def restock(self, card: Card | None) -> dict[str, Any]:
        """An attendant's round: card, door, every empty slot filled, door, end."""
        image = legible(card.memory) if card is not None else None
        was_locked, self.locked = self.locked, False
        self._begin_restock(image.credential_ref if image else None)
        filled = [slot for slot, present in self.true_stock.items() if not present]
        for slot in filled:
            self.put_back(slot)
        self.close_door()
        self._end_restock()
        self.locked = was_locked
        return {"filled": filled}

    def _move(self, door: bool | None = None, slot: int = 0, present: bool = True) -> None:
        """What really is changes, and outlives the simulator."""
        if door is not None:
            self.door_open = door
            self.world.physical.put({f"{self.name}/door": door})
        else:
            self.true_stock[slot] = present
            self.world.physical.put({f"{self.name}/slot-{slot}": present})

    def _sensed(self, sensor: str, draft: Draft) -> None:
        if self.powered and sensor not in self.faults.stuck:
            self.note((draft,))
