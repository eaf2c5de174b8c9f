"""The API of the house and its rooms."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, bindparam, select

from central.problems import Invalid
from central.rooms import inventory, repairs
from central.rooms.care import set_care
from central.rooms.day import give_holds
from central.rooms.house import House, read_house
from central.rooms.inventory import TypeLeft
from central.staff.answers import CHANGES, READS, IdempotencyKey, change_once
from central.staff.guard import Caller, may, services_of
from central.staff.permissions import Permission
from central.store.tables import room, room_door
from central.store.turn import Turn
from wire.entities import Care

LONGEST = 92  # nights of one availability question
routes = APIRouter(prefix="/api/v1", tags=["rooms"])
_ROOMS = select(room).where(room.c.property_id == bindparam("p")).order_by(room.c.sort, room.c.room)
_DOORS = select(room_door).where(room_door.c.property_id == bindparam("p")).order_by(room_door.c.room, room_door.c.door)


class PropertyView(BaseModel):
    """The hotel as the caller sees it."""

    property: str
    name: str
    number: int
    time_zone: str
    currency: str
    check_in: str
    check_out: str
    business_date: date
    languages: list[str]
    simulated: bool


class RoomView(BaseModel):
    """One room."""

    room: str
    room_type: str
    floor: int
    doors: list[int]
    front: str
    care: str


class CareIn(BaseModel):
    """How clean a room is, by somebody who has seen it."""

    model_config = ConfigDict(extra="forbid")
    care: Care


class MaintenanceIn(BaseModel):
    """Nights [first_night, end_night) on which a room cannot be used."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["out_of_order", "out_of_service"]
    first_night: date
    end_night: date
    reason: Annotated[str, Field(max_length=200)] = ""


def _property(house: House) -> PropertyView:
    return PropertyView(
        property=house.property_id,
        name=house.name,
        number=house.number,
        time_zone=house.time_zone,
        currency=house.currency,
        check_in=house.check_in,
        check_out=house.check_out,
        business_date=house.business_date,
        languages=list(house.languages),
        simulated=house.simulated,
    )


def _rooms(conn: Connection, property_id: str) -> list[RoomView]:
    doors: dict[str, list[int]] = {}
    for row in conn.execute(_DOORS, {"p": property_id}):
        doors.setdefault(row.room, []).append(row.door)
    return [
        RoomView(room=row.room, room_type=row.room_type, floor=row.floor, doors=doors.get(row.room, []), front=row.front, care=row.care)
        for row in conn.execute(_ROOMS, {"p": property_id})
    ]


@routes.get("/properties", responses=READS)
async def properties(request: Request, caller: Annotated[Caller, Depends(may(Permission.PROPERTY_SEE))]) -> list[PropertyView]:
    """List the properties that the caller may see: its own."""
    house = await services_of(request).store.read(lambda conn: read_house(conn, caller.property_id))
    return [_property(house)]


@routes.get("/rooms", responses=READS)
async def rooms(request: Request, caller: Annotated[Caller, Depends(may(Permission.ROOMS_SEE))]) -> list[RoomView]:
    """List the rooms in the house's order."""
    return await services_of(request).store.read(lambda conn: _rooms(conn, caller.property_id))


@routes.get("/availability", responses=READS)
async def availability(
    request: Request,
    caller: Annotated[Caller, Depends(may(Permission.AVAILABILITY_SEE))],
    arrival: Annotated[date, Query()],
    departure: Annotated[date, Query()],
) -> list[TypeLeft]:
    """Say how many rooms of each type are left for the whole stay [arrival, departure), and on each night."""
    if not 0 < (departure - arrival).days <= LONGEST:
        raise Invalid("bad_dates", f"The departure is 1 to {LONGEST} nights after the arrival.", "Ask for other dates.")
    return await services_of(request).store.read(lambda conn: inventory.availability(conn, caller.property_id, arrival, departure))


@routes.post("/rooms/{number}/care", responses=CHANGES)
async def care(
    number: str, told: CareIn, request: Request, caller: Annotated[Caller, Depends(may(Permission.ROOMS_CARE))], key: IdempotencyKey = None
) -> dict[str, Any]:
    """Write down how clean a room is."""

    def act(turn: Turn) -> dict[str, Any]:
        set_care(turn, number, told.care)
        return {"room": number, "care": told.care.value}

    return await change_once(request, caller, key, act)


@routes.post("/rooms/{number}/maintenance", status_code=201, responses=CHANGES)
async def plan_maintenance(
    number: str,
    told: MaintenanceIn,
    request: Request,
    caller: Annotated[Caller, Depends(may(Permission.ROOMS_REPAIR))],
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Take a room out of order or out of service for some nights."""

    def act(turn: Turn) -> dict[str, Any]:
        return {"maintenance_id": repairs.plan(turn, number, told.kind, told.first_night, told.end_night, told.reason)}

    return await change_once(request, caller, key, act)


@routes.delete("/maintenance/{maintenance_id}", status_code=204, responses=CHANGES)
async def finish_maintenance(
    maintenance_id: str, request: Request, caller: Annotated[Caller, Depends(may(Permission.ROOMS_REPAIR))]
) -> None:
    """Give a room back."""
    await services_of(request).change(caller.property_id, caller.actor, repairs.finish, maintenance_id)


@routes.post("/holds", responses=CHANGES)
async def renew_holds(request: Request, caller: Annotated[Caller, Depends(may(Permission.ROOMS_HOLD))]) -> dict[str, int]:
    """Give the box the rooms that it may sell without a line; done by itself at the turn of the day. May be repeated."""
    return {"given": await services_of(request).change(caller.property_id, caller.actor, give_holds)}
