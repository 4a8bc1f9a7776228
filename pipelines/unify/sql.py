"""Runs the SQL models of unify: `pipelines/models/unify_*.sql`, each one SELECT, into tables."""

from __future__ import annotations

from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment

from pipelines.warehouse.models import MODELS, environment, literal


@cache
def _environment() -> Environment:
    environment_ = environment(MODELS)
    environment_.filters["literals"] = lambda values: "[" + ", ".join(map(literal, values)) + "]"
    return environment_


def render(model: str, **context: Any) -> str:
    """The SELECT of one model, such as `placed` for unify_placed.sql.

    Raises:
        jinja2.UndefinedError: the model uses a name that is not given.
    """
    return _environment().get_template(f"unify_{model}.sql").render(**context)


def temp(con: duckdb.DuckDBPyConnection, model: str, table: str | None = None, **context: Any) -> None:
    """Makes a temporary table of one model, named as the model unless said otherwise."""
    con.execute(f"create or replace temp table {table or model} as {render(model, **context)}")


def number(con: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> int:
    """The one whole number that a query answers; 0 for NULL."""
    return int(con.execute(query, parameters or []).fetchall()[0][0] or 0)


def is_temporary(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether there is a temporary table of this name."""
    return bool(number(con, "select count(*) from duckdb_tables() where temporary and table_name = $1", [table]))


def existing(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """All tables and views of the warehouse, as schema.table."""
    found = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database() "
        "union all select schema_name || '.' || view_name from duckdb_views() where database_name = current_database() "
        "and not internal"
    ).fetchall()
    return frozenset(name for (name,) in found)


@cache
def program(part: str) -> str:
    """Hash of the program that makes golden tables: `unify` for what survives, `identity` for who is who."""
    code = Path(__file__).parent / ("identity" if part == "identity" else "")
    files = [*MODELS.glob(f"{part}_*.sql"), *code.glob("*.py"), *code.glob("*.yml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(files))
    return md5(text.encode(), usedforsecurity=False).hexdigest()
