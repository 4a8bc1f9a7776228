"""Identity as a step of unify: people by the model, everything else by declared rules.

The model of people, the frequencies and what was found stay in the warehouse between runs, in a schema that is not
published. They are made anew on a declared rhythm, never by chance: the model and the frequencies when the number of
records moved by more than `DATA_MOVED`, or the declaration or the program is another; what answers taught, when the
operators' answers are others. In between only what changed is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.unify.identity import seen
from pipelines.unify.identity.declaration import IdentityDeclaration, declaration_of
from pipelines.unify.identity.learn import learn
from pipelines.unify.identity.match import MatchSummary, match
from pipelines.unify.identity.model import Model
from pipelines.unify.identity.tables import tables_of
from pipelines.unify.sql import existing, program

KEPT_IN = "golden"
"""The schema of what stays between runs."""
DATA_MOVED = 0.25
"""The model is calibrated anew when the number of records changed by more than this share since the last time."""


class _Plan(Protocol):
    @property
    def schema(self) -> CanonicalEntity: ...


@dataclass(frozen=True)
class _Kept:
    """The model of the last run, the program that made it, and the answers it learned from."""

    model: Model
    program: str
    answers: str


def find(con: duckdb.DuckDBPyConnection, plan: _Plan, *, records: str = "staged") -> MatchSummary:
    """Make the temporary view `clusters` (see `ClusterFinder`) from records and `answers`.

    Where only some records were looked at, they are in `looked_at` (record_key), too.

    Args:
        records: table or view of the staged records; of entities that rules decide, with golden ids as references.
    """
    declaration = declaration_of(plan.schema.model_dump(include={"singular", "identity"}))
    if declaration.kind == "people":
        summary = _find_people(con, declaration)
    else:
        summary = match(con, records, declaration, answers="answers", output_schema=KEPT_IN)
    if not summary.looked_at:
        con.execute("drop table if exists temp.looked_at")
    con.execute(f"create or replace temp view clusters as from {summary.tables.clusters}")
    return summary


def _find_people(con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration) -> MatchSummary:
    kept = _kept(con, declaration)
    model = kept.model if kept and not _is_stale(con, kept) else None
    changed = seen.make_changed(con, declaration.entity, KEPT_IN) if model else None
    summary = match(con, "staged", declaration, model=model, answers="answers", output_schema=KEPT_IN, changed=changed)
    said = seen.operators_answers(con)
    if said != (kept.answers if kept and model else seen.NO_ANSWERS):
        learned = learn(con, seen.TOLD, declaration, summary.model, summary.tables)
        summary = match(con, "staged", declaration, model=learned, answers="answers", output_schema=KEPT_IN)
    _keep(con, declaration, _Kept(summary.model, program("identity"), said))
    seen.remember(con, declaration.entity, KEPT_IN, changed if summary.looked_at else None)
    return summary


def _is_stale(con: duckdb.DuckDBPyConnection, kept: _Kept) -> bool:
    records = int(con.execute("select count(*) from staged").fetchall()[0][0])
    population = kept.model.population or 1
    return kept.program != program("identity") or abs(records - population) > DATA_MOVED * population


def _model_table(declaration: IdentityDeclaration) -> str:
    return f"{KEPT_IN}.{declaration.entity}_model"


def kept_model(con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration) -> Model | None:
    """The model of the last run, unless the declaration is another now."""
    kept = _kept(con, declaration)
    return kept.model if kept else None


def _kept(con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration) -> _Kept | None:
    table = _model_table(declaration)
    if not {table, tables_of(declaration, KEPT_IN).frequencies} <= existing(con):
        return None
    rows = con.execute(
        f"select model, program, answers from {table} where declaration = $declaration",
        {"declaration": declaration.model_dump_json()},
    ).fetchall()
    return _Kept(Model.model_validate_json(rows[0][0]), *rows[0][1:]) if rows else None


def _keep(con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, kept: _Kept) -> None:
    con.execute(
        f"""create or replace table {_model_table(declaration)} as
            select $model as model, $declaration as declaration, $program as program, $answers as answers""",
        {
            "model": kept.model.model_dump_json(),
            "declaration": declaration.model_dump_json(),
            "program": kept.program,
            "answers": kept.answers,
        },
    )
