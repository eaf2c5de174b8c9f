"""The words for tasks: what a person must look at, by the kind that the box or central has raised."""

from collections.abc import Mapping
from typing import Any

from web.catalogue import N_
from web.words import Word

_LINE = N_("A message of the box could not be taken in")
TASK: dict[str, Word] = {
    "open_balance": Word(N_("Left with an open bill"), "money", "warn"),
    "unbacked_walk_in": Word(N_("Walk-in beyond the box’s rooms: look for a free room"), "alert", "bad"),
    "unbacked_extension": Word(N_("Extension beyond the box’s rooms: look for a free room"), "alert", "bad"),
    "fact_refused": Word(_LINE, "alert", "bad"),
    "fact_failed": Word(_LINE, "alert", "bad"),
    "fact_parked": Word(_LINE, "alert", "bad"),
    "fact_unreadable": Word(_LINE, "alert", "bad"),
    "consumption_unassigned": Word(N_("Minibar: it is not known who took something"), "question", "warn"),
    "no_price": Word(N_("Minibar: something was taken that has no price"), "money", "warn"),
    "no_post": Word(N_("Minibar: taken by a guest who may not charge to the room"), "money", "warn"),
    "returned_late": Word(N_("Minibar: put back after it was charged"), "money", "warn"),
    "returned_in_time": Word(N_("Minibar: put back in time"), "money", "quiet"),
    "minibar_late": Word(N_("Minibar: charged after the guest had left"), "money", "warn"),
    "minibar_slot": Word(N_("Minibar: a place without a product"), "wrench", "warn"),
    "minibar_sku": Word(N_("Minibar: a product without a price"), "money", "warn"),
    "minibar_warm": Word(N_("Minibar too warm"), "alert", "warn"),
    "door_unreachable": Word(N_("The lock does not answer; keys do not reach it"), "link", "bad"),
    "door_does_not_act": Word(N_("The lock does not do what it is told"), "lock", "bad"),
    "door_disagrees": Word(N_("The lock holds other keys than it should"), "lock", "bad"),
    "door_refuses": Word(N_("The lock refuses a key"), "lock", "bad"),
    "door_alarm": Word(N_("Alarm of the lock"), "alert", "bad"),
    "door_ajar": Word(N_("Door left ajar"), "door", "warn"),
    "device_tamper": Word(N_("A device’s cover was opened"), "alert", "bad"),
    "log_gap": Word(N_("A device’s log has a gap"), "alert", "warn"),
    "card_to_cut_again": Word(N_("A card must be cut again"), "card", "warn"),
    "lost_card_exposed": Word(N_("A lost card can still open a door"), "card", "bad"),
    "rights_not_planned": Word(N_("Keys could not be worked out at the box"), "alert", "bad"),
    "sensor_fault": Word(N_("A room sensor is faulty"), "wrench", "warn"),
    "setting_refused": Word(N_("A device refuses a setting"), "wrench", "warn"),
    "welfare_check": Word(N_("Nobody has moved for long: see whether the guest is well"), "bell", "bad"),
    "freeze": Word(N_("The room is freezing cold"), "alert", "bad"),
    "sleep_out": Word(N_("In house by the books, but nobody slept in the room"), "question", "warn"),
    "skip_suspect": Word(N_("The guest seems to have left without checking out"), "question", "warn"),
    "sleep_suspect": Word(N_("The room seems to be used by nobody we know of"), "question", "bad"),
    "staff_overstay": Word(N_("Staff has been in the room for long"), "clock", "warn"),
}
OTHER = Word(N_("Something needs to be looked at"), "alert", "warn")
_TOLD = ("door", "device", "slot", "sku", "alarm", "setting", "code", "reason", "kind")  # never a name: tasks hold none


def task(kind: str) -> Word:
    """Return the words of a task; a kind that is new to this version says that something needs to be looked at."""
    return TASK.get(kind, OTHER)


def details(args: Mapping[str, Any]) -> str:
    """Return what stands small beside the words: where it is and what the device said, as it was told."""
    return " · ".join(str(args[name]) for name in _TOLD if args.get(name) not in (None, ""))
