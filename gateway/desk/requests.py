"""What callers of the desk send: shapes and limits; what it means is decided by the use cases."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.desk.office import Manager
from gateway.desk.problems import Invalid
from gateway.desk.walkins import Wish
from web.formats import minor

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$")]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
Room = Annotated[str, Field(min_length=1, max_length=16)]
Pin = Annotated[str, Field(pattern=r"^\d{4,12}$")]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]


class Told(BaseModel):
    """A request's body: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid")


class SignInIn(Told):
    """Who, by id or name, and the PIN."""

    staff: Word
    pin: Pin
    next: Annotated[str, Field(max_length=400)] = ""  # where a browser goes on


class CheckInIn(Told):
    """`room` None: the one that is assigned, or a free one of the type."""

    room: Room | None = None
    keys: Annotated[int, Field(ge=0, le=8)] = 1


class CheckOutIn(Told):
    """`open_balance` is accepted as at central; the box refuses no check-out because of money."""

    open_balance: bool = False


class RoomIn(Told):
    """Which room."""

    room: Room


class WithManager(Told):
    """A manager's word for nights that no hold covers."""

    manager_pin: Pin | None = None
    manager: Word | None = None

    def word(self) -> Manager | None:
        return Manager(self.manager_pin, self.manager) if self.manager_pin else None


class DepartureIn(WithManager):
    """The new day of departure."""

    departure: Day


class WalkInIn(WithManager):
    """A guest without an order; type or room, or neither: then any."""

    display_name: Name
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Za-z]{2,4})?$")] = "en"
    persons: Annotated[int, Field(ge=1, le=32)] = 1
    nights: Annotated[int, Field(ge=1, le=30)] = 1
    room_type: Annotated[str | None, Field(min_length=1, max_length=16)] = None
    room: Room | None = None
    keys: Annotated[int, Field(ge=0, le=8)] = 1
    document: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = ""

    def wish(self) -> Wish:
        told = self.model_dump(include={"display_name", "language", "persons", "nights", "room_type", "room", "keys"})
        return Wish(**told)


class CutKeyIn(Told):
    """On which encoder; `key_id` None: the stay's first valid key."""

    encoder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    purpose: Literal["new", "copy", "extend"] = "new"
    key_id: Annotated[str | None, Field(max_length=64)] = None


class PaymentIn(Told):
    """Money received (negative: given back), in minor units or as typed. The same `payment_id` counts once."""

    payment_id: Word
    method: Literal["cash", "card"]
    amount_minor: Annotated[int | None, Field(ge=-(10**10), le=10**10)] = None
    amount: Annotated[str | None, Field(max_length=16)] = None
    reference: Annotated[str, Field(max_length=64)] = ""

    def payment(self, currency: str) -> dict[str, Any]:
        """Return the payment in minor units of the hotel's currency; raise Invalid for what is no amount."""
        told = self.model_dump(include={"payment_id", "method", "reference"})
        try:
            amount = minor(self.amount or "", currency) if self.amount_minor is None else self.amount_minor
        except ValueError:
            raise Invalid("invalid_request", "This is no amount.", "Correct it.", ["amount"]) from None
        return told | {"amount_minor": amount}


class KeyIn(Told):
    """As the page's form says it: `key_id` "another" for one more key."""

    encoder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    key_id: Annotated[str | None, Field(max_length=64)] = None
