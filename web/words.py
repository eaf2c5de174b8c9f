"""The words for codes that devices, rooms and stays speak in: one table per kind, code -> what a person reads, with icon and tone.

Texts are msgids of the catalogues; a page says `_(words.RIGHT[state].text)`. Tones are class names of style.css and never the only
sign: an icon and the word stand beside every colour. Codes are those of the device sheets and of the line between box and central.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web.catalogue import N_


@dataclass(frozen=True, slots=True)
class Word:
    """A text, the icon before it, its tone, and where something is to be done, what."""

    text: str
    icon: str = "dot"
    tone: str = "plain"
    advice: str = ""


GROUP: dict[str, Word] = {  # the four colours of a board
    "vacant": Word(N_("Vacant"), "door", "vacant"),
    "booked": Word(N_("Booked"), "calendar", "booked"),
    "occupied": Word(N_("Occupied"), "person", "occupied"),
    "maintenance": Word(N_("Maintenance"), "wrench", "maintenance"),
}
SHOWN: dict[str, Word] = {  # the word of one room; care stands beside it
    "vacant": Word(N_("Vacant"), "door", "vacant"),
    "vacant_dirty": Word(N_("Vacant"), "door", "vacant"),
    "booked": Word(N_("Booked"), "calendar", "booked"),
    "booked_dirty": Word(N_("Booked"), "calendar", "booked"),
    "occupied": Word(N_("Occupied"), "person", "occupied"),
    "due_out": Word(N_("Due out"), "depart", "occupied"),
    "out_of_order": Word(N_("Out of order"), "wrench", "maintenance"),
    "out_of_service": Word(N_("Out of service"), "wrench", "maintenance"),
}
EVERY = Word(N_("All rooms"), "grid")
ATTENTION = Word(N_("Needs attention"), "alert", "warn")
CARE: dict[str, Word] = {
    "dirty": Word(N_("Dirty"), "bucket", "warn"),
    "pickup": Word(N_("Pick-up"), "broom", "warn"),
    "clean": Word(N_("Clean"), "check", "good"),
    "inspected": Word(N_("Inspected"), "checks", "good"),
}
PRESENCE: dict[str, Word] = {
    "unknown": Word(N_("Sensor: not known"), "question", "quiet"),
    "vacant": Word(N_("Nobody in the room"), "away", "quiet"),
    "verifying": Word(N_("Somebody went in or out"), "swap", "quiet"),
    "occupied": Word(N_("Somebody in the room"), "present", "quiet"),
}
SERVICE: dict[str, Word] = {
    "dnd": Word(N_("Do not disturb"), "minus", "warn"),
    "mur": Word(N_("Make up room"), "broom", "info"),
    "butler": Word(N_("Butler called"), "bell", "info"),
}
STATUS: dict[str, Word] = {
    "enquiry": Word(N_("Enquiry"), "question", "plain"),
    "tentative": Word(N_("Tentative"), "question", "plain"),
    "waitlisted": Word(N_("Wait-listed"), "clock", "plain"),
    "confirmed": Word(N_("Confirmed"), "calendar", "booked"),
    "due_in": Word(N_("Due in"), "arrive", "booked"),
    "in_house": Word(N_("In house"), "person", "occupied"),
    "due_out": Word(N_("Due out"), "depart", "occupied"),
    "checked_out": Word(N_("Checked out"), "depart", "plain"),
    "cancelled": Word(N_("Cancelled"), "cross", "maintenance"),
    "no_show": Word(N_("No show"), "cross", "maintenance"),
}
REASON: dict[str, str] = {  # why an action is not allowed, or what to mind before it
    "not_confirmed": N_("The booking is not confirmed yet."),
    "already_confirmed": N_("The booking is confirmed already."),
    "not_in_house": N_("The guest is not checked in."),
    "already_in_house": N_("The guest is checked in already."),
    "already_checked_out": N_("The guest has checked out."),
    "already_cancelled": N_("The booking is cancelled."),
    "already_no_show": N_("The guest did not come."),
    "not_ended": N_("The booking is still running."),
    "not_due_yet": N_("It is too early: the guest is not due yet."),
    "stay_is_over": N_("The stay is over."),
    "no_room_assigned": N_("No room is assigned yet."),
    "room_dirty": N_("The room is not clean yet."),
    "room_occupied": N_("Somebody else is still checked in to this room."),
    "room_out_of_order": N_("The room is out of order."),
    "room_taken": N_("The room is promised to another booking."),
    "no_room_free": N_("No room is free for these nights."),
    "open_balance": N_("The bill is not settled."),
    "already_posted": N_("There are charges on the bill already."),
    "too_late": N_("It is too late for that."),
    "last_night": N_("Only one night is left: check out instead."),
}
POSTING: dict[str, str] = {  # transaction codes of the folio
    "room": N_("Room"),
    "payment": N_("Payment"),
    "reversal": N_("Reversal"),
    "minibar": N_("Minibar"),
}
RIGHT: dict[str, Word] = {
    "planned": Word(N_("Planned"), "clock", "info"),
    "pushing": Word(N_("On its way to the lock"), "send", "info"),
    "active": Word(N_("Opens the door"), "check", "good"),
    "retrying": Word(N_("The lock does not answer; trying again"), "retry", "warn"),
    "revoking": Word(N_("Being withdrawn; may still open"), "retry", "warn"),
    "revoked": Word(N_("No longer opens"), "lock", "quiet"),
    "refused": Word(N_("Refused by the lock"), "alert", "bad"),
    "superseded": Word(N_("Replaced by a newer key"), "lock", "quiet"),
    "expired": Word(N_("Run out"), "lock", "quiet"),
    "encoded": Word(N_("On the card"), "card", "good"),
    "released": Word(N_("Withdrawn here; the card can still open"), "alert", "warn"),
    "dead": Word(N_("The card no longer opens"), "lock", "quiet"),
}
LOCK: dict[str, Word] = {
    "online": Word(N_("online lock"), "link"),
    "hybrid": Word(N_("hybrid lock"), "link"),
    "data_on_card": Word(N_("card-only lock"), "card"),
}
HEALTH: dict[str, Word] = {
    "online": Word(N_("Online"), "check", "good"),
    "degraded": Word(N_("Answers badly"), "alert", "warn"),
    "offline": Word(N_("Does not answer"), "alert", "bad"),
    "fault": Word(N_("Faulty"), "alert", "bad"),
}
FLAG: dict[str, Word] = {
    "low_battery": Word(N_("Battery low"), "battery", "warn"),
    "critical_battery": Word(N_("Battery nearly empty"), "battery", "bad"),
    "tamper": Word(N_("Cover opened"), "alert", "bad"),
    "clock_invalid": Word(N_("Clock wrong"), "clock", "warn"),
    "clock_drift": Word(N_("Clock drifts"), "clock", "warn"),
    "nvram_reset": Word(N_("Memory was reset"), "retry", "warn"),
    "sensor_fault": Word(N_("Sensor faulty"), "alert", "warn"),
    "actuator_jam": Word(N_("Bolt stuck"), "alert", "bad"),
    "event_overflow": Word(N_("Log overflowed"), "alert", "warn"),
}
KEY: dict[str, Word] = {
    "wanted": Word(N_("Valid"), "key", "good"),
    "lost": Word(N_("Lost"), "alert", "bad"),
    "withdrawn": Word(N_("Withdrawn"), "lock", "quiet"),
}
KEY_KIND: dict[str, Word] = {
    "rfid": Word(N_("Card"), "card"),
    "mobile": Word(N_("Phone key"), "phone"),
    "pin": Word(N_("PIN"), "key"),
}

_AGAIN_OR_OTHER = N_("Try again; if it stays so, take the other encoder and tell engineering.")
CODE: dict[str, Word] = {  # every code of the device sheet, read at the desk while a card or a door is worked on
    "OK": Word(N_("Done."), "check", "good"),
    "BAD_REQUEST": Word(N_("The device did not understand the order."), "alert", "bad", _AGAIN_OR_OTHER),
    "UNSUPPORTED": Word(N_("This device cannot do that."), "alert", "bad", N_("Take another encoder, or open the door with a staff key.")),
    "UNAUTHENTICATED": Word(
        N_("The device does not trust this hotel's box."),
        "alert",
        "bad",
        N_("Take the other encoder and tell engineering: it must be set up again."),
    ),
    "REPLAY": Word(N_("The device has seen this order before."), "alert", "warn", N_("Try again; the box will number the order anew.")),
    "STALE_VERSION": Word(
        N_("A newer order was there first."), "alert", "warn", N_("Look at the state below; try again if it is not what you want.")
    ),
    "EXPIRED": Word(N_("The time was up before it was done."), "clock", "warn", N_("Nothing was changed. Try again.")),
    "BUSY": Word(N_("The device is working on another order."), "clock", "warn", N_("Wait a few seconds, or take the other encoder.")),
    "TIMEOUT": Word(N_("The device did not finish in time."), "clock", "warn", N_("Lay the same card again and repeat.")),
    "RESOURCE_EXHAUSTED": Word(
        N_("The lock's memory is full."), "alert", "bad", N_("Tell engineering; let the guest in with a staff key.")
    ),
    "NOT_FOUND": Word(N_("The device does not know this key."), "alert", "bad", N_("Cut a new key.")),
    "CONFLICT": Word(
        N_("Another guest is still checked in to this room."),
        "alert",
        "bad",
        N_("Check that guest out or move one of the two, then cut the key."),
    ),
    "CLOCK_INVALID": Word(N_("The device's clock is wrong."), "clock", "bad", N_("The box is setting it. Try again in a minute.")),
    "LOW_POWER": Word(
        N_("The lock's battery is too weak to move the bolt."), "battery", "bad", N_("Call engineering to change the batteries.")
    ),
    "ACTUATOR_JAM": Word(
        N_("The bolt is stuck."), "alert", "bad", N_("Ask the guest to push the door shut and try again; else call engineering.")
    ),
    "PRIVACY_ACTIVE": Word(N_("The door is bolted from inside."), "minus", "warn", N_("Somebody is in the room. Knock or call first.")),
    "STORAGE_FAULT": Word(
        N_("The device could not keep the change."), "alert", "bad", N_("The box tries again by itself. If this stays, tell engineering.")
    ),
    "NO_CARD": Word(
        N_("No card was laid on the encoder."), "card", "warn", N_("Lay a card on the encoder within 12 seconds and try again.")
    ),
    "CARD_REMOVED": Word(
        N_("The card was taken away too early."),
        "card",
        "warn",
        N_("Lay the same card again and leave it there until this page says that it is ready."),
    ),
    "WRONG_CARD_TYPE": Word(
        N_("This kind of card does not work with these locks."), "card", "bad", N_("Take one of the hotel's own key cards.")
    ),
    "WRITE_ERROR": Word(
        N_("The card could not be written."), "card", "bad", N_("Lay the same card again; if it fails twice, take a new one.")
    ),
    "VERIFY_MISMATCH": Word(
        N_("The card does not hold what was written."), "card", "bad", N_("Set this card aside as faulty and take a new one.")
    ),
    "FOREIGN_CARD": Word(
        N_("This is a staff card or another hotel's card. It was not changed."), "card", "bad", N_("Take one of the hotel's guest cards.")
    ),
    "CARD_PROTECTED": Word(N_("The card is protected against writing."), "card", "bad", N_("Take another card.")),
    "SENSOR_FAULT": Word(N_("The device's sensor is faulty."), "alert", "bad", _AGAIN_OR_OTHER),
    "LINK_DOWN": Word(N_("The device does not answer."), "link", "bad", N_("Check its cable and power, or take the other encoder.")),
}
JOB: dict[str, Word] = {  # while no code is there yet, or where the outcome says more than the code
    "waiting": Word(N_("Waiting for the hotel's box …"), "clock", "info"),
    "started": Word(N_("Lay the card on the encoder now and leave it there."), "card", "info"),
    "done": Word(N_("The card is ready. Give it to the guest."), "check", "good"),
    "failed": Word(N_("No card was made."), "alert", "bad"),
    "unknown": Word(
        N_("It is not known whether the card works."),
        "question",
        "warn",
        N_("Lay the same card again and repeat: it becomes the same key, not a second one."),
    ),
    "expired": Word(N_("The time was up before it was done."), "clock", "warn", N_("Nothing was changed. Try again.")),
    "withdrawn": Word(N_("The hotel's box does not answer."), "link", "bad", N_("Cut the key at the box's own console.")),
}

_OPENED = {
    "rfid": N_("Opened with a card"),
    "mobile": N_("Opened with a phone key"),
    "keypad": N_("Opened with a PIN"),
    "remote": N_("Opened from the desk"),
    "manual_inside": N_("Opened from inside"),
    "auto": N_("Unlocked by its schedule"),
    "mechanical_key": N_("Opened with the mechanical key"),
    "emergency": N_("Opened with an emergency card"),
}
_DENIED = {
    "foreign": N_("Not opened: a card that is not of this hotel"),
    "wrong_door": N_("Not opened: a key of another room"),
    "blocked": N_("Not opened: this key is blocked"),
    "lockout": N_("Not opened: the lock is shut after too many wrong tries"),
    "unknown": N_("Not opened: the lock does not know this key"),
    "clock_invalid": N_("Not opened: the lock's clock is wrong"),
    "not_yet": N_("Not opened: the key is not valid yet"),
    "expired": N_("Not opened: the key has run out"),
    "schedule": N_("Not opened: outside the key's hours"),
    "superseded": N_("Not opened: a newer key has replaced this one"),
    "out_of_sequence": N_("Not opened: the key's number is far too new"),
    "privacy": N_("Not opened: bolted from inside"),
    "low_power": N_("Not opened: battery too weak"),
}
_DOOR = {
    "open": Word(N_("Door open"), "door", "quiet"),
    "closed": Word(N_("Door closed"), "door", "quiet"),
    "jammed": Word(N_("Door jammed"), "alert", "bad"),
    "forced": Word(N_("Door forced"), "alert", "bad"),
    "error": Word(N_("Door contact faulty"), "alert", "warn"),
    "ajar": Word(N_("Door left ajar"), "door", "warn"),
}
_ALARM = {
    "jammed": N_("Alarm: bolt stuck"),
    "factory_reset": N_("Alarm: the lock was reset"),
    "wrong_limit": N_("Alarm: too many wrong tries"),
    "tamper": N_("Alarm: the lock's cover was opened"),
    "forced": N_("Alarm: the door was forced"),
    "ajar": N_("Alarm: the door stands open"),
    "mechanical_override": N_("Alarm: opened with the mechanical key"),
}
_PLAIN = {
    "boot": Word(N_("The lock started"), "retry", "quiet"),
    "clock_set": Word(N_("The lock's clock was set"), "clock", "quiet"),
    "clock_invalid": Word(N_("The lock lost its clock"), "clock", "warn"),
    "log_overflow": Word(N_("The lock's log lost entries"), "alert", "warn"),
    "nvram_reset": Word(N_("The lock lost its memory"), "alert", "bad"),
    "tamper": Word(N_("The lock's cover was opened"), "alert", "bad"),
    "battery": Word(N_("The lock reported its battery"), "battery", "quiet"),
    "generation_advanced": Word(N_("A new key took over this door"), "key", "info"),
    "rights_changed": Word(N_("The lock's list of keys changed"), "key", "quiet"),
}


def door_event(kind: str, data: Mapping[str, Any]) -> Word:
    """Return what one entry of a lock's log means, its data in the words of the device sheet (`source`, `reason`, `state`, `kind`, `on`).

    A kind that is not known reads as "Other event of the lock".
    """
    if kind == "lock_operation":
        source = str(data.get("source", ""))
        if data.get("op") == "lock":
            return Word(N_("Locked"), "lock", "quiet")
        return Word(_OPENED.get(source, N_("Opened")), "unlock", "warn" if source in {"mechanical_key", "emergency"} else "good")
    if kind == "access_denied":
        return Word(_DENIED.get(str(data.get("reason", "")), N_("Not opened")), "cross", "bad")
    if kind == "door_state":
        return _DOOR.get(str(data.get("state")), Word(N_("The door moved"), "door", "quiet"))
    if kind == "deadbolt":
        return Word(N_("Bolted from inside") if data.get("on") else N_("No longer bolted from inside"), "minus", "quiet")
    if kind == "privacy":
        return Word(N_("Privacy on") if data.get("on") else N_("Privacy off"), "minus", "quiet")
    if kind == "alarm":
        return Word(_ALARM.get(str(data.get("kind")), N_("Alarm of the lock")), "alert", "bad")
    return _PLAIN.get(kind, Word(N_("Other event of the lock"), "dot", "quiet"))


def coded(code: str) -> Word:
    """Return the words of a device code; a code that is new to this version reads as a fault with general advice."""
    return CODE.get(code) or Word(N_("The device reported a fault."), "alert", "bad", _AGAIN_OR_OTHER)


_AT_DOOR = {  # where a lock needs other advice than an encoder
    "BAD_REQUEST": N_("Tell engineering; let the guest in with a staff key."),
    "UNSUPPORTED": N_("Tell engineering; let the guest in with a staff key."),
    "UNAUTHENTICATED": N_("Tell engineering: the lock must be set up again."),
    "BUSY": N_("The box tries again by itself."),
    "TIMEOUT": N_("The box tries again by itself."),
    "LINK_DOWN": N_("The box keeps trying. If this lasts, have the lock's battery looked at."),
    "SENSOR_FAULT": N_("Tell engineering."),
}


def at_door(code: str) -> Word:
    """Return the words of a device code that a lock gave, with advice for a door."""
    word = coded(code)
    return Word(word.text, word.icon, word.tone, _AT_DOOR.get(code, word.advice))
