"""What the models of a plan are rendered with: the connection, its rules, and what an operator has switched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import plan_inputs
from pipelines.push.scope import PushField, bits_sql, hash_sql
from pipelines.state.controls import Pilot
from pipelines.state.database import State
from pipelines.warehouse.likeness import are_noted, table_of
from pipelines.warehouse.models import ident, literal


@dataclass
class Work:
    """What the steps of one plan share."""

    con: duckdb.DuckDBPyConnection
    state: State
    connection: Connection
    schemas: Mapping[str, CanonicalEntity]
    pilot: Pilot
    paused: str | None
    known: Mapping[tuple[str, str], float]
    synced_at: int | None
    now: datetime
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    @property
    def referenced(self) -> set[str | None]:
        """Entities that others, which are pushed too, point to."""
        pushed = [name for name, entity in self.connection.entities.items() if entity.push and name in self.schemas]
        return {one.to for name in pushed for one in self.schemas[name].fields.values()}

    def staging(self, entity: str) -> str:
        """The staging table of an entity."""
        return f"staging.{self.connection.name}__{entity}"


def context_of(work: Work, entity: str, schema: CanonicalEntity, fields: Sequence[PushField]) -> dict[str, Any]:
    """The names that the models of an entity's plan use."""
    policy = _policy(work, entity)
    condition = None if policy in {"none", "linked", "all"} else policy
    push = work.connection.entities[entity].push
    requires = push.requires if push is not None else []
    has_references = any(one.is_reference for one in fields)
    is_noted = not has_references and are_noted(work.con, schema, work.staging(entity))
    synced = literal(None) if work.synced_at is None else f"make_timestamptz({work.synced_at})"
    return {
        "connection": work.connection.name,
        "entity": entity,
        "singular": schema.singular,
        "fields": fields,
        "staging": work.staging(entity),
        "unique_fields": ", ".join(literal(one.name) for one in fields if one.is_unique) or "null",
        "edits": f"{work.staging(entity)}_edits",
        "golden": f"unified.{entity}",
        "sources": f"unified.{schema.singular}_sources",
        "hash_theirs": hash_sql(fields, ours=False),
        "hash_ours": hash_sql(fields, ours=True),
        "bits_theirs": bits_sql(fields, ours=False),
        "bits_ours": bits_sql(fields, ours=True),
        "has_pins": plan_inputs.has_pins(work.state, entity),
        "policy": policy,
        **_key(work, entity, schema),
        "condition": condition,
        "requires": requires,
        "needed": [
            one
            for one in fields
            if one.to and not one.is_list and (one.name in requires or _names(condition, one.name))
        ],
        "has_references": has_references,
        "differences": table_of(schema) if is_noted else None,
        "both_edited": f"theirs_since > {synced} and since > {synced}",
        "paused": work.paused,
        "not_in_pilot": _left_out(work.pilot),
        "now": f"make_timestamptz({int(work.now.timestamp() * 1_000_000)})",
    }


def _names(condition: str | None, field: str) -> bool:
    return condition is not None and re.search(rf"\b{field}\b", condition) is not None


def _left_out(pilot: Pilot) -> str:
    """SQL over `w` (the row) and `j` (its place): the record is not part of the pilot."""
    outside = [f"j.place > {pilot.limit}"] if pilot.limit is not None else []
    if pilot.only:
        chosen = ", ".join(literal(one) for one in pilot.only)
        ids = ("w.golden_id", "w.record_key", "w.source_id")
        outside.append("not (" + " or ".join(f"coalesce({one}, '') in ({chosen})" for one in ids) + ")")
    return f"({' or '.join(outside)})" if outside else "false"


def _policy(work: Work, entity: str) -> str:
    push = work.connection.entities[entity].push
    return work.connection.settings.create or (push.create if push is not None else "none")


def _key(work: Work, entity: str, schema: CanonicalEntity) -> dict[str, Any]:
    """As SQL lists: what a twin is looked for by, where it is one field, and the CRM's fields that hold such values."""
    push = work.connection.entities[entity].push
    by = push.find.by if push is not None and push.find is not None else []
    field = schema.fields.get(by[0]) if len(by) == 1 else None
    if field is None or field.to is not None:
        return {"key": None}
    kind = field.of or field.type
    alike = {by[0]: field}
    if kind in {"email", "phone"}:
        alike |= {name: one for name, one in schema.fields.items() if kind in (one.type, one.of)}
    lists = {name: ident(name) if one.type == "list" else f"[{ident(name)}]" for name, one in alike.items()}
    return {"key": lists[by[0]], "holding": list(lists.values())}
