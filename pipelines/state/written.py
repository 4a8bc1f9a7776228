"""What runs did to a CRM: what was written since a moment, passed over and why, or begun and never ended.

Of the ledger only the rows of the runs in question are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow
from pipelines.state.database import State
from pipelines.state.push_tables import IN_WORK, intents, ledger
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


def passed_over(state: State, run_id: str, connection_name: str) -> dict[str, int]:
    """How many records a run passed over, by the reason, the most frequent first."""
    number = sa.func.count()
    mine = (ledger.c.run_id == run_id, ledger.c.connection == connection_name, ledger.c.status == "skipped")
    query = sa.select(ledger.c.error, number).where(*mine).group_by(ledger.c.error).order_by(number.desc())
    with state.read() as connection:
        return {str(why): int(found) for why, found in connection.execute(query)}


def unsettled(state: State) -> dict[str, int]:
    """By connection: how many writes a push has begun whose outcome is not written down; of a killed one they stay."""
    query = sa.select(intents.c.connection, sa.func.count()).where(IN_WORK, intents.c.status == "open")
    with state.read() as connection:
        return {str(name): int(number) for name, number in connection.execute(query.group_by(intents.c.connection))}
