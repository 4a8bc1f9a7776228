"""Settings of sources."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table of this version."""
    op.create_table(
        "source_settings",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("interval_minutes", sa.Integer(), nullable=True),
        sa.Column("cache_ttl_minutes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("source"),
    )
