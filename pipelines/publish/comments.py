"""COMMENT ON every table and column of the published file, so that it explains itself."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.publish.contract import TableNote, described
from pipelines.warehouse.models import ident, literal

RELATIONS = """
    select schema_name, table_name, 'table' as kind, comment from duckdb_tables()
    where database_name = current_database()
    union all
    select schema_name, view_name, 'view', comment from duckdb_views()
    where database_name = current_database() and not internal
    order by 1, 2"""
COLUMNS = """
    select column_name, comment from duckdb_columns()
    where database_name = current_database() and schema_name = $1 and table_name = $2
    order by column_index"""


def comment_all(con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> None:
    """Write the comments into the database that `con` uses; what has no description stays without (see `unexplained`).

    A table that has a comment is left alone: it came with those of its columns from the file of before.

    Args:
        con: opened for writing, the published file its current database.
        schemas: canonical schemas by entity.
    """
    con.execute("begin transaction")
    for schema, name, kind, comment in con.execute(RELATIONS).fetchall():
        note = None if comment else described(f"{schema}.{name}", schemas)
        if note:
            _comment(con, f"{ident(schema)}.{ident(name)}", kind, note, _columns(con, schema, name))
    con.execute("commit")


def unexplained(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Tables and columns (`schema.table`, `schema.table.column`) that have no comment; there should be none."""
    missing = []
    for schema, name, _, comment in con.execute(RELATIONS).fetchall():
        missing += [] if comment else [f"{schema}.{name}"]
        columns = con.execute(COLUMNS, [schema, name]).fetchall()
        missing += [f"{schema}.{name}.{column}" for column, text in columns if not text]
    return missing


def _columns(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> list[str]:
    return [column for column, _ in con.execute(COLUMNS, [schema, name]).fetchall()]


def _comment(con: duckdb.DuckDBPyConnection, table: str, kind: str, note: TableNote, columns: list[str]) -> None:
    con.execute(f"comment on {kind} {table} is {literal(note.says)}")
    for column in columns:
        if column in note.columns:
            con.execute(f"comment on column {table}.{ident(column)} is {literal(note.columns[column])}")
