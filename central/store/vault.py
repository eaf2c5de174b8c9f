"""The vault: what is encrypted before it reaches the database, field by field.

A sealed field is version 1 (one byte), key number (one byte), nonce (12 bytes), AES-256-GCM ciphertext; the associated data name
table, row and column, so that a field copied to another row does not open. The key lies in a file of its own (0600), never in
the database.
"""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, bindparam, insert, select

from central.store.tables import property_secret

VERSION = 1
KEY_NUMBER = 1
KEY_BYTES = 32
NONCE_BYTES = 12
_HEAD = bytes([VERSION, KEY_NUMBER])
_SECRET = select(property_secret.c.value_sealed).where(
    property_secret.c.property_id == bindparam("property_id"), property_secret.c.name == bindparam("name")
)


class Unreadable(Exception):
    """A sealed field does not open: another key, another row, or damage. Look for the key file that belongs to this database."""


class Vault:
    """Seals and opens fields with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a vault key has {KEY_BYTES} bytes, not {len(key)}")
        self._aead = AESGCM(key)

    @classmethod
    def in_folder(cls, folder: Path) -> "Vault":
        """Return the vault whose key is `folder`/central.key; make the folder (0700) and the key (0600) when there is none."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "central.key"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(os.urandom(KEY_BYTES).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            pass
        return cls(bytes.fromhex(path.read_text().strip()))

    def seal(self, place: str, value: bytes | str) -> bytes:
        """Encrypt `value` for `place` (table/row/column); each call gives other bytes."""
        nonce = os.urandom(NONCE_BYTES)
        plain = value.encode() if isinstance(value, str) else value
        return _HEAD + nonce + self._aead.encrypt(nonce, plain, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """Decrypt what was sealed for the same `place`; raise Unreadable otherwise."""
        if sealed[: len(_HEAD)] != _HEAD:
            raise Unreadable(f"{place}: sealed by a key or version that this program does not hold")
        body = sealed[len(_HEAD) :]
        try:
            return self._aead.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], place.encode())
        except InvalidTag:
            raise Unreadable(f"{place}: does not open with this key") from None

    def open_text(self, place: str, sealed: bytes) -> str:
        """Decrypt a text."""
        return self.open(place, sealed).decode()

    def secret(self, conn: Connection, property_id: str, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the property's secret `name`, such as k_pin; the first call, inside a write, makes and keeps it."""
        place = f"property_secret/{property_id}/{name}/value"
        sealed = conn.execute(_SECRET, {"property_id": property_id, "name": name}).scalar()
        if sealed is not None:
            return self.open(place, bytes(sealed))
        value = make()
        conn.execute(insert(property_secret), {"property_id": property_id, "name": name, "value_sealed": self.seal(place, value)})
        return value
