"""Undo (law L12): a plan back to what stood in the CRM before a run, field by field.

A field that was edited since is left and listed. A field that we filled may be cleared again. What is reverted is not
pushed again until its golden value changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.deletions import can_delete
from pipelines.push.guards import too_many_deletions
from pipelines.push.planned import REFERENCES, ROWS, WRITES, Plan
from pipelines.push.units import same_json
from pipelines.state import ledger, runs
from pipelines.state.database import State
from pipelines.warehouse.build import exists
from pipelines.warehouse.models import ident, literal

Row = dict[str, Any]


def revert(
    run_id: str,
    connection: Connection,
    con: duckdb.DuckDBPyConnection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    *,
    archive_created: bool = False,
) -> Plan:
    """The plan that undoes what a run wrote to the connection; shown and applied like any plan.

    Args:
        run_id: the run to undo.
        connection: the CRM; other CRMs that the run wrote to have plans of their own.
        con: a connection to the owner's warehouse; read-only will do.
        state: the owner's state; only read.
        schemas: canonical entities by name.
        archive_created: also delete, in the CRM, the records that the run created.

    Raises:
        UnknownRunError: there was no such run.
    """
    if not runs.is_known(state, run_id):
        raise UnknownRunError(run_id, runs.near(state, run_id))
    lines = [line for line in ledger.of_run(state, run_id, connection.name) if line["status"] == "done"]
    rows: list[Row] = []
    counts: dict[str, dict[str, int]] = {}
    with con.cursor() as own:
        own.execute("SET TimeZone = 'UTC'")
        for entity in dict.fromkeys(line["entity"] for line in lines):
            if entity in schemas and exists(own, f"staging.{connection.name}__{entity}"):
                mine = _Entity(own, connection, entity, schemas)
                found = mine.rows([line for line in lines if line["entity"] == entity], archive_created)
                rows += found
                counts[entity] = _counts(found)
    return Plan(
        connection.name, connection.owner.name, _table(rows), REFERENCES.empty_table(), counts, kind="revert",
        guard=() if connection.is_sandbox else tuple(too_many_deletions(connection, counts)),
        run_id=run_id, made_at=datetime.now(UTC).isoformat(),
        notes=() if lines else (f"run {run_id} wrote nothing to {connection.name}",),
    )  # fmt: skip


class UnknownRunError(Exception):
    """There was no such run."""

    exit_code = 2

    def __init__(self, run_id: str, near: Sequence[str]) -> None:
        like = f"; runs with such a name: {', '.join(near)}" if near else ", nor any other"
        super().__init__(f"there is no run {run_id}{like}")


class _Entity:
    """The rows of one entity."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        connection: Connection,
        entity: str,
        schemas: Mapping[str, CanonicalEntity],
    ) -> None:
        self._con, self._connection, self._entity, self._schemas = con, connection, entity, schemas
        self._schema = schemas[entity]

    def rows(self, lines: list[Row], archive_created: bool) -> list[Row]:
        """One row for each line of the ledger, and one for each record that was created."""
        keys = sorted({line["record_key"] for line in lines})
        fields = sorted({line["field"] for line in lines if line["field"] in self._schema.fields})
        now = self._now(keys, fields)
        golden = self._golden(sorted({line["golden_id"] for line in lines}), fields)
        found = [self._updated(line, now, golden) for line in lines if line["action"] == "update"]
        found += [self._unlinked(line, now, golden) for line in lines if line["action"] == "link"]
        found += [self._relinked(line, now) for line in lines if line["action"] == "unlink"]
        found += [self._deleted(line) for line in lines if line["action"] == "archive"]
        created = {line["record_key"]: line for line in lines if line["action"] == "create"}
        return found + [self._created(line, now, archive_created) for line in created.values()]

    def _updated(self, line: Row, now: Mapping[str, Row], golden: Mapping[str, Row]) -> Row:
        there = now.get(line["record_key"])
        row = self._row(line, "update", there)
        row |= {"field": line["field"], "old": (there or {}).get(line["field"]), "new": line["old"]}
        row["golden"] = golden.get(line["golden_id"], {}).get(line["field"]) or line["new"]
        if there is None or there["is_deleted"]:
            return row | {"action": "none", "why": "the record is no longer there"}
        if self._is_edited(line, row["old"]):
            return row | {"action": "none", "why": "edited since; left as it is"}
        if same_json(row["old"], row["new"]):
            return row | {"action": "none", "why": "already as it was before"}
        return row | {"why": "filled by the run; cleared again" if line["old"] is None else "back to what it was"}

    def _is_edited(self, line: Row, now: str | None) -> bool:
        """Neither what we sent nor what the CRM made of it; of a union, something of ours is gone."""
        return not (same_json(now, line["read_back"]) or same_json(now, line["new"]))

    def _unlinked(self, line: Row, now: Mapping[str, Row], golden: Mapping[str, Row]) -> Row:
        """Of the relations as they are now, those that the run made; what others made since stays."""
        there = now.get(line["record_key"])
        has = _members((there or {}).get(line["field"]))
        made = self._ours(line["field"], [one for one in _members(line["new"]) if isinstance(one, str)])
        made -= set(_members(line["old"]))
        row = self._row(line, "unlink", there) | {"field": line["field"], "old": json.dumps(has)}
        row |= {"new": json.dumps([one for one in has if one not in made])}
        row["golden"] = golden.get(line["golden_id"], {}).get(line["field"]) or line["new"]
        if there is None or there["is_deleted"]:
            return row | {"action": "none", "why": "the record is no longer there"}
        if not made & set(has):
            return row | {"action": "none", "why": "already as it was before"}
        push = self._connection.entities[self._entity].push
        if not any(link.field == line["field"] and link.remove for link in (push.links if push else [])):
            return row | {"action": "none", "why": "the mapping has no call that takes the relation back"}
        return row | {"why": "related by the run"}

    def _relinked(self, line: Row, now: Mapping[str, Row]) -> Row:
        row = self._row(line, "link", now.get(line["record_key"])) | {"field": line["field"], "new": line["old"]}
        return row | {"old": line["new"], "why": "taken back by the run"}

    def _deleted(self, line: Row) -> Row:
        row = self._row(line, "archive", None) | {"field": "", "action": "none"}
        return row | {"why": "deleted by the run; only the CRM itself can bring it back"}

    def _ours(self, field: str, ids: list[str]) -> set[str]:
        """This CRM's records of golden ones, by key; a key stands for itself."""
        keys = {one for one in ids if one.startswith(f"{self._connection.name}:")}
        target = self._schemas.get(self._schema.fields[field].to or "")
        if target is None:
            return keys
        one = f"{target.singular}_id"
        query = f"SELECT record_key, {one}, connection FROM unified.{target.singular}_sources"
        found = self._by_id(query, one, ids, key="record_key").values()
        return keys | {str(row["record_key"]) for row in found if row["connection"] == self._connection.name}

    def _created(self, line: Row, now: Mapping[str, Row], archive_created: bool) -> Row:
        there = now.get(line["record_key"])
        row = self._row(line, "archive", there) | {"field": "", "old": None, "new": None, "golden": None}
        push = self._connection.entities[self._entity].push
        if there is not None and there["is_deleted"]:
            return row | {"action": "none", "why": "already deleted"}
        if not archive_created:
            return row | {"action": "none", "why": "created by the run; say --archive-created to archive it"}
        if not can_delete(push):
            return row | {"action": "none", "why": "the mapping has no call that deletes"}
        return row | {"why": "created by the run"}

    def _row(self, line: Row, action: str, there: Row | None) -> Row:
        fingerprint = f"revert of {line['run_id']}"
        return {
            "connection": self._connection.name, "entity": self._entity, "wanted": action, "action": action,
            "golden_id": line["golden_id"], "record_key": line["record_key"],
            "source_id": str(line["record_key"]).partition(":")[2], "source": "before", "keeper": "latest",
            "is_conflict": False, "modified_at": (there or {}).get("modified_at"),
            "values_hash": (there or {}).get("values_hash"), "fingerprint": fingerprint, "attempt": 1, "place": 1,
        }  # fmt: skip

    def _now(self, keys: list[str], fields: list[str]) -> dict[str, Row]:
        """The records as the last read showed them, values as JSON."""
        values = "".join(f", to_json({ident(name)})::varchar AS {ident(name)}" for name in fields)
        table = f"staging.{ident(f'{self._connection.name}__{self._entity}')}"
        query = f"SELECT record_key, is_deleted, epoch_us(modified_at) AS modified_at, values_hash{values} FROM {table}"
        return self._by_id(query, "record_key", keys)

    def _golden(self, ids: list[str], fields: list[str]) -> dict[str, Row]:
        if not fields:
            return {}
        values = ", ".join(f"to_json({self._wanted(name)})::varchar AS {ident(name)}" for name in fields)
        one = f"{self._schema.singular}_id"
        return self._by_id(f"SELECT {one}, {values} FROM unified.{ident(self._entity)} AS g", one, ids)

    def _wanted(self, field: str) -> str:
        """SQL of the golden value as a plan would push it: of references those that this CRM has."""
        target = self._schemas.get(self._schema.fields[field].to or "")
        if target is None:
            return f"g.{ident(field)}"
        here = (
            f"FROM unified.{target.singular}_sources AS t WHERE NOT t.is_deleted "
            f"AND t.connection = {literal(self._connection.name)} AND "
        )
        one = f"t.{target.singular}_id"
        if self._schema.fields[field].type == "list":
            return f"(SELECT list_sort(list(DISTINCT {one})) {here} list_contains(g.{ident(field)}, {one}))"
        return f"(SELECT any_value({one}) {here} {one} = g.{ident(field)})"

    def _by_id(self, query: str, column: str, ids: list[str], key: str | None = None) -> dict[str, Row]:
        self._con.register("revert_ids", pa.table({"id": pa.array(ids, pa.string())}))
        found = self._con.execute(f"{query} WHERE {column} IN (SELECT id FROM revert_ids)")
        names = [part[0] for part in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        self._con.unregister("revert_ids")
        return {row[key or column]: row for row in rows}


def _members(value: str | None) -> list[Any]:
    """A JSON value as a list: of one value itself, of none nothing."""
    found = None if value is None else json.loads(value)
    return found if isinstance(found, list) else [] if found is None else [found]


def _counts(rows: list[Row]) -> dict[str, int]:
    records: dict[str, set[str]] = {}
    for row in rows:
        records.setdefault(row["action"], set()).add(row["record_key"])
    left = sum(row["action"] == "none" for row in rows)
    written = {action: len(records.get(action, set())) for action in WRITES}
    return {"records": len({row["record_key"] for row in rows}), **written, "blocked": 0, "left": left}


def _table(rows: list[Row]) -> pa.Table:
    ordered = sorted(rows, key=lambda row: (row["entity"], row["action"], row["record_key"], row["field"]))
    arrays = []
    for kind in ROWS:
        values = [row.get(kind.name) for row in ordered]
        is_moment = pa.types.is_timestamp(kind.type)
        arrays.append(pa.array(values, pa.int64()).cast(kind.type) if is_moment else pa.array(values, kind.type))
    return pa.Table.from_arrays(arrays, schema=ROWS)
