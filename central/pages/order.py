"""The page of one order as a view: pure functions of what was read."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from central.bookings.board import DeviceView
from central.bookings.views import DoorEventView, KeyView
from central.folio.ledger import Posting
from central.pages.board import line, names, status_of
from central.pages.queries import OneOrder, Today, pending
from central.rooms.house import House
from central.sync.jobs import JobState
from web import views
from wire.entities import Care, KeyKind, KeyStatus
from wire.jobs import JobKind
from wire.rooms import READY, Front
from wire.stays import Action

TALKED_OF = timedelta(minutes=30)  # how long an outcome stays on the page
BADLY = frozenset({"failed", "unknown", "expired", "withdrawn"})


def order(found: OneOrder) -> views.Order:
    """Draw one order together: who, what may be done, keys and doors, the bill, the doors' own words."""
    base = f"/p/{found.house.property_id}/orders/{found.view.reservation.reservation_id}"
    verdicts = {one.action: views.ActionView(one.action, one.allowed, one.reason_code) for one in found.view.actions}
    nights = pending(found.house, found.view.reservation, found.posted)
    due_minor = found.view.balance_minor + sum(gross for _, gross in nights)
    around = Today(found.house, (), (), {}, {}, found.types)
    return views.Order(
        head=_head(found, due_minor),
        desk=_desk(found, verdicts, base, due_minor),
        keys=_keys(found, verdicts[Action.CUT_KEY], base),
        folio=_folio(found, nights, due_minor),
        doors=_doors(found),
        others=tuple(line(around, other) for other in found.others),
    )


def _head(found: OneOrder, due_minor: int) -> views.Head:
    row, zone, today = found.view.reservation, found.house.zone, found.house.business_date
    word = status_of(row, today)
    return views.Head(
        number=row.number,
        guest=row.guest.display_name,
        status=row.status,
        due=word if word != row.status else None,
        room=row.room,
        room_type=row.room_type,
        type_names=names(found.types, row.room_type),
        care=found.care,
        arrive=row.arrive.astimezone(zone),
        depart=row.depart.astimezone(zone),
        nights=(row.departure - row.arrival).days,
        persons=row.persons,
        balance_minor=due_minor,
        currency=found.house.currency,
        channel=found.channel,
        language=row.guest.language,
        today=today,
        in_house_since=_local(row.in_house_since, zone),
        checked_out_at=_local(row.checked_out_at, zone),
    )


def _local(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if at is None else at.astimezone(zone)


def _desk(found: OneOrder, verdicts: Mapping[str, views.ActionView], base: str, due_minor: int) -> views.Desk:
    kind = found.view.reservation.room_type
    free = [room for room in found.free if room.front == Front.VACANT]
    ranked = sorted(free, key=lambda room: (room.room_type != kind, Care(room.care) not in READY, room.sort))
    return views.Desk(
        base=base,
        check_in=verdicts[Action.CHECK_IN],
        check_out=verdicts[Action.CHECK_OUT],
        move=verdicts[Action.MOVE],
        assign=verdicts[Action.ASSIGN],
        rooms=tuple(views.Choice(room.room, room.room, room.care, names=names(found.types, room.room_type)) for room in ranked),
        balance_minor=due_minor,
        currency=found.house.currency,
    )


def _keys(found: OneOrder, cut: views.ActionView, base: str) -> views.Keys:
    zone, today = found.house.zone, found.house.business_date
    cards = [state for state in found.view.jobs if state.kind == JobKind.CUT_KEY]  # newest first
    last: dict[str, JobState] = {}  # key -> its last card job
    finished: dict[str, JobState] = {}  # key -> the last one that came out right
    for state in reversed(cards):
        key_id = str(found.args.get(state.job_id, {}).get("key_id", ""))
        last[key_id] = state
        if state.status == "done":
            finished[key_id] = state
    bare = next((key.key_id for key in found.view.keys if _wants_card(key) and key.key_id not in finished), None)
    return views.Keys(
        base=base,
        cut=cut,
        keys=tuple(_key(key, finished.get(key.key_id), zone, today) for key in found.view.keys),
        encoders=_encoders(found.devices, cards[0].target if cards else None),
        job=_job(cards[0], found.now, zone) if cards and cut.ok else None,
        next_key=bare,
        again=bare is not None and bare in last and last[bare].status in BADLY,
        today=today,
    )


def _wants_card(key: KeyView) -> bool:
    return key.kind == KeyKind.RFID and key.status == KeyStatus.WANTED


def _key(key: KeyView, cut: JobState | None, zone: ZoneInfo, today: date) -> views.KeyView:
    return views.KeyView(
        key_id=key.key_id,
        kind=key.kind,
        copy_no=key.copy_no,
        status=key.status,
        until=key.until.astimezone(zone),
        doors=tuple(
            views.DoorRight(one.door, one.state, one.lock, one.at.astimezone(zone), one.code, _local(one.exposure_until, zone))
            for one in key.doors
        ),
        today=today,
        cut_at=_local(cut.asked_at, zone) if cut else None,
        cut_on=cut.target if cut else "",
    )


def _job(state: JobState, now: datetime, zone: ZoneInfo) -> views.JobView | None:
    """The newest card job, as long as it is worth talking of."""
    if state.ended and now - state.asked_at > TALKED_OF:
        return None
    return views.JobView(state.job_id, state.status, state.target, state.asked_at.astimezone(zone), state.code)


def is_a(device_class: str, device: DeviceView) -> bool:
    """Whether a device is a lock, an encoder …; a box that does not name the class of its devices is believed by their names."""
    return device_class == device.device_class if device.device_class is not None else device_class in device.device


def _encoders(devices: Iterable[DeviceView], used: str | None) -> tuple[views.Choice, ...]:
    """The encoders, the one that was used last chosen, else the first that answers."""
    mine = [one for one in devices if is_a("encoder", one)]
    answering = next((one.device for one in mine if one.health == "online"), mine[0].device if mine else None)
    chosen = used if used in {one.device for one in mine} else answering
    tone = {"online": "good", "degraded": "warn"}
    return tuple(views.Choice(one.device, one.device, one.health, tone.get(one.health, "bad"), one.device == chosen) for one in mine)


def _folio(found: OneOrder, nights: Iterable[tuple[date, int]], due_minor: int) -> views.Folio:
    row = found.view.reservation
    return views.Folio(
        lines=tuple(_posting(posting) for posting in found.view.folio),
        pending=tuple(nights),
        due_minor=due_minor,
        currency=found.view.currency,
        nightly=tuple((row.arrival + timedelta(days=at), gross) for at, gross in enumerate(row.nightly_gross_minor)),
    )


def _posting(posting: Posting) -> views.FolioLine:
    night = posting.detail.get("night")
    text = next((str(posting.detail[name]) for name in ("method", "sku", "reason") if name in posting.detail), "")
    return views.FolioLine(date.fromisoformat(night) if night else posting.business_date, posting.code, text, posting.gross_minor)


def _doors(found: OneOrder) -> views.Doors:
    row = found.view.reservation
    copies = {key.key_id: key.copy_no for key in found.view.keys}
    mine = [one for one in found.devices if one.room is not None and one.room == row.room]
    since = row.in_house_since
    during = [event for event in found.view.door_events if since is not None and since <= event.at <= (row.checked_out_at or event.at)]
    return doors(found.house, mine, during, copies)


def doors(house: House, devices: Iterable[DeviceView], events: Iterable[DoorEventView], copies: Mapping[str, int]) -> views.Doors:
    """Draw locks, whatever else is not well, and the doors' log; `copies` knows the number of each key."""
    return views.Doors(
        lines=tuple(_event(event, copies, house.zone) for event in events),
        devices=tuple(_device(one, house.zone) for one in devices if is_a("lock", one) or one.health != "online"),
        today=house.business_date,
    )


def _event(event: DoorEventView, copies: Mapping[str, int], zone: ZoneInfo) -> views.DoorLine:
    told = sorted((name, value) for name, value in event.data.items() if isinstance(value, str | int | float | bool))
    return views.DoorLine(event.door, event.type, tuple(told), event.at.astimezone(zone), copies.get(event.key_id or ""))


def _device(one: DeviceView, zone: ZoneInfo) -> views.LockView:
    return views.LockView(one.device, one.health, one.flags, one.battery_percent, one.at.astimezone(zone))
