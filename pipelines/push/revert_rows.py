"""What each line of the ledger comes to when its run is undone: a write back, or why the field is left as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import unread
from pipelines.push.deletions import can_delete
from pipelines.push.units import same_json
from pipelines.state import intents
from pipelines.state.database import State
from pipelines.warehouse.build import exists
from pipelines.warehouse.models import ident, literal

Row = dict[str, Any]


class Undo:
    """The rows of one entity.

    Args:
        con: a connection to the warehouse, which this alone uses.
        state: the owner's state; only read.
        connection: the CRM.
        entity: one that is staged.
        schemas: canonical entities by name.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        state: State,
        connection: Connection,
        entity: str,
        schemas: Mapping[str, CanonicalEntity],
    ) -> None:
        self._con, self._state, self._connection, self._entity, self._schemas = con, state, connection, entity, schemas
        self._schema = schemas[entity]
        unread.lay(con, state, connection, entity)

    def rows(self, lines: list[Row], archive_created: bool) -> list[Row]:
        """One row for each line of the ledger, and one for each record that was created, or was to be."""
        keys = sorted({line["record_key"] for line in lines})
        fields = sorted({line["field"] for line in lines if line["field"] in self._schema.fields})
        now = self._now(keys, fields)
        golden = self._golden(sorted({line["golden_id"] for line in lines}), fields)
        done = [line for line in lines if line["status"] == "done"]
        found = [self._updated(line, now, golden) for line in done if line["action"] == "update"]
        found += [self._unlinked(line, now, golden) for line in done if line["action"] == "link"]
        found += [self._relinked(line, now) for line in done if line["action"] == "unlink"]
        found += [self._deleted(line) for line in done if line["action"] == "archive"]
        made = [line for line in lines if line["action"] == "create"]
        created = {line["record_key"]: line for line in made if line["status"] == "done"}
        edited = self._edited(sorted(created))
        found += [self._created(line, now, edited, archive_created) for line in created.values()]
        return found + self._met([line for line in made if line["status"] != "done"])

    def _updated(self, line: Row, now: Mapping[str, Row], golden: Mapping[str, Row]) -> Row:
        there = now.get(line["record_key"])
        row = self._row(line, "update", there)
        row |= {"field": line["field"], "old": (there or {}).get(line["field"]), "new": line["old"]}
        row["golden"] = golden.get(line["golden_id"], {}).get(line["field"]) or line["new"]
        if there is None or there["is_deleted"]:
            return row | {"action": "none", "why": "the record is no longer there"}
        if same_json(row["old"], row["new"]):
            return row | {"action": "none", "why": "already as it was before"}
        if self._is_edited(line, row["old"]):
            return row | {"action": "none", "why": "edited since; left as it is"}
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
        if there is not None and line["field"] in there["unread"]:
            has = list(dict.fromkeys([*has, *sorted(made)]))
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

    def _created(self, line: Row, now: Mapping[str, Row], edited: set[str], archive_created: bool) -> Row:
        there = now.get(line["record_key"])
        row = self._row(line, "archive", there) | {"field": "", "old": None, "new": None, "golden": None}
        push = self._connection.entities[self._entity].push
        if there is not None and there["is_deleted"]:
            return row | {"action": "none", "why": "already deleted"}
        if line["record_key"] in edited:
            return row | {"action": "none", "why": "created by the run, and edited since; left as it is"}
        if not archive_created:
            return row | {"action": "none", "why": "created by the run; say --archive-created to archive it"}
        if not can_delete(push):
            return row | {"action": "none", "why": "the mapping has no call that deletes"}
        return row | {"why": "created by the run"}

    def _edited(self, keys: list[str]) -> set[str]:
        """Those that people have edited since they were made."""
        edits = f"staging.{ident(f'{self._connection.name}__{self._entity}_edits')}"
        if not keys or not exists(self._con, edits.replace('"', "")):
            return set()
        return set(self._by_id(f"SELECT record_key FROM (FROM {edits} WHERE NOT is_echo)", "record_key", keys))

    def _met(self, lines: list[Row]) -> list[Row]:
        """Of records that were to be created and are not surely ours: why they are left."""
        lost = intents.lost_creates(self._state, self._connection.name, self._entity) if lines else {}
        written = {line["intent_id"] for line in lines if line["read_back"] is not None}
        found = {
            line["intent_id"]: self._row(line, "archive", None) | {"field": "", "action": "none"} for line in lines
        }
        for line in lines:
            found[line["intent_id"]]["why"] = _why_left(line, line["intent_id"] in written, lost.get(line["golden_id"]))
        return list(found.values())

    def _row(self, line: Row, action: str, there: Row | None) -> Row:
        fingerprint = f"revert of {line['run_id']}"
        return {
            "connection": self._connection.name, "entity": self._entity, "wanted": action, "action": action,
            "golden_id": line["golden_id"], "record_key": line["record_key"],
            "source_id": str(line["record_key"] or "").partition(":")[2], "source": "before", "keeper": "latest",
            "is_conflict": False, "modified_at": (there or {}).get("modified_at"),
            "values_hash": (there or {}).get("values_hash"), "fingerprint": fingerprint, "attempt": 1, "place": 1,
        }  # fmt: skip

    def _now(self, keys: list[str], fields: list[str]) -> dict[str, Row]:
        """The records as the last read showed them, and with what we wrote since; values as JSON.

        Of a record that we have written to since its time of change is not known.
        """
        values = "".join(f", to_json({ident(name)})::varchar AS {ident(name)}" for name in fields)
        table = f"staging.{ident(f'{self._connection.name}__{self._entity}')}"
        query = f"SELECT record_key, is_deleted, epoch_us(modified_at) AS modified_at, values_hash{values} FROM {table}"
        found = {key: {**row, "unread": set()} for key, row in self._by_id(query, "record_key", keys).items()}
        late = self._con.execute("SELECT record_key, field, coalesce(read_back, sent) FROM plan_unread").fetchall()
        for key, field, value in late:
            if key in found:
                found[key] |= {"modified_at": None, **({field: value} if field in found[key] else {})}
                found[key]["unread"].add(field)
        return found

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


def _why_left(line: Row, is_written: bool, lost_by: str | None) -> str:
    if line["status"] == "uncertain":
        return "nobody knows whether the CRM made it; see crosswalk failures"
    if is_written:
        return "it was there when the run came to create it, and was written over; what stood there is not known"
    if lost_by is not None:
        return (
            f"perhaps ours: run {lost_by} had asked for it and got no answer, and this one found it; look at it there"
        )
    return "it was there when the run came to create it; nothing was written"


def _members(value: str | None) -> list[Any]:
    """A JSON value as a list: of one value itself, of none nothing."""
    found = None if value is None else json.loads(value)
    return found if isinstance(found, list) else [] if found is None else [found]
