"""The API of stays: check-in, move, departure, check-out, keys, cards, folio; and the desk's lists."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from central.bookings import books, facts, keys, stays, views
from central.bookings.board import BoardRoom, DeviceView, board, devices
from central.bookings.books import ActionView
from central.bookings.requests import CheckInIn, CheckOutIn, CutKeyIn, DepartureIn, PaymentIn, ReverseIn, RoomIn
from central.bookings.stays import Done
from central.bookings.views import ReservationRow, ReservationView
from central.folio import ledger
from central.problems import NotFound
from central.rooms.house import read_house
from central.staff.answers import CHANGES, READS, IdempotencyKey, change_once
from central.staff.guard import Caller, may, services_of
from central.staff.permissions import Permission
from central.store.turn import Turn
from central.sync import jobs
from central.sync.jobs import JobState
from central.upkeep import tasks
from central.upkeep.tasks import Task
from wire.stays import Context

routes = APIRouter(prefix="/api/v1", tags=["stays"])
See = Annotated[Caller, Depends(may(Permission.STAYS_SEE))]
Act = Annotated[Caller, Depends(may(Permission.STAYS_ACT))]
Keys = Annotated[Caller, Depends(may(Permission.KEYS_ACT))]
Post = Annotated[Caller, Depends(may(Permission.FOLIO_POST))]


class StayChanged(BaseModel):
    """A reservation after a change; `warning` is what should have been minded, such as room_dirty."""

    reservation_id: str
    number: str
    status: str
    room: str | None
    arrival: date
    departure: date
    actions: list[ActionView]
    warning: str | None = None


class KeyMade(BaseModel):
    """A key as it is wanted now; its way to the doors is in the reservation."""

    key_id: str
    copy_no: int
    status: str


class JobAsked(BaseModel):
    """A job for the box; follow it at /jobs/{job_id}."""

    job_id: str


class Posted(BaseModel):
    """The balance after a posting; `new` false: it was there already."""

    balance_minor: int
    new: bool = True
    posting_id: str | None = None


def _changed(turn: Turn, done: Done) -> dict[str, Any]:
    stay = done.stay
    house = read_house(turn.conn, turn.property_id)
    owed = ledger.balance(turn.conn, turn.property_id, stay.reservation_id)
    judged = books.actions(stay, Context(turn.now, early=house.early(stay.arrival)), owed)
    return {
        "reservation_id": stay.reservation_id, "number": stay.number, "status": str(stay.status), "room": stay.room,
        "arrival": stay.arrival.isoformat(), "departure": stay.departure.isoformat(),
        "warning": str(done.warning) if done.warning else None, "actions": [asdict(one) for one in judged],
    }  # fmt: skip


async def _stay(request: Request, caller: Caller, key: str | None, use_case: Callable[[Turn], Done]) -> dict[str, Any]:
    return await change_once(request, caller, key, lambda turn: _changed(turn, use_case(turn)))


@routes.get("/board", responses=READS)
async def room_board(request: Request, caller: Annotated[Caller, Depends(may(Permission.ROOMS_SEE))]) -> list[BoardRoom]:
    """Show every room: who is in it, how clean it is, what its sensors and devices say."""
    services = services_of(request)
    return await services.store.read(lambda conn: board(conn, services.vault, caller.property_id, services.clock.now()))


@routes.get("/devices", responses=READS)
async def device_list(request: Request, caller: Annotated[Caller, Depends(may(Permission.DEVICES_SEE))]) -> list[DeviceView]:
    """List the devices that the box has spoken of."""
    return await services_of(request).store.read(lambda conn: devices(conn, caller.property_id))


@routes.get("/day", responses=READS)
async def day(request: Request, caller: See) -> list[ReservationRow]:
    """List who is in house and who should arrive by the business date."""
    services = services_of(request)
    return await services.store.read(lambda conn: views.day(conn, services.vault, caller.property_id))


@routes.get("/reservations/{reservation_id}", responses=READS)
async def one(reservation_id: str, request: Request, caller: See) -> ReservationView:
    """Show one reservation: doors, keys and how far they have come, cards, folio, and what may be done now."""
    services = services_of(request)
    now = services.clock.now()
    return await services.store.read(lambda conn: views.reservation_view(conn, services.vault, caller.property_id, reservation_id, now))


@routes.post("/reservations/{reservation_id}/check-in", response_model=StayChanged, responses=CHANGES)
async def check_in(
    reservation_id: str, request: Request, caller: Act, told: CheckInIn | None = None, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Check the guest in."""
    wanted = told or CheckInIn()
    return await _stay(request, caller, key, lambda turn: stays.check_in(turn, reservation_id, wanted.room, wanted.keys))


@routes.post("/reservations/{reservation_id}/assign", response_model=StayChanged, responses=CHANGES)
async def assign(reservation_id: str, told: RoomIn, request: Request, caller: Act, key: IdempotencyKey = None) -> dict[str, Any]:
    """Give the reservation another room before arrival."""
    return await _stay(request, caller, key, lambda turn: stays.assign(turn, reservation_id, told.room))


@routes.post("/reservations/{reservation_id}/move", response_model=StayChanged, responses=CHANGES)
async def move(reservation_id: str, told: RoomIn, request: Request, caller: Act, key: IdempotencyKey = None) -> dict[str, Any]:
    """Move a guest in house to another room."""
    return await _stay(request, caller, key, lambda turn: stays.move(turn, reservation_id, told.room))


@routes.post("/reservations/{reservation_id}/extend", response_model=StayChanged, responses=CHANGES)
async def extend(reservation_id: str, told: DepartureIn, request: Request, caller: Act, key: IdempotencyKey = None) -> dict[str, Any]:
    """Change the departure of a guest in house, later or earlier."""
    return await _stay(request, caller, key, lambda turn: stays.change_departure(turn, reservation_id, told.departure))


@routes.post("/reservations/{reservation_id}/check-out", response_model=StayChanged, responses=CHANGES)
async def check_out(
    reservation_id: str, request: Request, caller: Act, told: CheckOutIn | None = None, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Check the guest out."""
    wanted = told or CheckOutIn()
    return await _stay(request, caller, key, lambda turn: stays.check_out(turn, reservation_id, open_balance=wanted.open_balance))


@routes.post("/reservations/{reservation_id}/no-show", response_model=StayChanged, responses=CHANGES)
async def no_show(reservation_id: str, request: Request, caller: Act, key: IdempotencyKey = None) -> dict[str, Any]:
    """Note that nobody came."""
    return await _stay(request, caller, key, lambda turn: stays.no_show(turn, reservation_id))


@routes.post("/reservations/{reservation_id}/keys", status_code=201, response_model=KeyMade, responses=CHANGES)
async def add_key(reservation_id: str, request: Request, caller: Keys, key: IdempotencyKey = None) -> dict[str, Any]:
    """Want a further key."""

    def act(turn: Turn) -> dict[str, Any]:
        made = keys.add_key(turn, reservation_id)
        return {"key_id": made.key_id, "copy_no": made.copy_no, "status": str(made.status)}

    return await change_once(request, caller, key, act)


@routes.post("/keys/{key_id}/lost", response_model=KeyMade, responses=CHANGES)
async def lose_key(key_id: str, request: Request, caller: Keys, key: IdempotencyKey = None) -> dict[str, Any]:
    """Note that a key is lost: its doors refuse it from now on."""

    def act(turn: Turn) -> dict[str, Any]:
        lost = keys.lose_key(turn, key_id)
        return {"key_id": lost.key_id, "copy_no": lost.copy_no, "status": str(lost.status)}

    return await change_once(request, caller, key, act)


@routes.post("/reservations/{reservation_id}/cut-key", status_code=202, response_model=JobAsked, responses=CHANGES)
async def cut_key(reservation_id: str, told: CutKeyIn, request: Request, caller: Keys, key: IdempotencyKey = None) -> dict[str, Any]:
    """Ask the box to cut a card now."""
    return await change_once(
        request, caller, key, lambda turn: {"job_id": keys.cut_key(turn, reservation_id, told.encoder, told.purpose, told.key_id)}
    )


@routes.get("/jobs/{job_id}", responses=READS)
async def job(job_id: str, request: Request, caller: See) -> JobState:
    """Show how far a job has come."""
    found = await services_of(request).store.read(lambda conn: jobs.get(conn, caller.property_id, job_id))
    if found is None:
        raise NotFound("job", job_id)
    return found


@routes.post("/reservations/{reservation_id}/payments", status_code=201, response_model=Posted, responses=CHANGES)
async def pay(reservation_id: str, told: PaymentIn, request: Request, caller: Post, key: IdempotencyKey = None) -> dict[str, Any]:
    """Post a payment."""

    def act(turn: Turn) -> dict[str, Any]:
        new = stays.pay(turn, reservation_id, told.payment_id, told.method, told.amount_minor, told.reference)
        return {"balance_minor": ledger.balance(turn.conn, turn.property_id, reservation_id), "new": new}

    return await change_once(request, caller, key, act)


@routes.post("/postings/{posting_id}/reverse", status_code=201, response_model=Posted, responses=CHANGES)
async def reverse(posting_id: str, told: ReverseIn, request: Request, caller: Post, key: IdempotencyKey = None) -> dict[str, Any]:
    """Reverse a line of a folio by its exact negative."""

    def act(turn: Turn) -> dict[str, Any]:
        made, reservation_id = stays.reverse(turn, posting_id, told.reason)
        return {"posting_id": made, "balance_minor": ledger.balance(turn.conn, turn.property_id, reservation_id)}

    return await change_once(request, caller, key, act)


@routes.get("/tasks", responses=READS)
async def open_tasks(request: Request, caller: Annotated[Caller, Depends(may(Permission.TASKS_SEE))]) -> list[Task]:
    """List the open tasks, oldest first."""
    return await services_of(request).store.read(lambda conn: tasks.open_tasks(conn, caller.property_id))


@routes.post("/tasks/{task_id}/close", status_code=204, responses=CHANGES)
async def close_task(task_id: str, request: Request, caller: Annotated[Caller, Depends(may(Permission.TASKS_CLOSE))]) -> None:
    """Close a task."""
    await services_of(request).change(caller.property_id, caller.actor, facts.close_task, task_id)
