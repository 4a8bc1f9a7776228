"""What a mapping leaves out of a CRM's records, what it names in vain, and what does not come as it expects.

Read from what is staged and from the raw log; nothing is written. A value is shown only of fields that cannot be
personal: by the schema where the field is mapped, by the look of name and value where it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.staging.columns import Layout, layout
from pipelines.staging.paths import pointer
from pipelines.staging.stage import attached, raw_table
from pipelines.warehouse.build import exists, quoted
from pipelines.warehouse.models import ident, literal

SAMPLE = 20_000
"""Records looked at, the same ones every time."""
PERSONAL = r"(?i)name|mail|phone|mobile|fax|street|address|birth|dob|ssn|tax|passport|note|comment|descr|contact|owner"
LOOKS_PERSONAL = r"@|[0-9][0-9() .+-]{6,}|\s\S+\s"
FAMILIES = {
    "VARCHAR": "text",
    "BIGINT": "number",
    "UBIGINT": "number",
    "HUGEINT": "number",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "ARRAY": "list",
    "OBJECT": "object",
}


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        entity: canonical entity.
        kind: `unmapped` (theirs, not named), `never` (ours, named, never filled), `unknown_value` (not among the
            mapping's values), `mixed_types` (theirs, comes in more than one JSON type), `changed_types` (theirs, came
            in another JSON type with the last load than ever before).
        name: path in the CRM's record; of `never` and `unknown_value` the canonical field.
        share: of the records looked at, 0 to 1.
        types: JSON types and how many values came in each.
        examples: a few values, none of what may be personal.
    """

    entity: str
    kind: Literal["unmapped", "never", "unknown_value", "mixed_types", "changed_types"]
    name: str
    share: float
    types: dict[str, int]
    examples: list[str]


def coverage(
    con: duckdb.DuckDBPyConnection, connection: Connection, schemas: Mapping[str, CanonicalEntity]
) -> list[Finding]:
    """Compare a connection's mapping with the records that came; stage it first.

    Args:
        con: the owner's warehouse; read-only will do.
        connection: whose mapping is compared.
        schemas: canonical schemas by entity.
    """
    findings: list[Finding] = []
    with attached(con, connection.owner.raw(connection.name)):
        for entity in connection.entities:
            if entity not in schemas:
                continue
            plan = layout(connection, entity, schemas[entity])
            records = _count(con, plan)
            if records:
                unmapped = list(_unmapped(con, plan, set(connection.mapping.entities[entity].custom)))
                findings += unmapped
                findings += _never(con, plan, records)
                findings += _unknown(con, plan, records)
                findings += _types(con, plan, [finding.name for finding in unmapped])
    return findings


def _count(con: duckdb.DuckDBPyConnection, plan: Layout) -> int:
    if not exists(con, plan.table):
        return 0
    return int(con.execute(f"select count(*) from {quoted(plan.table)}").fetchall()[0][0])


def _unmapped(con: duckdb.DuckDBPyConnection, plan: Layout, named: set[str]) -> Iterator[Finding]:
    """Leaves of what is left in `custom`; a list is a leaf."""
    rows = con.execute(
        f"""with looked_at as (
            select record_key, custom from {quoted(plan.table)} order by hash(record_key) limit {SAMPLE}
        ),
        leaves as (
            select replace(substr(node.fullkey, 3), '"', '') as path, node.type as kind,
                json_extract_string(node.value, '$') as value
            from looked_at, json_tree(looked_at.custom) as node
            where node.fullkey not like '%[%' and node.type not in ('OBJECT', 'NULL')
        )
        select path, kind, count(*), (select count(*) from looked_at),
            list_slice(list_sort(list(distinct value) filter (
            not regexp_matches(path, {literal(PERSONAL)}) and not regexp_matches(value, {literal(LOOKS_PERSONAL)})
            and kind <> 'ARRAY' and length(value) <= 40)), 1, 3)
        from leaves where value not in ('', '[]', '{{}}') group by path, kind order by path, kind"""
    ).fetchall()
    found: dict[str, Finding] = {}
    for path, kind, count, records, examples in rows:
        if path in named:
            continue
        old = found.get(path)
        types = {**(old.types if old else {})}
        types[FAMILIES.get(kind, kind)] = types.get(FAMILIES.get(kind, kind), 0) + count
        shown = [*(old.examples if old else []), *(examples or [])][:3]
        found[path] = Finding(plan.entity, "unmapped", path, sum(types.values()) / records, types, shown)
    return iter(sorted(found.values(), key=lambda finding: -finding.share))


def _never(con: duckdb.DuckDBPyConnection, plan: Layout, records: int) -> Iterator[Finding]:
    if not plan.columns:
        return
    counts = ", ".join(f"count({ident(column.name)})" for column in plan.columns)
    absent = ", ".join(f"count(*) filter ({literal(column.name)} in absent_fields)" for column in plan.columns)
    filled = con.execute(f"select {counts} from {quoted(plan.table)}").fetchall()[0]
    missing = con.execute(f"select {absent} from {quoted(plan.table)}").fetchall()[0]
    for column, values, lacking in zip(plan.columns, filled, missing, strict=True):
        if values == 0:
            yield Finding(plan.entity, "never", column.name, lacking / records, {"absent": lacking}, [])


def _unknown(con: duckdb.DuckDBPyConnection, plan: Layout, records: int) -> Iterator[Finding]:
    """Values that the mapping's `values`, or the schema's, do not have."""
    for column in plan.columns:
        if column.field.values is None and (column.canonical.of or column.canonical.type) != "enum":
            continue
        rows = con.execute(
            "select value, count(*) from quality.rejected_values where connection = $1 and entity = $2 and field = $3 "
            "group by value order by count(*) desc, value limit 50",
            [plan.connection, plan.entity, column.name],
        ).fetchall()
        if rows:
            shown = [str(value) for value, _ in rows] if column.canonical.personal == "none" else []
            share = sum(count for _, count in rows) / records
            yield Finding(plan.entity, "unknown_value", column.name, share, {"distinct": len(rows)}, shown)


def _types(con: duckdb.DuckDBPyConnection, plan: Layout, unmapped: Iterable[str]) -> Iterator[Finding]:
    """Paths whose values came in more than one JSON type: over all versions, or otherwise in the last load."""
    paths = [path for path in plan.paths.kinds if path != "$"]
    paths += [path for name in unmapped if (path := pointer(name)) not in paths]
    if not paths:
        return
    raw = raw_table(con, plan.entity)
    rows = con.execute(
        f"""with loads as (select max(_dlt_load_id) as last from {raw}),
        known as (select record, _dlt_load_id is not distinct from last as is_new, id from {raw}, loads
            where problem is null and not coalesce(deleted, false)),
        looked_at as (
            (select record, is_new from known where is_new order by hash(id) limit {SAMPLE}) union all
            (select record, is_new from known where not is_new order by hash(id) limit {SAMPLE})),
        read as (select is_new, try(json_type(record, [{", ".join(map(literal, paths))}])) as k from looked_at),
        each as (select is_new, unnest([{", ".join(map(literal, paths))}]) as path, unnest(k) as kind from read)
        select path, kind, count(*), count(*) filter (is_new), (select count(*) from looked_at) from each
        where kind is not null and kind <> 'NULL' group by path, kind order by path, kind"""
    ).fetchall()
    types: dict[str, dict[str, int]] = {}
    before: dict[str, set[str]] = {}
    for path, kind, count, new, _ in rows:
        family = FAMILIES.get(kind, kind)
        types.setdefault(path, {})[family] = types.get(path, {}).get(family, 0) + count
        if count > new:
            before.setdefault(path, set()).add(family)
    for path, seen in types.items():
        if len(seen) < 2:
            continue
        name = path[1:].replace("/", ".").replace("~1", "/").replace("~0", "~")
        is_new = path in before and set(seen) - before[path]
        share = min(seen.values()) / rows[0][4]
        if is_new:
            yield Finding(plan.entity, "changed_types", name, share, seen, [])
        elif path in plan.paths.kinds:
            yield Finding(plan.entity, "mixed_types", name, share, seen, [])
