"""Echoes have a row for each record, no longer one for each field: a push writes a third of the rows.

Those that a CRM keeps in its own way have an index, so that a plan does not read all that was ever written.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

EACH = "field, {}(old, sent, read_back, since, sent_at)"
REWRITTEN = "CASE WHEN read_back = sent OR (read_back IS NULL AND sent IS NULL) THEN 0 ELSE 1 END"


def upgrade() -> None:
    """Packs the fields of each record."""
    op.create_table(
        "echo_rows",
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("entity", "record_key", "connection", "fields")],
        sa.Column("is_rewritten", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("entity", "record_key"),
        sqlite_with_rowid=False,
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    each = EACH.format("json_array" if is_sqlite else "json_build_array")
    fields = f"json_group_object({each})" if is_sqlite else f"json_object_agg({each})::text"
    op.execute(
        "INSERT INTO echo_rows (entity, record_key, connection, fields, is_rewritten) "
        f"SELECT entity, record_key, min(connection), {fields}, max({REWRITTEN}) FROM echoes "
        "GROUP BY entity, record_key"
    )
    op.drop_table("echoes")
    op.rename_table("echo_rows", "echoes")
    held = sa.text("is_rewritten > 0")
    op.create_index(
        "echoes_rewritten", "echoes", ["entity", "connection"], unique=False, sqlite_where=held, postgresql_where=held
    )
