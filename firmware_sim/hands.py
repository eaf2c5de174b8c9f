"""What a person can do to each class of device, by name: the hands that the control API and the command line offer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim.card import Card
from firmware_sim.device import Device, Draft
from firmware_sim.drawer import Drawer
from firmware_sim.encoder import Encoder
from firmware_sim.lock import Lock
from firmware_sim.minibar import Minibar
from firmware_sim.room import ENTRY, WINDOW, RoomController
from firmware_sim.sensor import SensorPair

REQUIRED = object()


class BadHand(Exception):
    """The hand cannot do that; the text says what it could. `missing`: there is no such thing (404), else it is a wrong word (400)."""

    def __init__(self, text: str, missing: bool = False) -> None:
        super().__init__(text)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Param:
    """One thing that a hand needs. `kind`: card, text, hex, whole, number or yes."""

    name: str
    kind: str
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Hand:
    """One gesture: its parameters and what it does to the device."""

    do: Callable[..., dict[str, Any]]
    params: tuple[Param, ...] = ()


def open_cover(device: Device, on: bool = True) -> dict[str, Any]:
    """Unscrew the cover, or put it back."""
    if device.faults.tamper != on:
        device.faults.tamper = on
        if device.powered:
            device.note((Draft("tamper", {"on": on}),))
    return {"cover_open": on}


def _pull_plug(device: Device) -> dict[str, Any]:
    device.power_off()
    return {"powered": False}


def _plug_in(device: Device) -> dict[str, Any]:
    device.power_on()
    return {"powered": True}


_ANY: dict[str, Hand] = {
    "open_cover": Hand(open_cover, (Param("on", "yes", True),)),
    "pull_plug": Hand(_pull_plug),
    "plug_in": Hand(_plug_in),
}
_LOCK: dict[str, Hand] = {
    "tap": Hand(Lock.tap, (Param("card", "card"),)),
    "present": Hand(Lock.present, (Param("token", "hex"),)),
    "enter_pin": Hand(Lock.enter_pin, (Param("digits", "text"),)),
    "open_door": Hand(Lock.open_door, (Param("force", "yes", False),)),
    "close_door": Hand(Lock.close_door),
    "inside_handle": Hand(Lock.inside_handle),
    "throw_deadbolt": Hand(Lock.throw_deadbolt, (Param("on", "yes", True),)),
    "mechanical_key": Hand(Lock.mechanical_key),
    "change_batteries": Hand(Lock.change_batteries, (Param("gap_s", "number", 10.0),)),
}
_ENCODER: dict[str, Hand] = {
    "lay_card": Hand(Encoder.lay_card, (Param("card", "card"),)),
    "lift_card": Hand(Encoder.lift_card),
}
_MINIBAR: dict[str, Hand] = {
    "open_door": Hand(Minibar.open_door),
    "close_door": Hand(Minibar.close_door),
    "remove": Hand(Minibar.remove, (Param("slot", "whole"),)),
    "return": Hand(Minibar.put_back, (Param("slot", "whole"),)),
    "restock": Hand(Minibar.restock, (Param("card", "card", None),)),
}
_ROOM: dict[str, Hand] = {
    "move": Hand(RoomController.move),
    "enter": Hand(RoomController.enter),
    "leave": Hand(RoomController.leave),
    "open_door": Hand(lambda room: room.contact(ENTRY, True)),
    "close_door": Hand(lambda room: room.contact(ENTRY, False)),
    "open_window": Hand(lambda room: room.contact(WINDOW, True)),
    "close_window": Hand(lambda room: room.contact(WINDOW, False)),
    "press": Hand(RoomController.press, (Param("button", "text"),)),
    "card_in": Hand(lambda room: room.card_holder(True)),
    "card_out": Hand(lambda room: room.card_holder(False)),
    "warm": Hand(RoomController.set_temperature, (Param("tenths", "whole"),)),
}
_SENSOR: dict[str, Hand] = {
    "move": Hand(SensorPair.move),
    "open_door": Hand(lambda sensor: sensor.contact(True)),
    "close_door": Hand(lambda sensor: sensor.contact(False)),
}
HANDS: Mapping[str, Mapping[str, Hand]] = {
    "lock": {**_LOCK, **_ANY},
    "encoder": {**_ENCODER, **_ANY},
    "minibar": {**_MINIBAR, **_ANY},
    "room": {**_ROOM, **_ANY},
    "bthome": {**_SENSOR, **_ANY},
}
BUTTONS = ("dnd", "mur", "butler")


def gesture(device: Device, name: str, given: Mapping[str, Any], drawer: Drawer) -> dict[str, Any]:
    """Do one gesture and tell what the person sees. Raises BadHand."""
    known = HANDS[device.device_class]
    hand = known.get(name)
    if hand is None:
        raise BadHand(f"a {device.device_class} has no hand {name!r}; it has: {', '.join(sorted(known))}", missing=True)
    unknown = set(given) - {param.name for param in hand.params}
    if unknown:
        expected = ", ".join(param.name for param in hand.params) or "nothing"
        raise BadHand(f"{name} does not take {', '.join(sorted(unknown))}; it takes {expected}")
    args = {param.name: _read(param, given, drawer) for param in hand.params}
    _fits(device, name, args)
    shown = {key: value.id if isinstance(value, Card) else value for key, value in args.items() if key not in ("token", "digits")}
    device.world.trace.add(device.name, "hand", hand=name, **shown)
    return hand.do(device, **args)


def _fits(device: Device, name: str, args: Mapping[str, Any]) -> None:
    """What only the device can say about an argument. Raises BadHand."""
    if isinstance(device, Minibar) and "slot" in args and args["slot"] not in device.true_stock:
        raise BadHand(f"{device.name} has the slots 1 to {device.slots}, not {args['slot']}")
    if name == "press" and args["button"] not in BUTTONS:
        raise BadHand(f"the panel has the buttons {', '.join(BUTTONS)}, not {args['button']!r}")
    if name == "enter_pin" and not (args["digits"].isascii() and args["digits"].isdecimal() and 1 <= len(args["digits"]) <= 12):
        raise BadHand("a PIN is 1 to 12 digits")
    if name == "change_batteries" and not 0 <= args["gap_s"] <= 86400:
        raise BadHand("gap_s is a number of seconds from 0 to 86400")
    if name == "change_batteries" and device.battery.mains:
        raise BadHand(f"{device.name} is on mains and has no batteries")
    if name == "warm" and not -400 <= args["tenths"] <= 600:
        raise BadHand("tenths is a temperature in 0.1 °C from -400 to 600")


def _read(param: Param, given: Mapping[str, Any], drawer: Drawer) -> Any:
    value = given.get(param.name)
    if value is None:
        if param.default is REQUIRED:
            raise BadHand(f"{param.name} is missing ({_WORDS[param.kind]})")
        return param.default
    if param.kind == "card":
        if not isinstance(value, str) or value not in drawer.cards:
            raise BadHand(f"there is no card {value!r}; GET /sim/cards lists them, POST /sim/cards makes one", missing=True)
        return drawer.cards[value]
    if param.kind == "hex":
        return _token(param, value)
    if not isinstance(value, _TYPES[param.kind]) or (isinstance(value, bool) and param.kind != "yes"):
        raise BadHand(f"{param.name} must be {_WORDS[param.kind]}")
    return value


def _token(param: Param, value: Any) -> bytes:
    try:
        token = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        token = b""
    if len(token) != 16:
        raise BadHand(f"{param.name} must be {_WORDS[param.kind]}")
    return token


_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "whole": (int,), "number": (int, float), "yes": (bool,)}
_WORDS = {
    "card": "the id of a card",
    "text": "text",
    "hex": "16 bytes as 32 hex digits",
    "whole": "a whole number",
    "number": "a number",
    "yes": "true or false",
}
