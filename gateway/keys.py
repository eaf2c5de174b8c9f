"""The box's keys folder: what the devices, the property and the line to central share with this box. Files 0600, in a folder 0700.

devices.json   {device name: {"k_dev": hex of 32 bytes, "mqtt_password": text}}; the box's own broker account is under its user name
property.json  {"slug", "number", "k_card", "k_pin", "central_public", "recovery_public"}, keys as hex
box.json       {"box_id", "token", "url", "sealing_private"}
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from host.exits import HostError, Misconfigured
from host.home import Home

DEVICES, PROPERTY, BOX = "devices.json", "property.json", "box.json"
ENROLMENT = ("box_id", "property", "number", "token", "k_pin", "central_public", "recovery_public", "url")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Who this box is to central, and what its desk needs: the key of the PINs and central's public key. Made by `enrol`."""

    box_id: str
    token: str = field(repr=False)
    slug: str
    number: int
    k_pin: str = field(default="", repr=False)  # hex, as in the keys folder
    central_public: str = field(default="", repr=False)


class Keys:
    """The keys of one home, read as they are when asked for; nothing of them is ever logged."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def k_dev(self, device: str) -> bytes:
        """Return a device's key of 32 bytes; raise Misconfigured when it has none."""
        held = self._home.read_keys(DEVICES).get(device)
        try:
            key = bytes.fromhex(held["k_dev"]) if isinstance(held, dict) else b""
        except (TypeError, KeyError, ValueError):
            key = b""
        if len(key) != 32:
            raise Misconfigured(
                f"{self._home.keys / DEVICES}: there is no key for {device}", f"Make one with: latchkey-gateway device add {device}"
            )
        return key

    def mqtt_password(self, account: str) -> str | None:
        """Return the password of a broker account, None when there is none."""
        held = self._home.read_keys(DEVICES).get(account)
        password = held.get("mqtt_password") if isinstance(held, dict) else None
        return str(password) if password is not None else None

    def devices(self) -> tuple[str, ...]:
        """Return the names that have keys."""
        return tuple(sorted(self._home.read_keys(DEVICES)))

    def add_device(self, name: str) -> dict[str, str]:
        """Make a device's key and broker password and return them; raise HostError when it has some already."""
        held = self._home.read_keys(DEVICES)
        if name in held:
            raise HostError(f"{name} has a key already", "A new key would lock the device out; remove the old one from devices.json first")
        made = {"k_dev": secrets.token_hex(32), "mqtt_password": secrets.token_urlsafe(18)}
        self._home.write_keys(DEVICES, {**held, name: made})
        return {"name": name, **made}

    def enrol(self, file: Path) -> Enrolled:
        """Take in the enrolment file that central wrote; K_card and the sealing key are made here, and kept when they exist already."""
        told = _enrolment(file)
        before = self._home.read_keys(PROPERTY)
        if before.get("slug", told["property"]) != told["property"]:
            raise HostError(f"this box belongs to {before['slug']}", "Use an empty LATCHKEY_HOME for another property")
        card = before.get("k_card") or secrets.token_hex(32)
        kept = {"slug": told["property"], "number": told["number"], "k_card": card}
        self._home.write_keys(PROPERTY, {**kept, **{name: told[name] for name in ("k_pin", "central_public", "recovery_public")}})
        private = self._home.read_keys(BOX).get("sealing_private") or X25519PrivateKey.generate().private_bytes_raw().hex()
        box = {"box_id": told["box_id"], "token": told["token"], "url": told["url"], "sealing_private": private}
        self._home.write_keys(BOX, box)
        return _enrolled(box, {**kept, **told})

    def enrolled(self) -> Enrolled | None:
        """Return who this box is, None before it was enrolled. Raises Misconfigured when its files lack something."""
        box, house = self._home.read_keys(BOX), self._home.read_keys(PROPERTY)
        if not box or not house:
            return None
        self._must_have(BOX, box, {"box_id": str, "token": str})
        self._must_have(PROPERTY, house, {"slug": str, "number": int})
        self._must_have(PROPERTY, house, {name: bytes.fromhex for name in ("k_pin", "central_public") if house.get(name)})
        return _enrolled(box, house)

    def _must_have(self, file: str, held: Mapping[str, Any], wanted: Mapping[str, Callable[[Any], object]]) -> None:
        """Raise Misconfigured, naming file and field, when a field is missing or cannot be read; its value is not told."""
        for name, read in wanted.items():
            try:
                good = bool(held[name]) and read(held[name]) is not None
            except (KeyError, TypeError, ValueError):
                good = False
            if not good:
                where = self._home.keys / file
                raise Misconfigured(f"{where}: {name} is missing or damaged", "Restore it from the sealed copy, or enrol the box again")


def _enrolled(box: dict[str, Any], house: dict[str, Any]) -> Enrolled:
    secret = {name: str(house.get(name) or "") for name in ("k_pin", "central_public")}
    return Enrolled(str(box["box_id"]), str(box["token"]), str(house["slug"]), int(house["number"]), **secret)


def _enrolment(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise HostError(f"{file}: {error.strerror}", "Ask central for one: latchkey-central gateway add") from error
    except ValueError as error:
        raise HostError(f"{file} is no enrolment file", "Ask central for one: latchkey-central gateway add") from error
    missing = [name for name in ENROLMENT if not isinstance(told, dict) or name not in told]
    if missing:
        raise HostError(f"{file} has no {', '.join(missing)}", "Ask central for a new one: latchkey-central gateway add")
    return dict(told)
