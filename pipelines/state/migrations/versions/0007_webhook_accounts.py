"""Whose account at a CRM is whose: one address may receive the webhooks of many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the table of this version."""
    op.create_table(
        "webhook_accounts",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "account", "owner"),
    )
