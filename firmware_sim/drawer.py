"""The cards of a simulated hotel: a drawer of plastic that outlives the simulator, and how special ones are made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_sim import card as cards
from firmware_sim.card import Card, Image
from firmware_sim.codes import CardType

KINDS = ("rfid48", "wrong_type", "protected")
BLANKS = 12  # in a new drawer: C1 … C12


@dataclass
class Drawer:
    """All cards by id. `path` None keeps them in this process only."""

    path: Path | None
    property_number: int
    k_card: bytes = field(repr=False)
    cards: dict[str, Card] = field(default_factory=dict)
    _saved: str = ""

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            for row in json.loads(self.path.read_text()):
                self.cards[row["id"]] = Card(row["id"], bytes.fromhex(row["uid"]), row["kind"], bytes.fromhex(row["memory"]))
        while len(self.cards) < BLANKS:
            self.make()

    def make(self, name: str | None = None, kind: str = "rfid48") -> Card:
        """A new blank card; without a name the next free C-number. Raises ValueError when the name is taken."""
        if name is None:
            name = next(f"C{n}" for n in range(1, len(self.cards) + 2) if f"C{n}" not in self.cards)
        if name in self.cards:
            raise ValueError(f"there is a card {name} already")
        card = Card(name, b"\x04" + hashlib.sha256(b"uid " + name.encode()).digest()[:6], kind)
        self.cards[name] = card
        return card

    def stamp(self, card: Card, fields: Mapping[str, int], foreign: bool) -> None:
        """Write an image as a factory would: a staff card, another hotel's card. `foreign` uses a strange key and property."""
        image = Image(
            type=fields.get("type", CardType.GUEST),
            property_number=fields.get("property", self.property_number + 1 if foreign else self.property_number),
            door_first=fields.get("door_first", 0),
            door_count=fields.get("door_count", 0),
            generation=fields.get("generation", 0),
            copy=fields.get("role", fields.get("copy", 0)),
            flags=fields.get("flags", 0),
            start=fields.get("from", 0),
            until=fields.get("until", 0xFFFFFFFF),
            credential_ref=fields.get("credential_ref", 0),
            areas=fields.get("areas", 0),
        )
        key = hashlib.sha256(b"another hotel").digest() if foreign else self.k_card
        card.write(cards.written(image, card.uid, key))

    def save(self) -> None:
        """Write the drawer when something in it has changed."""
        if self.path is None:
            return
        rows = [{"id": c.id, "uid": c.uid.hex(), "kind": c.kind, "memory": c.memory.hex()} for c in self.cards.values()]
        text = json.dumps(rows)
        if text != self._saved:
            fresh = self.path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(text)
            fresh.replace(self.path)
            self._saved = text

    def shown(self, card: Card) -> dict[str, Any]:
        """What may be told of a card: never its image or its mac."""
        told: dict[str, Any] = {"id": card.id, "uid_hash": cards.uid_hash(card.uid), "kind": card.kind, "blank": card.blank}
        image = cards.legible(card.memory)
        if image is not None:
            names = {"start": "from", "property_number": "property"}
            fields = {names.get(name, name): getattr(image, name) for name in Image.__slots__}
            ours = cards.authentic(card.memory, card.uid, self.k_card) is not None and image.property_number == self.property_number
            told |= {"fields": fields | {"extra_doors": list(image.extra_doors)}, "authentic": ours}
        return told
