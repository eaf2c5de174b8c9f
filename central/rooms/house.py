"""The property as its use cases need it: zone, times of day, currency, business date."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from central.problems import NotFound
from central.store.tables import property_
from central.store.turn import Turn
from central.sync import feed
from wire.entities import PropertyBody

_HOUSE = select(property_).where(property_.c.property_id == bindparam("property_id"))
_ALL = select(property_.c.property_id).order_by(property_.c.property_id)
_NUMBER = (
    update(property_)
    .where(property_.c.property_id == bindparam("key"))
    .values(last_number=property_.c.last_number + 1)
    .returning(property_)
)
_BUSINESS_DATE = update(property_).where(property_.c.property_id == bindparam("key")).values(business_date=bindparam("business_date"))


DAY_ENDS = timedelta(hours=4)  # after midnight: who arrives at one o'clock arrives on the old business date


def business_date_at(now: datetime, zone: ZoneInfo) -> date:
    """Return the business date that belongs to an instant as long as nobody closes days by hand."""
    return (now.astimezone(zone).replace(tzinfo=None) - DAY_ENDS).date()


@dataclass(frozen=True, slots=True)
class House:
    """One property's settings. `last_number` is the newest order's number."""

    property_id: str
    number: int
    name: str
    time_zone: str
    currency: str
    check_in: str
    check_out: str
    business_date: date
    languages: tuple[str, ...]
    simulated: bool
    last_number: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def local_date(self, at: datetime) -> date:
        """The calendar date in the hotel at an instant."""
        return at.astimezone(self.zone).date()

    def arrive(self, arrival: date) -> datetime:
        """When a stay that arrives on `arrival` may have its room, UTC."""
        return self._instant(arrival, self.check_in)

    def depart(self, departure: date) -> datetime:
        """When a stay that departs on `departure` must have left, UTC."""
        return self._instant(departure, self.check_out)

    def early(self, arrival: date) -> timedelta:
        """How long before the agreed time a guest may be checked in: from midnight of the day on, the night is the guest's."""
        return self.arrive(arrival) - self._instant(arrival, "00:00")

    def _instant(self, day: date, at: str) -> datetime:
        return datetime.combine(day, time.fromisoformat(at), self.zone).astimezone(UTC)


def _house(row: RowMapping) -> House:
    told: dict[str, Any] = {**row, "languages": tuple(row["languages"])}
    return House(**told)


def read_house(conn: Connection, property_id: str) -> House:
    """Return the property's settings; raise NotFound."""
    row = conn.execute(_HOUSE, {"property_id": property_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("property", property_id)
    return _house(row)


def all_properties(conn: Connection) -> list[str]:
    """Return every property's slug, sorted."""
    return [str(slug) for slug in conn.execute(_ALL).scalars()]


def next_number(turn: Turn) -> House:
    """Give out the next order number, `House.last_number`, and return the settings with it: one statement for both."""
    return _house(turn.conn.execute(_NUMBER, {"key": turn.property_id}).mappings().one())


def publish_property(turn: Turn) -> None:
    """Put the property's present settings into the feed."""
    house = read_house(turn.conn, turn.property_id)
    body = PropertyBody(
        number=house.number,
        name=house.name,
        time_zone=house.time_zone,
        currency=house.currency,
        check_in=house.check_in,
        check_out=house.check_out,
        business_date=house.business_date,
        languages=house.languages,
        simulated=house.simulated,
    )
    feed.put(turn, "property", turn.property_id, body)


def set_business_date(turn: Turn, day: date) -> None:
    """Begin the business date `day`; nothing happens when it is the one already."""
    if read_house(turn.conn, turn.property_id).business_date == day:
        return
    turn.conn.execute(_BUSINESS_DATE, {"key": turn.property_id, "business_date": day})
    publish_property(turn)
