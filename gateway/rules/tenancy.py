"""Who lived in which room when, pure: kept from the stays as they change, so that what happened earlier finds the guest of that time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from wire.entities import StayBody, StayStatus


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One stay in one room from `start` (inclusive) to `end` (exclusive, None while it lasts)."""

    room: str
    stay_id: str
    start: datetime
    end: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Whether the guest lived there at that moment."""
        return self.start <= at and (self.end is None or at < self.end)


def followed(known: Iterable[Tenancy], stay_id: str, stay: StayBody | None, now: datetime) -> tuple[Tenancy, ...]:
    """Return the tenancies of one stay as they are now, given those known of it and the stay as the mirror shows it.

    Repeatable; none is ever dropped. A stay that has left the mirror ends by `now`; a room that was left keeps the end it has.
    """
    mine = [tenancy for tenancy in known if tenancy.stay_id == stay_id]
    lives = stay is not None and stay.status is StayStatus.IN_HOUSE
    there = stay.rooms if stay is not None and lives else ()
    after = [tenancy if tenancy.end or tenancy.room in there else _closed(tenancy, stay, now) for tenancy in mine]
    start = None if stay is None else stay.moved_at or stay.in_house_since
    if stay is not None and start is not None and (lives or stay.status is StayStatus.CHECKED_OUT):
        has = {tenancy.room for tenancy in after if tenancy.end is None or not lives}
        fresh = [Tenancy(room, stay_id, start) for room in stay.rooms if room not in has]
        after += fresh if lives else [_closed(tenancy, stay, now) for tenancy in fresh]  # heard of only when it was over
    return tuple({(one.room, one.start): one for one in sorted(after, key=lambda one: (one.start, one.room))}.values())


def _closed(tenancy: Tenancy, stay: StayBody | None, now: datetime) -> Tenancy:
    end = None
    if stay is not None and stay.status is StayStatus.CHECKED_OUT and tenancy.room in stay.rooms:
        end = stay.checked_out_at
    elif stay is not None and tenancy.room not in stay.rooms:
        end = stay.moved_at or stay.checked_out_at
    return replace(tenancy, end=max(end or now, tenancy.start))


def tenant(known: Iterable[Tenancy], room: str, at: datetime) -> Tenancy | None:
    """Return who lived in `room` at that moment; of several the one who came last."""
    there = [tenancy for tenancy in known if tenancy.room == room and tenancy.covers(at)]
    return max(there, key=lambda tenancy: tenancy.start, default=None)
