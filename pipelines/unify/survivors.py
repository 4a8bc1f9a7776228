"""Golden records from placed source records: values, provenance, sources, lineage, differences, and what changed.

`make_all` replaces the entity's tables; `make_affected` only the golden records in `affected`. Both run the same models
over `placed`, so that the one leaves what the other would.

Changes are written down from the second build on. They are part of the warehouse and begin anew with it: what the
golden records are now can be derived from raw and state, what they were at each run in between cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from pipelines.unify.golden_ids import redirects_table
from pipelines.unify.rules import Plan, Rule
from pipelines.unify.sql import number, render, temp
from pipelines.warehouse.likeness import likenesses, table_of
from pipelines.warehouse.models import ident

MODELS = {"sources": "sources", "provenance": "provenance", "pins": "pins"}


@dataclass(frozen=True)
class Run:
    """Whom and when changes are written down for."""

    run_id: str | None
    now: datetime


def make_all(con: duckdb.DuckDBPyConnection, plan: Plan, run: Run, *, is_first: bool) -> int:
    """Makes the entity's tables anew, and the changes where there was a state before; returns the golden records."""
    names = _prepare(con, plan, "staged")
    golden = f"unified.{plan.entity}"
    if not is_first:
        con.execute(f"create or replace temp table before as from {golden}")
    for table, model in _tables(plan).items():
        con.execute(f"create or replace table {table} as {render(model, **names)}")
    con.execute(f"create or replace table {golden} as {render('golden', **names)}")
    con.execute(f"create or replace table {table_of(plan.schema)} as {differences(plan, golden, names)}")
    _make_view(con, plan)
    _write_changes(con, plan, golden, run, is_first=is_first)
    _clean(con)
    return number(con, f"select count(*) from {golden}")


def make_affected(con: duckdb.DuckDBPyConnection, plan: Plan, run: Run) -> int:
    """Makes the golden records in `affected` anew and leaves all others alone; returns how many it made."""
    golden = f"unified.{plan.entity}"
    con.execute("delete from placed where golden_id not in (from affected)")
    # DuckDB sifts numbers while it reads a wide table, texts only afterwards
    con.execute(
        """create or replace temp table affected_records as
           from (from staged where values_hash in (select values_hash from placed))
           semi join placed using (record_key)"""
    )
    con.execute(
        f"""create or replace temp table outdated as
            select rowid as row_number from {golden} where {plan.id} in (from affected)"""
    )
    con.execute(f"create or replace temp table before as from {golden} where rowid in (from outdated)")
    temp(con, "moved", f"moved_{plan.entity}", **plan.context())
    names = _prepare(con, plan, "affected_records")
    temp(con, "golden", "after", **names)
    rows = "rowid in (select row_number from was where was_id in (from affected))"
    for table, model in _tables(plan).items():
        con.execute(f"delete from {table} where {rows if model == 'sources' else f'{plan.id} in (from affected)'}")
        chosen = "" if model != "pins" else "where golden_id in (from affected)"
        con.execute(f"insert into {table} by name {render(model, **names)} {chosen}")
    con.execute(f"delete from {table_of(plan.schema)} where {plan.id} in (from affected)")
    con.execute(f"insert into {table_of(plan.schema)} by name {differences(plan, 'after', names)}")
    con.execute(f"delete from {golden} where rowid in (from outdated)")
    con.execute(f"insert into {golden} by name from after")
    made = number(con, "select count(*) from after")
    _write_changes(con, plan, "after", run, is_first=False)
    con.execute("drop table after")
    _clean(con)
    return made


def differences(plan: Plan, golden: str, names: Mapping[str, Any]) -> str:
    """The query of what the placed records say otherwise than their golden ones, which lie in `golden`."""
    filled = {*names["pinned_fields"], *(rule.name for rule in names["present_rules"])}
    return render("differences", **{**names, "golden": golden, "likenesses": likenesses(plan.schema), "filled": filled})


def _tables(plan: Plan) -> dict[str, str]:
    return {plan.table(suffix): model for suffix, model in MODELS.items()}


def _prepare(con: duckdb.DuckDBPyConnection, plan: Plan, staged: str) -> dict[str, Any]:
    """Makes `merged` and `pinned`; returns the names that the models use.

    Args:
        staged: the staged records: all, or those that `placed` has.
    """
    edited = con.execute("select distinct field from edits").fetchall()
    pinned = con.execute("select distinct field from applied_pins").fetchall()
    names = plan.context(
        records="translated" if plan.references else staged,
        staged=staged,
        present_rules=_present(con, plan, staged),
        edited_fields=[rule.name for rule in plan.rules if (rule.name,) in edited],
        pinned_fields=[rule.name for rule in plan.rules if (rule.name,) in pinned],
        has_created_at=any(rule.name == "created_at" for rule in plan.rules),
        edits="edits",
    )
    if plan.references:
        inputs = {**names, "records": staged}
        con.execute(f"create or replace temp view translated as {render('translated', **inputs)}")
    temp(con, "merged", **names)
    if names["pinned_fields"]:
        temp(con, "pinned", **names)
    return names


def _present(con: duckdb.DuckDBPyConnection, plan: Plan, staged: str) -> list[Rule]:
    """Rules of the fields that any of the records fills, or whose list takes up such a field: most CRMs have few."""
    tests = ", ".join(f"bool_or({ident(rule.name)} is not null)" for rule in plan.rules)
    found = con.execute(f"select {tests} from {staged}").fetchall()[0]
    filled = {rule.name for rule, is_there in zip(plan.rules, found, strict=True) if is_there}
    return [rule for rule in plan.rules if rule.name in filled or rule.main in filled]


def _make_view(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    lineage = render("lineage", **plan.context(golden=f"unified.{plan.entity}"))
    con.execute(f"create or replace view {plan.table('lineage')} as {lineage}")
    con.execute(
        f"""create table if not exists {plan.table("changes")} (
            resource_name varchar, resource_record_key varchar, field_name varchar, previous_value varchar,
            new_value varchar, change_type varchar, modification_timestamp timestamptz, connection varchar,
            run_id varchar)"""
    )


def _write_changes(con: duckdb.DuckDBPyConnection, plan: Plan, after: str, run: Run, *, is_first: bool) -> None:
    if is_first:
        return
    rules = _changed(con, plan, after)
    lineage = render("lineage", **{**plan.context(golden="changed_records"), "rules": rules})
    names = plan.context(after=after, lineage=lineage, redirects=redirects_table(plan))
    query = render("changes", **{**names, "rules": rules})
    con.execute(f"insert into {plan.table('changes')} by name {query}", {"now": run.now, "run_id": run.run_id})
    con.execute("drop table before")


def _changed(con: duckdb.DuckDBPyConnection, plan: Plan, after: str) -> list[Rule]:
    """Rules of the fields that changed in any golden record: most runs touch few."""
    known = {name for (name,) in con.execute("select column_name from (describe before)").fetchall()}
    rules = [rule for rule in plan.rules if rule.name in known]
    tests = ", ".join(f"bool_or(a.{ident(r.name)} is distinct from b.{ident(r.name)})" for r in rules)
    found = con.execute(f"select {tests} from before as b join {after} as a using ({plan.id})").fetchall()[0]
    return [rule for rule, is_other in zip(rules, found, strict=True) if is_other]


def _clean(con: duckdb.DuckDBPyConnection) -> None:
    for kind, name in (
        ("view", "translated"),
        ("table", "merged"),
        ("table", "pinned"),
        ("table", "affected_records"),
        ("table", "outdated"),
    ):
        con.execute(f"drop {kind} if exists temp.{name}")
