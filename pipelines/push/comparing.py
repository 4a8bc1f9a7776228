"""The comparison of a CRM's records with their golden ones: first which of them differ, then field by field.

Which differ, unify noted when it made the golden records (`pipelines/warehouse/likeness.py`). All of them are compared,
by hashes, where a reference is pushed, or where one of the tables has been made anew since.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import lru_cache
from typing import Any

import duckdb
from jinja2 import Environment

from pipelines.push.together import Wanted
from pipelines.warehouse.models import MODELS, environment, ident, literal

BESIDE = (
    "record_key", "source_id", "modified_at", "values_hash", "is_deleted", "is_in_scope", "absent_fields",
    "unreadable_fields",
)  # fmt: skip
"""What the plan wants of a staged record beside its fields."""


def compare(con: duckdb.DuckDBPyConnection, entity: str, context: dict[str, Any]) -> Generator[Wanted, None, None]:
    """Makes plan_differences, plan_verdicts and, where there are plan_creates, plan_created_fields.

    Yields what it wants of the golden records, once; they lie on the shelf when it goes on.
    """
    one, connection = context["singular"], literal(context["connection"])
    every = {
        "records": f"(SELECT rowid AS their_row, * FROM {context['staging']})",
        "owners": f"(SELECT {one}_id AS golden_id, record_key FROM {context['sources']} "
        f"WHERE connection = {connection})",
        "goldens": context["golden"],
    }
    _relate(context, every)
    make(con, "plan_candidates", context)
    _pick_theirs(con, context)
    wanted = Wanted(context["connection"], entity, one, context["fields"])
    con.execute(
        f"CREATE OR REPLACE TABLE {wanted.ids} AS SELECT golden_id FROM plan_candidates "
        "UNION SELECT golden_id FROM plan_creates"
    )
    yield wanted
    _relate(context, {"records": "plan_their_rows", "owners": "plan_candidates", "goldens": wanted.rows})
    context["lineage"] = wanted.lineage
    make(con, "plan_differences", context)
    make(con, "plan_verdicts", context)
    context["creates"] = bool(con.execute("SELECT count(*) FROM plan_creates").fetchall()[0][0])
    if context["creates"]:
        make(con, "plan_created_fields", context)


def make(con: duckdb.DuckDBPyConnection, model: str, context: Mapping[str, Any]) -> None:
    """Makes the temporary table of a model."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE {model} AS {render(model, context)}")


def render(model: str, context: Mapping[str, Any]) -> str:
    """The SQL of `pipelines/models/<model>.sql`."""
    return _environment().get_template(f"{model}.sql").render(dict(context))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment(MODELS)


def _relate(context: dict[str, Any], relations: Mapping[str, str]) -> None:
    """Renders both sides of the comparison over these relations: whole tables, or the rows that matter."""
    context |= relations
    context |= {side: render(f"plan_{side}", context) for side in ("theirs", "ours")}


def _pick_theirs(con: duckdb.DuckDBPyConnection, context: Mapping[str, Any]) -> None:
    """The candidates' rows of the wide table, by their place: the rest of it is not read."""
    columns = ", ".join([*BESIDE, *(ident(field.name) for field in context["fields"])])
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE plan_their_rows AS SELECT rowid AS their_row, {columns} "
        f"FROM {context['staging']} WHERE rowid IN (SELECT their_row FROM plan_candidates)"
    )
