"""Tables of webhooks and of who is forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables of this version."""
    op.create_table(
        "webhook_latest",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "connection", "entity", "source_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "forgotten",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "entity", "hash"),
    )
    op.create_index("forgotten_by_connection", "forgotten", ["connection"], unique=False)
