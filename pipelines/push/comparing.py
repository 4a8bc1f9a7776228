"""The comparison of a CRM's records with their golden ones: by hashes first, field by field where these differ."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Mapping
from functools import lru_cache
from typing import Any

import duckdb
from jinja2 import Environment

from pipelines.push.together import SHELF, Wanted
from pipelines.warehouse.build import exists, read_builds
from pipelines.warehouse.models import MODELS, environment, literal

_HASHING = threading.Lock()


def compare(con: duckdb.DuckDBPyConnection, entity: str, context: dict[str, Any]) -> Generator[Wanted, None, None]:
    """Makes plan_differences, plan_verdicts and, where there are plan_creates, plan_created_fields.

    Yields what it wants of the golden records, once; they lie on the shelf when it goes on.
    """
    one, connection = context["singular"], literal(context["connection"])
    every = {
        "records": f"(SELECT rowid AS their_row, * FROM {context['staging']})",
        "owners": f"(SELECT {one}_id AS golden_id, record_key FROM {context['sources']} "
        f"WHERE connection = {connection})",
        "goldens": f"(SELECT rowid AS our_row, * FROM {context['golden']})",
    }
    _relate(context, every)
    context["hashes"] = _hashes(con, entity, context)
    make(con, "plan_candidates", context)
    if context["has_references"]:
        _pick(con, "plan_their_rows", context["staging"], "*", "their_row", "plan_candidates")
        records, owners = "plan_their_rows", "plan_candidates"
    else:
        keys = f"{one}_id AS golden_id, record_key"
        _pick(con, "plan_owners", context["sources"], keys, "source_row", "plan_candidates")
        records, owners = "plan_candidates", "plan_owners"
    wanted = Wanted(context["connection"], entity, one, context["fields"])
    con.execute(
        f"CREATE OR REPLACE TABLE {wanted.places} AS SELECT our_row FROM plan_candidates "
        "UNION SELECT our_row FROM plan_creates"
    )
    yield wanted
    _relate(context, {"records": records, "owners": owners, "goldens": wanted.rows})
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


def _pick(con: duckdb.DuckDBPyConnection, name: str, table: str, columns: str, row: str, wanted: str) -> None:
    """The wanted rows of a wide table, by their place: the rest of it is not read."""
    query = f"SELECT rowid AS {row}, {columns} FROM {table} WHERE rowid IN (SELECT {row} FROM {wanted})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _hashes(con: duckdb.DuckDBPyConnection, entity: str, context: Mapping[str, Any]) -> str:
    """The golden records' hashes: kept for further plans over this warehouse while the golden table is the same."""
    query = render("plan_hashes", context)
    built = read_builds(con).get(f"unified.{entity}") if exists(con, "meta.builds") else None
    if built is None or context["has_references"]:  # which references this CRM has changes with each CRM
        return f"({query})"
    told = f"{built.fingerprint}/{query}"
    name = f"{SHELF}.hashes_{hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()}"
    with _HASHING:
        con.execute(f"CREATE TABLE IF NOT EXISTS {name} AS {query}")
    return name
