"""Loading: many new versions at once take no more memory than the cap."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import duckdb

from pipelines.extract import raw
from pipelines.extract.load import Folder, Versions, load

RECORDS = 20_000


def test_versions_larger_than_the_memory_are_loaded(memory: ModuleType, tmp_path: Path) -> None:
    connection = memory.connection(tmp_path)
    folder = Folder(connection)
    folder.empty()
    spooled = folder.spool / "contacts.parquet"
    query = f"""select i::varchar as id, md5(i::varchar) as hash, null::varchar as modified, false as deleted,
        now() as seen, '"' || repeat(md5(i::varchar), 640) || '"' as record, null::varchar as problem
        from range({RECORDS}) t(i)"""
    with duckdb.connect(config=raw.config(folder.spool)) as con:
        con.execute(raw.copy_sql(query, spooled))
    load(connection, folder, [Versions("contacts", [spooled], RECORDS)])
    with duckdb.connect(str(connection.owner.raw(connection.name)), read_only=True) as con:
        found = con.execute("select count(*), count(distinct hash), sum(length(record)) from raw.contacts").fetchall()
    assert found == [(RECORDS, RECORDS, RECORDS * (640 * 32 + 2))]
