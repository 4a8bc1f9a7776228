"""Old versions that nothing depends on leave the raw log; every edit time that can be told from it stays as it was.

Of each record these stay: the first version, the current one, all younger than the limit, and of every value in it (a
leaf of the JSON, and whether it is deleted) the version in which it last changed and the one before that.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.connections.owner import Owner
from pipelines.extract import raw
from pipelines.extract.erasing import rewritten

FEWEST = 4
"""A record with fewer versions has none to spare."""


def fold(owner: Owner, name: str, days: int) -> int:
    """Drops versions of one connection that are older than so many days and not needed; how many.

    The caller holds the connection's extract lock.
    """
    path = owner.raw(name)
    if not path.exists():
        return 0
    if not _has_any(path, owner.dlt_dir / f"{name}.folding", days):
        return 0
    with rewritten(owner, name) as con:
        return sum(_fold(con, table, days) for table in _tables(con))


def _has_any(path: Path, spill: Path, days: int) -> bool:
    """Whether a record has so many old versions that some may go; most logs have none, and need not be rewritten."""
    with raw.work(path, spill) as con:
        return any(con.execute(f"from ({_many(table, days)}) limit 1").fetchall() for table in _tables(con))


def _tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    return sorted(table for table in raw.Log.of(con).tables if not table.startswith("_"))


def _many(table: str, days: int) -> str:
    return f"""select id from log.raw.{table} where problem is null group by id
        having count(*) >= {FEWEST} and count(*) filter (where seen < now() - interval {days} day) >= {FEWEST}"""


def _fold(con: duckdb.DuckDBPyConnection, table: str, days: int) -> int:
    con.execute(f"""create or replace temp table versions as
        select rowid as line, id, seen, record, deleted, row_number() over (partition by id order by {raw.ORDER}) as n,
            count(*) over (partition by id) as of_all
        from log.raw.{table} where id in ({_many(table, days)})""")
    con.execute("""create or replace temp table leaves as
        select v.id, v.n, t.fullkey as path, coalesce(t.atom::varchar, t.type) as value
        from versions v, json_tree(v.record) t where t.type not in ('OBJECT', 'ARRAY')
        union all select id, n, '$deleted', deleted::varchar from versions""")
    deleted = con.execute(f"""delete from log.raw.{table} where rowid in (
        with grid as (
            select v.id, v.n, p.path, l.value from versions v join (select distinct id, path from leaves) p using (id)
            left join leaves l on l.id = v.id and l.n = v.n and l.path = p.path
        ),
        moved as (
            select id, n from (select *, lag(value) over (partition by id, path order by n) as former from grid)
            where n > 1 and value is distinct from former
            qualify n = max(n) over (partition by id, path)
        ),
        needed as (select id, n from moved union select id, n - 1 from moved)
        select line from versions v
        where n > 1 and n < of_all and seen < now() - interval {days} day
            and not exists (from needed d where d.id = v.id and d.n = v.n))""").fetchall()[0][0]
    return int(deleted)
