"""The plan: what each record of a CRM lacks beside its golden record, as one computation in SQL.

It reads the warehouse and the state and changes neither; no CRM is called. Its models: `pipelines/models/plan_*.sql`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import deletions, guards, plan_inputs
from pipelines.push.comparing import compare, make, own_tables, render
from pipelines.push.planned import REFERENCES, ROWS, WRITES, Plan
from pipelines.push.scope import PushField, bits_sql, hash_sql, in_reference_order, push_fields
from pipelines.state import baselines, controls
from pipelines.state.controls import Pilot
from pipelines.state.database import State
from pipelines.warehouse.build import exists
from pipelines.warehouse.models import ident, literal

SYNCED = ("", "synced_at")
# Made of no batches, because an array of Python values, even an empty one, makes pyarrow import pandas.
NO_ROWS = pa.Table.from_batches([], ROWS)
NO_CREATES = "CREATE OR REPLACE TEMP TABLE plan_creates (golden_id VARCHAR, our_row BIGINT, waits VARCHAR)"
NO_REFERENCES = pa.Table.from_batches([], REFERENCES)


@dataclass
class _Work:
    """What the steps of one plan share."""

    con: duckdb.DuckDBPyConnection
    state: State
    connection: Connection
    schemas: Mapping[str, CanonicalEntity]
    pilot: Pilot
    paused: str | None
    synced_at: int | None
    now: datetime
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    @property
    def referenced(self) -> set[str | None]:
        """Entities that others, which are pushed too, point to."""
        pushed = [name for name, entity in self.connection.entities.items() if entity.push and name in self.schemas]
        return {one.to for name in pushed for one in self.schemas[name].fields.values()}


def plan(
    connection: Connection,
    con: duckdb.DuckDBPyConnection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    *,
    pilot: Pilot | None = None,
    allow_mass_change: bool = False,
) -> Plan:
    """What a push to the connection would do now.

    Args:
        connection: the CRM that would be written to.
        con: a connection to the owner's warehouse; read-only will do.
        state: the owner's state; only read.
        schemas: the canonical entities by name.
        pilot: only some of the records; the others show as blocked. Default: the pilot that the state keeps, if any.
        allow_mass_change: the caller knows that much will change; no guard trips.
    """
    known = baselines.load(state, connection.name)
    synced = known.get(SYNCED)
    paused = controls.paused(state, connection.name) or ("by its settings" if connection.settings.paused else None)
    pilot = pilot if pilot not in (None, Pilot()) else controls.pilot(state, connection.name) or Pilot()
    with own_tables(con):
        work = _Work(
            con, state, connection, schemas, pilot, paused, None if synced is None else int(synced),
            datetime.now(UTC),
        )  # fmt: skip
        con.execute(
            "CREATE OR REPLACE TEMP TABLE plan_reachable (entity VARCHAR, golden_id VARCHAR, source_id VARCHAR)"
        )
        tables = [_plan_entity(work, name) for name in _present(work)]
        rows = pa.concat_tables([NO_ROWS, *tables])
        references = _references(work, rows)
        stats = guards.measure(con, connection, schemas)
        tripped = guards.tripped(connection, work.counts, known, stats)
        deleted = guards.too_many_deletions(connection, work.counts)
    is_meant = allow_mass_change or connection.is_sandbox
    tripped = [] if is_meant else [*deleted, *([] if synced is None else tripped)]
    return Plan(
        connection.name, connection.owner.name, rows, references, work.counts,
        tuple(tripped), stats, made_at=work.now.isoformat(), is_pilot=work.pilot != Pilot(),
        stale=tuple(work.stale), notes=_notes(work),
    )  # fmt: skip


def _notes(work: _Work) -> tuple[str, ...]:
    """What an operator has switched, and the plan therefore leaves out."""
    never = len(work.connection.settings.never_sync)
    never += sum(one["connection"] == work.connection.name for one in controls.all_never_synced(work.state))
    told = [f"paused: {work.paused}"] if work.paused else []
    told += [work.pilot.says] if work.pilot != Pilot() else []
    return (*told, *([f"never synced: {never} records"] if never else []))


def _present(work: _Work) -> list[str]:
    """Entities whose tables are there: a connection that was never read has none."""
    names = in_reference_order(work.connection, work.schemas)
    needed = {name: (f"unified.{name}", _staging(work, name)) for name in names}
    return [name for name in names if all(exists(work.con, table) for table in needed[name])]


def _staging(work: _Work, entity: str) -> str:
    return f"staging.{work.connection.name}__{entity}"


def _plan_entity(work: _Work, entity: str) -> pa.Table:
    schema = work.schemas[entity]
    fields = push_fields(work.connection.entities[entity], schema, work.schemas)
    context = _context(work, entity, schema, fields)
    plan_inputs.register(work.con, work.state, work.connection, entity)
    _reach_referenced(work, fields)
    deletions.find(work.con, work.state, work.connection, entity, context)
    _make_creates(work, entity, context)
    if fields:
        compare(work.con, entity, context)
        rows = work.con.sql(render("plan_rows", context)).to_arrow_table().cast(ROWS)
    else:
        rows = NO_ROWS
    if entity in work.referenced or work.con.execute("SELECT count(*) FROM plan_unfinished").fetchall()[0][0]:
        _reach(work, entity, schema.singular)
        work.stale += _stale(work, entity, rows)
    work.counts[entity] = _count(work, entity, rows)
    return rows


def _stale(work: _Work, entity: str, rows: pa.Table) -> list[str]:
    """What failed and is no longer wanted, and what was uncertain and has turned up."""
    work.con.register("plan_found", rows.select(["wanted", "why", "golden_id", "record_key", "fingerprint"]))
    found = work.con.execute(
        "SELECT DISTINCT intent_id FROM plan_unfinished AS u WHERE NOT EXISTS (SELECT 1 FROM plan_found AS p "
        "WHERE p.wanted = u.action AND p.golden_id = u.golden_id AND p.fingerprint <> '' "
        "AND coalesce(p.record_key, '') = coalesce(u.record_key, '')) AND (status IN ('failed', 'dead', 'skipped') "
        "OR (status = 'uncertain' AND golden_id IN "
        "(SELECT golden_id FROM plan_reachable WHERE entity = ? AND source_id IS NOT NULL)))",
        [entity],
    ).fetchall()
    work.con.unregister("plan_found")
    return [str(row[0]) for row in found]


def _context(work: _Work, entity: str, schema: CanonicalEntity, fields: Sequence[PushField]) -> dict[str, Any]:
    policy = _policy(work, entity)
    condition = None if policy in {"none", "linked", "all"} else policy
    push = work.connection.entities[entity].push
    requires = push.requires if push is not None else []
    synced = literal(None) if work.synced_at is None else f"make_timestamptz({work.synced_at})"
    return {
        "connection": work.connection.name,
        "entity": entity,
        "singular": schema.singular,
        "fields": fields,
        "staging": _staging(work, entity),
        "unique_fields": ", ".join(literal(one.name) for one in fields if one.is_unique) or "null",
        "edits": f"{_staging(work, entity)}_edits",
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
        "has_references": any(one.is_reference for one in fields),
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


def _policy(work: _Work, entity: str) -> str:
    push = work.connection.entities[entity].push
    return work.connection.settings.create or (push.create if push is not None else "none")


def _key(work: _Work, entity: str, schema: CanonicalEntity) -> dict[str, Any]:
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


def _make_creates(work: _Work, entity: str, context: Mapping[str, Any]) -> None:
    push = work.connection.entities[entity].push
    can_create = push is not None and (push.create_request is not None or push.create_batch is not None)
    if can_create and context["policy"] != "none":
        make(work.con, "plan_creates", context)
    else:
        work.con.execute(NO_CREATES)


def _reach(work: _Work, entity: str, singular: str) -> None:
    """Notes which golden records of the entity this CRM has (with its id) or is to be given (without)."""
    work.con.execute("DELETE FROM plan_reachable WHERE entity = ?", [entity])
    work.con.execute(
        f"INSERT INTO plan_reachable SELECT ?, {singular}_id, min(source_id) FROM unified.{singular}_sources "
        "WHERE connection = ? AND NOT is_deleted GROUP BY ALL",
        [entity, work.connection.name],
    )
    if work.pilot == Pilot():  # a pilot may leave the creation out
        work.con.execute(
            "INSERT INTO plan_reachable SELECT ?, golden_id, NULL FROM plan_creates WHERE waits IS NULL", [entity]
        )


def _reach_referenced(work: _Work, fields: Sequence[PushField]) -> None:
    """The same for entities that are pointed at but not pushed themselves, such as users."""
    for entity, one in {one.to: one for one in fields if one.to is not None}.items():
        known = work.con.execute("SELECT count(*) FROM plan_reachable WHERE entity = ?", [entity]).fetchall()[0][0]
        if not known and exists(work.con, one.sources):
            work.con.execute(NO_CREATES)
            _reach(work, entity, one.singular)


def _count(work: _Work, entity: str, rows: pa.Table) -> dict[str, int]:
    total = work.con.execute(
        f"SELECT count(*) FROM {_staging(work, entity)} WHERE NOT is_deleted AND is_in_scope"
    ).fetchall()[0][0]
    work.con.register("plan_found", rows)
    found = work.con.execute(
        "SELECT action, count(DISTINCT (golden_id, record_key)), count(*) FROM plan_found GROUP BY action"
    ).fetchall()
    work.con.unregister("plan_found")
    records = {action: int(number) for action, number, _ in found}
    left = sum(int(fields) for action, _, fields in found if action == "none")
    counts = {"records": int(total), **{what: records.get(what, 0) for what in (*WRITES, "blocked")}, "left": left}
    return {**counts, "unchanged": max(0, counts["records"] - counts["update"] - counts["archive"])}


def _references(work: _Work, rows: pa.Table) -> pa.Table:
    """The CRM's ids of what the rows point at."""
    pointing = {
        one.name: one.to
        for entity in work.counts
        for one in push_fields(work.connection.entities[entity], work.schemas[entity], work.schemas)
        if one.to is not None
    }
    if not pointing or rows.num_rows == 0:
        return NO_REFERENCES
    work.con.register("plan_found", rows.select(["field", "new"]))
    names = ", ".join(literal(name) for name in pointing)
    found = work.con.sql(
        "SELECT DISTINCT r.entity, r.golden_id, r.source_id FROM plan_reachable AS r JOIN ("
        "  SELECT unnest(CASE WHEN new LIKE '[%' THEN from_json(new, '[\"VARCHAR\"]') ELSE [new::JSON->>'$'] END) AS id"
        f"  FROM plan_found WHERE field IN ({names}) AND new IS NOT NULL) AS m ON m.id = r.golden_id "
        "WHERE r.source_id IS NOT NULL"
    ).to_arrow_table()
    return found.cast(REFERENCES)
