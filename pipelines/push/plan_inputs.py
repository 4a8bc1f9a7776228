"""What the plan reads of the state, laid before DuckDB as Arrow: echoes, pins, holds, unfinished writes, creations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.push import unread
from pipelines.state import arrow, controls, echoes, intents, ledger, pins, registry
from pipelines.state.database import State
from pipelines.state.push_tables import created, holds, never_sync
from pipelines.state.push_tables import intents as intents_table
from pipelines.state.push_tables import ledger as ledger_table
from pipelines.state.tables import pins as pins_table
from pipelines.state.tables import redirects as redirects_table


def has_pins(state: State, entity: str) -> bool:
    """Whether any field of the entity is pinned."""
    return next(pins.load(state, entity), None) is not None


def register(con: duckdb.DuckDBPyConnection, state: State, connection: Connection, entity: str) -> None:
    """Makes plan_echoes, plan_pins, plan_holds, plan_unfinished, plan_created and plan_never on the connection.

    What was written since the CRM was read is held, too: it is there, and would show as a difference.
    """
    name = connection.name
    written = arrow.arrow_schema(echoes.COLUMNS)
    _lay(con, "plan_echo_rows", written, echoes.load(state, entity, name, rewritten=True))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE plan_echoes AS FROM ({echoes.lines_sql('plan_echo_rows')}) "
        "WHERE read_back IS DISTINCT FROM sent"
    )
    _lay(con, "plan_pins", _schema(pins_table, _PIN), pins.load(state, entity))
    _lay(con, "plan_holds", _schema(holds, _HOLD), pins.load_holds(state, entity))
    unread.lay(con, state, connection, entity)
    con.execute(
        "INSERT INTO plan_holds SELECT record_key, field, sent, NULL, "
        "'written by run ' || run_id || '; not read again since' FROM plan_unread AS u WHERE NOT EXISTS (SELECT 1 "
        "FROM plan_holds AS h WHERE h.record_key = u.record_key AND h.field = u.field "
        "AND h.golden_value IS NOT DISTINCT FROM u.sent)"
    )
    _lay(con, "plan_waiting", _schema(intents_table, _WAIT), intents.unfinished(state, name, entity))
    _lay(con, "plan_made", _schema(created, _MADE), ledger.load_created(state, entity, name))
    _lay(con, "plan_redirects", _schema(redirects_table, _MOVED), registry.load_redirects(state, entity))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE plan_unfinished AS "
        "SELECT w.* REPLACE (coalesce(m.to_id, w.golden_id) AS golden_id) "
        "FROM plan_waiting AS w LEFT JOIN plan_redirects AS m ON m.from_id = w.golden_id"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE plan_created AS SELECT DISTINCT coalesce(m.to_id, c.golden_id) AS golden_id "
        "FROM plan_made AS c LEFT JOIN plan_redirects AS m ON m.from_id = c.golden_id"
    )
    _lay_never(con, state, connection, entity)


def records_of(con: duckdb.DuckDBPyConnection, staged: str) -> int:
    """How many records a staged table of one CRM has: those that are there and in scope."""
    return int(con.execute(f"SELECT count(*) FROM {staged} WHERE NOT is_deleted AND is_in_scope").fetchall()[0][0])


def register_archived(con: duckdb.DuckDBPyConnection, state: State, entity: str) -> None:
    """Makes plan_archived: the records that we deleted ourselves, in any CRM."""
    _lay(con, "plan_archived", _schema(ledger_table, ("record_key",)), ledger.load_archived(state, entity))


_PIN = ("golden_id", "field", "value", "who", "at", "until")
_HOLD = ("record_key", "field", "golden_value", "since", "why")
_WAIT = (
    "intent_id", "golden_id", "record_key", "action", "status", "attempt", "next_attempt_at", "fingerprint", "error",
)  # fmt: skip
_MADE = ("record_key", "golden_id", "run_id", "how", "at")
_MOVED = ("from_id", "to_id", "reason", "at")


def _schema(table: object, names: Sequence[str]) -> pa.Schema:
    return arrow.arrow_schema([table.c[name] for name in names])  # type: ignore[attr-defined]


def _lay(con: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    con.register("plan_given", pa.Table.from_batches(batches, schema=schema))
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM plan_given")
    con.unregister("plan_given")


def _lay_never(con: duckdb.DuckDBPyConnection, state: State, connection: Connection, entity: str) -> None:
    never = dict.fromkeys(connection.settings.never_sync, "by the connection's settings")
    never |= controls.never_synced(state, connection.name, entity)
    shape = _schema(never_sync, ("source_id", "why"))
    # Only where there are any: an array of Python values makes pyarrow import pandas, a fifth of a second.
    found = [pa.record_batch([list(never.keys()), list(never.values())], schema=shape)] if never else []
    _lay(con, "plan_never", shape, iter(found))
