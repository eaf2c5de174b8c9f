"""The fault knobs of device sheet 5: which device each applies to, what it may be set to, and how it is set and cleared.

A knob is refused, never ignored, when the device has no part that it could break.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim.codes import CODES
from firmware_sim.device import Device, Draft
from firmware_sim.faults import LATENCY_MS, CardFault, ReplyFault
from firmware_sim.flapping import flap, still
from firmware_sim.lock import Lock
from firmware_sim.minibar import Minibar
from firmware_sim.room import RoomController
from firmware_sim.sensor import SensorPair
from firmware_sim.unit import RESTART_S

REPLIES = ("normal", "none", "late", "wrong_id", "error", "done_without_doing", "did_without_reply")
CARD_FAULTS = ("none", "lifted_at", "wrong_type", "foreign", "protected", "write_fail", "verify_mismatch", "slow")
PHASES = ("before_persist", "after_persist", "after_bolt")


class BadKnob(Exception):
    """The knob does not exist, does not apply to this device, or cannot be set so; the text says what can be done."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One fault. `why_not` returns why a device has no such part, or None; `turn` sets it, `clear` puts it back to rest."""

    why_not: Callable[[Device], str | None]
    turn: Callable[[Device, Any], None]
    clear: Callable[[Device], None]


def turn(device: Device, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Set each knob of `wanted`, null clears it; all are checked for existence first. Return what is set now. Raises BadKnob."""
    for name in wanted:
        knob = KNOBS.get(name)
        if knob is None:
            raise BadKnob(f"there is no knob {name!r}; there are: {', '.join(sorted(KNOBS))}")
        if (why := knob.why_not(device)) is not None:
            raise BadKnob(f"{name} does not apply to {device.name}: {why}")
    for name, value in wanted.items():
        if value is None:
            KNOBS[name].clear(device)
            device.faults.set_values.pop(name, None)
        else:
            device.faults.set_values[name] = value
            try:
                KNOBS[name].turn(device, value)
            except BadKnob:
                device.faults.set_values.pop(name, None)
                raise
        device.world.trace.add(device.name, "fault", knob=name, value=value)
    device.changed()
    return dict(device.faults.set_values)


def clear_all(device: Device) -> dict[str, Any]:
    """Put every knob of the device to rest."""
    return turn(device, dict.fromkeys(name for name, knob in KNOBS.items() if knob.why_not(device) is None))


# ---------------------------------------------------------------- reading values


def _number(value: Any, what: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
        raise BadKnob(f"{what} must be a number from {low:g} to {high:g}")
    return float(value)


def _whole(value: Any, what: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadKnob(f"{what} must be a whole number from {low} to {high}")
    return value


def _yes(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise BadKnob(f"{what} must be true or false")
    return value


def _mapping(value: Any, what: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value or set(value) - set(known):
        raise BadKnob(f"{what} must be an object with some of: {', '.join(known)}")
    return value


def _kind(value: Any, what: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """`"none"` or `{"kind": "late", "ms": 500, "count": 3}`."""
    told: Mapping[str, Any] = {"kind": value} if isinstance(value, str) else _mapping(value, what, ("kind", "ms", "code", "count"))
    if told.get("kind") not in known:
        raise BadKnob(f"{what}.kind must be one of: {', '.join(known)}")
    if "ms" in told and told["kind"] not in ("late", "lifted_at", "slow"):
        raise BadKnob(f"{what}.ms means nothing with the kind {told['kind']}")
    if "code" in told and told["kind"] != "error":
        raise BadKnob(f"{what}.code means nothing with the kind {told['kind']}")
    return told


def _count(told: Mapping[str, Any], what: str) -> int | None:
    return None if told.get("count") is None else _whole(told["count"], f"{what}.count", 1, 1_000_000)


# ---------------------------------------------------------------- message knobs


def _latency(device: Device, value: Any) -> None:
    law, given = ("const", value) if not isinstance(value, dict) else next(iter(value.items()), ("", None))
    if law == "const":
        device.faults.latency = {"const": _number(given, "latency_ms", 0, 600_000)}
    elif law in ("uniform", "lognormal") and isinstance(given, list) and len(given) == 2:
        first = _number(given[0], f"latency_ms.{law}[0]", 0 if law == "uniform" else 0.001, 600_000)
        device.faults.latency = {law: [first, _number(given[1], f"latency_ms.{law}[1]", 0, 600_000)]}
    else:
        raise BadKnob('latency_ms must be a number, {"const": ms}, {"uniform": [low, high]} or {"lognormal": [median, sigma]}')


def _latency_rest(device: Device) -> None:
    device.faults.latency = {"uniform": list(LATENCY_MS)}


def _share(name: str) -> Knob:
    """drop, dup or reorder: a share of the messages, of both directions or of one."""

    def turned(device: Device, value: Any) -> None:
        told = _mapping(value, name, ("in", "out")) if isinstance(value, dict) else {"in": value, "out": value}
        getattr(device.faults, name).clear()
        getattr(device.faults, name).update({way: _number(share, f"{name}.{way}", 0, 1) for way, share in told.items()})

    def why_not(device: Device) -> str | None:
        if device.setup.binding == "none":
            return "it has no link"
        if name != "drop" and device.setup.binding == "modbus":
            return "on a Modbus line only the master speaks unasked, so nothing comes twice or out of order"
        if name == "reorder" and device.setup.binding == "ble":
            return "a BLE link keeps the order"
        return "it only broadcasts" if name != "drop" and isinstance(device, SensorPair) else None

    return Knob(why_not, turned, lambda device: getattr(device.faults, name).clear())


def _reply(device: Device, value: Any) -> None:
    told = _kind(value, "reply", REPLIES)
    code = told.get("code", "TIMEOUT")
    if code not in CODES or code == "OK":
        raise BadKnob(f"reply.code must be one of: {', '.join(name for name in CODES if name != 'OK')}")
    if told["kind"] == "late" and "ms" not in told:
        raise BadKnob("reply.ms is missing: how late, in milliseconds")
    ms = _number(told.get("ms", 0), "reply.ms", 0, 600_000)
    device.faults.reply = None if told["kind"] == "normal" else ReplyFault(told["kind"], ms, code, _count(told, "reply"))


def _reply_rest(device: Device) -> None:
    device.faults.reply = None


# ---------------------------------------------------------------- power and link


def _reboot(device: Device, value: Any) -> None:
    told = {"now": True} if value in (True, "now") else _mapping(value, "reboot", ("now", "after_s", "every", "phase", "down_s"))
    down = _number(told.get("down_s", RESTART_S), "reboot.down_s", 0, 86_400)
    if "down_s" in told and ("phase" in told or "every" in told):
        raise BadKnob("reboot.down_s means nothing with phase or every: the device is back at once")
    if len(set(told) & {"now", "after_s", "every", "phase"}) != 1 or told.get("now") not in (None, True):
        raise BadKnob("reboot needs one of: now (true), after_s, every, phase")
    if "phase" in told:
        if told["phase"] not in PHASES:
            raise BadKnob(f"reboot.phase must be one of: {', '.join(PHASES)}")
        device.faults.crash_phase = told["phase"]
    elif "every" in told:
        device.faults.crash_every = _whole(told["every"], "reboot.every", 1, 1_000_000)
    else:
        after = _number(told.get("after_s", 0), "reboot.after_s", 0, 86_400)
        asyncio.get_running_loop().call_later(after, _cycle, device, down)


def _cycle(device: Device, down: float) -> None:
    device.power_off()
    device.faults.set_values.pop("reboot", None)
    asyncio.get_running_loop().call_later(down, device.power_on)


def _reboot_rest(device: Device) -> None:
    device.faults.crash_phase, device.faults.crash_every = None, 0


def _link(device: Device, value: Any) -> None:
    told = {"state": value} if isinstance(value, str) else _mapping(value, "link", ("state", "down_s", "flap"))
    loop = asyncio.get_running_loop()
    if "down_s" in told:
        seconds = _number(told["down_s"], "link.down_s", 0, 86_400)
        _set_link(device, down=True)
        loop.call_later(seconds, _link_rest, device)
    elif "flap" in told:
        flap = _mapping(told["flap"], "link.flap", ("up_s", "down_s", "times"))
        up, down = (_number(flap.get(name, 1), f"link.flap.{name}", 0.05, 3600) for name in ("up_s", "down_s"))
        for turn_no in range(_whole(flap.get("times", 3), "link.flap.times", 1, 1000)):
            loop.call_later(turn_no * (up + down), _set_link, device, True)
            loop.call_later(turn_no * (up + down) + down, _set_link, device, False)
    elif told.get("state") == "half_open":
        device.faults.half_open = True
    elif told.get("state") in ("down", "up"):
        _set_link(device, down=told["state"] == "down")
    else:
        raise BadKnob('link must be "down", "up", "half_open", {"down_s": s} or {"flap": {"up_s", "down_s", "times"}}')


def _set_link(device: Device, down: bool) -> None:
    if device.faults.link_down != down:
        device.faults.link_down = down
        device.reach_changed(device.reachable)


def _link_rest(device: Device) -> None:
    device.faults.half_open = False
    device.faults.set_values.pop("link", None)
    _set_link(device, down=False)


def _battery(device: Device, value: Any) -> None:
    told = _mapping(value, "battery", ("start_mv", "drain_mv", "dead_at_mv"))
    before = device.battery.state
    readings = {name: _number(given, f"battery.{name}", 0, 6500) for name, given in told.items()}
    device.battery.mv = readings.get("start_mv", device.battery.mv)
    device.battery.drain_mv = readings.get("drain_mv", device.battery.drain_mv)
    device.battery.dead_at_mv = readings.get("dead_at_mv", device.battery.dead_at_mv)
    if device.battery.state != before and device.powered and isinstance(device, Lock):
        device.note((device.battery_event(),))


def _battery_rest(device: Device) -> None:
    device.battery.drain_mv, device.battery.dead_at_mv, device.battery.mv = 0.0, 4000.0, 6000.0


def _clock(device: Device, value: Any) -> None:
    told = _mapping(value, "clock", ("offset_s", "drift_ppm", "lost", "jump_s"))
    limit = 40 * 366 * 86_400
    if "offset_s" in told:
        device.clock.offset = _number(told["offset_s"], "clock.offset_s", -limit, limit)
    if "jump_s" in told:
        device.clock.offset += _number(told["jump_s"], "clock.jump_s", -limit, limit)
    if "drift_ppm" in told:
        ppm = _number(told["drift_ppm"], "clock.drift_ppm", -500_000, 500_000)
        base = device.world.now()
        device.clock.offset = device.clock.read(base) - base  # from now on, not since it was set
        device.clock.set_at, device.clock.drift_ppm = base, ppm
    lost = "lost" in told and _yes(told["lost"], "clock.lost")
    if lost:
        device.clock.valid = False
    device.keep_clock()
    if lost and device.powered:
        device.note((Draft("clock_invalid", {}),))


def _clock_rest(device: Device) -> None:
    device.clock.drift_ppm = 0.0
    device.clock.put(device.world.now(), device.world.now())
    device.keep_clock()


# ---------------------------------------------------------------- parts


def _stickable(device: Device) -> tuple[str, ...]:
    if isinstance(device, Lock):
        return ("door", "deadbolt")
    if isinstance(device, Minibar):
        return ("door", "temp", *(f"slot-{slot}" for slot in device.true_stock))
    if isinstance(device, RoomController):
        return ("motion", "contact_entry", "contact_window", "card_holder", "temp")
    return ("door", "motion") if isinstance(device, SensorPair) else ()


def _sensor(device: Device, value: Any) -> None:
    asked = _mapping(value, "sensor", ("stuck", "flap"))
    if "flap" in asked:
        known = tuple(name for name in _stickable(device) if name != "temp")
        flaps = {name: _number(hz, f"sensor.flap.{name}", 0.01, 20) for name, hz in _mapping(asked["flap"], "sensor.flap", known).items()}
        for name, hz in flaps.items():
            flap(device, name, hz)
    if "stuck" in asked:
        _stick(device, _mapping(asked["stuck"], "sensor.stuck", _stickable(device)))


def _stick(device: Device, told: Mapping[str, Any]) -> None:
    for name, stuck in told.items():
        if name == "temp" or (isinstance(device, Lock) and name == "door"):
            _whole(stuck, f"sensor.stuck.{name}", -400 if name == "temp" else 0, 600 if name == "temp" else 5)
        else:
            _yes(stuck, f"sensor.stuck.{name}")
    device.faults.stuck |= told


def _sensor_rest(device: Device) -> None:
    still(device)
    device.faults.stuck = {}


def _actuator(device: Device, value: Any) -> None:
    told = _mapping(value, "actuator", ("jam", "slow_ms"))
    device.faults.jam = _whole(told.get("jam", device.faults.jam), "actuator.jam", 0, 1_000_000)
    device.faults.slow_ms = _number(told.get("slow_ms", device.faults.slow_ms), "actuator.slow_ms", 0, 60_000)


def _actuator_rest(device: Device) -> None:
    device.faults.jam, device.faults.slow_ms, device.jammed = 0, 0.0, False


def _nvram(device: Device, value: Any) -> None:
    told = {value: True} if value in ("wipe", "full") else _mapping(value, "nvram", ("wipe", "corrupt", "write_fail", "full"))
    if "wipe" in told and _yes(told["wipe"], "nvram.wipe"):
        device.faults.set_values.pop("nvram", None)
        device.wipe()
    if "corrupt" in told:
        _corrupt(device, _whole(told["corrupt"], "nvram.corrupt", 1, 10_000))
    if "write_fail" in told:
        device.nvram.fail_writes = _whole(told["write_fail"], "nvram.write_fail", 0, 1_000_000)
    if "full" in told:
        device.nvram.full = _yes(told["full"], "nvram.full")


def _corrupt(device: Device, count: int) -> None:
    """Lose `count` records of what the device should know; it finds that out at the restart that follows."""
    kept = sorted(key for key in device.nvram.table if key.startswith(("right/", "guard/", "tomb/", "taken/")))
    if not kept:
        raise BadKnob(f"{device.name} holds no records that could be corrupted")
    device.nvram.put(dict.fromkeys(device.faults.dice.sample(kept, min(count, len(kept)))))
    device.reboot("nvram")


def _nvram_rest(device: Device) -> None:
    device.nvram.fail_writes, device.nvram.full = 0, False


def _tamper(device: Device, value: Any) -> None:
    if device.faults.tamper != _yes(value, "tamper"):
        device.faults.tamper = value
        if device.powered:
            device.note((Draft("tamper", {"on": value}),))


def _wrong_key(device: Device, value: Any) -> None:
    device.faults.wrong_key = _yes(value, "wrong_key")


def _log(device: Device, value: Any) -> None:
    told = _mapping(value, "log", ("ring",)) if isinstance(value, dict) else {"ring": value}
    device.log.ring = _whole(told["ring"], "log.ring", 4, 100_000)


def _log_rest(device: Device) -> None:
    device.log.ring = 512


def _card(device: Device, value: Any) -> None:
    told = _kind(value, "card", CARD_FAULTS)
    if told["kind"] in ("lifted_at", "slow") and "ms" not in told:
        raise BadKnob(f"card.ms is missing: {told['kind']} needs milliseconds")
    device.faults.card = CardFault(told["kind"], _number(told.get("ms", 0), "card.ms", 0, 60_000), _count(told, "card"))


def _card_rest(device: Device) -> None:
    device.faults.card = None


def _legacy(device: Device, value: Any) -> None:
    told = _mapping(value, "legacy", ("counter_lookahead",))
    device.faults.counter_lookahead = _whole(told["counter_lookahead"], "legacy.counter_lookahead", 1, 0xFFFFFFFF)


def _legacy_rest(device: Device) -> None:
    device.faults.counter_lookahead = 0


def _capacity(device: Device, value: Any) -> None:
    if isinstance(device, Lock):
        device.rights_capacity = _whole(value, "rights_capacity", 0, 10_000)


def _capacity_rest(device: Device) -> None:
    if isinstance(device, Lock):
        device.rights_capacity = device.settings.rights_capacity


def _always(device: Device) -> str | None:
    return None


def _talks(device: Device) -> str | None:
    if device.setup.binding == "none":
        return "it has no link"
    return "it takes no commands" if isinstance(device, SensorPair) else None


def _is(kind: str) -> Callable[[Device], str | None]:
    return lambda device: None if device.device_class == kind else f"it is a {device.device_class}, not a {kind}"


def _keeps_rights(device: Device) -> str | None:
    return None if isinstance(device, Lock) and device.kind == "online" else "it keeps no rights"


KNOBS: Mapping[str, Knob] = {
    "latency_ms": Knob(_talks, _latency, _latency_rest),
    "drop": _share("drop"),
    "dup": _share("dup"),
    "reorder": _share("reorder"),
    "reply": Knob(_talks, _reply, _reply_rest),
    "reboot": Knob(_always, _reboot, _reboot_rest),
    "link": Knob(lambda d: "it has no link" if d.setup.binding == "none" else None, _link, _link_rest),
    "battery": Knob(lambda d: "it is on mains" if d.battery.mains else None, _battery, _battery_rest),
    "clock": Knob(lambda d: "it has no clock" if isinstance(d, SensorPair) else None, _clock, _clock_rest),
    "sensor": Knob(lambda d: None if _stickable(d) else "it has no sensor", _sensor, _sensor_rest),
    "actuator": Knob(_is("lock"), _actuator, _actuator_rest),
    "nvram": Knob(_always, _nvram, _nvram_rest),
    "tamper": Knob(_always, _tamper, lambda d: _tamper(d, False)),
    "wrong_key": Knob(_always, _wrong_key, lambda d: _wrong_key(d, False)),
    "log": Knob(lambda d: "it keeps no log" if isinstance(d, SensorPair) else None, _log, _log_rest),
    "card": Knob(_is("encoder"), _card, _card_rest),
    "legacy": Knob(_is("lock"), _legacy, _legacy_rest),
    "rights_capacity": Knob(
        lambda d: None if isinstance(d, Lock) and d.kind == "online" else "it keeps no rights", _capacity, _capacity_rest
    ),
}
