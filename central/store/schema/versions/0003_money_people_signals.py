"""Money, keys, people, what devices say, and the trail; one function a table."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (
        _api_token,
        _audit,
        _device,
        _door_event,
        _door_right,
        _idempotency,
        _login_failure,
        _staff,
        _task,
        _staff_session,
        _room_signal,
        _access_key,
        _folio,
        _posting,
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


def _api_token() -> None:
    op.create_table(
        "api_token",
        _must("property_id", sa.Text()),
        _must("token_hash", sa.Text()),
        _must("name", sa.Text()),
        _must("scopes", sa.JSON()),
        sa.Column("channel", sa.Text(), nullable=True),
        _must("made_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        _under("api_token", "property"),
        sa.PrimaryKeyConstraint("property_id", "token_hash", name=op.f("pk_api_token")),
        sa.UniqueConstraint("property_id", "name", name=op.f("uq_api_token_property_id_name")),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        _must("property_id", sa.Text()),
        _must("seq", sa.BigInteger()),
        _must("at", sa.BigInteger()),
        _must("actor", sa.Text()),
        _must("action", sa.Text()),
        _must("entity", sa.Text()),
        _must("detail", sa.JSON()),
        _under("audit", "property"),
        sa.PrimaryKeyConstraint("property_id", "seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_property_id_entity_seq"), "audit", ["property_id", "entity", "seq"], unique=False)


def _device() -> None:
    op.create_table(
        "device",
        _must("property_id", sa.Text()),
        _must("device", sa.Text()),
        sa.Column("room", sa.Text(), nullable=True),
        sa.Column("device_class", sa.Text(), nullable=True),
        _must("health", sa.Text()),
        _must("flags", sa.JSON()),
        sa.Column("battery_percent", sa.BigInteger(), nullable=True),
        _must("at", sa.BigInteger()),
        _under("device", "property"),
        sa.PrimaryKeyConstraint("property_id", "device", name=op.f("pk_device")),
    )


def _door_event() -> None:
    op.create_table(
        "door_event",
        _must("property_id", sa.Text()),
        _must("device", sa.Text()),
        _must("log_id", sa.BigInteger()),
        _must("seq", sa.BigInteger()),
        _must("door", sa.BigInteger()),
        _must("type", sa.Text()),
        _must("at", sa.BigInteger()),
        _must("tq", sa.Text()),
        _must("data", sa.JSON()),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        _under("door_event", "property"),
        sa.PrimaryKeyConstraint("property_id", "device", "log_id", "seq", name=op.f("pk_door_event")),
    )
    op.create_index(op.f("ix_door_event_property_id_door_at"), "door_event", ["property_id", "door", "at"], unique=False)


def _door_right() -> None:
    op.create_table(
        "door_right",
        _must("property_id", sa.Text()),
        _must("key_id", sa.Text()),
        _must("door", sa.BigInteger()),
        _must("state", sa.Text()),
        _must("lock", sa.Text()),
        sa.Column("code", sa.Text(), nullable=True),
        _must("at", sa.BigInteger()),
        sa.Column("exposure_until", sa.BigInteger(), nullable=True),
        _under("door_right", "property"),
        sa.PrimaryKeyConstraint("property_id", "key_id", "door", name=op.f("pk_door_right")),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        _must("property_id", sa.Text()),
        _must("actor", sa.Text()),
        _must("key", sa.Text()),
        _must("fingerprint", sa.Text()),
        _must("answer", sa.JSON()),
        _must("at", sa.BigInteger()),
        _under("idempotency", "property"),
        sa.PrimaryKeyConstraint("property_id", "actor", "key", name=op.f("pk_idempotency")),
    )


def _login_failure() -> None:
    op.create_table(
        "login_failure",
        _must("property_id", sa.Text()),
        _must("login", sa.Text()),
        _must("failures", sa.BigInteger()),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        _under("login_failure", "property"),
        sa.PrimaryKeyConstraint("property_id", "login", name=op.f("pk_login_failure")),
    )


def _staff() -> None:
    op.create_table(
        "staff",
        _must("property_id", sa.Text()),
        _must("staff_id", sa.Text()),
        _must("login", sa.Text()),
        _must("display_name", sa.Text()),
        _must("roles", sa.JSON()),
        _must("language", sa.Text()),
        _must("password_hash", sa.Text()),
        sa.Column("pin_hash", sa.Text(), nullable=True),
        _must("sections", sa.JSON()),
        _must("active", sa.Boolean()),
        _under("staff", "property"),
        sa.PrimaryKeyConstraint("property_id", "staff_id", name=op.f("pk_staff")),
        sa.UniqueConstraint("property_id", "login", name=op.f("uq_staff_property_id_login")),
    )


def _task() -> None:
    op.create_table(
        "task",
        _must("property_id", sa.Text()),
        _must("task_id", sa.Text()),
        _must("kind", sa.Text()),
        sa.Column("room", sa.Text(), nullable=True),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        _must("args", sa.JSON()),
        _must("raised_at", sa.BigInteger()),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        _under("task", "property"),
        sa.PrimaryKeyConstraint("property_id", "task_id", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_property_id_closed_at_raised_at"), "task", ["property_id", "closed_at", "raised_at"], unique=False)


def _staff_session() -> None:
    op.create_table(
        "staff_session",
        _must("property_id", sa.Text()),
        _must("token_hash", sa.Text()),
        _must("staff_id", sa.Text()),
        _must("csrf", sa.Text()),
        _must("made_at", sa.BigInteger()),
        _must("expires_at", sa.BigInteger()),
        _under("staff_session", "staff", "staff_id"),
        sa.PrimaryKeyConstraint("property_id", "token_hash", name=op.f("pk_staff_session")),
    )
    op.create_index(op.f("ix_staff_session_property_id_staff_id"), "staff_session", ["property_id", "staff_id"], unique=False)


def _room_signal() -> None:
    op.create_table(
        "room_signal",
        _must("property_id", sa.Text()),
        _must("room", sa.Text()),
        sa.Column("occupancy", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("occupancy_at", sa.BigInteger(), nullable=True),
        sa.Column("service", sa.Text(), server_default="none", nullable=False),
        sa.Column("service_at", sa.BigInteger(), nullable=True),
        _under("room_signal", "room", "room"),
        sa.PrimaryKeyConstraint("property_id", "room", name=op.f("pk_room_signal")),
    )


def _access_key() -> None:
    op.create_table(
        "access_key",
        _must("property_id", sa.Text()),
        _must("key_id", sa.Text()),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("staff_id", sa.Text(), nullable=True),
        _must("kind", sa.Text()),
        _must("copy_no", sa.BigInteger()),
        _must("until", sa.BigInteger()),
        _must("status", sa.Text()),
        _must("made_at", sa.BigInteger()),
        sa.CheckConstraint("status IN ('wanted', 'lost', 'withdrawn')", name=op.f("ck_access_key_status")),
        _under("access_key", "reservation", "reservation_id"),
        _under("access_key", "staff", "staff_id"),
        sa.PrimaryKeyConstraint("property_id", "key_id", name=op.f("pk_access_key")),
    )
    op.create_index(op.f("ix_access_key_property_id_reservation_id"), "access_key", ["property_id", "reservation_id"], unique=False)


def _folio() -> None:
    op.create_table(
        "folio",
        _must("property_id", sa.Text()),
        _must("folio_id", sa.Text()),
        _must("reservation_id", sa.Text()),
        _must("currency", sa.Text()),
        _under("folio", "reservation", "reservation_id"),
        sa.PrimaryKeyConstraint("property_id", "folio_id", name=op.f("pk_folio")),
        sa.UniqueConstraint("property_id", "reservation_id", name=op.f("uq_folio_property_id_reservation_id")),
    )


def _posting() -> None:
    op.create_table(
        "posting",
        _must("property_id", sa.Text()),
        _must("posting_id", sa.Text()),
        _must("folio_id", sa.Text()),
        _must("code", sa.Text()),
        _must("quantity", sa.BigInteger()),
        _must("gross_minor", sa.BigInteger()),
        _must("net_minor", sa.BigInteger()),
        _must("tax_minor", sa.BigInteger()),
        sa.Column("tax_code", sa.Text(), nullable=True),
        _must("business_date", sa.Date()),
        _must("posted_at", sa.BigInteger()),
        _must("actor", sa.Text()),
        _must("source", sa.Text()),
        _must("source_seq", sa.BigInteger()),
        _must("detail", sa.JSON()),
        sa.Column("reverses", sa.Text(), nullable=True),
        sa.CheckConstraint("gross_minor = net_minor + tax_minor", name=op.f("ck_posting_adds_up")),
        _under("posting", "folio", "folio_id"),
        _under("posting", "posting", "reverses", to=("posting_id",)),
        _under("posting", "tax", "tax_code"),
        sa.PrimaryKeyConstraint("property_id", "posting_id", name=op.f("pk_posting")),
        sa.UniqueConstraint("property_id", "reverses", name=op.f("uq_posting_property_id_reverses")),
        sa.UniqueConstraint("property_id", "source", "source_seq", name=op.f("uq_posting_property_id_source_source_seq")),
    )
    op.create_index(op.f("ix_posting_property_id_folio_id_posting_id"), "posting", ["property_id", "folio_id", "posting_id"], unique=False)
