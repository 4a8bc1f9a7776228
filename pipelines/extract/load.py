"""Loads new versions into the raw file: dlt's load packages, pipeline state and DuckDB destination.

The Parquet files are handed to dlt as they are. A package that a crash left behind is loaded first; the rows such a
repetition may double (dlt notes a finished job after the commit) are told apart by (id, hash, seen) and removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
# what is loaded is in the raw file; a second copy of people's data beside it helps nobody
os.environ.setdefault("LOAD__DELETE_COMPLETED_JOBS", "true")

import dlt
import duckdb
from dlt.common.storages.load_package import load_package_state
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from pipelines.connections.connection import Connection
from pipelines.extract import raw
from pipelines.extract.shape import literal

FORMAT: Any = "parquet"
LOCK_TRIES, LOCK_PAUSE = 120, 0.25


@dataclass(frozen=True)
class Versions:
    """New versions of one entity: Parquet files in the work database's shape, and ids that came more than once."""

    entity: str
    files: list[Path]
    rows: int
    may_repeat: bool = False


@dataclass
class Folder:
    """dlt's working folder of one connection, and ours beside it."""

    connection: Connection
    spool: Path = field(init=False)

    def __post_init__(self) -> None:
        self.spool = self.connection.owner.dlt_dir / f"{self.connection.name}.spool"

    def empty(self) -> None:
        """Removes what an interrupted run left."""
        shutil.rmtree(self.spool, ignore_errors=True)
        self.spool.mkdir(parents=True)

    def tidy(self) -> None:
        """Removes what is no longer needed after a run: the spool, and dlt's notes of packages that are loaded."""
        shutil.rmtree(self.spool, ignore_errors=True)
        loaded = self.connection.owner.dlt_dir / pipeline_name(self.connection) / "load" / "loaded"
        shutil.rmtree(loaded, ignore_errors=True)

    def has_pending(self) -> bool:
        """True if a load package waits; looks at the folders alone, because most runs have none."""
        pipeline = self.connection.owner.dlt_dir / pipeline_name(self.connection)
        waiting = (pipeline / "normalize" / "extracted", pipeline / "load" / "normalized")
        return any(folder.is_dir() and any(folder.iterdir()) for folder in waiting)


def pipeline_name(connection: Connection) -> str:
    """dlt's name for the connection's pipeline."""
    return f"raw_{connection.name}"


def finish_pending(connection: Connection, folder: Folder) -> list[str]:
    """Loads what a crash left behind, and removes rows it doubled; the tables it may have touched."""
    if not folder.has_pending():
        return []
    pipeline = _pipeline(connection, folder)
    _patiently(lambda: pipeline.run(loader_file_format=FORMAT))
    return remove_doubles(connection.owner.raw(connection.name), folder.spool)


def load(connection: Connection, folder: Folder, versions: list[Versions]) -> str:
    """Appends versions to the raw file; the id of the load package."""
    pipeline = _pipeline(connection, folder)
    resources = [_resource(one, folder.spool) for one in versions]
    source = dlt.source(lambda: resources, name=pipeline.pipeline_name, max_table_nesting=0)
    info = _patiently(lambda: pipeline.run(None if pipeline.has_pending_data else source(), loader_file_format=FORMAT))
    load_id: str = info.loads_ids[-1]
    _check(connection, folder, load_id, versions)
    return load_id


def remove_doubles(path: Path, spool: Path) -> list[str]:
    """Leaves one row of each (id, hash, seen) in each entity's table; their names.

    The file is asked for them: dlt, killed at its first load, may have lost the name of its schema.
    """
    listed = "select table_name from duckdb_tables() where schema_name = ? and not starts_with(table_name, '_')"
    with duckdb.connect(str(path), config=raw.config(spool)) as con:
        tables = [name for (name,) in con.execute(listed, [raw.SCHEMA]).fetchall()]
        for table in tables:
            _remove_doubles(con, table)
    return tables


def _remove_doubles(con: duckdb.DuckDBPyConnection, table: str) -> None:
    con.execute(f"""delete from raw.{table} where rowid in (
        select unnest(list(rowid)[2:]) from raw.{table} group by id, hash, seen having count(*) > 1)""")


def _pipeline(connection: Connection, folder: Folder) -> Any:
    path = connection.owner.raw(connection.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    credentials = DuckDbCredentials(str(path))
    credentials.global_config = raw.config(folder.spool)
    return dlt.pipeline(
        pipeline_name(connection),
        pipelines_dir=str(connection.owner.dlt_dir),
        destination=dlt.destinations.duckdb(credentials),
        dataset_name=raw.SCHEMA,
    )


def _resource(versions: Versions, spool: Path) -> Any:
    columns: Any = {name: {"name": name, "data_type": kind, "nullable": True} for name, kind in raw.COLUMNS.items()}

    def files() -> Iterator[Any]:
        load_id = load_package_state()["load_id"]
        path = spool / f"load-{versions.entity}.parquet"
        with duckdb.connect(config=raw.config(spool)) as con:
            con.execute(_final_sql(versions, load_id, path))
        yield dlt.mark.with_file_import(str(path), "parquet", versions.rows)

    return dlt.resource(files, name=versions.entity, columns=columns, write_disposition="append")


def _final_sql(versions: Versions, load_id: str, path: Path) -> str:
    names = ", ".join(literal(str(f)) for f in versions.files)
    once = "qualify row_number() over (partition by id, hash order by seen) = 1" if versions.may_repeat else ""
    source = f"select *, {literal(load_id)} as _dlt_load_id, random() < 2 as yes from read_parquet([{names}]) {once}"
    # DuckDB marks columns in which it knows of no NULL as required; dlt would rewrite such a file, for in its schema
    # all are optional. A condition that nobody can foresee keeps them so.
    query = f"select {', '.join(f'case when yes then {c} end as {c}' for c in raw.COLUMNS)} from ({source})"
    return raw.copy_sql(query, path)


def _check(connection: Connection, folder: Folder, load_id: str, versions: list[Versions]) -> None:
    """Each row handed over is there once: a job that broke after its commit was made again by dlt."""
    path = connection.owner.raw(connection.name)
    with duckdb.connect(str(path), config=raw.config(folder.spool)) as con:
        for one in versions:
            query = f"select count(*) from raw.{one.entity} where _dlt_load_id = ?"
            loaded = con.execute(query, [load_id]).fetchall()[0][0]
            if loaded > one.rows:
                _remove_doubles(con, one.entity)
            elif loaded < one.rows and not one.may_repeat:
                raise RuntimeError(f"{one.entity}: {loaded} rows were loaded of {one.rows}")


def _patiently(action: Any) -> Any:
    """Repeats while a reader holds the file: it is open for moments only."""
    for attempt in range(LOCK_TRIES):
        try:
            return action()
        except Exception as problem:
            if "lock" not in str(problem).lower() or attempt == LOCK_TRIES - 1:
                raise
            time.sleep(LOCK_PAUSE)
    raise AssertionError("unreachable")
