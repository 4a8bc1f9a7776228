"""Which records of an entity have to be staged anew: none, some, or all.

A record is staged anew when the raw log got a version of it, or when what we wrote to it was noted. The log's load
packages are compared by their number of rows, so that a package that arrived in two parts is seen twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from pipelines.staging.columns import Layout
from pipelines.warehouse.build import quoted

TABLES = """
create table if not exists meta.staged (
    connection varchar, entity varchar, fingerprint varchar, records bigint, staged bigint,
    rejected_records bigint, rejected_values bigint, primary key (connection, entity));
create table if not exists meta.staged_loads (connection varchar, entity varchar, load_id varchar, rows bigint);
create table if not exists meta.staged_echoes (connection varchar, entity varchar, source_id varchar, digest varchar);
create table if not exists meta.reads (connection varchar, entity varchar, read_at timestamptz);
create table if not exists sync.echoes (
    connection varchar, entity varchar, source_id varchar, field varchar, value varchar,
    written_at timestamptz, since timestamptz);
create table if not exists quality.rejected_records (
    connection varchar, entity varchar, source_id varchar, reason varchar, seen_at timestamptz, record json);
create table if not exists quality.rejected_values (
    connection varchar, entity varchar, source_id varchar, field varchar, value varchar, reason varchar,
    seen_at timestamptz);
create table if not exists staging.phone_numbers (raw varchar, region varchar, e164 varchar);
"""
REJECTED = ("quality.rejected_records", "quality.rejected_values")
ALL_FROM = 0.3
"""Share of changed records from which it is quicker to make the whole table."""


@dataclass(frozen=True)
class Changes:
    """What to stage: `extent` is none, some (their ids are in the temp table stage_ids) or all; and why."""

    extent: str
    reason: str


def find_changes(con: duckdb.DuckDBPyConnection, layout: Layout, fingerprint: str, raw: str) -> Changes:
    """Compare the raw log and the echoes with what was staged from them; fills stage_loads, stage_echoes, stage_ids.

    Args:
        con: the warehouse, the raw log attached.
        layout: the entity.
        fingerprint: of the SQL that stages it.
        raw: the log's table.
    """
    one = [layout.connection, layout.entity]
    con.execute(
        f"create or replace temp table stage_loads as "
        f"select coalesce(_dlt_load_id, '') as load_id, count(*) as rows from {raw} group by all"
    )
    con.execute(
        "create or replace temp table stage_echoes as "
        "select source_id, md5(string_agg(part, ';' order by part)) as digest "
        "from (select source_id, concat_ws('|', field, md5(value), epoch_us(written_at), epoch_us(since)) as part "
        "from sync.echoes where connection = $1 and entity = $2) group by source_id",
        one,
    )
    before = con.execute("select fingerprint from meta.staged where connection = $1 and entity = $2", one).fetchall()
    if not before:
        return Changes("all", "new")
    if before[0][0] != fingerprint:
        return Changes("all", "mapping, schema or program changed")
    lost = con.execute(
        "select count(*) from meta.staged_loads old left join stage_loads new using (load_id) "
        "where old.connection = $1 and old.entity = $2 and (new.rows is null or new.rows < old.rows)",
        one,
    ).fetchall()
    if lost[0][0]:
        return Changes("all", "the raw log was made anew")
    return _some(con, raw, one)


def _some(con: duckdb.DuckDBPyConnection, raw: str, one: list[str]) -> Changes:
    con.execute(
        f"""create or replace temp table stage_ids as
        with grown as (
            select new.load_id from stage_loads new
            left join (select * from meta.staged_loads where connection = $1 and entity = $2) old using (load_id)
            where new.rows is distinct from old.rows
        ),
        written as (
            select coalesce(new.source_id, old.source_id) as id from stage_echoes new
            full join (select * from meta.staged_echoes where connection = $1 and entity = $2) old using (source_id)
            where new.digest is distinct from old.digest
        )
        select id from {raw} where coalesce(_dlt_load_id, '') in (from grown) group by id
        union select id from written""",
        one,
    )
    changed = int(con.execute("select count(*) from stage_ids").fetchall()[0][0])
    if changed == 0:
        return Changes("none", "unchanged")
    records = con.execute("select records from meta.staged where connection = $1 and entity = $2", one).fetchall()
    if changed > ALL_FROM * records[0][0]:
        return Changes("all", f"{changed} records changed")
    return Changes("some", f"{changed} records changed")


def version_of(con: duckdb.DuckDBPyConnection, fingerprint: str, *, with_echoes: bool) -> str:
    """What a table was made from: equal for equal input, however many steps it took."""
    echoes = (
        "(select string_agg(source_id || digest, ',' order by source_id) from stage_echoes)" if with_echoes else "''"
    )
    loads = "(select string_agg(load_id || ':' || rows, ',' order by load_id) from stage_loads)"
    query = f"select md5(concat_ws('|', $1::varchar, {loads}, {echoes}))"
    return str(con.execute(query, [fingerprint]).fetchall()[0][0])


def remember(con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Note which loads and echoes are staged now."""
    one = [layout.connection, layout.entity]
    for table, source in (("staged_loads", "stage_loads"), ("staged_echoes", "stage_echoes")):
        con.execute(f"delete from meta.{table} where connection = $1 and entity = $2", one)
        con.execute(f"insert into meta.{table} select $1, $2, * from {source}", one)


def forget_dropped(con: duckdb.DuckDBPyConnection, connection: str, entities: Iterable[str]) -> None:
    """Drop what was staged of entities that a connection's mapping no longer has."""
    staged = con.execute("select entity from meta.staged where connection = $1", [connection]).fetchall()
    for entity in sorted({entity for (entity,) in staged} - set(entities)):
        con.execute("begin transaction")
        for table in (f"staging.{connection}__{entity}", f"staging.{connection}__{entity}_edits"):
            con.execute(f"drop table if exists {quoted(table)}")
            con.execute("delete from meta.builds where table_name = $1", [table])
        for table in ("meta.staged", "meta.staged_loads", "meta.staged_echoes", *REJECTED):
            con.execute(f"delete from {table} where connection = $1 and entity = $2", [connection, entity])
        con.execute("commit")
