"""Indexes that cost each written field more than they saved: one no query used, the primary key does for the other."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Drops them."""
    op.drop_index("ledger_by_intent", table_name="ledger")
    op.drop_index("echoes_by_connection", table_name="echoes")
