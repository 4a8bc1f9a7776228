"""The comparison of a CRM's records with their golden ones: by hashes first, field by field where these differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
from jinja2 import Environment

from pipelines.push.scope import PushField
from pipelines.warehouse.build import exists, read_builds
from pipelines.warehouse.models import MODELS, environment, ident, literal

KEPT = "plan_hashes_"
NO_LINEAGE = "({}_id VARCHAR, field VARCHAR, connection VARCHAR, since TIMESTAMPTZ)"


def compare(con: duckdb.DuckDBPyConnection, entity: str, context: dict[str, Any]) -> None:
    """Makes plan_differences, plan_verdicts and, where there are plan_creates, plan_created_fields."""
    one, connection = context["singular"], literal(context["connection"])
    every = {
        "records": f"(SELECT rowid AS their_row, * FROM {context['staging']})",
        "owners": f"(SELECT {one}_id AS golden_id, record_key FROM {context['sources']} "
        f"WHERE connection = {connection})",
        "goldens": f"(SELECT rowid AS our_row, * FROM {context['golden']})",
    }
    _relate(context, every)
    context["hashes"] = _hashes(con, entity, context)
    if context["has_references"]:
        make(con, "plan_candidates", context)
        _pick(con, "plan_their_rows", context["staging"], "*", "their_row", "plan_candidates")
        records, owners = "plan_their_rows", "plan_candidates"
    else:
        make(con, "plan_candidates", context)
        keys = f"{one}_id AS golden_id, record_key"
        _pick(con, "plan_owners", context["sources"], keys, "source_row", "plan_candidates")
        records, owners = "plan_candidates", "plan_owners"
    ours = ", ".join([f"{one}_id", *(ident(field.name) for field in context["fields"])])
    _pick(con, "plan_our_rows", context["golden"], ours, "our_row", "plan_candidates")
    _relate(context, {"records": records, "owners": owners, "goldens": "plan_our_rows"})
    make(con, "plan_differences", context)
    differing = {name for (name,) in con.execute("SELECT DISTINCT field FROM plan_differences").fetchall()}
    _trace(con, context, [field for field in context["fields"] if field.name in differing])
    make(con, "plan_verdicts", context)
    context["creates"] = bool(con.execute("SELECT count(*) FROM plan_creates").fetchall()[0][0])
    if context["creates"]:
        _pick(con, "plan_our_rows", context["golden"], ours, "our_row", "plan_creates")
        _trace(con, context, context["fields"])
        make(con, "plan_created_fields", context)


@dataclass(frozen=True)
class _Tables:
    """Names of the tables that unify left of an entity."""

    singular: str

    def table(self, suffix: str) -> str:
        """Such as unified.contact_sources."""
        return f"unified.{self.singular}_{suffix}"


def _trace(con: duckdb.DuckDBPyConnection, context: Mapping[str, Any], fields: Sequence[PushField]) -> None:
    """Makes plan_lineage: where the values of some fields come from, of the golden records in plan_our_rows.

    It is the query of the lineage view over these alone: of a million golden records the view would take longer than
    all the rest of the plan.
    """
    one = context["singular"]
    query = NO_LINEAGE.format(one)
    if fields:
        rules = [{"name": field.name, "is_list": field.is_list, "says": "", "there": ()} for field in fields]
        golden = "(SELECT *, NULL AS source_count FROM plan_our_rows)"
        names = {"plan": _Tables(one), "id": f"{one}_id", "golden": golden, "rules": rules}
        query = f"AS {render('unify_lineage', names)}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE plan_lineage {query}")


@contextmanager
def own_tables(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """In UTC; afterwards the plan's temporary tables are gone, but for the golden hashes."""
    zone = con.execute("SELECT current_setting('TimeZone')").fetchall()[0][0]
    con.execute("SET TimeZone = 'UTC'")
    try:
        yield
    finally:
        mine = "SELECT table_name FROM duckdb_tables() WHERE temporary AND starts_with(table_name, 'plan_')"
        for (name,) in con.execute(mine).fetchall():
            if not name.startswith(KEPT):
                con.execute(f"DROP TABLE {name}")
        con.execute(f"SET TimeZone = {literal(zone)}")


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
    """The golden records' hashes: kept for further plans on this connection as long as the golden table is the same."""
    query = render("plan_hashes", context)
    built = read_builds(con).get(f"unified.{entity}") if exists(con, "meta.builds") else None
    if built is None or context["has_references"]:  # which references this CRM has changes with each CRM
        return f"({query})"
    told = f"{built.fingerprint}/{query}"
    name = f"{KEPT}{hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()}"
    con.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} AS {query}")
    return name
