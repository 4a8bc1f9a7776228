"""What must hold of every golden table, whatever its schema says: a failure is a fault of ours, not of the data."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipelines.check.baseline import Counts
from pipelines.check.expectations import Expectation, no_rows
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.warehouse.models import ident, literal

REJECTED_SHARE = 0.05
GROWTH = 2.0
SLACK = 10


def facts(entity: CanonicalEntity, tables: Collection[str], before: Counts | None) -> Iterator[Expectation]:
    """The expectations of one entity's tables; `before` is what is published now."""
    name, one = entity.entity, entity.singular
    if f"unified.{name}" not in tables:
        if f"staging.{name}" in tables:
            words = f"{name} that were read are in a golden table"
            yield no_rows(f"staging.{name}", name, words, "select record_key from {batch}", shows=("record_key",))
        return
    yield from _golden(entity)
    if f"unified.{one}_sources" in tables:
        yield from _sources(entity, tables)
        if before is not None:
            yield from _growth(entity, before)
    if f"unified.{one}_redirects" in tables:
        yield from _redirects(entity)
    if {f"staging.{name}", "quality.rejected_records"} <= set(tables):
        yield _rejected(entity)


def _golden(entity: CanonicalEntity) -> Iterator[Expectation]:
    name, key = entity.entity, f"{entity.singular}_id"
    types = {key: "VARCHAR"} | {field: spec.duckdb_type for field, spec in entity.fields.items()}
    wanted = ", ".join(f"({literal(column)}, typeof(cast(null as {kind})))" for column, kind in types.items())
    yield no_rows(
        f"unified.{name}",
        name,
        "every column of the schema is there and has its type",
        f"""select wanted.name as column_name, wanted.type, found.data_type
            from (values {wanted}) as wanted(name, type) left join duckdb_columns() as found
            on found.schema_name = 'unified' and found.table_name = {literal(name)} and found.column_name = wanted.name
            where wanted.type is distinct from found.data_type
            and (select count(*) from (select 1 from {{batch}} limit 1)) >= 0""",
        shows=("column_name", "type", "data_type"),
    )
    yield from _key(f"unified.{name}", name, key)


def _key(table: str, entity: str, key: str) -> Iterator[Expectation]:
    arguments = {"column": key}
    yield Expectation(table, entity, key, "not_be_null", f"{key} is filled", arguments=arguments, shows=(key,))
    yield Expectation(table, entity, key, "be_unique", f"no {key} stands twice", arguments=arguments, shows=(key,))


def _sources(entity: CanonicalEntity, tables: Collection[str]) -> Iterator[Expectation]:
    name, one, key = entity.entity, entity.singular, f"{entity.singular}_id"
    sources = f"unified.{one}_sources"
    yield from _key(sources, name, "record_key")
    yield no_rows(
        sources,
        name,
        f"living source records are of golden {name} that are here",
        f"select {key}, record_key from {{batch}} "
        f"where not is_deleted and {key} not in (select {key} from unified.{ident(name)})",
        shows=("record_key", key),
    )
    yield no_rows(
        f"unified.{name}",
        name,
        f"every golden {one} has a source record behind it",
        f"select {key} from {{batch}} where {key} not in (select {key} from {sources} where {key} is not null)",
        shows=(key,),
    )
    if f"staging.{name}" in tables:
        yield no_rows(
            f"staging.{name}",
            name,
            f"every source record in scope belongs to a golden {one}",
            f"select record_key from {{batch}} where is_in_scope and record_key not in "
            f"(select record_key from {sources} where record_key is not null)",
            says="Records were read and got lost on the way",
            shows=("record_key",),
        )


def _redirects(entity: CanonicalEntity) -> Iterator[Expectation]:
    one, key, golden = entity.singular, f"{entity.singular}_id", ident(entity.entity)
    query = f"select from_id from {{batch}} where from_id in (select {key} from unified.{golden})"
    words = f"an id that was given up is of no golden {one}"
    yield no_rows(f"unified.{one}_redirects", entity.entity, words, query, shows=("from_id",))


def _growth(entity: CanonicalEntity, before: Counts) -> Iterator[Expectation]:
    """A table that doubles or halves while its sources do not is a model gone wrong, not news from the CRMs."""
    name, one = entity.entity, entity.singular
    counts = f"""select (select count(*) from {{batch}}) as golden,
        (select count(*) from unified.{one}_sources where not is_deleted) as sources"""
    more = f"greatest(sources - {before.sources}, 0) * 1.1 + {SLACK}"
    for words, broken in (
        (
            f"not {GROWTH:g} times as many golden {name} as were published ({before.golden:,}) unless so many came in",
            f"golden > {GROWTH} * {before.golden} and golden - {before.golden} > {more}",
        ),
        (
            f"no fewer than half of the golden {name} published ({before.golden:,}) unless so many went away",
            f"golden * {GROWTH} + {SLACK} < {before.golden} and sources > 0.9 * {before.sources}",
        ),
    ):
        query = f"select golden, sources from ({counts}) as counts where {broken}"
        says = "So many records cannot have come to be, or gone, since the last run"
        yield no_rows(f"unified.{name}", name, words, query, says=says, shows=("golden", "sources"))


def _rejected(entity: CanonicalEntity) -> Expectation:
    name = entity.entity
    query = f"""select rejected, staged from (select (select count(*) from {{batch}}) as staged,
        (select count(*) from quality.rejected_records where entity = {literal(name)}) as rejected) as counts
        where rejected > {REJECTED_SHARE} * (staged + rejected)"""
    words = f"at most {REJECTED_SHARE:.0%} of the {name} were rejected"
    return no_rows(f"staging.{name}", name, words, query, severity="warning", shows=("rejected", "staged"))
