"""The suites: what must hold of a candidate, built from `schemas/`.

`facts` says what is true of every golden table whatever its schema says (ids, sources, types, growth); `fields` turns
the checks that a schema states into expectations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipelines.check.baseline import Counts
from pipelines.check.expectations import Expectation, escaped, no_rows
from pipelines.check.facts import facts
from pipelines.check.fields import field_expectations
from pipelines.mapping.canonical import CanonicalEntity, Check
from pipelines.warehouse.models import ident


def build_suite(
    schemas: Mapping[str, CanonicalEntity], tables: Collection[str], before: Mapping[str, Counts] | None = None
) -> list[Expectation]:
    """All expectations of a candidate.

    Args:
        schemas: canonical schemas by entity.
        tables: the candidate's tables, as schema.table; a table that is not there is not checked.
        before: counts of what is published now; None: the growth of the tables is not checked.
    """
    suite: list[Expectation] = []
    there = {name for name in schemas if f"unified.{name}" in tables}
    for name, entity in schemas.items():
        suite += facts(entity, tables, (before or {}).get(name))
        if name in there:
            keys = {other: f"{schemas[other].singular}_id" for other in there}
            suite += field_expectations(entity, keys)
            suite += [_table_check(entity, check) for check in entity.checks]
    return suite


def _table_check(entity: CanonicalEntity, check: Check) -> Expectation:
    table, name, says = f"unified.{entity.entity}", entity.entity, check.says or ""
    key = f"{entity.singular}_id"
    if check.expect == "sql":
        query = f"select {ident(key)} from {{batch}} where not ({escaped(str(check.value))})"
        return no_rows(table, name, f"{check.value}", query, severity=check.severity, says=says, shows=(key,))
    if check.expect == "be_unique":
        words = f"no two {name} with the same {' and '.join(check.value)}"
        arguments = {"columns": check.value}
        return Expectation(table, name, None, "be_unique", words, check.severity, says, arguments, (key,))
    bounds = {k: int(float(v)) for k, v in (("min", check.min), ("max", check.max)) if v is not None}
    words = " and ".join(f"at {'least' if k == 'min' else 'most'} {v:,} {name}" for k, v in bounds.items())
    return Expectation(table, name, None, "row_count", words, check.severity, says, bounds)
