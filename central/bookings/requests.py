"""What callers send about orders and stays: shapes and limits; what it means is decided by the use cases."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from central.bookings.orders import Amendment, NewOrder
from central.bookings.rules import LONGEST
from wire.entities import Guest

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$")]
Minor = Annotated[int, Field(ge=0, le=10**10)]
PLAIN_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _plain(told: object) -> object:
    """A day is a day: no time, which would be in some zone or other, and no number of seconds. Raises ValueError."""
    if (isinstance(told, str) and PLAIN_DAY.fullmatch(told)) or (isinstance(told, date) and not isinstance(told, datetime)):
        return told
    raise ValueError("expected a date like 2026-07-01, without a time")


Day = Annotated[date, BeforeValidator(_plain), Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]
Nightly = Annotated[list[Minor], Field(min_length=1, max_length=LONGEST)]


class Told(BaseModel):
    """A request's body: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid")


class GuestIn(Told):
    """In whose name."""

    display_name: Name
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Za-z]{2,4})?$")] = "en"

    def guest(self) -> Guest:
        return Guest(self.display_name, self.language)


class OrderIn(Told):
    """An order: `rooms` equal units for the nights [arrival, departure). Prices are gross, one for each night, for one room.

    The same `channel` and `channel_reference` are the same order, however often it is sent; a higher `version` amends it.
    """

    channel: Word
    channel_reference: Word
    version: Annotated[int, Field(ge=1, le=10**9)] = 1
    booked_at: AwareDatetime | None = None
    booked_on: Day | None = None
    guest: GuestIn
    room_type: Annotated[str, Field(min_length=1, max_length=16)]
    arrival: Day
    departure: Day | None = None
    nights: Annotated[int | None, Field(ge=1, le=LONGEST)] = None
    persons: Annotated[int | None, Field(ge=1, le=32)] = None
    adults: Annotated[int, Field(ge=1, le=32)] = 1
    children: Annotated[int, Field(ge=0, le=32)] = 0
    rooms: Annotated[int, Field(ge=1, le=20)] = 1
    nightly_gross_minor: Nightly | None = None
    note: Annotated[str | None, Field(max_length=1000)] = None

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.departure is None) == (self.nights is None):
            raise ValueError("give departure or nights, one of them")
        return self

    def order(self, now: datetime) -> NewOrder:
        """Return the order; without a time of booking it was booked now."""
        booked = self.booked_at or (datetime.combine(self.booked_on, time(12), UTC) if self.booked_on else now)
        departure = self.departure or self.arrival + timedelta(days=self.nights or 0)
        return NewOrder(
            channel=self.channel,
            channel_reference=self.channel_reference,
            version=self.version,
            booked_at=booked,
            guest=self.guest.guest(),
            room_type=self.room_type,
            arrival=self.arrival,
            departure=departure,
            persons=self.persons or self.adults + self.children,
            rooms=self.rooms,
            nightly_gross_minor=None if self.nightly_gross_minor is None else tuple(self.nightly_gross_minor),
            note=self.note,
        )


class AmendIn(Told):
    """What changes about an order; what is not sent stays."""

    version: Annotated[int | None, Field(ge=1, le=10**9)] = None
    guest: GuestIn | None = None
    room_type: Annotated[str | None, Field(min_length=1, max_length=16)] = None
    arrival: Day | None = None
    departure: Day | None = None
    persons: Annotated[int | None, Field(ge=1, le=32)] = None
    nightly_gross_minor: Nightly | None = None

    def amendment(self) -> Amendment:
        told: dict[str, Any] = self.model_dump(exclude={"guest", "nightly_gross_minor"})
        prices = None if self.nightly_gross_minor is None else tuple(self.nightly_gross_minor)
        return Amendment(guest=self.guest.guest() if self.guest else None, nightly_gross_minor=prices, **told)


class CancelIn(Told):
    """Why, and by which version of the channel's order."""

    reason: Annotated[str, Field(max_length=200)] = ""
    version: Annotated[int | None, Field(ge=1, le=10**9)] = None


class CheckInIn(Told):
    """`room` None: the one that is assigned, or the one that is chosen by itself. `keys`: how many are wanted."""

    room: Annotated[str | None, Field(min_length=1, max_length=16)] = None
    keys: Annotated[int, Field(ge=0, le=8)] = 1


class RoomIn(Told):
    """Which room."""

    room: Annotated[str, Field(min_length=1, max_length=16)]


class DepartureIn(Told):
    """The new day of departure."""

    departure: Day


class CheckOutIn(Told):
    """`open_balance`: let the guest go although the folio is not settled; a task remains."""

    open_balance: bool = False


class CutKeyIn(Told):
    """On which encoder; `key_id` None: the stay's first key that is valid."""

    encoder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    purpose: Literal["new", "copy", "extend"] = "new"
    key_id: Annotated[str | None, Field(max_length=64)] = None


class PaymentIn(Told):
    """Money that was received; negative: given back. The same `payment_id` counts once."""

    payment_id: Word
    method: Literal["cash", "card", "transfer"]
    amount_minor: Annotated[int, Field(ge=-(10**10), le=10**10)]
    reference: Annotated[str, Field(max_length=64)] = ""


class ReverseIn(Told):
    """Why a line is reversed."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]
