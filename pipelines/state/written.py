"""What was written to a CRM since a moment: of the ledger only the runs that went on after it are looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow
from pipelines.state.database import State
from pipelines.state.push_tables import ledger
from pipelines.state.tables import runs

COLUMNS = list(ledger.columns)
"""Of a row; `ledger_lines.lines_sql` makes lines of it."""


def load(state: State, connection_name: str, entity: str, since: int) -> Iterator[pa.RecordBatch]:
    """The ledger's rows (COLUMNS) of what was sent after a moment (us) and done."""
    late = sa.select(runs.c.run_id).where(sa.or_(runs.c.finished_at.is_(None), runs.c.finished_at > since))
    mine = (ledger.c.run_id.in_(late), ledger.c.connection == connection_name, ledger.c.entity == entity)
    sent = (ledger.c.sent_at > since, ledger.c.status == "done")
    with state.read() as connection:
        yield from arrow.read_arrow(connection, COLUMNS, sa.and_(*mine, *sent))
