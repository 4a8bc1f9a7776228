"""The SQL of one entity, rendered from its layout."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment

from pipelines.mapping.canonical import CanonicalField
from pipelines.staging.columns import Column, Layout, phone_joins, readings_of
from pipelines.staging.convert import any_moment, phone_join, phone_lookup
from pipelines.staging.paths import pointer, trimmed
from pipelines.warehouse.models import environment, literal
from pipelines.warehouse.values import as_text

SLACK = "interval 5 minutes"
"""How far the time a write was noted and the time its result was seen may stand in the wrong order."""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment(Path(__file__).parent)


def records_sql(layout: Layout, purpose: str, source: str) -> str:
    """The typed records of a relation.

    Args:
        layout: the entity.
        purpose: `staging` (the staging table's columns), `rejects` (source_id, field, value, reason, seen_at) or
            `versions` (typed values of every version).
        source: relation with line (unique), id, hash, modified, deleted, seen, record, first_seen, first_modified.
    """
    zone = layout.place.zone
    return (
        _environment()
        .get_template("records.sql")
        .render(
            layout=layout,
            purpose=purpose,
            source=source,
            phone_joins=phone_joins(layout.columns, layout.place.region),
            lookup=phone_lookup,
            join=lambda text, alias: phone_join(text, alias, layout.place.region),
            value_of=lambda name, field: _value_of(layout, name, field),
            names_where=lambda state: _names_where(layout, state),
            modified_at=any_moment("modified", zone),
            first_modified_at=any_moment("first_modified", zone),
        )
    )


def edits_sql(layout: Layout, source: str, echoes: str = "sync.echoes") -> str:
    """The edits table's rows, from all versions of the records of a relation (see `records_sql`)."""
    changed = [column for column in layout.columns if column.name in layout.schema.fields]
    return (
        _environment()
        .get_template("edits.sql")
        .render(
            layout=layout,
            versions=records_sql(layout, "versions", source),
            changed=changed,
            as_text=lambda column: as_text(column.name, column.canonical),
            echoes=echoes,
            slack=SLACK,
        )
    )


def phone_texts_sql(layout: Layout, source: str) -> str | None:
    """A query of every raw telephone number of a relation with id and record; None where the entity has none."""
    columns = [column for column in layout.columns if column.is_phone]
    if not columns:
        return None
    plain = [c for c in columns if c.field.path and not c.field.each and not c.is_list]
    found = [f"select {trimmed(_text_at(c.field.path))} as value from {source}" for c in plain if c.field.path]
    others = [c for c in columns if c not in plain]
    return "(" + " union all ".join([*found, *([_phone_texts(others, source)] if others else [])]) + ")"


def _text_at(path: str) -> str:
    return f"try(json_extract_string(record, {literal(pointer(path))}))"


def _phone_texts(columns: list[Column], source: str) -> str:
    paths, readings, stated = readings_of(columns)
    texts = [f"unnest({r.text})" if c.is_list else r.text for c, r in zip(columns, readings, strict=True)]
    extra = "".join(f", {column}" for column in stated)
    nothing = "" if paths.texts else ", null::varchar[] as t"
    parsed = f"select record{nothing}, {paths.columns()}{extra} from {source}"
    said = f"select *, {paths.plain()} as plain from ({parsed}) where k[1] = 'OBJECT'"
    return " union all ".join(f"select {text} as value from ({said})" for text in texts)


def _value_of(layout: Layout, name: str, field: CanonicalField) -> str:
    column = next((c for c in layout.columns if c.name == name), None)
    value = _finished(column) if column else "null"
    if name == "currency":
        amounts = [c.part("value") for c in layout.columns if c.canonical.type == "money"]
        if amounts:
            default = f"case when coalesce({', '.join(amounts)}) is not null then {literal(layout.currency)} end"
            value = f"coalesce({value}, {default})"
    return f"({value})::{field.duckdb_type}"


def _finished(column: Column) -> str:
    value = column.part("value")
    if not column.is_list:
        return value
    members = f"list_sort(list_distinct({value}))" if column.is_set else value
    return f"case when len({value}) > 0 then {members} end"


def _names_where(layout: Layout, state: str) -> str:
    """SQL: the names of the fields in a state, as a list; computed only for the rows that have any."""
    always = [literal(name) for name, _ in layout.unmapped] if state == "absent" else []
    tests = {c.name: c.part("absent") if state == "absent" else c.failed for c in layout.columns}
    fixed = f"[{', '.join(always)}]::varchar[]"
    if not tests:
        return fixed
    names = ", ".join(f"case when {test} then {literal(name)} end" for name, test in tests.items())
    found = f"list_filter([{names}], lambda x: x is not null)"
    whole = f"list_concat({fixed}, {found})" if always else found
    return f"case when {' or '.join(tests.values())} then {whole} else {fixed} end"
