"""The line between box and central: feed, facts, jobs, boxes; one function a table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed_head", sa.Column("seen", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("feed_head", sa.Column("floor", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for table in (_feed, _box, _box_lane, _fact, _job):
        table()


def downgrade() -> None:
    raise NotImplementedError("a database is never taken back: restore the copy made before")


def _of_property(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f(f"fk_{table}_property_id"))


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("held", sa.BigInteger(), nullable=True),
        _of_property("feed"),
        sa.CheckConstraint("op IN ('put', 'del')", name=op.f("ck_feed_op")),
        sa.PrimaryKeyConstraint("property_id", "kind", "entity_id", name=op.f("pk_feed")),
        sa.UniqueConstraint("property_id", "seq", name=op.f("uq_feed_property_id_seq")),
    )
    only_held = sa.text("held IS NOT NULL")
    op.create_index("ix_feed_held", "feed", ["property_id", "held"], sqlite_where=only_held, postgresql_where=only_held)


def _box() -> None:
    op.create_table(
        "box",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("box_id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        _of_property("box"),
        sa.PrimaryKeyConstraint("property_id", "box_id", name=op.f("pk_box")),
        sa.UniqueConstraint("property_id", "token_hash", name=op.f("uq_box_property_id_token_hash")),
    )


def _box_lane() -> None:
    op.create_table(
        "box_lane",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("box_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_fact_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["property_id", "box_id"], ["box.property_id", "box.box_id"], name=op.f("fk_box_lane_property_id_box_id")),
        sa.PrimaryKeyConstraint("property_id", "box_id", "lane", name=op.f("pk_box_lane")),
    )


def _fact() -> None:
    op.create_table(
        "fact",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.Text(), nullable=False),
        sa.Column("box_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        _of_property("fact"),
        sa.PrimaryKeyConstraint("property_id", "fact_id", name=op.f("pk_fact")),
    )
    op.create_index(
        "ix_fact_trouble",
        "fact",
        ["property_id", "outcome", "fact_id"],
        sqlite_where=sa.text("outcome <> 'applied'"),
        postgresql_where=sa.text("outcome <> 'applied'"),
    )


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("ttl_ms", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("offered_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        _of_property("job"),
        sa.PrimaryKeyConstraint("property_id", "job_id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_property_id_status_asked_ms"), "job", ["property_id", "status", "asked_ms"])
    op.create_index(op.f("ix_job_property_id_reservation_id"), "job", ["property_id", "reservation_id"])
