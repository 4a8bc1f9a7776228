"""Undo (law L12): a plan back to what stood in the CRM before a run, field by field.

A field that was edited since is left and listed. A field that we filled may be cleared again. What is reverted is not
pushed again until its golden value changes. The guards hold as for any plan: the share of records changed (the number
of records that the run itself had changed is no excuse, for it is a mistyped run that they stop), and deletions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import guards
from pipelines.push.plan_inputs import records_of
from pipelines.push.planned import REFERENCES, ROWS, WRITES, Plan
from pipelines.push.revert_rows import Row, Undo
from pipelines.state import intents, ledger, runs
from pipelines.state.database import State
from pipelines.warehouse.build import exists

TOLD = ("done", "adopted", "uncertain")
"""Statuses of lines that an undo has something to say of."""


def revert(
    run_id: str,
    connection: Connection,
    con: duckdb.DuckDBPyConnection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    *,
    archive_created: bool = False,
    allow_mass_change: bool = False,
) -> Plan:
    """The plan that undoes what a run wrote to the connection; shown and applied like any plan.

    Args:
        run_id: the run to undo.
        connection: the CRM; other CRMs that the run wrote to have plans of their own.
        con: a connection to the owner's warehouse; read-only will do.
        state: the owner's state; only read.
        schemas: canonical entities by name.
        archive_created: also delete, in the CRM, the records that the run created and nobody has edited since.
        allow_mass_change: the caller knows that much will change; no guard trips.

    Raises:
        UnknownRunError: there was no such run.
    """
    if not runs.is_known(state, run_id):
        raise UnknownRunError(run_id, runs.near(state, run_id))
    lines = [line for line in ledger.of_run(state, run_id, connection.name) if line["status"] in TOLD]
    rows: list[Row] = []
    counts: dict[str, dict[str, int]] = {}
    with con.cursor() as own:
        own.execute("SET TimeZone = 'UTC'")
        for entity in dict.fromkeys(line["entity"] for line in lines):
            table = f"staging.{connection.name}__{entity}"
            if entity in schemas and exists(own, table):
                undo = Undo(own, state, connection, entity, schemas)
                found = undo.rows([line for line in lines if line["entity"] == entity], archive_created)
                rows += found
                counts[entity] = _counts(found, records_of(own, table))
    is_exempt = allow_mass_change or connection.is_sandbox
    return Plan(
        connection.name, connection.owner.name, _table(rows), REFERENCES.empty_table(), counts, kind="revert",
        guard=() if is_exempt else tuple(guards.too_much(connection, counts)),
        run_id=run_id, made_at=datetime.now(UTC).isoformat(), notes=_notes(state, run_id, connection.name, lines),
    )  # fmt: skip


def _notes(state: State, run_id: str, connection: str, lines: Sequence[Row]) -> tuple[str, ...]:
    number = sum(one.run_id == run_id for one in intents.unsettled(state, connection))
    if number:
        return (f"{number} writes of the run are not settled yet: --apply, or the next run, settles them first",)
    return () if lines else (f"run {run_id} wrote nothing to {connection}",)


class UnknownRunError(Exception):
    """There was no such run."""

    exit_code = 2

    def __init__(self, run_id: str, near: Sequence[str]) -> None:
        like = f"; runs with such a name: {', '.join(near)}" if near else ", nor any other"
        super().__init__(f"there is no run {run_id}{like}")


def _counts(rows: list[Row], total: int) -> dict[str, int]:
    """As of any plan; `total`: the CRM's records."""
    records: dict[str, set[str]] = {}
    for row in rows:
        records.setdefault(row["action"], set()).add(row["record_key"])
    left = sum(row["action"] == "none" for row in rows)
    written = {action: len(records.get(action, set())) for action in WRITES}
    changed = len(set().union(*(records.get(action, set()) for action in ("update", "link", "unlink"))))
    unchanged = max(0, total - changed - written["archive"])
    return {"records": total, **written, "blocked": 0, "left": left, "changed": changed, "unchanged": unchanged}


def _table(rows: list[Row]) -> pa.Table:
    ordered = sorted(rows, key=lambda row: (row["entity"], row["action"], row["record_key"] or "", row["field"]))
    arrays = []
    for kind in ROWS:
        values = [row.get(kind.name) for row in ordered]
        is_moment = pa.types.is_timestamp(kind.type)
        arrays.append(pa.array(values, pa.int64()).cast(kind.type) if is_moment else pa.array(values, kind.type))
    return pa.Table.from_arrays(arrays, schema=ROWS)
