"""Where the sensors and the front office disagree, pure. What is found is a task for a person.

Nobody is checked out, no right is ended and nothing is charged because of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Literal

from gateway.rules.occupancy import Occupancy, Sight

DISCREPANCY = timedelta(seconds=1800)
NIGHT_FROM, NIGHT_TO = time(23), time(6)
SKIP_AFTER = timedelta(hours=6)
STAFF_EXCUSES = timedelta(minutes=45)  # after a member of staff went in, the room proves nothing
STAFF_STAYS = timedelta(minutes=30)
_SECOND = timedelta(seconds=1)

Kind = Literal["sleep_out", "skip_suspect", "sleep_suspect", "staff_overstay"]


@dataclass(frozen=True, slots=True)
class Front:
    """The front office's view of a room: lived in or not, since when, until when it was sold."""

    occupied: bool
    since: datetime
    depart: datetime | None = None
    stay_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Who opened the door last."""

    at: datetime
    staff: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement. `mark` tells it from the next one of its kind: it is told once."""

    kind: Kind
    mark: str


def found(sight: Sight, front: Front, entry: Entry | None, now: datetime, zone: tzinfo = UTC) -> tuple[Finding, ...]:
    """Return what disagrees at `now`; the same findings again for as long as they hold. Never from `unknown` or `verifying`."""
    if sight.since is None:
        return ()
    stands = now - max(sight.since, front.since)
    local = now.astimezone(zone)
    findings: list[Finding] = []
    if sight.occupancy is Occupancy.OCCUPIED and not front.occupied:
        if entry is not None and entry.staff and now - entry.at > STAFF_STAYS:
            findings.append(Finding("staff_overstay", entry.at.isoformat()))
        if stands >= DISCREPANCY and not _excused(entry, now):
            findings.append(Finding("sleep_suspect", sight.since.isoformat()))
    if sight.occupancy is Occupancy.VACANT and front.occupied and stands >= DISCREPANCY and not _excused(entry, now):
        evening = datetime.combine(local.date() - timedelta(days=1), NIGHT_FROM, zone)
        morning = datetime.combine(local.date(), NIGHT_TO, zone)
        if max(sight.since, front.since) <= evening and morning <= now < morning + timedelta(hours=6):
            findings.append(Finding("sleep_out", local.date().isoformat()))
        if now - sight.since > SKIP_AFTER and front.depart is not None and front.depart.astimezone(zone).date() == local.date():
            findings.append(Finding("skip_suspect", sight.since.isoformat()))
    return tuple(findings)


def _excused(entry: Entry | None, now: datetime) -> bool:
    return entry is not None and entry.staff and now - entry.at < STAFF_EXCUSES


def due(sight: Sight, front: Front, entry: Entry | None, now: datetime, zone: tzinfo = UTC) -> datetime | None:
    """Return when `found` may say something new, None when time alone changes nothing."""
    return min((at for at in _moments(sight, front, entry, now, zone) if at > now), default=None)


def _moments(sight: Sight, front: Front, entry: Entry | None, now: datetime, zone: tzinfo) -> Iterator[datetime]:
    disagree = {Occupancy.OCCUPIED: not front.occupied, Occupancy.VACANT: front.occupied}.get(sight.occupancy, False)
    if sight.since is None or not disagree:
        return
    yield max(sight.since, front.since) + DISCREPANCY
    if entry is not None and entry.staff:
        yield entry.at + STAFF_STAYS + _SECOND
        yield entry.at + STAFF_EXCUSES
    if sight.occupancy is Occupancy.VACANT:
        yield sight.since + SKIP_AFTER + _SECOND
        today = now.astimezone(zone).date()
        for day in (today, today + timedelta(days=1)):
            yield datetime.combine(day, time(0), zone)  # the departure day begins
            yield datetime.combine(day, NIGHT_TO, zone)
