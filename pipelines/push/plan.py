"""The plan: what each record of a CRM lacks beside its golden record, as one computation in SQL.

It reads the warehouse and the state and changes neither; no CRM is called. Its models: `pipelines/models/plan_*.sql`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import deletions, guards, plan_inputs
from pipelines.push.comparing import compare, make, render
from pipelines.push.context import Work, context_of
from pipelines.push.planned import REFERENCES, ROWS, WRITES, Plan
from pipelines.push.scope import PushField, in_reference_order, push_fields
from pipelines.push.together import Steps, side_by_side
from pipelines.state import baselines, controls
from pipelines.state.arrow import be_there
from pipelines.state.controls import Pilot
from pipelines.state.database import State
from pipelines.warehouse.build import exists
from pipelines.warehouse.models import literal

SYNCED = ("", "synced_at")
# Made of no batches, because an array of Python values, even an empty one, makes pyarrow import pandas.
NO_ROWS = pa.Table.from_batches([], ROWS)
NO_CREATES = "CREATE OR REPLACE TEMP TABLE plan_creates (golden_id VARCHAR, waits VARCHAR)"
NO_REFERENCES = pa.Table.from_batches([], REFERENCES)


def plan(
    connection: Connection,
    con: duckdb.DuckDBPyConnection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    *,
    pilot: Pilot | None = None,
    allow_mass_change: bool = False,
) -> Plan:
    """What a push to the connection would do now; see `plan_all`."""
    (made,) = plan_all([connection], con, state, schemas, pilot=pilot, allow_mass_change=allow_mass_change)
    if isinstance(made, Exception):
        raise made
    return made


def plan_all(
    connections: Sequence[Connection],
    con: duckdb.DuckDBPyConnection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    *,
    pilot: Pilot | None = None,
    allow_mass_change: bool = False,
) -> list[Plan | Exception]:
    """What a push to each connection would do now, or what made its plan fail.

    Args:
        connections: the CRMs that would be written to, of one owner.
        con: a connection to the owner's warehouse; read-only will do.
        state: the owner's state; only read.
        schemas: the canonical entities by name.
        pilot: only some of the records; the others show as blocked. Default: the pilot that the state keeps, if any.
        allow_mass_change: the caller knows that much will change; no guard trips.
    """
    be_there()

    def steps(connection: Connection) -> Steps[Plan]:
        with closing(con.cursor()) as own:
            own.execute("SET TimeZone = 'UTC'")
            return (
                yield from _plan(_work(own, state, connection, schemas, pilot), allow_mass_change=allow_mass_change)
            )

    return side_by_side(con, map(steps, connections))


def _work(
    con: duckdb.DuckDBPyConnection,
    state: State,
    connection: Connection,
    schemas: Mapping[str, CanonicalEntity],
    pilot: Pilot | None,
) -> Work:
    known = baselines.load(state, connection.name)
    paused = controls.paused(state, connection.name) or ("by its settings" if connection.settings.paused else None)
    pilot = pilot if pilot not in (None, Pilot()) else controls.pilot(state, connection.name) or Pilot()
    synced = int(known[SYNCED]) if SYNCED in known else None
    return Work(con, state, connection, schemas, pilot, paused, known, synced, datetime.now(UTC))


def _plan(work: Work, *, allow_mass_change: bool) -> Steps[Plan]:
    connection = work.connection
    work.con.execute("CREATE TEMP TABLE plan_reachable (entity VARCHAR, golden_id VARCHAR, source_id VARCHAR)")
    tables = [NO_ROWS]
    for name in _present(work):
        tables.append((yield from _plan_entity(work, name)))
    rows = pa.concat_tables(tables)
    references = _references(work, rows)
    stats = guards.measure(work.con, connection, work.schemas)
    tripped = guards.too_many_deletions(connection, work.counts)
    if work.synced_at is not None:
        tripped += guards.tripped(connection, work.counts, work.known, stats)
    return Plan(
        connection.name, connection.owner.name, rows, references, work.counts,
        () if allow_mass_change or connection.is_sandbox else tuple(tripped), stats,
        made_at=work.now.isoformat(), is_pilot=work.pilot != Pilot(), stale=tuple(work.stale), notes=_notes(work),
    )  # fmt: skip


def _notes(work: Work) -> tuple[str, ...]:
    """What an operator has switched, and the plan therefore leaves out."""
    never = len(work.connection.settings.never_sync)
    never += sum(one["connection"] == work.connection.name for one in controls.all_never_synced(work.state))
    told = [f"paused: {work.paused}"] if work.paused else []
    told += [work.pilot.says] if work.pilot != Pilot() else []
    return (*told, *([f"never synced: {never} records"] if never else []))


def _present(work: Work) -> list[str]:
    """Entities whose tables are there: a connection that was never read has none."""
    names = in_reference_order(work.connection, work.schemas)
    needed = {name: (f"unified.{name}", work.staging(name)) for name in names}
    return [name for name in names if all(exists(work.con, table) for table in needed[name])]


def _plan_entity(work: Work, entity: str) -> Steps[pa.Table]:
    schema = work.schemas[entity]
    fields = push_fields(work.connection.entities[entity], schema, work.schemas)
    context = context_of(work, entity, schema, fields)
    plan_inputs.register(work.con, work.state, work.connection, entity)
    _reach_referenced(work, fields)
    deletions.find(work.con, work.state, work.connection, entity, context)
    _make_creates(work, entity, context)
    if fields:
        yield from compare(work.con, entity, context)
        rows = work.con.sql(render("plan_rows", context)).to_arrow_table().cast(ROWS)
    else:
        rows = NO_ROWS
    if entity in work.referenced or work.con.execute("SELECT count(*) FROM plan_unfinished").fetchall()[0][0]:
        _reach(work, entity, schema.singular)
        work.stale += _stale(work, entity, rows)
    work.counts[entity] = _count(work, entity, rows)
    return rows


def _stale(work: Work, entity: str, rows: pa.Table) -> list[str]:
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


def _make_creates(work: Work, entity: str, context: Mapping[str, Any]) -> None:
    push = work.connection.entities[entity].push
    can_create = push is not None and (push.create_request is not None or push.create_batch is not None)
    if can_create and context["policy"] != "none":
        make(work.con, "plan_creates", context)
    else:
        work.con.execute(NO_CREATES)


def _reach(work: Work, entity: str, singular: str) -> None:
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


def _reach_referenced(work: Work, fields: Sequence[PushField]) -> None:
    """The same for entities that are pointed at but not pushed themselves, such as users."""
    for entity, one in {one.to: one for one in fields if one.to is not None}.items():
        known = work.con.execute("SELECT count(*) FROM plan_reachable WHERE entity = ?", [entity]).fetchall()[0][0]
        if not known and exists(work.con, one.sources):
            work.con.execute(NO_CREATES)
            _reach(work, entity, one.singular)


def _count(work: Work, entity: str, rows: pa.Table) -> dict[str, int]:
    total = plan_inputs.records_of(work.con, work.staging(entity))
    work.con.register("plan_found", rows)
    found = work.con.execute(
        "SELECT action, count(DISTINCT (golden_id, record_key)), count(*) FROM plan_found GROUP BY action"
    ).fetchall()
    records = {action: int(number) for action, number, _ in found}
    if records.get("link"):  # new relations change a record, too; those of one that is created do not
        changed = "SELECT count(DISTINCT record_key) FROM plan_found WHERE action IN ('update', 'link')"
        records["changed"] = int(work.con.execute(changed).fetchall()[0][0])
    work.con.unregister("plan_found")
    left = sum(int(fields) for action, _, fields in found if action == "none")
    counts = {"records": total, **{what: records.get(what, 0) for what in (*WRITES, "blocked")}, "left": left}
    counts["changed"] = records.get("changed", counts["update"])
    return {**counts, "unchanged": max(0, total - counts["changed"] - counts["archive"])}


def _references(work: Work, rows: pa.Table) -> pa.Table:
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
