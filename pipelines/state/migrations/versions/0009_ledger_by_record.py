"""The ledger has a row for each record, no longer one for each field: most of a row was the same for all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

SHARED = (
    "intent_id, run_id, connection, entity, golden_id, record_key, action, status, http_status, error, attempt, "
    "planned_at, sent_at, settled_at, correlation_id"
)
EACH = "field, old, new, since, read_back, NULL"


def upgrade() -> None:
    """Packs the lines of each record; those that were left out of a write stay rows of their own."""
    op.create_table(
        "ledger_rows",
        sa.Column("entry_id", sa.Integer(), autoincrement=True, nullable=False),
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("intent_id", "run_id", "connection", "entity")],
        sa.Column("golden_id", sa.Text(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    pack = "json_group_array(json_array({}))" if is_sqlite else "json_agg(json_build_array({}) ORDER BY entry_id)::text"
    op.execute(
        f"INSERT INTO ledger_rows (entry_id, {SHARED}, fields) "
        f"SELECT min(entry_id), {SHARED}, {pack.format(EACH)} FROM (SELECT * FROM ledger ORDER BY entry_id) AS known "
        f"GROUP BY {SHARED}"
    )
    if not is_sqlite:
        last = "(SELECT coalesce(max(entry_id), 0) + 1 FROM ledger_rows)"
        op.execute(f"SELECT setval(pg_get_serial_sequence('ledger_rows', 'entry_id'), {last}, false)")
    op.drop_table("ledger")
    op.rename_table("ledger_rows", "ledger")
    op.create_index("ledger_by_run", "ledger", ["run_id", "connection"], unique=False)
