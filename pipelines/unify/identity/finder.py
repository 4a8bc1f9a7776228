"""Identity as a step of unify: people by the model, everything else by the finder that is passed on."""

from __future__ import annotations

from typing import Protocol

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.unify.identity.declaration import IdentityDeclaration, declaration_of
from pipelines.unify.identity.learn import learn
from pipelines.unify.identity.match import MatchSummary, match, tables_of
from pipelines.unify.identity.model import Model

DATA_MOVED = 0.25
"""The model is calibrated anew when the number of records changed by more than this share since the last time."""


class _Plan(Protocol):
    @property
    def schema(self) -> CanonicalEntity: ...


def find_people(con: duckdb.DuckDBPyConnection, plan: _Plan, *, schema: str = "unified") -> MatchSummary:
    """Make the temporary table `clusters` (record_key, cluster, matched_by) from `staged` and `answers`.

    The model and its frequencies are kept beside the matches (`<schema>.<entity>_model`, `<entity>_frequencies`) and
    used again until the data have moved or the declaration changed.
    """
    declaration = declaration_of(plan.schema.model_dump(include={"singular", "identity"}))
    model = kept_model(con, declaration, schema)
    records = int(con.execute("select count(*) from staged").fetchall()[0][0])
    if model is not None and abs(records - (model.population or 0)) > DATA_MOVED * (model.population or 1):
        model = None
    summary = match(con, "staged", declaration, model=model, answers="answers", output_schema=schema)
    if _answered(con) not in (0, summary.model.answers):
        learned = learn(con, "answers", declaration, summary.model, summary.tables)
        summary = match(con, "staged", declaration, model=learned, answers="answers", output_schema=schema)
    keep_model(con, declaration, summary.model, schema)
    con.execute(
        f"""create or replace temp table clusters as
            select record_key, cluster, matched_by from {summary.tables.clusters}"""
    )
    return summary


def _answered(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("select count(*) from answers where answer in ('same', 'different')").fetchall()[0][0])


def _model_table(declaration: IdentityDeclaration, schema: str) -> str:
    return f"{schema}.{declaration.entity}_model"


def kept_model(
    con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, schema: str = "unified"
) -> Model | None:
    """The model of the last run, unless the declaration is another now."""
    table = _model_table(declaration, schema)
    name = tables_of(declaration, schema).frequencies.rsplit(".", 1)[1]
    there = con.execute(
        "select count(*) from duckdb_tables() where schema_name = $schema and table_name in ($model, $frequencies)",
        {"schema": schema, "model": table.rsplit(".", 1)[1], "frequencies": name},
    ).fetchall()[0][0]
    if there < 2:
        return None
    rows = con.execute(
        f"select model from {table} where declaration = $declaration", {"declaration": declaration.model_dump_json()}
    ).fetchall()
    return Model.model_validate_json(rows[0][0]) if rows else None


def keep_model(
    con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, model: Model, schema: str = "unified"
) -> None:
    """Write the model beside the matches: one row, the model as JSON and the declaration it was made for."""
    con.execute(f"create or replace table {_model_table(declaration, schema)} (model varchar, declaration varchar)")
    con.execute(
        f"insert into {_model_table(declaration, schema)} values ($model, $declaration)",
        {"model": model.model_dump_json(), "declaration": declaration.model_dump_json()},
    )
