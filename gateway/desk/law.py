"""How the one law of stays (`wire.stays`) is asked at the box: what it must know of a stay and of the world around it."""

from dataclasses import replace

from gateway.desk.house import House
from gateway.desk.problems import NotAllowed
from wire.entities import StayBody, StayStatus
from wire.stays import Action, Allowed, Context, Reason, StayView, allowed, from_box, judge


def view_of(stay: StayBody) -> StayView:
    """Return what the law wants to know of a stay."""
    return StayView(
        status=from_box(stay.status),
        arrive=stay.arrive,
        depart=stay.depart,
        rooms=stay.rooms,
        in_house_since=stay.in_house_since,
        checked_out_at=stay.checked_out_at,
        balance_minor=stay.balance_minor,
    )


def meant(house: House, stay_id: str, stay: StayBody) -> StayBody:
    """Return the stay with the room that a check-in now would give it, where nobody has given it one."""
    if stay.rooms or stay.status is not StayStatus.DUE_IN:
        return stay
    first = max(house.arrival(stay), house.business_date)
    free = house.free(stay.room_type, first, max(house.departure(stay), first), stay_id)
    return replace(stay, rooms=tuple(free[:1]), doors=())


def context(house: House, stay_id: str, stay: StayBody) -> Context:
    """Return the world around a stay as it is given now."""
    first, end = max(house.arrival(stay), house.business_date), house.departure(stay)
    known = stay.rooms[0] if stay.rooms and stay.rooms[0] in house.rooms else None
    state = house.state(known, first, max(end, first), stay_id) if known else None
    midnight = house.instant(house.arrival(stay), "00:00")
    return Context(house.now, room=state, posted=stay.balance_minor != 0, early=stay.arrive - midnight)


def must(house: House, action: Action, stay_id: str, stay: StayBody) -> Reason | None:
    """Return the warning that comes with an allowed action; raise NotAllowed with the reason otherwise."""
    verdict = judge(action, view_of(stay), context(house, stay_id, stay))
    if not verdict.ok:
        raise NotAllowed(str(action), [str(verdict.reason_code)])
    return verdict.reason_code


def verdicts(house: House, stay_id: str, stay: StayBody) -> dict[Action, Allowed]:
    """Judge every action."""
    asked = meant(house, stay_id, stay)
    return {one.action: one for one in allowed(view_of(asked), context(house, stay_id, asked))}
