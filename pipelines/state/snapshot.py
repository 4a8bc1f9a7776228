"""Copies what analysts may see of the state into a DuckDB file: runs, ledger, failures, conflicts, check results."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow, ledger_lines
from pipelines.state.database import State
from pipelines.state.push_tables import IN_WORK, conflicts, intents, ledger
from pipelines.state.tables import check_results, run_counts, runs

ROWS = "state_rows"
WHOLE = {
    "sync.runs": runs,
    "sync.run_counts": run_counts,
    "sync.conflicts": conflicts,
    "quality.check_results": check_results,
}


def snapshot(state: State, con: duckdb.DuckDBPyConnection, known: str | None = None) -> dict[str, int]:
    """Makes `sync.*` and `quality.check_results` in the connection's default database; returns rows by table.

    Args:
        state: the open state.
        con: a DuckDB connection that may write.
        known: name of an attached database with an older snapshot; its ledger lines are copied from there, since a
            ledger line never changes, so that a long history is not read again.
    """
    for schema in ("sync", "quality"):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    with state.read() as connection:
        made = {name: _copy(con, connection, name, table, None) for name, table in WHOLE.items()}
        made["sync.intents"] = _copy(con, connection, "sync.intents", intents, IN_WORK)
        made["sync.ledger"] = _ledger(con, connection, known)
    return made


def _copy(
    con: duckdb.DuckDBPyConnection,
    connection: sa.Connection,
    name: str,
    table: sa.Table,
    where: sa.ColumnElement[bool] | None,
) -> int:
    columns = list(table.columns)
    _fill(
        con,
        f"CREATE OR REPLACE TABLE {name} AS",
        arrow.arrow_schema(columns),
        arrow.read_arrow(connection, columns, where),
    )
    return int(con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])


def _ledger(con: duckdb.DuckDBPyConnection, connection: sa.Connection, known: str | None) -> int:
    last = 0
    schema = arrow.arrow_schema(ledger_lines.COLUMNS)
    _fill(con, "CREATE OR REPLACE TABLE sync.ledger AS", schema, iter(()))
    if known is not None and _has_ledger(con, known, schema):
        con.execute(f'INSERT INTO sync.ledger SELECT * FROM "{known}".sync.ledger')
        last = con.execute("SELECT coalesce(max(entry_id), 0) FROM sync.ledger").fetchall()[0][0]
    columns = list(ledger.columns)
    new = arrow.read_arrow(connection, columns, ledger.c.entry_id > last)
    _fill(con, "INSERT INTO sync.ledger", arrow.arrow_schema(columns), new, ledger_lines.lines_sql(ROWS))
    return int(con.execute("SELECT count(*) FROM sync.ledger").fetchall()[0][0])


def _has_ledger(con: duckdb.DuckDBPyConnection, database: str, schema: pa.Schema) -> bool:
    query = (
        "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'sync' "
        "AND table_name = 'ledger' ORDER BY column_index"
    )
    found = [row[0] for row in con.execute(query, [database]).fetchall()]
    return found == list(schema.names)


def _fill(
    con: duckdb.DuckDBPyConnection,
    head: str,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    query: str = f"SELECT * FROM {ROWS}",
) -> None:
    empty = pa.RecordBatch.from_pylist([], schema=schema)
    con.register(ROWS, pa.RecordBatchReader.from_batches(schema, chain([empty], batches)))
    try:
        con.execute(f"{head} {query}")
    finally:
        con.unregister(ROWS)
