"""What we wrote since a CRM was last read: it has the value, and the warehouse does not show it yet.

Without this a plan that is made straight after a push would show the same writes again, and an undo would take our own
values for edits of theirs.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.state import written
from pipelines.state.arrow import arrow_schema
from pipelines.state.database import State
from pipelines.state.ledger_lines import lines_sql
from pipelines.warehouse.build import exists
from pipelines.warehouse.models import ident

READS = "meta.reads"


def lay(con: duckdb.DuckDBPyConnection, state: State, connection: Connection, entity: str) -> None:
    """Makes plan_unread: one row is one field of one record (record_key, field, sent, read_back, run_id, sent_at).

    Args:
        con: a connection to the warehouse; where that does not say when the CRM was read, the table is empty.
        state: the owner's state.
        connection: the CRM.
        entity: one that is staged.
    """
    read_at = _read_at(con, connection.name, entity)
    rows = iter(()) if read_at is None else written.load(state, connection.name, entity, read_at)
    con.register("plan_given", pa.Table.from_batches(rows, schema=arrow_schema(written.COLUMNS)))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE plan_unread AS "
        "SELECT l.record_key, l.field, l.new AS sent, l.read_back, l.run_id, l.sent_at "
        f"FROM ({lines_sql('plan_given')}) AS l "
        f"JOIN staging.{ident(f'{connection.name}__{entity}')} AS s ON s.record_key = l.record_key "
        "WHERE l.status = 'done' AND l.field <> '' AND s.seen_at < l.sent_at "
        "QUALIFY row_number() OVER (PARTITION BY l.record_key, l.field ORDER BY l.entry_id DESC) = 1"
    )
    con.unregister("plan_given")


def _read_at(con: duckdb.DuckDBPyConnection, connection: str, entity: str) -> int | None:
    """When the read that the warehouse shows came to its end (us)."""
    if not exists(con, READS):
        return None
    query = f"SELECT epoch_us(read_at) FROM {READS} WHERE connection = ? AND entity = ?"
    found = con.execute(query, [connection, entity]).fetchall()
    return int(found[0][0]) if found and found[0][0] is not None else None
