"""The order list: the channel beside each reservation, and the one index that answers every filter."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reservation", sa.Column("channel", sa.Text(), server_default="", nullable=False))
    op.execute(
        "UPDATE reservation SET channel = (SELECT orders.channel FROM orders"
        " WHERE orders.property_id = reservation.property_id AND orders.order_id = reservation.order_id)"
    )
    op.drop_index(op.f("ix_reservation_property_id_arrival_reservation_id"), "reservation")
    columns = ["property_id", "arrival", "reservation_id", "status", "channel", "departure", "room"]
    op.create_index("ix_reservation_list", "reservation", columns, unique=False)


def downgrade() -> None:
    raise NotImplementedError("a database is never taken back: restore the copy made before")
