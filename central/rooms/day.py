"""The turn of the day: the business date follows the clock, lived-in rooms need service, the horizon of sale moves on.

It stands in for a night audit and does only what costs nobody money: no night is posted here.
"""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from central.rooms.care import move_axes
from central.rooms.house import DAY_ENDS, business_date_at, read_house, set_business_date
from central.rooms.inventory import HORIZON, open_nights
from central.store import audit
from central.store.tables import room
from central.store.turn import Turn
from central.sync import holds
from wire.rooms import Front, RoomEvent

_LIVED_IN = select(room.c.room).where(room.c.property_id == bindparam("p"), room.c.front == str(Front.OCCUPIED)).order_by(room.c.room)


def give_holds(turn: Turn) -> int:
    """Give the property's box the rooms that it may sell without a line, and return how many more it has now; none without a box."""
    given = holds.renew_for_box(turn, read_house(turn.conn, turn.property_id).business_date)
    if given:
        audit.record(turn, "holds_given", f"property/{turn.property_id}", nights=len(given))
    return len(given)


def turn_of_day(turn: Turn) -> datetime:
    """Bring the business date up to the clock and return when it is due again. May be repeated; a clock set back changes nothing."""
    house = read_house(turn.conn, turn.property_id)
    today = business_date_at(turn.now, house.zone)
    if today > house.business_date:
        for number in turn.conn.execute(_LIVED_IN, {"p": turn.property_id}).scalars().all():
            move_axes(turn, number, RoomEvent.NIGHT_PASSED)
        set_business_date(turn, today)
        open_nights(turn, today, today + timedelta(days=HORIZON))
        give_holds(turn)
        audit.record(turn, "day_turned", f"property/{turn.property_id}", business_date=today.isoformat())
    midnight = house.depart(max(today, house.business_date) + timedelta(days=1)).astimezone(house.zone)
    return midnight.replace(hour=0, minute=0, second=0, microsecond=0) + DAY_ENDS
