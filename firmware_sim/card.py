"""Cards: the image on a key (device sheet 3.5), its authenticity, and the piece of plastic that carries it."""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_sim.codes import CardType, Role

MEMORY = 48  # bytes on a card
_FIELDS = struct.Struct(">BBHHHIBBIIII")  # 30 bytes, the same in both images
_EXTRA = struct.Struct(">5H")
_GUESTS = frozenset({CardType.GUEST, CardType.ONE_SHOT, CardType.FALLBACK})


@dataclass(frozen=True, slots=True)
class Image:
    """What a card says. `start` is the field `from`; `copy` holds the role on staff cards; extra doors make it image 2."""

    type: int
    property_number: int
    door_first: int
    door_count: int
    generation: int
    copy: int
    flags: int
    start: int
    until: int
    credential_ref: int
    areas: int
    extra_doors: tuple[int, ...] = ()

    @property
    def role(self) -> int:
        """Whose card it is, by its type and, for staff, by the copy byte."""
        if self.type in _GUESTS:
            return Role.GUEST
        return Role.EMERGENCY if self.type == CardType.EMERGENCY else self.copy

    @property
    def is_guest(self) -> bool:
        """Whether an encoder may write over it."""
        return self.type in _GUESTS


def written(image: Image, uid: bytes, k_card: bytes) -> bytes:
    """The bytes for a card: 38 for image 1, 48 for image 2 (device sheet 3.5)."""
    second = bool(image.extra_doors)
    head = _FIELDS.pack(
        2 if second else 1,
        image.type,
        image.property_number,
        image.door_first,
        image.door_count,
        image.generation,
        image.copy,
        image.flags,
        image.start,
        image.until,
        image.credential_ref,
        image.areas,
    )
    if second:
        doors = (*image.extra_doors, 0, 0, 0, 0, 0)[:5]
        head += _EXTRA.pack(*doors)
    return head + _mac(head, uid, k_card)


def legible(memory: bytes) -> Image | None:
    """The fields on a card whether or not they are authentic; None for a blank or another format."""
    if len(memory) < 38 or memory[0] not in (1, 2) or (memory[0] == 2 and len(memory) < 48):
        return None
    fields = _FIELDS.unpack_from(memory)
    extra = _EXTRA.unpack_from(memory, _FIELDS.size) if memory[0] == 2 else ()
    row: list[Any] = [*fields[1:], tuple(door for door in extra if door)]
    return Image(*row)


def authentic(memory: bytes, uid: bytes, k_card: bytes) -> Image | None:
    """The fields on a card whose mac is right for its UID under `k_card`; else None."""
    image = legible(memory)
    if image is None:
        return None
    size = _FIELDS.size + (_EXTRA.size if memory[0] == 2 else 0)
    return image if hmac.compare_digest(_mac(memory[:size], uid, k_card), memory[size : size + 8]) else None


def _mac(head: bytes, uid: bytes, k_card: bytes) -> bytes:
    label = b"hgw-card-v2" if head[0] == 2 else b"hgw-card-v1"
    return hmac.digest(k_card, label + uid + head, "sha256")[:8]


def cred_hash(k_dev: bytes, token: bytes) -> str:
    """How a lock knows a mobile token or a PIN (device sheet 3.5): 8 bytes as hex."""
    return hmac.digest(k_dev, b"hgw-cred-v1" + token, "sha256")[:8].hex()


def uid_hash(uid: bytes) -> str:
    """What may be shown of a card: the first 4 bytes of its UID's SHA-256, as hex."""
    return hashlib.sha256(uid).digest()[:4].hex()


@dataclass
class Card:
    """A physical card. `kind`: rfid48 (the right one), wrong_type, or protected (its sectors are locked)."""

    id: str
    uid: bytes
    kind: str = "rfid48"
    memory: bytes = field(default=bytes(MEMORY), repr=False)

    @property
    def blank(self) -> bool:
        """Whether nothing was ever written on it, or all was erased."""
        return not any(self.memory)

    def write(self, content: bytes, part: float = 1.0) -> None:
        """Put `content` at the start of the memory; with `part` < 1 only that share of it arrives."""
        done = content[: int(len(content) * part)] if part < 1 else content.ljust(MEMORY, b"\0")
        self.memory = done + self.memory[len(done) :]


def with_role(image: Image, role: int) -> Image:
    """The image as it goes on a card: on staff types the role takes the copy byte."""
    if role and image.type in (CardType.STAFF, CardType.EMERGENCY):
        return replace(image, copy=role)
    return image
