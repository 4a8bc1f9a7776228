"""A mapping's own views: its records in the words of the CRM's users, as views over the staging tables."""

from __future__ import annotations

import json
from collections.abc import Mapping

import duckdb

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import DUCKDB_TYPES, CanonicalEntity
from pipelines.mapping.language import View, ViewColumn
from pipelines.staging.paths import pointer
from pipelines.staging.views import AFTER, BEFORE
from pipelines.warehouse.models import ident, literal

TABLE = """create table if not exists meta.own_views (
    connection varchar, name varchar, query varchar, says varchar, columns varchar, primary key (connection, name))"""
Schemas = Mapping[str, CanonicalEntity]


def make_own_views(con: duckdb.DuckDBPyConnection, connection: Connection, schemas: Schemas) -> None:
    """Bring the connection's views up to date: `views.<name>` shows all connections that have one of that name.

    `meta.own_views` keeps what they are made of, so that the published file can have them too.
    """
    con.execute(TABLE)
    known = con.execute(
        "select name, query, says, columns from meta.own_views where connection = $1 order by name", [connection.name]
    ).fetchall()
    wanted = [
        (name, query_of(view, connection, schemas), view.description, json.dumps(_says(view, connection, schemas)))
        for name, view in sorted(connection.mapping.views.items())
        if view.of in connection.entities and view.of in schemas
    ]
    if known == wanted:
        return
    con.execute("begin transaction")
    con.execute("delete from meta.own_views where connection = $1", [connection.name])
    for row in wanted:
        con.execute("insert into meta.own_views values ($1, $2, $3, $4, $5)", [connection.name, *row])
    for name in sorted({row[0] for row in (*known, *wanted)}):
        _show(con, name)
    con.execute("commit")


def _show(con: duckdb.DuckDBPyConnection, name: str) -> None:
    found = con.execute("select query from meta.own_views where name = $1 order by connection", [name]).fetchall()
    con.execute("create schema if not exists views")
    con.execute(f"drop view if exists views.{ident(name)}")
    if found:
        together = " union all by name ".join(f"({query})" for (query,) in found)
        con.execute(f"create view views.{ident(name)} as {together}")


def query_of(view: View, connection: Connection, schemas: Schemas) -> str:
    """SELECT of one connection's rows: records that are deleted or out of scope are not among them."""
    columns = ",\n    ".join(
        f"{_value(column, connection, schemas)} as {ident(name)}" for name, column in view.columns.items()
    )
    return f"select\n    {columns}\nfrom {_rows(connection, view.of)} as {ident(view.of)}" + "".join(
        f"\nleft join {_rows(connection, entity, _unnested(reference, schemas[entity]))} as {ident(entity)}"
        f" on {ident(entity)}.own_reference = {ident(view.of)}.record_key"
        for entity, reference in view.beside.items()
        if entity in connection.entities and entity in schemas
    )


def _rows(connection: Connection, entity: str, more: str = "") -> str:
    table = f"staging.{ident(f'{connection.name}__{entity}')}"
    return f"(select *{more} from {table} where not is_deleted and is_in_scope)"


def _unnested(reference: str, schema: CanonicalEntity) -> str:
    is_list = schema.fields[reference].type == "list"
    return f", {f'unnest({ident(reference)})' if is_list else ident(reference)} as own_reference"


def _value(column: ViewColumn, connection: Connection, schemas: Schemas) -> str:
    entity, field, *extra = column.value.split(".", 2)
    kind = _type(column, schemas)
    if entity not in connection.entities or entity not in schemas:
        return f"null::{kind}"
    value = f"{ident(entity)}.{ident(field)}"
    if extra:
        value = f"json_extract_string({value}, {literal(pointer(extra[0]))})"
    return f"try_cast({value} as {kind})" if column.type or extra else value


def _type(column: ViewColumn, schemas: Schemas) -> str:
    entity, field, *extra = column.value.split(".", 2)
    if column.type is not None:
        return DUCKDB_TYPES[column.type]
    canonical = schemas[entity].fields.get(field) if entity in schemas else None
    if extra or canonical is None:
        return "VARCHAR" if extra else {**BEFORE, **AFTER}.get(field, "VARCHAR")
    return canonical.duckdb_type


def _says(view: View, connection: Connection, schemas: Schemas) -> dict[str, str]:
    """What each column is, for people: the words of the canonical field."""
    said = {}
    for name, column in view.columns.items():
        entity, field, *extra = column.value.split(".", 2)
        canonical = schemas[entity].fields.get(field) if entity in schemas else None
        what = f"{connection.mapping.label}'s {extra[0]}" if extra else field
        said[name] = f"{entity}.{field}: {canonical.description}" if canonical else f"{entity}: {what}"
    return said
