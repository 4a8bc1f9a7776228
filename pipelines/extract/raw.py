"""The raw file of one connection: its version log, the current view, what was read, and what could not be read.

The log itself is loaded by dlt. What is noted beside it is written in one transaction after the load, so that a crash
in between costs a second reading and nothing else: a version that is there already is not appended again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipelines.extract.shape import literal

SCHEMA = "raw"
# Versions are in the order they were seen; then as the CRM dates them; the hash only makes it a total order.
ORDER = "{'s': seen, 'm': coalesce(modified, ''), 'h': hash}"
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "320MB",
    "threads": 2,
    "preserve_insertion_order": False,
}
COLUMNS: dict[str, str] = {
    "id": "text",
    "hash": "text",
    "modified": "text",
    "deleted": "bool",
    "seen": "timestamp",
    "record": "json",
    "problem": "text",
    "_dlt_load_id": "text",
}
_TABLES = """
    create schema if not exists raw;
    create table if not exists raw._reads (
        load_id varchar, entity varchar, "full" boolean, complete boolean, records bigint, "new" bigint,
        changed bigint, unchanged bigint, deleted bigint, bookmark varchar, read_at timestamptz, shape varchar);
    create table if not exists raw._rejected_pages (
        load_id varchar, entity varchar, reason varchar, text varchar, seen timestamptz);
    create table if not exists raw._missing (entity varchar, id varchar, since timestamptz);
    create table if not exists raw._named_deleted (entity varchar, id varchar);
"""


@dataclass(frozen=True)
class Note:
    """What is noted of one entity's read, beside its versions."""

    load_id: str
    entity: str
    full: bool
    complete: bool
    counts: tuple[int, int, int, int, int]
    bookmark: str | None
    shape: str
    rejected_pages: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] | None = None
    named_deleted: list[str] | None = None


def config(folder: Path) -> dict[str, Any]:
    """DuckDB's settings for reading and loading: memory is capped, and spills into the folder."""
    return {**CONFIG, "temp_directory": str(folder / "spill")}


def copy_sql(query: str, path: Path) -> str:
    """Writes a query's rows into a Parquet file.

    A row group is held in memory until it is whole, one for each thread: by DuckDB's default of 122,880 rows, records
    of no more than 400 bytes filled the cap.
    """
    options = "format parquet, compression snappy, row_group_size_bytes '8MB'"
    return f"copy ({query}) to {literal(str(path))} ({options})"


@contextmanager
def work(path: Path, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the raw file attached read-only as `log`, where it exists."""
    with duckdb.connect(config=config(folder)) as con:
        con.execute("set timezone = 'UTC'")
        if path.exists():
            con.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as log (read_only)")
        yield con


@dataclass(frozen=True)
class Log:
    """The attached raw file as the last run left it. `tables`: what it has."""

    con: duckdb.DuckDBPyConnection
    tables: frozenset[str]

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection) -> Log:
        """Looks what there is."""
        query = "select table_name from duckdb_tables() where database_name = 'log' and schema_name = 'raw'"
        return cls(con, frozenset(r[0] for r in con.execute(query).fetchall()))

    def last_reads(self) -> dict[str, dict[str, Any]]:
        """Of each entity: bookmark and shape of the last complete read; when the last full one was, and its records."""
        if "_reads" not in self.tables:
            return {}
        rows = self.con.execute("""
            select entity, arg_max({'bookmark': bookmark, 'shape': shape}, (read_at, load_id)) filter (where complete),
                max(read_at) filter (where complete and "full"),
                arg_max(records, (read_at, load_id)) filter (where complete and "full")
            from log.raw._reads group by entity""").fetchall()
        return {r[0]: {**(r[1] or {}), "full_at": r[2], "records": r[3]} for r in rows}

    def last_seen(self) -> int:
        """The latest moment any version of the file was seen (us since 1970); 0 in a new file."""
        logs = [t for t in self.tables if not t.startswith("_")]
        if not logs:
            return 0
        latest = " union all ".join(f"select max(seen) as seen from log.raw.{t}" for t in logs)
        return int(self.con.execute(f"select coalesce(epoch_us(max(seen)), 0) from ({latest})").fetchall()[0][0])

    def missing_before(self, con: duckdb.DuckDBPyConnection, entity: str) -> set[str]:
        """Ids that were missing from the last full read."""
        return set(self._ids(con, "_missing", entity))

    def named_before(self, con: duckdb.DuckDBPyConnection, entity: str) -> list[str]:
        """Ids that the CRM's list of deleted records named the last time."""
        return self._ids(con, "_named_deleted", entity)

    def _ids(self, con: duckdb.DuckDBPyConnection, table: str, entity: str) -> list[str]:
        if table not in self.tables:
            return []
        return [r[0] for r in con.execute(f"select id from log.raw.{table} where entity = ?", [entity]).fetchall()]


def note(path: Path, folder: Path, notes: Iterable[Note], tables: Iterable[str]) -> None:
    """Writes what was read, in one transaction, and sees to the views of the tables that were loaded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path), config=config(folder)) as con:
        con.execute("begin")
        con.execute(_TABLES)
        for one in notes:
            _note(con, one)
        for table in tables:
            con.execute(view_sql(table))
        con.execute("commit")


def view_sql(table: str) -> str:
    """The current version of each record: the latest by (seen, modified, hash)."""
    return f"""create or replace view raw.{table}_current as
        select * from raw.{table} where rowid in (
            select arg_max(rowid, {ORDER}) from raw.{table} group by id)"""


def _note(con: duckdb.DuckDBPyConnection, one: Note) -> None:
    row = [one.load_id, one.entity, one.full, one.complete, *one.counts, one.bookmark, one.shape]
    con.execute("insert into raw._reads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, now(), ?)", row)
    for reason, text in one.rejected_pages:
        con.execute(
            "insert into raw._rejected_pages values (?, ?, ?, ?, now())", [one.load_id, one.entity, reason, text]
        )
    if one.missing is not None:
        con.execute("delete from raw._missing where entity = ?", [one.entity])
        con.execute("insert into raw._missing select ?, unnest(?::varchar[]), now()", [one.entity, one.missing])
    if one.named_deleted is not None:
        con.execute("delete from raw._named_deleted where entity = ?", [one.entity])
        con.execute("insert into raw._named_deleted select ?, unnest(?::varchar[])", [one.entity, one.named_deleted])
