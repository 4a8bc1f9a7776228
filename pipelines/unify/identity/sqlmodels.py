"""The SQL models of identity: read from `pipelines/models/`, filled in, run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.unify.identity.vocabulary import sql_list, sql_map, sql_text

MODELS = Path(__file__).resolve().parents[2] / "models"


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(MODELS), undefined=StrictUndefined, autoescape=False)
    environment.filters.update(sql_list=sql_list, sql_map=sql_map, sql_text=sql_text)
    return environment


def render(model: str, **context: object) -> str:
    """The SELECT of one model, with its parameters filled in.

    Raises:
        jinja2.UndefinedError: a parameter is missing.
    """
    return _environment().get_template(f"{model}.sql").render(**context)


def build(con: duckdb.DuckDBPyConnection, model: str, *, table: str | None = None, **context: object) -> None:
    """Make a table from one model, named as the model unless said otherwise: temporary unless its schema is named."""
    name = table or model
    con.execute(f"create or replace {kind_of(name)} {name} as {render(model, **context)}")


def kind_of(table: str) -> str:
    """What is created: a table where its schema is named, else a temporary one."""
    return "table" if "." in table else "temp table"
