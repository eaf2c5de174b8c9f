"""The house and its books: rooms, inventory, orders, reservations, room nights; one function a table."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (
        _property,
        _feed_head,
        _guest,
        _orders,
        _property_secret,
        _room_type,
        _tax,
        _inventory_night,
        _rate,
        _room,
        _hold,
        _maintenance,
        _reservation,
        _room_door,
        _occupant,
        _room_night,
    ):
        table()


def downgrade() -> None:
    raise NotImplementedError("a database is never taken back: restore the copy made before")


def _must(name: str, kind: Any) -> sa.Column[Any]:
    """A column that is never empty and has no default."""
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _under(table: str, parent: str, *columns: str, to: tuple[str, ...] = ()) -> sa.ForeignKeyConstraint:
    """The foreign key to `parent`, property first."""
    mine = ["property_id", *columns]
    theirs = [f"{parent}.{name}" for name in ("property_id", *(to or columns))]
    return sa.ForeignKeyConstraint(mine, theirs, name=op.f(f"fk_{table}_{'_'.join(mine)}"))


def _property() -> None:
    op.create_table(
        "property",
        _must("property_id", sa.Text()),
        _must("number", sa.BigInteger()),
        _must("name", sa.Text()),
        _must("time_zone", sa.Text()),
        _must("currency", sa.Text()),
        _must("check_in", sa.Text()),
        _must("check_out", sa.Text()),
        _must("business_date", sa.Date()),
        _must("languages", sa.JSON()),
        _must("simulated", sa.Boolean()),
        sa.Column("last_number", sa.BigInteger(), server_default=sa.text("1000"), nullable=False),
        sa.PrimaryKeyConstraint("property_id", name=op.f("pk_property")),
        sa.UniqueConstraint("number", name=op.f("uq_property_number")),
    )


def _feed_head() -> None:
    op.create_table(
        "feed_head",
        _must("property_id", sa.Text()),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _under("feed_head", "property"),
        sa.PrimaryKeyConstraint("property_id", name=op.f("pk_feed_head")),
    )


def _guest() -> None:
    op.create_table(
        "guest",
        _must("property_id", sa.Text()),
        _must("guest_id", sa.Text()),
        _must("name_sealed", sa.LargeBinary()),
        _must("language", sa.Text()),
        _must("made_at", sa.BigInteger()),
        _under("guest", "property"),
        sa.PrimaryKeyConstraint("property_id", "guest_id", name=op.f("pk_guest")),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        _must("property_id", sa.Text()),
        _must("order_id", sa.Text()),
        _must("number", sa.Text()),
        _must("channel", sa.Text()),
        _must("channel_reference", sa.Text()),
        _must("channel_version", sa.BigInteger()),
        _must("status", sa.Text()),
        _must("booked_at", sa.BigInteger()),
        _must("taken_at", sa.BigInteger()),
        _must("changed_at", sa.BigInteger()),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        _under("orders", "property"),
        sa.PrimaryKeyConstraint("property_id", "order_id", name=op.f("pk_orders")),
        sa.UniqueConstraint("property_id", "channel", "channel_reference", name=op.f("uq_orders_property_id_channel_channel_reference")),
        sa.UniqueConstraint("property_id", "number", name=op.f("uq_orders_property_id_number")),
    )
    op.create_index(op.f("ix_orders_property_id_taken_at_order_id"), "orders", ["property_id", "taken_at", "order_id"], unique=False)


def _property_secret() -> None:
    op.create_table(
        "property_secret",
        _must("property_id", sa.Text()),
        _must("name", sa.Text()),
        _must("value_sealed", sa.LargeBinary()),
        _under("property_secret", "property"),
        sa.PrimaryKeyConstraint("property_id", "name", name=op.f("pk_property_secret")),
    )


def _room_type() -> None:
    op.create_table(
        "room_type",
        _must("property_id", sa.Text()),
        _must("room_type", sa.Text()),
        _must("names", sa.JSON()),
        _must("capacity", sa.BigInteger()),
        _must("sort", sa.BigInteger()),
        _under("room_type", "property"),
        sa.PrimaryKeyConstraint("property_id", "room_type", name=op.f("pk_room_type")),
    )


def _tax() -> None:
    op.create_table(
        "tax",
        _must("property_id", sa.Text()),
        _must("tax_code", sa.Text()),
        _must("basis_points", sa.BigInteger()),
        _under("tax", "property"),
        sa.PrimaryKeyConstraint("property_id", "tax_code", name=op.f("pk_tax")),
    )


def _inventory_night() -> None:
    op.create_table(
        "inventory_night",
        _must("property_id", sa.Text()),
        _must("room_type", sa.Text()),
        _must("night", sa.Date()),
        _must("physical", sa.BigInteger()),
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
        _under("inventory_night", "room_type", "room_type"),
        sa.PrimaryKeyConstraint("property_id", "room_type", "night", name=op.f("pk_inventory_night")),
    )


def _rate() -> None:
    op.create_table(
        "rate",
        _must("property_id", sa.Text()),
        _must("room_type", sa.Text()),
        _must("weekday", sa.SmallInteger()),
        _must("gross_minor", sa.BigInteger()),
        _must("tax_code", sa.Text()),
        _under("rate", "room_type", "room_type"),
        _under("rate", "tax", "tax_code"),
        sa.PrimaryKeyConstraint("property_id", "room_type", "weekday", name=op.f("pk_rate")),
    )


def _room() -> None:
    op.create_table(
        "room",
        _must("property_id", sa.Text()),
        _must("room", sa.Text()),
        _must("room_type", sa.Text()),
        _must("floor", sa.BigInteger()),
        sa.Column("front", sa.Text(), server_default="vacant", nullable=False),
        sa.Column("care", sa.Text(), server_default="clean", nullable=False),
        _must("sort", sa.BigInteger()),
        sa.CheckConstraint("care IN ('dirty', 'pickup', 'clean', 'inspected')", name=op.f("ck_room_care")),
        sa.CheckConstraint("front IN ('vacant', 'occupied')", name=op.f("ck_room_front")),
        _under("room", "room_type", "room_type"),
        sa.PrimaryKeyConstraint("property_id", "room", name=op.f("pk_room")),
    )
    op.create_index(op.f("ix_room_property_id_room_type"), "room", ["property_id", "room_type"], unique=False)


def _hold() -> None:
    op.create_table(
        "hold",
        _must("property_id", sa.Text()),
        _must("hold_id", sa.Text()),
        _must("room", sa.Text()),
        _must("room_type", sa.Text()),
        _must("night", sa.Date()),
        _under("hold", "room", "room"),
        sa.PrimaryKeyConstraint("property_id", "hold_id", name=op.f("pk_hold")),
        sa.UniqueConstraint("property_id", "room", "night", name=op.f("uq_hold_property_id_room_night")),
    )


def _maintenance() -> None:
    op.create_table(
        "maintenance",
        _must("property_id", sa.Text()),
        _must("maintenance_id", sa.Text()),
        _must("room", sa.Text()),
        _must("kind", sa.Text()),
        _must("first_night", sa.Date()),
        _must("end_night", sa.Date()),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('out_of_order', 'out_of_service')", name=op.f("ck_maintenance_kind")),
        sa.CheckConstraint("first_night < end_night", name=op.f("ck_maintenance_interval")),
        _under("maintenance", "room", "room"),
        sa.PrimaryKeyConstraint("property_id", "maintenance_id", name=op.f("pk_maintenance")),
    )
    op.create_index(op.f("ix_maintenance_property_id_room"), "maintenance", ["property_id", "room"], unique=False)


def _reservation() -> None:
    op.create_table(
        "reservation",
        _must("property_id", sa.Text()),
        _must("reservation_id", sa.Text()),
        _must("order_id", sa.Text()),
        _must("number", sa.Text()),
        _must("status", sa.Text()),
        _must("room_type", sa.Text()),
        _must("stock_type", sa.Text()),
        sa.Column("room", sa.Text(), nullable=True),
        _must("arrival", sa.Date()),
        _must("departure", sa.Date()),
        _must("arrive", sa.BigInteger()),
        _must("depart", sa.BigInteger()),
        _must("persons", sa.BigInteger()),
        _must("nightly_gross_minor", sa.JSON()),
        _must("guest_id", sa.Text()),
        sa.Column("no_post", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("in_house_since", sa.BigInteger(), nullable=True),
        sa.Column("moved_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_out_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("arrival <= departure", name=op.f("ck_reservation_nights")),
        _under("reservation", "guest", "guest_id"),
        _under("reservation", "orders", "order_id"),
        _under("reservation", "room", "room"),
        _under("reservation", "room_type", "room_type"),
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
        _must("property_id", sa.Text()),
        _must("room", sa.Text()),
        _must("door", sa.BigInteger()),
        _under("room_door", "room", "room"),
        sa.PrimaryKeyConstraint("property_id", "room", "door", name=op.f("pk_room_door")),
    )


def _occupant() -> None:
    op.create_table(
        "occupant",
        _must("property_id", sa.Text()),
        _must("reservation_id", sa.Text()),
        _must("place", sa.BigInteger()),
        sa.Column("guest_id", sa.Text(), nullable=True),
        _under("occupant", "guest", "guest_id"),
        _under("occupant", "reservation", "reservation_id"),
        sa.PrimaryKeyConstraint("property_id", "reservation_id", "place", name=op.f("pk_occupant")),
    )
    op.create_index(op.f("ix_occupant_property_id_guest_id"), "occupant", ["property_id", "guest_id"], unique=False)


def _room_night() -> None:
    op.create_table(
        "room_night",
        _must("property_id", sa.Text()),
        _must("room", sa.Text()),
        _must("night", sa.Date()),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("hold_id", sa.Text(), nullable=True),
        sa.CheckConstraint("(reservation_id IS NULL) <> (hold_id IS NULL)", name=op.f("ck_room_night_one_holder")),
        _under("room_night", "hold", "hold_id"),
        _under("room_night", "reservation", "reservation_id"),
        _under("room_night", "room", "room"),
        sa.PrimaryKeyConstraint("property_id", "room", "night", name=op.f("pk_room_night")),
    )
    op.create_index(op.f("ix_room_night_property_id_reservation_id"), "room_night", ["property_id", "reservation_id"], unique=False)
