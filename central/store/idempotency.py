"""Idempotency keys: a request that is sent again gets the first answer and changes nothing."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, insert, select

from central.problems import Conflict
from central.store.tables import idempotency
from central.store.turn import Turn

LONGEST = 200  # characters of a key; ours are UUIDs
_KNOWN = select(idempotency.c.fingerprint, idempotency.c.answer).where(
    idempotency.c.property_id == bindparam("property_id"), idempotency.c.actor == bindparam("actor"), idempotency.c.key == bindparam("key")
)
_KEEP = insert(idempotency)


def once(turn: Turn, key: str | None, request: bytes, act: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Run `act` and keep its answer under the actor's `key`, or return the answer kept before. None runs it every time.

    Raises Conflict when the key was used for another request.
    """
    if key is None:
        return dict(act())
    who = {"property_id": turn.property_id, "actor": turn.actor, "key": key}
    fingerprint = hashlib.sha256(request).hexdigest()
    known = turn.conn.execute(_KNOWN, who).one_or_none()
    if known is not None:
        if known.fingerprint != fingerprint:
            raise Conflict(
                "idempotency_key_reused", "This Idempotency-Key belongs to another request.", "Make a new key for a new request."
            )
        return dict(known.answer)
    answer = dict(act())
    turn.conn.execute(_KEEP, {**who, "fingerprint": fingerprint, "answer": answer, "at": turn.now})
    return answer
