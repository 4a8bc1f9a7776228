"""The candidate: the file that is checked, and published if it passes.

It is written in the storage format of DuckDB 1.0, which every 1.x and 2.x reads, and holds what `published.yml` names:
nothing of dlt, of the identity workings, or of the connections' settings.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.publish.comments import comment_all
from pipelines.publish.content import content_version, published_relations
from pipelines.publish.contract import contract
from pipelines.publish.own_views import make_own_views, own_views
from pipelines.warehouse.connect import configuration
from pipelines.warehouse.models import ident, literal

STORAGE_VERSION = "v1.0.0"
COPY = "crosswalk_candidate"
LAST = "published"
NO_RESULTS = """create table quality.check_results (
    run_id varchar, entity varchar, field varchar, expectation varchar, severity varchar, passed boolean,
    checked bigint, failed bigint, detail varchar, says varchar, checked_at timestamptz)"""
RESULTS_OF_STATE = """create or replace table quality.check_results as
    select run_id, entity, field, expectation, severity, passed <> 0 as passed, checked, failed, detail, says,
        "at" as checked_at
    from quality.check_results"""
PUBLICATION = """create or replace table sync.publication as
    select $1::varchar as run_id, $2::varchar as content, now() as built_at"""

Schemas = Mapping[str, CanonicalEntity]
StateSnapshot = Callable[[duckdb.DuckDBPyConnection], object]


def build_candidate(
    warehouse_con: duckdb.DuckDBPyConnection,
    owner: Owner,
    schemas: Schemas,
    state_snapshot: StateSnapshot | None,
    run_id: str,
) -> Path:
    """Write data/<owner>/candidate/crm.duckdb, replacing the one of before.

    Args:
        warehouse_con: the owner's warehouse, in no transaction.
        owner: whose data.
        schemas: canonical schemas by entity.
        state_snapshot: told to make the tables of `sync` and `quality.check_results` in the database it is given, in
            which the file of before is attached as `published`, if there is one; None: there is no history.
        run_id: the run that builds it.

    Returns:
        The file, closed and without a write-ahead log.

    Raises:
        duckdb.Error: it could not be written; what was published stays as it is.
    """
    content, views = content_version(warehouse_con, schemas), own_views(warehouse_con)
    path = _empty(owner.candidate)
    _copy_warehouse(warehouse_con, path, schemas)
    with open_candidate(owner, path) as con:
        for entity in schemas:
            if (entity,) in con.execute(
                "select table_name from duckdb_tables() where schema_name = 'unified'"
            ).fetchall():
                con.execute(f"create view main.{ident(entity)} as select * from unified.{ident(entity)}")
        make_own_views(con, views)
        con.execute(NO_RESULTS)
        _finish(con, owner, schemas, state_snapshot, (run_id, content))
    return path


def refresh_candidate(owner: Owner, schemas: Schemas, state_snapshot: StateSnapshot | None, run_id: str) -> Path:
    """The last published file with a newer history: for a run that changed no record. Needs no check.

    Raises:
        FileNotFoundError: nothing was published yet.
    """
    path = _empty(owner.candidate)
    shutil.copyfile(owner.crm.resolve(strict=True), path)
    with open_candidate(owner, path) as con:
        content = con.execute("select content from sync.publication").fetchall()[0][0]
        con.execute("drop schema sync cascade")
        con.execute("create schema sync")
        _finish(con, owner, schemas, state_snapshot, (run_id, content))
    return path


@contextmanager
def open_candidate(owner: Owner, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The candidate opened alone for writing; closing leaves one file without a write-ahead log."""
    con = duckdb.connect(str(path), config=configuration(owner.candidate.parent / "spill"))
    try:
        con.execute("set TimeZone = 'UTC'")
        yield con
        con.execute("checkpoint")
    finally:
        con.close()


def _empty(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    return path


def _finish(
    con: duckdb.DuckDBPyConnection,
    owner: Owner,
    schemas: Schemas,
    snapshot: StateSnapshot | None,
    publication: tuple[str, str],
) -> None:
    if snapshot is not None:
        _take_snapshot(con, owner, snapshot)
    con.execute(PUBLICATION, publication)
    comment_all(con, schemas)


def _take_snapshot(con: duckdb.DuckDBPyConnection, owner: Owner, snapshot: StateSnapshot) -> None:
    """Lets state write its tables; a long ledger can be copied from the file of before, attached as `published`."""
    before = owner.crm.exists()
    if before:
        con.execute(f"attach {literal(owner.crm.resolve())} as {LAST} (read_only)")
    snapshot(con)
    if before:
        con.execute(f"detach {LAST}")
    columns = con.execute("select column_name from (describe quality.check_results)").fetchall()
    if ("at",) in columns:
        con.execute(RESULTS_OF_STATE)


def _copy_warehouse(con: duckdb.DuckDBPyConnection, path: Path, schemas: Schemas) -> None:
    catalog = str(con.execute("select current_database()").fetchall()[0][0])
    con.execute(f"attach {literal(path)} as {COPY} (storage_version {literal(STORAGE_VERSION)})")
    try:
        for schema in contract().schemas:
            con.execute(f"create schema if not exists {COPY}.{ident(schema)}")
        wanted = published_relations(con, schemas)
        for relation in (r for r in wanted if r.view is None):
            _copy_rows(con, catalog, relation.table)
        _copy_views(con, catalog, {r.table: r.view for r in wanted if r.view is not None})
    finally:
        con.execute(f"use {ident(catalog)}")
        con.execute(f"detach {COPY}")


def _copy_rows(con: duckdb.DuckDBPyConnection, catalog: str, table: str) -> None:
    con.execute(f"create table {COPY}.{table} as from {ident(catalog)}.{table}")


def _copy_views(con: duckdb.DuckDBPyConnection, catalog: str, views: dict[str, str]) -> None:
    """Views stay views where all they read is published too; else their rows are copied."""
    con.execute(f"use {COPY}")
    while views:
        made = [table for table, sql in views.items() if _made(con, sql)]
        if not made:
            made = [next(iter(views))]
            _copy_rows(con, catalog, made[0])
        views = {table: sql for table, sql in views.items() if table not in made}


def _made(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        con.execute(sql)
    except duckdb.CatalogException:
        return False
    return True
