"""What people and pushes decided, read from state into temporary tables: pins, and which records are or are not one."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from pipelines.state import answers, ledger, pins
from pipelines.state.database import State
from pipelines.unify.golden_ids import redirects_table, registry_table
from pipelines.unify.rules import Plan
from pipelines.unify.sql import temp


def load_pins(con: duckdb.DuckDBPyConnection, state: State, plan: Plan) -> str:
    """Makes `pins` (golden_id, field, value, who, pinned_at); returns a word that changes whenever they do."""
    columns = {
        "golden_id": "varchar",
        "field": "varchar",
        "value": "varchar",
        "who": "varchar",
        "pinned_at": "timestamptz",
    }
    _load(con, "pins", columns, '* exclude ("at", until), "at" as pinned_at', pins.load(state, plan.entity))
    return str(con.sql("from pins order by all").fetchall())


def load_answers(con: duckdb.DuckDBPyConnection, state: State, plan: Plan) -> None:
    """Makes `answers` (record_key_a, record_key_b, answer, said_by): operators' words, and what push made.

    What was made for a golden record is one with it, even where the two share no key to be recognised by.
    """
    columns = {"record_key_a": "varchar", "record_key_b": "varchar", "answer": "varchar"}
    _load(con, "told", columns, "a as record_key_a, b as record_key_b, answer", answers.load(state, plan.entity))
    made = (batch for name in plan.connections for batch in ledger.load_created(state, plan.entity, name))
    _load(con, "made", {"record_key": "varchar", "golden_id": "varchar"}, "record_key, golden_id", made)
    temp(con, "answers", registry=registry_table(plan), redirects=redirects_table(plan))
    con.execute("drop table told")
    con.execute("drop table made")


def _load(
    con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], chosen: str, batches: Iterable[pa.RecordBatch]
) -> None:
    con.execute(
        f"create or replace temp table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
    )
    for batch in batches:
        con.register("remembered_batch", pa.Table.from_batches([batch]))
        con.execute(f"insert into {table} by name select {chosen} from remembered_batch")
        con.unregister("remembered_batch")
