"""The tables of the line: feed, facts, jobs, boxes. `property_id` leads every key, as everywhere.

Bodies are sealed by the vault: they name guests.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from central.store.metadata import Instant, metadata


def _key(name: str = "property_id") -> Column[str]:
    return Column(name, Text, primary_key=True)


def _of_property() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["property_id"], ["property.property_id"])


feed = Table(  # the latest put, or the tombstone, of each entity
    "feed",
    metadata,
    _key(),
    _key("kind"),
    _key("entity_id"),
    Column("seq", BigInteger, nullable=False),
    Column("op", Text, nullable=False),
    Column("seen", BigInteger, nullable=False),  # the box's desk facts that were applied when this put was made
    Column("body_sealed", LargeBinary),  # none: a tombstone
    Column("held", BigInteger),  # the box's first fact about it that a person must decide on; `seen` stays below
    _of_property(),
    CheckConstraint("op IN ('put', 'del')", name="op"),
    UniqueConstraint("property_id", "seq"),
    Index("ix_feed_held", "property_id", "held", sqlite_where=text("held IS NOT NULL"), postgresql_where=text("held IS NOT NULL")),
)
box = Table(
    "box",
    metadata,
    _key(),
    _key("box_id"),
    Column("token_hash", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False, server_default=text("1")),
    Column("version", Text, nullable=False, server_default=""),
    Column("made_at", Instant, nullable=False),
    Column("heard_at", Instant),
    Column("ended_at", Instant),
    _of_property(),
    UniqueConstraint("property_id", "token_hash"),
)
box_lane = Table(  # the cursor: the last fact applied of each lane
    "box_lane",
    metadata,
    _key(),
    _key("box_id"),
    _key("lane"),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_fact_id", Text, nullable=False),  # empty when nobody could read the row
    ForeignKeyConstraint(["property_id", "box_id"], ["box.property_id", "box.box_id"]),
)
fact = Table(  # each fact once, for ever recognisable; `body_sealed` is the evidence
    "fact",
    metadata,
    _key(),
    _key("fact_id"),
    Column("box_id", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("at", Instant),
    Column("actor", Text, nullable=False),
    Column("outcome", Text, nullable=False),  # applied, refused, parked, unreadable, failed
    Column("code", Text),
    Column("body_sealed", LargeBinary, nullable=False),
    _of_property(),
    Index(
        "ix_fact_trouble",
        "property_id",
        "outcome",
        "fact_id",
        sqlite_where=text("outcome <> 'applied'"),
        postgresql_where=text("outcome <> 'applied'"),
    ),
)
job = Table(  # *_ms are real milliseconds since 1970: a job outlives no simulated time
    "job",
    metadata,
    _key(),
    _key("job_id"),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("args", JSON, nullable=False),
    Column("reservation_id", Text),
    Column("ttl_ms", BigInteger, nullable=False),
    Column("asked_at", Instant, nullable=False),  # business time
    Column("asked_ms", BigInteger, nullable=False),
    Column("offered_ms", BigInteger),
    Column("status", Text, nullable=False),  # waiting, started, done, failed, unknown, expired
    Column("code", Text),
    Column("result", JSON),
    _of_property(),
    Index(None, "property_id", "status", "asked_ms"),
    Index(None, "property_id", "reservation_id"),
)
