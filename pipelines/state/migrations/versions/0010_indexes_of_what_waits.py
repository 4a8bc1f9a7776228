"""Indexes of intents hold only those that did not end well, which are few: what ended well only made them grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

IN_WORK = "status NOT IN ('done', 'adopted', 'superseded')"
WAITING = "status IN ('failed', 'dead', 'skipped', 'uncertain')"


def upgrade() -> None:
    """Puts them in the place of those that held all."""
    op.drop_index("intents_by_status", table_name="intents")
    op.drop_index("intents_by_golden", table_name="intents")
    for name, columns, where in (
        ("intents_in_work", ["connection", "status"], IN_WORK),
        ("intents_waiting", ["connection", "entity", "golden_id"], WAITING),
    ):
        held = sa.text(where)
        op.create_index(name, "intents", columns, unique=False, sqlite_where=held, postgresql_where=held)
