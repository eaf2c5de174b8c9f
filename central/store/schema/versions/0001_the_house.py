"""The house: inventory, orders, money, people, signals and the trail; one function a table."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in TABLES:
        table()


def downgrade() -> None:
    raise NotImplementedError("a database is never taken back: restore the copy made before")


def _property() -> None:
    op.create_table(
        "property",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("check_in", sa.Text(), nullable=False),
        sa.Column("check_out", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), server_default=sa.text("1000"), nullable=False),
        sa.PrimaryKeyConstraint("property_id", name=op.f("pk_property")),
        sa.UniqueConstraint("number", name=op.f("uq_property_number")),
    )


def _api_token() -> None:
    op.create_table(
        "api_token",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_api_token_property_id")),
        sa.PrimaryKeyConstraint("property_id", "token_hash", name=op.f("pk_api_token")),
        sa.UniqueConstraint("property_id", "name", name=op.f("uq_api_token_property_id_name")),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_audit_property_id")),
        sa.PrimaryKeyConstraint("property_id", "seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_property_id_entity_seq"), "audit", ["property_id", "entity", "seq"], unique=False)


def _device() -> None:
    op.create_table(
        "device",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=True),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("battery_percent", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_device_property_id")),
        sa.PrimaryKeyConstraint("property_id", "device", name=op.f("pk_device")),
    )


def _door_event() -> None:
    op.create_table(
        "door_event",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("log_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("door", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tq", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_door_event_property_id")),
        sa.PrimaryKeyConstraint("property_id", "device", "log_id", "seq", name=op.f("pk_door_event")),
    )
    op.create_index(op.f("ix_door_event_property_id_door_at"), "door_event", ["property_id", "door", "at"], unique=False)


def _door_right() -> None:
    op.create_table(
        "door_right",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("door", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("exposure_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_door_right_property_id")),
        sa.PrimaryKeyConstraint("property_id", "key_id", "door", name=op.f("pk_door_right")),
    )


def _feed_head() -> None:
    op.create_table(
        "feed_head",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_feed_head_property_id")),
        sa.PrimaryKeyConstraint("property_id", name=op.f("pk_feed_head")),
    )


def _guest() -> None:
    op.create_table(
        "guest",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("guest_id", sa.Text(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_guest_property_id")),
        sa.PrimaryKeyConstraint("property_id", "guest_id", name=op.f("pk_guest")),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_idempotency_property_id")),
        sa.PrimaryKeyConstraint("property_id", "actor", "key", name=op.f("pk_idempotency")),
    )


def _login_failure() -> None:
    op.create_table(
        "login_failure",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_login_failure_property_id")),
        sa.PrimaryKeyConstraint("property_id", "login", name=op.f("pk_login_failure")),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("channel_reference", sa.Text(), nullable=False),
        sa.Column("channel_version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("booked_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_orders_property_id")),
        sa.PrimaryKeyConstraint("property_id", "order_id", name=op.f("pk_orders")),
        sa.UniqueConstraint("property_id", "channel", "channel_reference", name=op.f("uq_orders_property_id_channel_channel_reference")),
        sa.UniqueConstraint("property_id", "number", name=op.f("uq_orders_property_id_number")),
    )
    op.create_index(op.f("ix_orders_property_id_taken_at_order_id"), "orders", ["property_id", "taken_at", "order_id"], unique=False)


def _property_secret() -> None:
    op.create_table(
        "property_secret",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_property_secret_property_id")),
        sa.PrimaryKeyConstraint("property_id", "name", name=op.f("pk_property_secret")),
    )


def _room_type() -> None:
    op.create_table(
        "room_type",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room_type", sa.Text(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=False),
        sa.Column("sort", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_room_type_property_id")),
        sa.PrimaryKeyConstraint("property_id", "room_type", name=op.f("pk_room_type")),
    )


def _staff() -> None:
    op.create_table(
        "staff",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=True),
        sa.Column("sections", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_staff_property_id")),
        sa.PrimaryKeyConstraint("property_id", "staff_id", name=op.f("pk_staff")),
        sa.UniqueConstraint("property_id", "login", name=op.f("uq_staff_property_id_login")),
    )


def _task() -> None:
    op.create_table(
        "task",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=True),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_task_property_id")),
        sa.PrimaryKeyConstraint("property_id", "task_id", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_property_id_closed_at_raised_at"), "task", ["property_id", "closed_at", "raised_at"], unique=False)


def _tax() -> None:
    op.create_table(
        "tax",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=False),
        sa.Column("basis_points", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_tax_property_id")),
        sa.PrimaryKeyConstraint("property_id", "tax_code", name=op.f("pk_tax")),
    )


def _inventory_night() -> None:
    op.create_table(
        "inventory_night",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room_type", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("physical", sa.BigInteger(), nullable=False),
        sa.Column("out_of_order", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("allowance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sold", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("optioned", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("burned", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "sold + optioned + held + burned <= physical - out_of_order + allowance", name=op.f("ck_inventory_night_not_oversold")
        ),
        sa.CheckConstraint(
            "sold >= 0 AND optioned >= 0 AND held >= 0 AND burned >= 0 AND out_of_order >= 0", name=op.f("ck_inventory_night_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "room_type"],
            ["room_type.property_id", "room_type.room_type"],
            name=op.f("fk_inventory_night_property_id_room_type"),
        ),
        sa.PrimaryKeyConstraint("property_id", "room_type", "night", name=op.f("pk_inventory_night")),
    )


def _rate() -> None:
    op.create_table(
        "rate",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room_type", sa.Text(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["property_id", "room_type"], ["room_type.property_id", "room_type.room_type"], name=op.f("fk_rate_property_id_room_type")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "tax_code"], ["tax.property_id", "tax.tax_code"], name=op.f("fk_rate_property_id_tax_code")
        ),
        sa.PrimaryKeyConstraint("property_id", "room_type", "weekday", name=op.f("pk_rate")),
    )


def _room() -> None:
    op.create_table(
        "room",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("room_type", sa.Text(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.Column("front", sa.Text(), server_default="vacant", nullable=False),
        sa.Column("care", sa.Text(), server_default="clean", nullable=False),
        sa.Column("sort", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("care IN ('dirty', 'pickup', 'clean', 'inspected')", name=op.f("ck_room_care")),
        sa.CheckConstraint("front IN ('vacant', 'occupied')", name=op.f("ck_room_front")),
        sa.ForeignKeyConstraint(
            ["property_id", "room_type"], ["room_type.property_id", "room_type.room_type"], name=op.f("fk_room_property_id_room_type")
        ),
        sa.PrimaryKeyConstraint("property_id", "room", name=op.f("pk_room")),
    )
    op.create_index(op.f("ix_room_property_id_room_type"), "room", ["property_id", "room_type"], unique=False)


def _staff_session() -> None:
    op.create_table(
        "staff_session",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["property_id", "staff_id"], ["staff.property_id", "staff.staff_id"], name=op.f("fk_staff_session_property_id_staff_id")
        ),
        sa.PrimaryKeyConstraint("property_id", "token_hash", name=op.f("pk_staff_session")),
    )
    op.create_index(op.f("ix_staff_session_property_id_staff_id"), "staff_session", ["property_id", "staff_id"], unique=False)


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("room_type", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["property_id", "room"], ["room.property_id", "room.room"], name=op.f("fk_hold_property_id_room")),
        sa.PrimaryKeyConstraint("property_id", "hold_id", name=op.f("pk_hold")),
        sa.UniqueConstraint("property_id", "room", "night", name=op.f("uq_hold_property_id_room_night")),
    )


def _maintenance() -> None:
    op.create_table(
        "maintenance",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("maintenance_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_night", sa.Date(), nullable=False),
        sa.Column("end_night", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('out_of_order', 'out_of_service')", name=op.f("ck_maintenance_kind")),
        sa.CheckConstraint("first_night < end_night", name=op.f("ck_maintenance_interval")),
        sa.ForeignKeyConstraint(["property_id", "room"], ["room.property_id", "room.room"], name=op.f("fk_maintenance_property_id_room")),
        sa.PrimaryKeyConstraint("property_id", "maintenance_id", name=op.f("pk_maintenance")),
    )
    op.create_index(op.f("ix_maintenance_property_id_room"), "maintenance", ["property_id", "room"], unique=False)


def _reservation() -> None:
    op.create_table(
        "reservation",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("room_type", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=True),
        sa.Column("arrival", sa.Date(), nullable=False),
        sa.Column("departure", sa.Date(), nullable=False),
        sa.Column("arrive", sa.BigInteger(), nullable=False),
        sa.Column("depart", sa.BigInteger(), nullable=False),
        sa.Column("persons", sa.BigInteger(), nullable=False),
        sa.Column("nightly_gross_minor", sa.JSON(), nullable=False),
        sa.Column("guest_id", sa.Text(), nullable=False),
        sa.Column("no_post", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("in_house_since", sa.BigInteger(), nullable=True),
        sa.Column("moved_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_out_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("arrival < departure", name=op.f("ck_reservation_nights")),
        sa.ForeignKeyConstraint(
            ["property_id", "guest_id"], ["guest.property_id", "guest.guest_id"], name=op.f("fk_reservation_property_id_guest_id")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "order_id"], ["orders.property_id", "orders.order_id"], name=op.f("fk_reservation_property_id_order_id")
        ),
        sa.ForeignKeyConstraint(["property_id", "room"], ["room.property_id", "room.room"], name=op.f("fk_reservation_property_id_room")),
        sa.ForeignKeyConstraint(
            ["property_id", "room_type"],
            ["room_type.property_id", "room_type.room_type"],
            name=op.f("fk_reservation_property_id_room_type"),
        ),
        sa.PrimaryKeyConstraint("property_id", "reservation_id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("property_id", "number", name=op.f("uq_reservation_property_id_number")),
    )
    op.create_index(
        op.f("ix_reservation_property_id_arrival_reservation_id"), "reservation", ["property_id", "arrival", "reservation_id"], unique=False
    )
    op.create_index(op.f("ix_reservation_property_id_order_id"), "reservation", ["property_id", "order_id"], unique=False)
    op.create_index(
        op.f("ix_reservation_property_id_status_departure"), "reservation", ["property_id", "status", "departure"], unique=False
    )


def _room_door() -> None:
    op.create_table(
        "room_door",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("door", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["property_id", "room"], ["room.property_id", "room.room"], name=op.f("fk_room_door_property_id_room")),
        sa.PrimaryKeyConstraint("property_id", "room", "door", name=op.f("pk_room_door")),
    )


def _room_signal() -> None:
    op.create_table(
        "room_signal",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("occupancy", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("occupancy_at", sa.BigInteger(), nullable=True),
        sa.Column("service", sa.Text(), server_default="none", nullable=False),
        sa.Column("service_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["property_id", "room"], ["room.property_id", "room.room"], name=op.f("fk_room_signal_property_id_room")),
        sa.PrimaryKeyConstraint("property_id", "room", name=op.f("pk_room_signal")),
    )


def _access_key() -> None:
    op.create_table(
        "access_key",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("staff_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("copy_no", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('wanted', 'lost', 'withdrawn')", name=op.f("ck_access_key_status")),
        sa.ForeignKeyConstraint(
            ["property_id", "reservation_id"],
            ["reservation.property_id", "reservation.reservation_id"],
            name=op.f("fk_access_key_property_id_reservation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "staff_id"], ["staff.property_id", "staff.staff_id"], name=op.f("fk_access_key_property_id_staff_id")
        ),
        sa.PrimaryKeyConstraint("property_id", "key_id", name=op.f("pk_access_key")),
    )
    op.create_index(op.f("ix_access_key_property_id_reservation_id"), "access_key", ["property_id", "reservation_id"], unique=False)


def _folio() -> None:
    op.create_table(
        "folio",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("folio_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["property_id", "reservation_id"],
            ["reservation.property_id", "reservation.reservation_id"],
            name=op.f("fk_folio_property_id_reservation_id"),
        ),
        sa.PrimaryKeyConstraint("property_id", "folio_id", name=op.f("pk_folio")),
        sa.UniqueConstraint("property_id", "reservation_id", name=op.f("uq_folio_property_id_reservation_id")),
    )


def _occupant() -> None:
    op.create_table(
        "occupant",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("guest_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["property_id", "guest_id"], ["guest.property_id", "guest.guest_id"], name=op.f("fk_occupant_property_id_guest_id")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "reservation_id"],
            ["reservation.property_id", "reservation.reservation_id"],
            name=op.f("fk_occupant_property_id_reservation_id"),
        ),
        sa.PrimaryKeyConstraint("property_id", "reservation_id", "place", name=op.f("pk_occupant")),
    )
    op.create_index(op.f("ix_occupant_property_id_guest_id"), "occupant", ["property_id", "guest_id"], unique=False)


def _room_night() -> None:
    op.create_table(
        "room_night",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("hold_id", sa.Text(), nullable=True),
        sa.CheckConstraint("(reservation_id IS NULL) <> (hold_id IS NULL)", name=op.f("ck_room_night_one_holder")),
        sa.ForeignKeyConstraint(
            ["property_id", "hold_id"], ["hold.property_id", "hold.hold_id"], name=op.f("fk_room_night_property_id_hold_id")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "reservation_id"],
            ["reservation.property_id", "reservation.reservation_id"],
            name=op.f("fk_room_night_property_id_reservation_id"),
        ),
        sa.ForeignKeyConstraint(["property_id", "room"], ["room.property_id", "room.room"], name=op.f("fk_room_night_property_id_room")),
        sa.PrimaryKeyConstraint("property_id", "room", "night", name=op.f("pk_room_night")),
    )
    op.create_index(op.f("ix_room_night_property_id_reservation_id"), "room_night", ["property_id", "reservation_id"], unique=False)


def _posting() -> None:
    op.create_table(
        "posting",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("posting_id", sa.Text(), nullable=False),
        sa.Column("folio_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("posted_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_seq", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("reverses", sa.Text(), nullable=True),
        sa.CheckConstraint("gross_minor = net_minor + tax_minor", name=op.f("ck_posting_adds_up")),
        sa.ForeignKeyConstraint(
            ["property_id", "folio_id"], ["folio.property_id", "folio.folio_id"], name=op.f("fk_posting_property_id_folio_id")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "reverses"], ["posting.property_id", "posting.posting_id"], name=op.f("fk_posting_property_id_reverses")
        ),
        sa.ForeignKeyConstraint(
            ["property_id", "tax_code"], ["tax.property_id", "tax.tax_code"], name=op.f("fk_posting_property_id_tax_code")
        ),
        sa.PrimaryKeyConstraint("property_id", "posting_id", name=op.f("pk_posting")),
        sa.UniqueConstraint("property_id", "reverses", name=op.f("uq_posting_property_id_reverses")),
        sa.UniqueConstraint("property_id", "source", "source_seq", name=op.f("uq_posting_property_id_source_source_seq")),
    )
    op.create_index(op.f("ix_posting_property_id_folio_id_posting_id"), "posting", ["property_id", "folio_id", "posting_id"], unique=False)


TABLES = (
    _property,
    _api_token,
    _audit,
    _device,
    _door_event,
    _door_right,
    _feed_head,
    _guest,
    _idempotency,
    _login_failure,
    _orders,
    _property_secret,
    _room_type,
    _staff,
    _task,
    _tax,
    _inventory_night,
    _rate,
    _room,
    _staff_session,
    _hold,
    _maintenance,
    _reservation,
    _room_door,
    _room_signal,
    _access_key,
    _folio,
    _occupant,
    _room_night,
    _posting,
)
