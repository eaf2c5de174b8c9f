"""Prices of outlets by version."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_list",
        sa.Column("property_id", sa.Text(), nullable=False),
        sa.Column("outlet", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["property_id"], ["property.property_id"], name=op.f("fk_price_list_property_id")),
        sa.PrimaryKeyConstraint("property_id", "outlet", "version", name=op.f("pk_price_list")),
    )


def downgrade() -> None:
    raise NotImplementedError("a database is never taken back: restore the copy made before")
