"""What a person calls the record that a reference leads to: a user's name and mailbox, not a key."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.unify.rules import Plan, Rule
from pipelines.unify.sql import existing

NAMES = (("name",), ("first_name", "last_name"), ("address",))
"""Fields that say what a record is called, the best first; a mailbox is told beside it."""


def keys_of(rule: Rule, value: str) -> list[str]:
    """The records that a reference leads to: golden ids or record keys."""
    return [str(key) for key in json.loads(value)] if rule.is_list else [value]


def called(
    con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity], entity: str, keys: Collection[str]
) -> dict[str, str]:
    """What records of an entity are called, by golden id or record key; those that have no name are left out."""
    schema = schemas.get(entity)
    if schema is None or not keys:
        return {}
    tables = existing(con)
    found: dict[str, str] = {}
    for table, key in ((f"staging.{entity}", "record_key"), (f"unified.{entity}", f"{schema.singular}_id")):
        if table in tables:
            query = f"select {key}, {_text(schema)} as text from {table} where list_contains($1, {key})"
            found |= {one: text for one, text in con.execute(query, [list(keys)]).fetchall() if text}
    return found


def golden_ids(con: duckdb.DuckDBPyConnection, plan: Plan, keys: Collection[str]) -> dict[str, str]:
    """The golden ids of some record keys of the plan's entity."""
    table = plan.table("sources")
    if not keys or table not in existing(con):
        return {}
    query = f"select record_key, {plan.id} from {table} where list_contains($1, record_key)"
    return dict(con.execute(query, [list(keys)]).fetchall())


def _text(schema: CanonicalEntity) -> str:
    ways = [
        f"nullif(concat_ws(' ', {', '.join(fields)}), '')" for fields in NAMES if set(fields) <= schema.fields.keys()
    ]
    name = f"coalesce({', '.join([*ways, 'null'])})"
    return f"nullif(concat_ws(', ', {name}, email), '')" if "email" in schema.fields else name
