"""Raw logs as extract leaves them, connections and schemas written as dictionaries, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Mapping

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = """id varchar, hash varchar, modified varchar, deleted boolean, seen timestamptz, record json,
    problem varchar, _dlt_load_id varchar"""

ARROW = pa.schema(
    {
        "id": pa.string(),
        "hash": pa.string(),
        "modified": pa.string(),
        "deleted": pa.bool_(),
        "seen": pa.timestamp("us", tz="UTC"),
        "record": pa.string(),
        "problem": pa.string(),
        "_dlt_load_id": pa.string(),
    }
)


@dataclass(frozen=True)
class Version:
    """One version: `seen` in minutes after the start; `record` a value, or the text as it came."""

    id: str
    record: Any
    seen: float = 0
    modified: str | None = None
    deleted: bool = False
    problem: str | None = None
    load: str = "load-1"

    def row(self) -> tuple[Any, ...]:
        text = self.record if isinstance(self.record, str) else json.dumps(self.record, separators=(",", ":"))
        digest = md5(b"deleted" if self.deleted else text.encode(errors="surrogatepass")).hexdigest()
        at = START + timedelta(minutes=self.seen)
        return (self.id, digest, self.modified, self.deleted, at, text, self.problem, self.load)


def log(owner: Owner, connection: str, entity: str, versions: Iterable[Version]) -> None:
    """Append versions to a connection's raw log."""
    path = owner.raw(connection)
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema if not exists raw")
        con.execute(f"create table if not exists raw.{entity} ({COLUMNS})")
        names = ["id", "hash", "modified", "deleted", "seen", "record", "problem", "_dlt_load_id"]
        columns = zip(*(version.row() for version in versions), strict=True)
        given = dict(zip(names, map(list, columns), strict=False))
        if given:
            con.register("given", pa.table(given, schema=ARROW))
            con.execute(f"insert into raw.{entity} from given")


def schema(entity: str = "contacts", **fields: Any) -> CanonicalEntity:
    """A canonical schema of fields given as type names or dictionaries."""
    full = {k: {"description": k, **({"type": v} if isinstance(v, str) else v)} for k, v in fields.items()}
    return CanonicalEntity.model_validate(
        {"entity": entity, "singular": entity.removesuffix("s"), "description": entity, "fields": full}
    )


def connect(
    owner: Owner, fields: dict[str, Any], name: str = "crm", spoken: dict[str, Any] | None = None, **entity: Any
) -> Connection:
    """A connection with the one entity contacts, mapped by `fields`."""
    contacts = {"extract": {"path": "contacts"}, "id": "id", "fields": fields, **entity}
    mapping = Mapping.model_validate(
        {
            "crm": name,
            "label": name,
            "connection": {"base_url": "http://127.0.0.1", **(spoken or {})},
            "entities": {"contacts": contacts},
        }
    )
    return Connection(name, owner, mapping, Settings(), True, mapping.connection)


def rows(con: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    """All rows of a table as dictionaries, sorted."""
    result = con.execute(f"select * from {table} order by all")
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def owner_in(folder: Path) -> Owner:
    """An owner of its own."""
    return Owner("test", folder / "data")
