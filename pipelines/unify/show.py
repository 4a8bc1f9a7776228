"""One golden record, field by field: its value, who said it, since when, by which rule; what was rejected, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.unify.called import called, golden_ids, keys_of
from pipelines.unify.rules import Plan, plan_of
from pipelines.unify.sources import Source
from pipelines.unify.sql import existing, render


@dataclass(frozen=True)
class Rejected:
    """A value that a source says and that does not hold, or holds from another source; `called` as in `ShownField`."""

    value: str
    connection: str
    source_id: str
    since: datetime | None
    because: str
    called: str | None = None


@dataclass(frozen=True)
class ShownField:
    """A field of a golden record. Values are text, lists JSON; `connection` is None where no one source said it.

    Attributes:
        called: of a reference, what a person calls the records it leads to.
    """

    field: str
    value: str
    connection: str | None
    source_id: str | None
    since: datetime | None
    rule: str
    rejected: tuple[Rejected, ...]
    called: str | None = None


@dataclass(frozen=True)
class Shown:
    """A golden record. `sources`: (record key, how it was recognised, whether it is deleted)."""

    entity: str
    golden_id: str
    redirected_from: str | None
    sources: tuple[tuple[str, str | None, bool], ...]
    fields: tuple[ShownField, ...]


def show(
    con: duckdb.DuckDBPyConnection,
    schemas: Mapping[str, CanonicalEntity],
    golden_id: str,
    connections: Sequence[Source] = (),
) -> Shown | None:
    """What is known of a golden id, or of the one it was merged into; None where there is none such.

    Args:
        con: the warehouse, after unify.
        schemas: canonical entities by name.
        golden_id: of any entity.
        connections: as unify had them; they tell which values are derived.
    """
    tables = existing(con)
    for schema in schemas.values():
        plan = plan_of(schema, connections)
        if plan.table("sources") in tables:
            lives_as = _follow(con, plan, golden_id)
            sources = _sources(con, plan, lives_as)
            if sources:
                came_from = golden_id if lives_as != golden_id else None
                fields = _fields(con, plan, lives_as)
                fields = tuple(_named(con, schemas, plan, field) for field in fields)
                return Shown(plan.entity, lives_as, came_from, sources, fields)
    return None


def _follow(con: duckdb.DuckDBPyConnection, plan: Plan, golden_id: str) -> str:
    query = f"select to_id from {plan.table('redirects')} where from_id = $1"
    found = con.execute(query, [golden_id]).fetchall()
    return str(found[0][0]) if found else golden_id


def _sources(con: duckdb.DuckDBPyConnection, plan: Plan, golden_id: str) -> tuple[tuple[str, str | None, bool], ...]:
    query = (
        f"select record_key, matched_by, is_deleted from {plan.table('sources')} where {plan.id} = $1 order by position"
    )
    return tuple((key, by, gone) for key, by, gone in con.execute(query, [golden_id]).fetchall())


def _fields(con: duckdb.DuckDBPyConnection, plan: Plan, golden_id: str) -> tuple[ShownField, ...]:
    told = con.execute(render("told", **plan.context()), {"golden_id": golden_id}).fetchall()
    rejected: dict[str, list[Rejected]] = {}
    for field, value, connection, source_id, since, because in told:
        if because is not None:
            rejected.setdefault(field, []).append(Rejected(value, connection, source_id, since, because))
    query = f"select field, value, connection, source_id, since, rule from {plan.table('lineage')} where {plan.id} = $1"
    holds = {
        field: ShownField(field, value, connection, source_id, since, rule, tuple(rejected.get(field, ())))
        for field, value, connection, source_id, since, rule in con.execute(query, [golden_id]).fetchall()
    }
    return tuple(holds[rule.name] for rule in plan.rules if rule.name in holds)


def _named(
    con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity], plan: Plan, field: ShownField
) -> ShownField:
    """The field with what its references are called; a record of the golden one that holds says the same."""
    rule = next(rule for rule in plan.rules if rule.name == field.field)
    if rule.to is None or rule.to not in schemas:
        return field
    values = [field.value, *(other.value for other in field.rejected)]
    keys = {key for value in values for key in keys_of(rule, value)}
    names = called(con, schemas, rule.to, keys)
    golden = golden_ids(con, plan_of(schemas[rule.to], ()), keys)

    def text(value: str) -> str | None:
        return "; ".join(names[key] for key in keys_of(rule, value) if key in names) or None

    rejected = tuple(
        replace(
            other,
            called=text(other.value),
            because="says the same" if golden.get(other.value) == field.value else other.because,
        )
        for other in field.rejected
    )
    return replace(field, called=text(field.value), rejected=rejected)
