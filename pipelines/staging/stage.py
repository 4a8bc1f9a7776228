"""Stage a connection: each current raw record becomes one typed row, or a rejected one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import duckdb

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.staging.changes import TABLES, Changes, find_changes, forget_dropped, remember, version_of
from pipelines.staging.columns import Layout, layout
from pipelines.staging.own_views import make_own_views
from pipelines.staging.phones import parse_phones
from pipelines.staging.render import edits_sql, phone_texts_sql, records_sql
from pipelines.staging.views import EDITS, make_views
from pipelines.warehouse.build import quoted, record_build
from pipelines.warehouse.filled import record_filled
from pipelines.warehouse.models import ident, literal

RAW = "raw_log"
"""Name under which a connection's raw file is attached."""
NO_RAW = "(select null::varchar as id, null::varchar as hash, null::varchar as modified, null::boolean as deleted, "
NO_RAW += "null::timestamptz as seen, null::json as record, null::varchar as problem, null::varchar as _dlt_load_id, "
NO_RAW += "null::bigint as rowid limit 0)"


class StagingError(Exception):
    """Staging broke its promise, or a mapping's SQL cannot run: the message names connection and entity."""


@dataclass(frozen=True)
class StageCounts:
    """What staging made of one entity. `rebuilt` counts the records staged anew, `reason` says why."""

    entity: str
    records: int
    staged: int
    rejected_records: int
    rejected_values: int
    rebuilt: int
    reason: str
    seconds: float


def stage(
    con: duckdb.DuckDBPyConnection, connection: Connection, schemas: Mapping[str, CanonicalEntity]
) -> list[StageCounts]:
    """Bring the staging tables of a connection up to date with its raw log; what did not change is not touched.

    Each entity is one transaction: a kill leaves the whole old or the whole new tables.

    Args:
        con: the owner's warehouse, opened for writing, its time zone UTC.
        connection: whose raw log is read; a log or table that is not there counts as empty.
        schemas: canonical schemas by entity.

    Raises:
        StagingError: a mapping's own SQL fails, or a record is neither staged nor rejected.
    """
    con.execute(TABLES)
    counts = []
    with attached(con, connection.owner.raw(connection.name)):
        for entity in connection.entities:
            if entity in schemas:
                counts.append(_stage_entity(con, layout(connection, entity, schemas[entity])))
        _note_reads(con, connection.name)
    forget_dropped(con, connection.name, connection.mapping.entities)
    make_views(con, schemas)
    make_own_views(con, connection, schemas)
    return counts


def _note_reads(con: duckdb.DuckDBPyConnection, connection: str) -> None:
    """When each entity was last read whole: of what we wrote since, the tables cannot know."""
    con.execute("delete from meta.reads where connection = $1", [connection])
    there = "select 1 from duckdb_tables() where database_name = $1 and schema_name = 'raw' and table_name = '_reads'"
    if con.execute(there, [RAW]).fetchall():
        last = f"select $1, entity, max(read_at) from {RAW}.raw._reads where complete group by entity"
        con.execute(f"insert into meta.reads {last}", [connection])


@contextmanager
def attached(con: duckdb.DuckDBPyConnection, raw: Path) -> Iterator[None]:
    """A raw file attached read-only as raw_log, where there is one."""
    if not raw.exists():
        yield
        return
    con.execute(f"attach {literal(str(raw))} as {RAW} (read_only)")
    try:
        yield
    finally:
        con.execute(f"detach {RAW}")


def raw_table(con: duckdb.DuckDBPyConnection, entity: str) -> str:
    """The log of an entity in the attached file, or an empty relation of the same columns."""
    found = con.execute(
        "select count(*) from duckdb_tables() where database_name = $1 and schema_name = 'raw' and table_name = $2",
        [RAW, entity],
    ).fetchall()
    return f"{RAW}.raw.{ident(entity)}" if found[0][0] else NO_RAW


def _stage_entity(con: duckdb.DuckDBPyConnection, plan: Layout) -> StageCounts:
    started = time.perf_counter()
    raw = raw_table(con, plan.entity)
    fingerprint = _fingerprint(plan)
    con.execute("begin transaction")
    try:
        changes = find_changes(con, plan, fingerprint, raw)
        rebuilt = _restage(con, plan, raw, fingerprint, changes) if changes.extent != "none" else 0
        con.execute("commit")
    except duckdb.Error as error:
        con.execute("rollback")
        raise StagingError(f"{plan.connection} {plan.entity}: {error}") from error
    except BaseException:
        con.execute("rollback")
        raise
    staged, records, values = con.execute(
        "select staged, rejected_records, rejected_values from meta.staged where connection = $1 and entity = $2",
        [plan.connection, plan.entity],
    ).fetchall()[0]
    seconds = time.perf_counter() - started
    return StageCounts(plan.entity, staged + records, staged, records, values, rebuilt, changes.reason, seconds)


def _fingerprint(plan: Layout) -> str:
    """Hash of all the SQL that stages an entity: mapping, schema and program are all in it."""
    from importlib.metadata import version

    text = [records_sql(plan, "staging", "x"), records_sql(plan, "rejects", "x"), edits_sql(plan, "x")]
    return md5("\n".join([*text, version("phonenumbers")]).encode(), usedforsecurity=False).hexdigest()


def _restage(con: duckdb.DuckDBPyConnection, plan: Layout, raw: str, fingerprint: str, changes: Changes) -> int:
    some = changes.extent == "some"
    _choose(con, raw, "where id in (from stage_ids)" if some else "")
    current, history = _sources(raw)
    texts = phone_texts_sql(plan, f"(select id, record from {raw} where id in (select id from stage_rows))")
    if texts:
        parse_phones(con, texts, plan.place.region, remembered="staging.phone_numbers")
    _replace(con, plan.table, records_sql(plan, "staging", current), "source_id in (from stage_ids)", some)
    changed_keys = f"record_key in (select {literal(plan.connection + ':')} || id from stage_ids)"
    _replace(con, f"{plan.table}_edits", _edits(con, plan, history), changed_keys, some)
    _reject(con, plan, current, raw, some)
    remember(con, plan)
    _count(con, plan, raw, fingerprint)
    return int(con.execute("select count(*) from stage_rows").fetchall()[0][0])


def _choose(con: duckdb.DuckDBPyConnection, raw: str, where: str) -> None:
    """The current version of each record, by its place in the log: the latest by (seen, modified, hash)."""
    con.execute(
        f"""create or replace temp table stage_rows as
        with counted as (
            select id, count(*) as versions, min(rowid) as line, min(seen) as first_seen,
                any_value(modified) as first_modified
            from {raw} {where} group by id
        ),
        aged as (
            select id, rowid as line, seen, modified, {{s: seen, m: coalesce(modified, ''), h: hash}} as age from {raw}
            where id in (select id from counted where versions > 1)
        )
        select id, versions, line, first_seen, first_modified from counted where versions = 1
        union all
        select id, count(*), arg_max(line, age), min(seen), arg_min({{m: modified}}, age).m from aged group by id"""
    )


def _sources(raw: str) -> tuple[str, str]:
    """Two relations as `records_sql` wants them: the current versions, and all versions of what may have edits."""
    columns = """log.rowid as line, log.id, log.hash, log.modified, coalesce(log.deleted, false) as deleted, log.seen,
        coalesce(log.record, '{}') as record, chosen.first_seen, chosen.first_modified"""
    current = f"""(select {columns} from {raw} as log join stage_rows as chosen on log.rowid = chosen.line
        where log.problem is null)"""
    history = f"""(select {columns} from {raw} as log join stage_rows as chosen on log.id = chosen.id
        where log.problem is null and not coalesce(log.deleted, false)
        and (chosen.versions > 1 or log.id in (select source_id from stage_echoes)))"""
    return current, history


def _edits(con: duckdb.DuckDBPyConnection, plan: Layout, history: str) -> str:
    """The query of the edits; of a record seen once, to which we wrote nothing, there are none."""
    aged = "select 1 from stage_rows where versions > 1 or id in (select source_id from stage_echoes) limit 1"
    if con.execute(aged).fetchall():
        return edits_sql(plan, history)
    return "select " + ", ".join(f"null::{kind} as {name}" for name, kind in EDITS.items()) + " limit 0"


def _replace(con: duckdb.DuckDBPyConnection, table: str, query: str, changed: str, some: bool) -> None:
    if some:
        con.execute(f"delete from {quoted(table)} where {changed}")
        con.execute(f"insert into {quoted(table)} by name {query}")
    else:
        con.execute(f"create or replace table {quoted(table)} as {query}")


def _reject(con: duckdb.DuckDBPyConnection, plan: Layout, current: str, raw: str, some: bool) -> None:
    one = f"connection = {literal(plan.connection)} and entity = {literal(plan.entity)}"
    only = " and source_id in (from stage_ids)" if some else ""
    con.execute(f"delete from quality.rejected_records where {one}{only}")
    con.execute(f"delete from quality.rejected_values where {one}{only}")
    names = f"{literal(plan.connection)} as connection, {literal(plan.entity)} as entity"
    ids = f"select source_id from {quoted(plan.table)} where len(unreadable_fields) > 0{only}"
    if con.execute(f"{ids} limit 1").fetchall():
        values = records_sql(plan, "rejects", f"(from {current} where id in ({ids}))")
        con.execute(f"insert into quality.rejected_values by name select {names}, * from ({values})")
    con.execute(
        f"""insert into quality.rejected_records by name
        select {names}, log.id as source_id, coalesce(problem, 'not a JSON object') as reason, seen as seen_at,
            case when json_valid(record::varchar) then record else to_json(record::varchar) end as record
        from {raw} as log join stage_rows as chosen on log.rowid = chosen.line
        where problem is not null
            or coalesce(try(json_type(coalesce(record, '{{}}'))), '') <> 'OBJECT'"""
    )


def _count(con: duckdb.DuckDBPyConnection, plan: Layout, raw: str, fingerprint: str) -> None:
    one = f"where connection = {literal(plan.connection)} and entity = {literal(plan.entity)}"
    con.execute(f"delete from meta.staged {one}")
    con.execute(
        f"""insert into meta.staged select $1, $2, $3, (select count(distinct id) from {raw}),
        (select count(*) from {quoted(plan.table)}), (select count(*) from quality.rejected_records {one}),
        (select count(*) from quality.rejected_values {one})""",
        [plan.connection, plan.entity, fingerprint],
    )
    records, staged, rejected = con.execute(
        f"select records, staged, rejected_records from meta.staged {one}"
    ).fetchall()[0]
    if records != staged + rejected:
        raise StagingError(
            f"{plan.connection} {plan.entity}: {records} raw records, but {staged} staged and {rejected} rejected"
        )
    edits = int(con.execute(f"select count(*) from {quoted(plan.table + '_edits')}").fetchall()[0][0])
    record_build(con, plan.table, version_of(con, fingerprint, with_echoes=False), staged)
    record_build(con, f"{plan.table}_edits", version_of(con, fingerprint, with_echoes=True), edits)
    record_filled(con, plan.table, list(plan.schema.fields))
