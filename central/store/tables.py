"""The tables of the hotel itself: inventory, orders, money, people, and the trail that changes leave.

`property_id` (the slug) leads every key, so that a chain can be spread by it; no transaction spans two properties.
Money is whole minor units of the property's currency. `*_sealed` columns hold what `vault.Vault` has encrypted.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from central.store.metadata import Instant, metadata


def _key(name: str = "property_id") -> Column[str]:
    return Column(name, Text, primary_key=True)


def _under(parent: str, *columns: str, to: tuple[str, ...] = ()) -> ForeignKeyConstraint:
    """The composite foreign key to `parent`, property first; `to` when the parent's columns have other names."""
    return ForeignKeyConstraint(["property_id", *columns], [f"{parent}.{name}" for name in ("property_id", *(to or columns))])


# ---------------------------------------------------------------- the house

property_ = Table(
    "property",
    metadata,
    _key(),
    Column("number", BigInteger, nullable=False, unique=True),  # u16, on cards
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("check_in", Text, nullable=False),  # HH:MM, the property's zone
    Column("check_out", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("languages", JSON, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("last_number", BigInteger, nullable=False, server_default=text("1000")),  # the newest order's
)
feed_head = Table(  # one row a property: the number of its newest put, and the lock that orders everything of it
    "feed_head",
    metadata,
    _key(),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    Column("seen", BigInteger, nullable=False, server_default=text("0")),  # the box's desk facts applied so far
    Column("floor", BigInteger, nullable=False, server_default=text("0")),  # deletions up to here are forgotten
    _under("property"),
)
property_secret = Table(
    "property_secret",
    metadata,
    _key(),
    _key("name"),
    Column("value_sealed", LargeBinary, nullable=False),
    _under("property"),
)
room_type = Table(
    "room_type",
    metadata,
    _key(),
    _key("room_type"),
    Column("names", JSON, nullable=False),  # language -> name
    Column("capacity", BigInteger, nullable=False),
    Column("sort", BigInteger, nullable=False),
    _under("property"),
)
room = Table(
    "room",
    metadata,
    _key(),
    _key("room"),
    Column("room_type", Text, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("front", Text, nullable=False, server_default="vacant"),
    Column("care", Text, nullable=False, server_default="clean"),
    Column("sort", BigInteger, nullable=False),
    _under("room_type", "room_type"),
    CheckConstraint("front IN ('vacant', 'occupied')", name="front"),
    CheckConstraint("care IN ('dirty', 'pickup', 'clean', 'inspected')", name="care"),
    Index(None, "property_id", "room_type"),
)
room_door = Table("room_door", metadata, _key(), _key("room"), Column("door", BigInteger, primary_key=True), _under("room", "room"))
maintenance = Table(
    "maintenance",
    metadata,
    _key(),
    _key("maintenance_id"),
    Column("room", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("first_night", Date, nullable=False),
    Column("end_night", Date, nullable=False),  # half-open: the first night on which the room is back
    Column("reason", Text, nullable=False, server_default=""),
    _under("room", "room"),
    CheckConstraint("kind IN ('out_of_order', 'out_of_service')", name="kind"),
    CheckConstraint("first_night < end_night", name="interval"),
    Index(None, "property_id", "room"),
)
tax = Table(
    "tax",
    metadata,
    _key(),
    _key("tax_code"),
    Column("basis_points", BigInteger, nullable=False),  # 1000 = 10 %; prices include it
    _under("property"),
)
rate = Table(
    "rate",
    metadata,
    _key(),
    _key("room_type"),
    Column("weekday", SmallInteger, primary_key=True, autoincrement=False),  # of the night's first day, 0 = Monday
    Column("gross_minor", BigInteger, nullable=False),
    Column("tax_code", Text, nullable=False),
    _under("room_type", "room_type"),
    _under("tax", "tax_code"),
)
inventory_night = Table(
    "inventory_night",
    metadata,
    _key(),
    _key("room_type"),
    Column("night", Date, primary_key=True),
    Column("physical", BigInteger, nullable=False),
    Column("out_of_order", BigInteger, nullable=False, server_default=text("0")),
    Column("allowance", BigInteger, nullable=False, server_default=text("0")),
    Column("sold", BigInteger, nullable=False, server_default=text("0")),
    Column("optioned", BigInteger, nullable=False, server_default=text("0")),  # tentative and blocks
    Column("held", BigInteger, nullable=False, server_default=text("0")),  # the box's holds
    Column("burned", BigInteger, nullable=False, server_default=text("0")),  # holds of a box that was swapped
    _under("room_type", "room_type"),
    CheckConstraint("sold + optioned + held + burned <= physical - out_of_order + allowance", name="not_oversold"),
    CheckConstraint("sold >= 0 AND optioned >= 0 AND held >= 0 AND burned >= 0 AND out_of_order >= 0", name="not_negative"),
)
hold = Table(  # room nights given to the box for walk-ins and extensions without a line
    "hold",
    metadata,
    _key(),
    _key("hold_id"),
    Column("room", Text, nullable=False),
    Column("room_type", Text, nullable=False),
    Column("night", Date, nullable=False),
    _under("room", "room"),
    UniqueConstraint("property_id", "room", "night"),
)
room_night = Table(  # the primary key is the rule: one room, one night, one holder
    "room_night",
    metadata,
    _key(),
    _key("room"),
    Column("night", Date, primary_key=True),
    Column("reservation_id", Text),
    Column("hold_id", Text),
    _under("room", "room"),
    _under("reservation", "reservation_id"),
    _under("hold", "hold_id"),
    CheckConstraint("(reservation_id IS NULL) <> (hold_id IS NULL)", name="one_holder"),
    Index(None, "property_id", "reservation_id"),
)

# ---------------------------------------------------------------- orders and stays

orders = Table(  # 订单; plural because the singular is a word of SQL
    "orders",
    metadata,
    _key(),
    _key("order_id"),
    Column("number", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("channel_reference", Text, nullable=False),
    Column("channel_version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # confirmed or cancelled
    Column("booked_at", Instant, nullable=False),  # by the channel
    Column("taken_at", Instant, nullable=False),  # by us
    Column("changed_at", Instant, nullable=False),
    Column("note_sealed", LargeBinary),
    _under("property"),
    UniqueConstraint("property_id", "channel", "channel_reference"),
    UniqueConstraint("property_id", "number"),
    Index(None, "property_id", "taken_at", "order_id"),
)
reservation = Table(  # 预订: one unit for half-open nights; due-in and due-out are computed from the business date
    "reservation",
    metadata,
    _key(),
    _key("reservation_id"),
    Column("order_id", Text, nullable=False),
    Column("channel", Text, nullable=False, server_default=""),  # the order's, which never changes: here so that one index answers lists
    Column("number", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("room_type", Text, nullable=False),  # sold and priced
    Column("stock_type", Text, nullable=False),  # whose counter it uses: that of the room given
    Column("room", Text),
    Column("arrival", Date, nullable=False),
    Column("departure", Date, nullable=False),
    Column("arrive", Instant, nullable=False),
    Column("depart", Instant, nullable=False),
    Column("persons", BigInteger, nullable=False),
    Column("nightly_gross_minor", JSON, nullable=False),
    Column("guest_id", Text, nullable=False),  # in whose name
    Column("no_post", Boolean, nullable=False, server_default=text("false")),
    Column("in_house_since", Instant),
    Column("moved_at", Instant),
    Column("checked_out_at", Instant),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    _under("orders", "order_id"),
    _under("room_type", "room_type"),
    _under("room", "room"),
    _under("guest", "guest_id"),
    UniqueConstraint("property_id", "number"),
    CheckConstraint("arrival <= departure", name="nights"),  # a day use has no night
    Index(None, "property_id", "order_id"),
    # The order list: walked in the order of its first columns, all its filters judged on the others before a row is fetched.
    Index("ix_reservation_list", "property_id", "arrival", "reservation_id", "status", "channel", "departure", "room"),
    Index(None, "property_id", "status", "departure"),
)
occupant = Table(  # 入住人: one row a person
    "occupant",
    metadata,
    _key(),
    _key("reservation_id"),
    Column("place", BigInteger, primary_key=True, autoincrement=False),  # 0 is the guest in whose name the stay is
    Column("guest_id", Text),  # none: nobody has said who
    _under("reservation", "reservation_id"),
    _under("guest", "guest_id"),
    Index(None, "property_id", "guest_id"),
)
guest = Table(
    "guest",
    metadata,
    _key(),
    _key("guest_id"),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("language", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    _under("property"),
)
access_key = Table(
    "access_key",
    metadata,
    _key(),
    _key("key_id"),
    Column("reservation_id", Text),
    Column("staff_id", Text),
    Column("kind", Text, nullable=False),
    Column("copy_no", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    _under("reservation", "reservation_id"),
    _under("staff", "staff_id"),
    CheckConstraint("status IN ('wanted', 'lost', 'withdrawn')", name="status"),
    Index(None, "property_id", "reservation_id"),
)
door_right = Table(  # how far a key has come at a door, by the box's word
    "door_right",
    metadata,
    _key(),
    _key("key_id"),
    Column("door", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("lock", Text, nullable=False),
    Column("code", Text),
    Column("at", Instant, nullable=False),
    Column("exposure_until", Instant),
    _under("property"),
)

# ---------------------------------------------------------------- money

folio = Table(
    "folio",
    metadata,
    _key(),
    _key("folio_id"),
    Column("reservation_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    _under("reservation", "reservation_id"),
    UniqueConstraint("property_id", "reservation_id"),
)
price_list = Table(  # one version of an outlet's prices; items as in wire.entities.Item
    "price_list",
    metadata,
    _key(),
    _key("outlet"),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("valid_from", Instant, nullable=False),
    Column("items", JSON, nullable=False),
    _under("property"),
)
posting = Table(  # append-only: nobody edits, a mistake is reversed by another line
    "posting",
    metadata,
    _key(),
    _key("posting_id"),
    Column("folio_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("gross_minor", BigInteger, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("tax_code", Text),
    Column("business_date", Date, nullable=False),
    Column("posted_at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_seq", BigInteger, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("reverses", Text),
    _under("folio", "folio_id"),
    _under("tax", "tax_code"),
    _under("posting", "reverses", to=("posting_id",)),
    UniqueConstraint("property_id", "source", "source_seq"),
    UniqueConstraint("property_id", "reverses"),
    CheckConstraint("gross_minor = net_minor + tax_minor", name="adds_up"),
    Index(None, "property_id", "folio_id", "posting_id"),
)

# ---------------------------------------------------------------- what the devices say

room_signal = Table(  # what sensors say of a room; never moves the front axis
    "room_signal",
    metadata,
    _key(),
    _key("room"),
    Column("occupancy", Text, nullable=False, server_default="unknown"),
    Column("occupancy_at", Instant),
    Column("service", Text, nullable=False, server_default="none"),
    Column("service_at", Instant),
    _under("room", "room"),
)
device = Table(
    "device",
    metadata,
    _key(),
    _key("device"),
    Column("room", Text),
    Column("device_class", Text),  # lock, encoder, minibar, room, bthome; none: the box has not said
    Column("health", Text, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("battery_percent", BigInteger),
    Column("at", Instant, nullable=False),
    _under("property"),
)
door_event = Table(
    "door_event",
    metadata,
    _key(),
    _key("device"),
    Column("log_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("door", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("tq", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("key_id", Text),
    Column("reservation_id", Text),
    _under("property"),
    Index(None, "property_id", "door", "at"),
)
task = Table(
    "task",
    metadata,
    _key(),
    _key("task_id"),
    Column("kind", Text, nullable=False),
    Column("room", Text),
    Column("reservation_id", Text),
    Column("args", JSON, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("closed_by", Text),
    _under("property"),
    Index(None, "property_id", "closed_at", "raised_at"),
)

# ---------------------------------------------------------------- people who work here

staff = Table(
    "staff",
    metadata,
    _key(),
    _key("staff_id"),
    Column("login", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("language", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("pin_hash", Text),
    Column("sections", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    _under("property"),
    UniqueConstraint("property_id", "login"),
)
staff_session = Table(  # opaque: only the hash of the token is kept; the token itself names the property
    "staff_session",
    metadata,
    _key(),
    _key("token_hash"),
    Column("staff_id", Text, nullable=False),
    Column("csrf", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    _under("staff", "staff_id"),
    Index(None, "property_id", "staff_id"),
)
api_token = Table(
    "api_token",
    metadata,
    _key(),
    _key("token_hash"),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("channel", Text),  # set: may act for this channel only
    Column("made_at", Instant, nullable=False),
    Column("ended_at", Instant),
    _under("property"),
    UniqueConstraint("property_id", "name"),
)
login_failure = Table(
    "login_failure",
    metadata,
    _key(),
    _key("login"),
    Column("failures", BigInteger, nullable=False),
    Column("locked_until", Instant),
    _under("property"),
)

# ---------------------------------------------------------------- the trail

audit = Table(
    "audit",
    metadata,
    _key(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    _under("property"),
    Index(None, "property_id", "entity", "seq"),
)
idempotency = Table(
    "idempotency",
    metadata,
    _key(),
    _key("actor"),
    _key("key"),
    Column("fingerprint", Text, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("at", Instant, nullable=False),
    _under("property"),
)
