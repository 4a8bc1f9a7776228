"""From the bytes of pages to new versions, in SQL: about 50,000 records at a time, no Python loop over records.

A batch of pages becomes rows (id, hash, modified, record), those whose hash is the current version's fall away, and the
rest lies down as a Parquet file for dlt. Numbers of any length survive, because records never become Python objects.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.extract.bookmark import moment_sql
from pipelines.extract.raw import ORDER
from pipelines.extract.shape import json_path, literal

BATCH_RECORDS, BATCH_BYTES = 50_000, 32_000_000


@dataclass(frozen=True)
class Layout:
    """Where things stand in an answer and in its records."""

    selector: str | None
    id_paths: list[str]
    modified: str | None
    timezone: str = "UTC"


@dataclass
class Tally:
    """What a read has seen so far."""

    records: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: int = 0
    repeated: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None
    undated: int = 0


class Current:
    """The current versions of one entity in the raw file, as (id, h, deleted): all at once, or those a batch asks for.

    Args:
        entity: table of the log; None where the log has none yet.
        whole: a full read looks at all of them, and afterwards at what is missing.
    """

    def __init__(self, entity: str | None, name: str, *, whole: bool) -> None:
        self.entity, self.whole, self.table = entity, whole, f"current_{name}"
        self._is_made = False

    def prepare(self, con: duckdb.DuckDBPyConnection, batch: str | None = None) -> None:
        """Makes the table, for a batch where not the whole is wanted."""
        if self._is_made and (self.whole or self.entity is None):
            return
        self._is_made = True
        if self.entity is None:
            con.execute(f"create or replace table {self.table} (id varchar, h ubigint, deleted boolean)")
            return
        some = f"where id in (select id from {batch})" if batch and not self.whole else ""
        con.execute(f"""create or replace table {self.table} as
            select id, hash(arg_max(hash, {ORDER})) as h, arg_max(deleted, {ORDER}) as deleted
            from log.raw.{self.entity} {some} group by id""")


class Intake:
    """Takes the pages of one read, in any order, and keeps what is new in them.

    Args:
        con: a cursor of its own in the work database.
        name: the read's name, made of letters, digits and underscores.
        layout: where things stand.
        folder: where the Parquet files go.
        current: compares with the versions that are there.
        floor: no version is stamped earlier (us): `seen` never goes back within a file.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        name: str,
        layout: Layout,
        folder: Path,
        *,
        current: Current,
        floor: int,
    ) -> None:
        self.con, self.name, self.layout, self.folder = con, name, layout, folder
        self.current, self.floor = current, floor
        self.files: list[Path] = []
        self.tally = Tally()
        self._texts: list[str] = []
        self._stamps: list[int] = []
        self._records = self._bytes = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"intake-{name}")
        self._busy: Future[None] | None = None
        con.execute(f"create or replace table read_{name} (id varchar, h ubigint)")

    def add(self, content: bytes, received_at: int, records: int) -> None:
        """Takes one page: strict UTF-8 JSON, when it was received (us), and how many records it holds."""
        self._texts.append(content.decode("utf-8"))
        self._stamps.append(received_at)
        self._records += records
        self._bytes += len(content)
        if self._records >= BATCH_RECORDS or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hands what has come to the worker, after the batch before it is done."""
        self._wait()
        if self._texts:
            self._busy = self._worker.submit(self._digest, self._texts, self._stamps)
        self._texts, self._stamps, self._records, self._bytes = [], [], 0, 0

    def finish(self) -> Tally:
        """Waits for all; repeated versions are counted once."""
        self.flush()
        self._wait()
        self._worker.shutdown()
        rows, ids = self.con.execute(f"select count(*), count(distinct id) from read_{self.name}").fetchall()[0]
        self.tally.repeated = rows - ids
        return self.tally

    def close(self) -> None:
        """Ends the worker, whatever it does."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _wait(self) -> None:
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.result()

    def _digest(self, texts: list[str], stamps: list[int]) -> None:
        name = self.name
        self.con.execute(batch_sql(name, self.layout), [texts, [max(s, self.floor) for s in stamps]])
        self.current.prepare(self.con, f"batch_{name}")
        self._count()
        self.con.execute(f"insert into read_{name} select id, h from batch_{name}")
        fresh = f"""select b.id, b.hash, b.modified, false as deleted, b.seen, b.record, b.problem
            from batch_{name} b where not exists (from {self.current.table} c where c.id = b.id and c.h = b.h)"""
        path = self.folder / f"{name}-{len(self.files):05d}.parquet"
        written = self.con.execute(copy_sql(fresh, path)).fetchall()[0][0]
        if written:
            self.files.append(path)
        else:
            path.unlink(missing_ok=True)
        self.con.execute(f"drop table batch_{name}")

    def _count(self) -> None:
        name, tally = self.name, self.tally
        moment = moment_sql("b.modified", self.layout.timezone)
        row: tuple[Any, ...] = self.con.execute(f"""
            select count(*), count(*) filter (where c.id is null), count(*) filter (where c.h <> b.h),
                count(*) filter (where c.h = b.h), count(b.problem), max(b.moment), min(b.moment),
                count(*) filter (where b.moment is null)
            from (select id, h, problem, {moment} as moment from batch_{name} b) b
            left join {self.current.table} c on c.id = b.id""").fetchall()[0]
        tally.records += row[0]
        tally.new += row[1]
        tally.changed += row[2]
        tally.unchanged += row[3]
        tally.problems += row[4]
        tally.newest = max((m for m in (tally.newest, row[5]) if m is not None), default=None)
        tally.oldest = min((m for m in (tally.oldest, row[6]) if m is not None), default=None)
        tally.undated += row[7]


def batch_sql(name: str, layout: Layout) -> str:
    """Pages to rows: `batch_<name>` (id, hash, h, modified, seen, record, problem)."""
    root = json_path(layout.selector or "$")
    paths = [*layout.id_paths, *([layout.modified] if layout.modified else [])]
    picked = ", ".join(literal(json_path(p)) for p in paths)
    ids = [f"case when {_is_key(f'x[{i}]', p)} then x[{i}] end" for i, p in enumerate(layout.id_paths, 1)]
    modified = f"x[{len(paths)}]" if layout.modified else "null::varchar"
    wanted = " or ".join(layout.id_paths)
    return f"""create or replace temp table batch_{name} as
        with page as (select unnest($1::varchar[]) as page, make_timestamptz(unnest($2::bigint[])) as seen),
        record as (
            select unnest(case json_type(page, {literal(root)})
                when 'ARRAY' then json_extract(page, {literal(root + "[*]")})
                when 'OBJECT' then [json_extract(page, {literal(root)})] end) as record, seen from page),
        picked as (select record, seen, md5(record) as hash, json_extract_string(record, [{picked}]) as x from record),
        keyed as (select record, seen, hash, {modified} as modified, coalesce({", ".join(ids)}) as key from picked)
        select coalesce(key, '?' || hash) as id, hash, hash(hash) as h, modified, seen, record,
            case when key is not null then null
                when json_type(record) <> 'OBJECT' then 'not an object'
                else {literal(f"no id at {wanted}")} end as problem
        from keyed"""


def copy_sql(query: str, path: Path) -> str:
    """Writes a query's rows into a Parquet file."""
    return f"copy ({query}) to {literal(str(path))} (format parquet, compression snappy)"


def _is_key(value: str, path: str) -> str:
    """A key is a text that is not empty, or a number; `{...}` may be a text in braces, so its type is looked at."""
    looks = f"left({value}, 1) in ('{{', '[') or {value} in ('true', 'false')"
    return f"{value} <> '' and (not ({looks}) or json_type(record, {literal(json_path(path))}) = 'VARCHAR')"
