"""Agreement: the digest over all entities of a property, the same function on both ends."""

import hashlib
from collections.abc import Iterable

from wire.messages import KindDigest

Row = tuple[str, str, bytes]  # kind, id, canonical body


def digest(rows: Iterable[Row]) -> dict[str, KindDigest]:
    """Return per kind the number of entities and the SHA-256 over `id NUL body LF`, sorted by id as UTF-8 bytes.

    `rows` may come in any order; a kind without entities is absent. Bodies must be canonical (`codec.canonical`).
    """
    kinds: dict[str, list[tuple[bytes, bytes]]] = {}
    for kind, entity_id, body in rows:
        kinds.setdefault(kind, []).append((entity_id.encode(), body))
    return {kind: _one(sorted(found)) for kind, found in sorted(kinds.items())}


def _one(found: list[tuple[bytes, bytes]]) -> KindDigest:
    total = hashlib.sha256()
    for entity_id, body in found:
        total.update(entity_id + b"\0" + body + b"\n")
    return KindDigest(len(found), total.hexdigest())
