"""Takes records out of a raw log, all versions of them, and rewrites the file, so that nothing of them stays in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.connections.owner import Owner
from pipelines.extract import raw
from pipelines.extract.shape import literal


def erase_records(owner: Owner, name: str, entity: str, ids: Sequence[str]) -> int:
    """Deletes every version of some records of one connection; how many.

    The caller holds the connection's extract lock. What dlt left of an interrupted load is thrown away: the next read
    asks for it again.
    """
    _drop_packages(owner, name)
    if not owner.raw(name).exists():
        return 0
    with rewritten(owner, name) as con:
        return _delete(con, entity, ids)


@contextmanager
def rewritten(owner: Owner, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The raw file as `log`, open for writing; what is left in it at the end goes into a new file that replaces it."""
    path = owner.raw(name)
    spill = owner.dlt_dir / f"{name}.erasing"
    spill.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        with duckdb.connect(config=raw.config(spill)) as con:
            con.execute(f"attach {literal(str(path))} as log")
            yield con
            _copy(con, fresh)
        fresh.replace(path)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    finally:
        fresh.unlink(missing_ok=True)
        shutil.rmtree(spill, ignore_errors=True)


def _delete(con: duckdb.DuckDBPyConnection, entity: str, ids: Sequence[str]) -> int:
    found = con.execute("select table_name from duckdb_tables() where database_name = 'log' and schema_name = 'raw'")
    tables = {str(row[0]) for row in found.fetchall()}
    deleted = 0
    if entity in tables:
        query = f"delete from log.raw.{entity} where id in (select unnest(?::varchar[]))"
        deleted = int(con.execute(query, [list(ids)]).fetchall()[0][0])
    for table in sorted(tables & {"_missing", "_named_deleted"}):
        query = f"delete from log.raw.{table} where entity = ? and id in (select unnest(?::varchar[]))"
        con.execute(query, [entity, list(ids)])
    if "_rejected_pages" in tables:  # the text of a page holds many people
        con.execute("delete from log.raw._rejected_pages where entity = ?", [entity])
    return deleted


def _copy(con: duckdb.DuckDBPyConnection, fresh: Path) -> None:
    """A new file of what is left: DuckDB keeps the bytes of deleted rows in a file for as long as it likes."""
    con.execute("checkpoint log")
    con.execute(f"attach {literal(str(fresh))} as fresh")
    con.execute("copy from database log to fresh")
    con.execute("detach fresh")


def _drop_packages(owner: Owner, name: str) -> None:
    for folder in (
        owner.dlt_dir / f"{name}.spool",
        *(owner.dlt_dir / f"raw_{name}" / p for p in ("load", "normalize")),
    ):
        shutil.rmtree(folder, ignore_errors=True)
