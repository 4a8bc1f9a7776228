"""A plan: what a push would do, field by field; it can be saved, and exactly that plan applied later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

MOMENT = pa.timestamp("us", tz="UTC")
ROWS = pa.schema(
    [
        ("connection", pa.string()),
        ("entity", pa.string()),
        ("wanted", pa.string()),
        ("action", pa.string()),
        ("why", pa.string()),
        ("golden_id", pa.string()),
        ("record_key", pa.string()),
        ("source_id", pa.string()),
        ("field", pa.string()),
        ("old", pa.string()),
        ("new", pa.string()),
        ("since", MOMENT),
        ("source", pa.string()),
        ("theirs_since", MOMENT),
        ("keeper", pa.string()),
        ("is_conflict", pa.bool_()),
        ("modified_at", MOMENT),
        ("values_hash", pa.uint64()),
        ("fingerprint", pa.string()),
        ("attempt", pa.int32()),
        ("place", pa.int64()),
        ("golden", pa.string()),
    ]
)
"""One row a field. `golden`: of a revert, the golden value (JSON) that is not to be pushed again."""
REFERENCES = pa.schema([("entity", pa.string()), ("golden_id", pa.string()), ("source_id", pa.string())])
FORMAT = 1
WRITES = ("update", "create", "link", "unlink", "archive")


class PlanError(Exception):
    """A saved plan that cannot be applied."""

    exit_code = 2


@dataclass(frozen=True)
class Plan:
    """What a push would do to one connection.

    Attributes:
        connection, owner: whose CRM, whose data.
        rows: one row a field (see ROWS); `action` is update, create, link, archive, none or blocked; values are JSON.
        references: the CRM's ids of golden records that the rows point at.
        counts: for each entity: records, unchanged, update, create, link, blocked, left (fields), and `changed`:
            records with an update or a new relation, or both.
        guard: why the plan may not be applied as it is; empty if it may.
        stats: numbers the next plan's guards are measured against, {"contacts/records:north": 120}.
        kind: push or revert.
        run_id: of a revert: the run that is undone.
        notes: what a person should know beside the rows.
        is_pilot: only some records; what is normal is not learned from it.
        stale: intents that failed and are no longer wanted.
    """

    connection: str
    owner: str
    rows: pa.Table
    references: pa.Table
    counts: Mapping[str, Mapping[str, int]]
    guard: tuple[str, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)
    kind: str = "push"
    run_id: str | None = None
    made_at: str = ""
    notes: tuple[str, ...] = ()
    is_pilot: bool = False
    stale: tuple[str, ...] = ()

    @property
    def plan_id(self) -> str:
        """Names the plan by its content."""
        told = json.dumps([self.connection, self.owner, self.kind, self.run_id, self.made_at]).encode()
        digest = hashlib.sha256(told)
        for name in ("wanted", "action", "golden_id", "record_key", "field", "new"):
            digest.update(json.dumps(self.rows[name].to_pylist()).encode())
        return digest.hexdigest()[:16]

    @property
    def is_empty(self) -> bool:
        """True where nothing would be written."""
        return self.writes == 0

    @property
    def writes(self) -> int:
        """How many records would be written."""
        return sum(number for counts in self.counts.values() for what, number in counts.items() if what in WRITES)

    def to_json(self) -> dict[str, Any]:
        """The whole plan as JSON values; moments are microseconds since 1970."""
        plain = {name: getattr(self, name) for name in ("connection", "owner", "kind", "run_id", "made_at", "is_pilot")}
        tables = {name: _columns(table) for name, table in (("rows", self.rows), ("references", self.references))}
        rest = {"counts": self.counts, "guard": list(self.guard), "stats": dict(self.stats), "notes": list(self.notes)}
        rest["stale"] = list(self.stale)
        return {"format": FORMAT, "plan_id": self.plan_id, **plain, **rest, **tables}

    def save(self, path: Path) -> None:
        """Writes the plan for `load_plan`."""
        told = self.to_json()
        path.write_text(json.dumps({**told, "seal": _seal(told)}), encoding="utf-8")


def load_plan(path: Path) -> Plan:
    """A plan that was saved.

    Raises:
        PlanError: no plan, one of another version, or one that was changed by hand.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise PlanError(f"{path.name} is no saved plan: {problem}") from problem
    if not isinstance(saved, dict) or saved.pop("format", None) != FORMAT:
        raise PlanError(f"{path.name} is no plan of this version: make it anew with crosswalk plan --out")
    if saved.pop("seal", None) != _seal({"format": FORMAT, **saved}):
        raise PlanError(f"{path.name} was changed since it was saved: make it anew with crosswalk plan --out")
    saved.pop("plan_id")
    try:
        return Plan(
            **{
                **saved,
                "rows": _table(saved["rows"], ROWS),
                "references": _table(saved["references"], REFERENCES),
                "guard": tuple(saved["guard"]),
                "notes": tuple(saved["notes"]),
                "stale": tuple(saved["stale"]),
            }
        )
    except (KeyError, TypeError, pa.ArrowException) as problem:
        raise PlanError(f"{path.name} is no whole plan: {problem}") from problem


def _seal(told: Mapping[str, Any]) -> str:
    """Hash of all of a saved plan but the seal: what guards it and what it was read from count as much as its rows."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _columns(table: pa.Table) -> dict[str, list[Any]]:
    return {
        name: (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _table(columns: Mapping[str, list[Any]], schema: pa.Schema) -> pa.Table:
    arrays = []
    for kind in schema:
        values = columns[kind.name]
        is_moment = pa.types.is_timestamp(kind.type)
        arrays.append(pa.array(values, pa.int64()).cast(kind.type) if is_moment else pa.array(values, kind.type))
    return pa.Table.from_arrays(arrays, schema=schema)
