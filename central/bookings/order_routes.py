"""The API of orders: take, look up, amend, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from central.bookings import books, views
from central.bookings.books import ActionView
from central.bookings.orders import amend_order, cancel_order, take_order
from central.bookings.requests import AmendIn, CancelIn, OrderIn
from central.bookings.views import OrderView
from central.problems import Forbidden, NotFound
from central.staff.answers import CHANGES, READS, IdempotencyKey, change_once
from central.staff.guard import Caller, may, services_of
from central.staff.permissions import Permission
from central.store.turn import Turn

routes = APIRouter(prefix="/api/v1/orders", tags=["orders"])
See = Annotated[Caller, Depends(may(Permission.ORDERS_SEE))]
Take = Annotated[Caller, Depends(may(Permission.ORDERS_TAKE))]
Change = Annotated[Caller, Depends(may(Permission.ORDERS_CHANGE))]


class StayAnswer(BaseModel):
    """One reservation of an order, in short."""

    reservation_id: str
    number: str
    status: str
    room: str | None
    actions: list[ActionView]


class OrderAnswer(BaseModel):
    """What every delivery of an order is answered with; `created` only by the first.

    `differs`: this version was delivered before and said something else. It changed nothing: send what is new under a higher version.
    """

    order_id: str
    number: str
    status: str
    version: int
    reservations: list[StayAnswer]
    created: bool = False
    differs: bool = False


def _own(turn: Turn, caller: Caller, order_id: str) -> None:
    """Raise NotFound when a channel asks for another channel's order."""
    if caller.channel is not None and books.read_order(turn.conn, turn.property_id, order_id)["channel"] != caller.channel:
        raise NotFound("order", order_id)


@routes.post(
    "",
    status_code=201,
    response_model=OrderAnswer,
    responses=CHANGES | {200: {"model": OrderAnswer, "description": "It was known already."}},
)
async def take(told: OrderIn, request: Request, response: Response, caller: Take, key: IdempotencyKey = None) -> dict[str, Any]:
    """Take an order. Sending it again answers with the same order (200); a newer version amends it."""
    if caller.channel is not None and told.channel != caller.channel:
        raise Forbidden("other_channel", f"This token is for the channel {caller.channel}.", "Send your own channel's name.")
    now = services_of(request).clock.now()
    answer = await change_once(request, caller, key, lambda turn: take_order(turn, told.order(now)))
    response.status_code = 201 if answer["created"] else 200
    return answer


@routes.get("", responses=READS)
async def page(
    request: Request,
    caller: See,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str | None, Query(max_length=64, description="The order_id that the last page ended with.")] = None,
) -> list[OrderView]:
    """List orders, the newest first."""
    services = services_of(request)
    return await services.store.read(lambda conn: views.order_page(conn, services.vault, caller.property_id, limit, after, caller.channel))


@routes.get("/{order_id}", responses=READS)
async def one(order_id: str, request: Request, caller: See) -> OrderView:
    """Show one order."""
    services = services_of(request)
    seen = await services.store.read(lambda conn: views.order_view(conn, services.vault, caller.property_id, order_id))
    if caller.channel is not None and seen.channel != caller.channel:
        raise NotFound("order", order_id)
    return seen


@routes.patch("/{order_id}", response_model=OrderAnswer, responses=CHANGES)
async def amend(order_id: str, told: AmendIn, request: Request, caller: Change, key: IdempotencyKey = None) -> dict[str, Any]:
    """Amend an order before arrival. An older version changes nothing."""

    def act(turn: Turn) -> dict[str, Any]:
        _own(turn, caller, order_id)
        return amend_order(turn, order_id, told.amendment())

    return await change_once(request, caller, key, act)


@routes.post("/{order_id}/cancel", response_model=OrderAnswer, responses=CHANGES)
async def cancel(
    order_id: str, request: Request, caller: Change, told: CancelIn | None = None, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Cancel an order: each of its nights returns to sale. May be repeated."""
    why = told or CancelIn()

    def act(turn: Turn) -> dict[str, Any]:
        _own(turn, caller, order_id)
        return cancel_order(turn, order_id, why.reason, why.version)

    return await change_once(request, caller, key, act)
