"""Facts about rooms that room devices state themselves: the service panel. Who is in the room is judged in `occupancies.py`."""

from collections.abc import Mapping
from typing import Any

from gateway.device import Event
from gateway.store import Tx
from gateway.witness import Witness
from wire.facts import RoomService

SERVICE = frozenset({"none", "dnd", "mur", "butler"})


def from_event(tx: Tx, room: str, event: Event, witness: Witness) -> None:
    """Tell what one event of a room's device says about the room."""
    if event.type == "service" and event.data.get("value") in SERVICE:
        service = RoomService(room, event.data["value"], event.data.get("source") or "panel", event.at)
        witness.tell_event(tx, service, event, entity=f"room/{room}")


def from_state(tx: Tx, room: str, before: Mapping[str, Any], now: Mapping[str, Any], witness: Witness) -> None:
    """Tell what a device's full state says that differs from what was known: the events in between were lost or are still to come."""
    service = now.get("service")
    if service in SERVICE and service != before.get("service"):
        witness.tell(tx, RoomService(room, service, "state", witness.now), entity=f"room/{room}")
