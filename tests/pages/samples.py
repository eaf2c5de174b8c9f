"""A hotel's evening as values: what the page tests and the pictures draw without a database."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from central.pages import views
from web import NavItem, Shell

ZONE = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 21, 22, 47, tzinfo=ZONE)
TODAY = NOW.date()
BASE = "/p/demo"
GUESTS = (
    "Lefèvre, Claire",
    "Okafor, Chidi",
    "Wang, Xiuying",
    "Müller, Jürgen",
    "García, Lucía",
    "O’Brien, Sean",
    "Tanaka, Yuki",
    "Rossi, Matteo",
)
TROUBLE = {"204": ("low_battery",), "311": ("offline",), "208": ("actuator_jam", "low_battery")}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of this November in the hotel's zone."""
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


def line(index: int = 0, **changes: object) -> views.Line:
    """One reservation that is due in today."""
    made = views.Line(
        href=f"{BASE}/orders/r{index}", number=f"10{40 + index}", guest=GUESTS[index % len(GUESTS)], status="due_in", room=f"2{index + 1:02d}",
        room_type="DBL", arrive=at(21, 15), depart=at(23, 11), nights=2, persons=2, balance_minor=0, currency="EUR", care="clean", channel="Booking",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def tiles() -> tuple[views.Tile, ...]:
    """24 rooms on two floors, every state at least once."""
    words = (
        "occupied",
        "vacant",
        "booked",
        "occupied",
        "vacant_dirty",
        "due_out",
        "booked_dirty",
        "occupied",
        "vacant",
        "out_of_order",
        "occupied",
        "booked",
    )
    cares = {"vacant_dirty": "dirty", "booked_dirty": "dirty", "due_out": "dirty", "out_of_order": "pickup"}
    made = []
    for number in (*range(201, 213), *range(301, 313)):
        index = number % 100 - 1 + (number // 100 - 2) * 5
        word = words[index % 12] if number != 312 else "out_of_service"
        group = views.GROUP[word]
        lived = group in {"occupied", "booked"}
        made.append(
            views.Tile(
                room=str(number), room_type=("SGL", "DBL", "TWN", "STE")[number % 4], floor=number // 100, word=word,
                care=cares.get(word) or ("inspected" if number % 3 else "clean"),
                presence=("occupied", "vacant", "verifying", "unknown")[number % 4] if group == "occupied" else ("vacant", "unknown")[number % 2],
                service={"201": "dnd", "204": "mur"}.get(str(number), "none"),
                guest=GUESTS[number % 8] if lived else "", moment=(at(21, 23, 30) if group == "booked" else at(22 + number % 3, 11)) if lived else None,
                today=TODAY, href=f"{BASE}/orders/r{number}" if lived else f"{BASE}/rooms/{number}",
                trouble=tuple(views.Trouble(f"lock-{number}", code) for code in TROUBLE.get(str(number), ())),
            )
        )  # fmt: skip
    return tuple(made)


def board() -> views.Board:
    """The room board of that evening."""
    arrivals = tuple(
        line(i, room=None if i == 2 else f"2{i + 1:02d}", care="dirty" if i == 1 else "clean", arrive=at(21, 22 + i % 2, 30))
        for i in range(6)
    )
    departures = (
        line(6, status="in_house", room="206", depart=at(21, 11), balance_minor=4850),
        line(7, status="in_house", room="311", depart=at(21, 12)),
    )
    due = views.Due(arrivals, departures, TODAY, f"{BASE}/arrivals", f"{BASE}/arrivals?list=departures")
    return views.Board(tiles(), views.counts(tiles(), f"{BASE}/board"), due)


def order(state: str = "in_house", job: views.JobView | None = None) -> views.Order:
    """One order; `state` is confirmed, in_house or checked_out."""
    inside = state == "in_house"
    head = views.Head(
        number="1043", guest="Wang, Xiuying 王秀英", status=state, due="due_in" if state == "confirmed" else None, room="211", room_type="DBL",
        type_names=(("en", "Double room"), ("zh", "双人房")), care="clean", arrive=at(21, 15), depart=at(24, 11), nights=3, persons=2, balance_minor=12_800, currency="EUR",
        channel="Ctrip", language="zh", today=TODAY, in_house_since=at(21, 22, 31) if state != "confirmed" else None,
        checked_out_at=at(21, 22, 45) if state == "checked_out" else None,
    )  # fmt: skip
    yes, no = views.ActionView, lambda action, reason: views.ActionView(action, False, reason)
    desk = views.Desk(
        base=f"{BASE}/orders/r211",
        check_in=yes("check_in", True, "room_dirty") if state == "confirmed" else no("check_in", f"already_{state}"),
        check_out=yes("check_out", True, "open_balance") if inside else no("check_out", "not_in_house"),
        move=yes("move", inside, None if inside else "not_in_house"), assign=yes("assign", state == "confirmed"),
        rooms=(views.Choice("202", "202 · DBL", "inspected"), views.Choice("209", "209 · DBL", "dirty")), balance_minor=12_800, currency="EUR",
    )  # fmt: skip
    rights = {
        "in_house": (views.DoorRight(211, "active", "hybrid", at(21, 22, 31)), views.DoorRight(1, "pushing", "online", at(21, 22, 46))),
        "checked_out": (
            views.DoorRight(211, "released", "data_on_card", at(21, 22, 45), exposure_until=at(24, 11)),
            views.DoorRight(1, "retrying", "online", at(21, 22, 45), "LINK_DOWN"),
        ),
        "confirmed": (),
    }[state]
    keys = () if state == "confirmed" else (
        views.KeyView("k1", "rfid", 0, "wanted" if inside else "withdrawn", at(24, 11), rights, TODAY, at(21, 22, 31) if inside else None, "encoder-1"),
        views.KeyView("k2", "rfid", 1, "lost", at(24, 11), (views.DoorRight(211, "revoked", "hybrid", at(21, 22, 40)),), TODAY),
    )  # fmt: skip
    encoders = (views.Choice("encoder-1", "encoder-1", "online", "good", True), views.Choice("encoder-2", "encoder-2", "offline", "bad"))
    cut = views.ActionView("cut_key", inside, None if inside else "not_in_house")
    lines = (
        views.FolioLine(date(2026, 11, 20), "room", "", 12_800),
        views.FolioLine(date(2026, 11, 21), "minibar", "Evian 33 cl", 450),
        views.FolioLine(date(2026, 11, 21), "payment", "Visa", -450),
    )
    doors = views.Doors(
        lines=(
            views.DoorLine(211, "lock_operation", (("op", "unlock"), ("source", "rfid")), at(21, 22, 33), 0),
            views.DoorLine(211, "access_denied", (("reason", "superseded"),), at(21, 22, 32), 1),
            views.DoorLine(211, "door_state", (("state", 1),), at(21, 22, 31)),
            views.DoorLine(211, "lock_operation", (("op", "unlock"), ("source", "mechanical_key")), at(20, 9, 2)),
        ),
        devices=(views.LockView("lock-211", "online", ("low_battery",), 21, at(21, 22, 40)),),
        today=TODAY,
    )  # fmt: skip
    return views.Order(
        head, desk, views.Keys(f"{BASE}/orders/r211", cut, keys, encoders, job, "k1" if job and job.state != "done" else None, bool(job and job.state in {"failed", "unknown"}), TODAY),
        views.Folio(lines if state != "confirmed" else (), ((TODAY, 12_800),) if inside else (), 12_800, "EUR", tuple((TODAY + timedelta(n), 12_800) for n in range(3))),
        doors if state != "confirmed" else views.Doors((), doors.devices, TODAY),
    )  # fmt: skip


def shell(current: str = "board", *, live: str | None = None) -> Shell:
    """The frame of the demo hotel's pages."""
    nav = tuple(
        NavItem(f"{BASE}/{where}", text, icon, where == current)
        for where, text, icon in (
            ("board", "Room board", "grid"),
            ("arrivals", "Arrivals", "arrive"),
            ("in-house", "In house", "person"),
            ("departures", "Departures", "depart"),
        )
    )
    return Shell(
        console="Front office", place="Hôtel Démo", now=NOW, business_date=TODAY, nav=nav, person="Camille", csrf="c" * 8, simulated=True,
        live=live, logout="/logout", path=f"{BASE}/board",
    )  # fmt: skip
