"""The API of the order list and of one folio: what the pages of the same name show."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.bookings import order_list, views
from central.bookings.order_list import Page
from central.bookings.views import ReservationRow
from central.folio.ledger import Posting
from central.services import Services
from central.staff.answers import READS
from central.staff.guard import Caller, may, services_of
from central.staff.permissions import Permission

routes = APIRouter(prefix="/api/v1", tags=["stays"])
See = Annotated[Caller, Depends(may(Permission.STAYS_SEE))]
Text = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True, slots=True)
class FolioView:
    """One folio: `balance_minor` is posted so far, `due_minor` counts the used nights that are not posted yet as well."""

    reservation: ReservationRow
    currency: str
    balance_minor: int
    due_minor: int
    lines: tuple[Posting, ...]


def folio_view(conn: Connection, services: Services, property_id: str, reservation_id: str) -> FolioView:
    """Read one folio; raise NotFound."""
    seen = views.reservation_view(conn, services.vault, property_id, reservation_id, services.clock.now())
    return FolioView(seen.reservation, seen.currency, seen.balance_minor, seen.due_minor, seen.folio)


class ListQuery(BaseModel):
    """The filter of the order list; empty does not matter. Days are inclusive, as 2026-07-01."""

    arrival_from: Text = ""
    arrival_to: Text = ""
    departure_from: Text = ""
    departure_to: Text = ""
    status: Text = ""
    channel: Text = ""
    text: Annotated[str, Field(max_length=200, description="A room, a number, a channel's reference, or a part of a name.")] = ""
    sort: Annotated[str, Field(max_length=10, description="latest (arrival first) or earliest.")] = "latest"
    after: Annotated[str | None, Field(max_length=100, description="What the last page said in `after`.")] = None
    limit: Annotated[int, Field(ge=1, le=order_list.MOST)] = order_list.PAGE


@routes.get("/reservations", responses=READS)
async def listed(request: Request, caller: See, told: Annotated[ListQuery, Query()]) -> Page:
    """List reservations of all times by filters; pages cost the same however deep they lie."""
    asked = order_list.wanted(told.model_dump(exclude={"after", "limit"}))
    services = services_of(request)
    return await services.store.read(lambda conn: order_list.page(conn, services.vault, caller.property_id, asked, told.after, told.limit))


@routes.get("/reservations/{reservation_id}/folio", responses=READS)
async def folio(reservation_id: str, request: Request, caller: Annotated[Caller, Depends(may(Permission.FOLIO_SEE))]) -> FolioView:
    """Show one folio: every line ever posted, in order; a reversal names the line that it takes back."""
    services = services_of(request)
    return await services.store.read(lambda conn: folio_view(conn, services, caller.property_id, reservation_id))
