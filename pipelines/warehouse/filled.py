"""How many values each field of a staged table has: counted when the table is written, and asked for at every plan."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pipelines.warehouse.build import exists, quoted
from pipelines.warehouse.models import ident

FILLED = "create table if not exists meta.filled (table_name varchar, fingerprint varchar, filled map(varchar, bigint))"
RECORDS = ""
"""The name under which the number of records is kept."""


def record_filled(con: duckdb.DuckDBPyConnection, table: str, fields: Sequence[str]) -> None:
    """Keeps the counts of a table as it is; call it in the transaction that writes the table, after `record_build`."""
    counts = _count(con, table, fields)
    con.execute(FILLED)
    con.execute("delete from meta.filled where table_name = $1", [table])
    con.execute(
        "insert into meta.filled select table_name, fingerprint, map($2::varchar[], $3::bigint[]) from meta.builds "
        "where table_name = $1",
        [table, list(counts), list(counts.values())],
    )


def filled(con: duckdb.DuckDBPyConnection, table: str, fields: Sequence[str]) -> dict[str, int]:
    """The number of living records in scope (RECORDS), and in how many of them each field has a value.

    Args:
        table: such as staging.north__contacts; counted here and now, where nobody kept its counts.
    """
    if exists(con, "meta.filled"):
        kept = con.execute(
            "select filled from meta.filled semi join meta.builds using (table_name, fingerprint) "
            "where table_name = $1",
            [table],
        ).fetchall()
        if kept and kept[0][0].keys() >= {RECORDS, *fields}:
            return {name: int(kept[0][0][name]) for name in (RECORDS, *fields)}
    return _count(con, table, fields)


def _count(con: duckdb.DuckDBPyConnection, table: str, fields: Sequence[str]) -> dict[str, int]:
    counted = "".join(f", count({ident(name)})" for name in fields)
    row = con.execute(f"select count(*){counted} from {quoted(table)} where not is_deleted and is_in_scope").fetchall()[
        0
    ]
    return dict(zip((RECORDS, *fields), map(int, row), strict=True))
