"""From the bytes of pages to new versions, in SQL: about 50,000 records at a time, no Python loop over records.

A batch of pages becomes rows (id, hash, modified, record), those whose hash is the current version's fall away, and the
rest lies down as a Parquet file for dlt. Numbers of any length survive, because records never become Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.extract.bookmark import moment_sql
from pipelines.extract.raw import ORDER, copy_sql
from pipelines.extract.shape import json_path, literal

UNCHANGED, NEW, CHANGED = 0, 1, 2
BATCH_RECORDS, BATCH_BYTES = 50_000, 32_000_000


@dataclass(frozen=True)
class Layout:
    """Where things stand in an answer and in its records.

    A record's id is made of all parts of `key` that hold something, joined by `|`; of a part's places the first counts.
    A record that holds nothing at one of the paths of `only_with` is of another kind, and none of ours. `left_out` is
    SQL over `key` that is true for records that were erased, and are never taken in again.
    """

    selector: str | None
    key: list[list[str]]
    modified: str | None
    timezone: str = "UTC"
    only_with: Sequence[str] = ()
    left_out: str = ""


@dataclass
class Tally:
    """What a read has seen so far; `edited`: records of which it saw two versions."""

    records: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: int = 0
    repeated: int = 0
    edited: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None


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
        self.limit: int | None = None
        self.completed: Callable[[duckdb.DuckDBPyConnection, str], None] | None = None
        self.files: list[Path] = []
        self.rows = 0
        self.tally = Tally()
        self._texts: list[str] = []
        self._stamps: list[int] = []
        self._records = self._bytes = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"intake-{name}")
        self._busy: Future[None] | None = None
        con.execute(f"create or replace table read_{name} (id varchar, h ubigint, state utinyint)")

    def add(self, content: bytes, received_at: int, records: int) -> None:
        """Takes one page: strict UTF-8 JSON, when it was received (us), and how many records it holds."""
        self._texts.append(content.decode("utf-8"))
        self._stamps.append(received_at)
        self._records += records
        self._bytes += len(content)
        if self._records >= BATCH_RECORDS or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hands what has come to the worker, after the batch before it is done, and waits where nothing has come."""
        self._wait()
        if self._texts:
            stamps = [max(stamp, self.floor) for stamp in self._stamps]
            self._busy = self._worker.submit(self._digest, pages_sql(self.layout.selector), [self._texts, stamps])
        self._texts, self._stamps, self._records, self._bytes = [], [], 0, 0

    def finish(self) -> Tally:
        """Waits for all; repeated versions are counted once."""
        self.flush()
        self._wait()
        self._worker.shutdown()
        tally = self.tally
        counts = f"""select state, count(*), count(*) filter (first <> last)
            from (select max(state) as state, min(h) as first, max(h) as last from read_{self.name} group by id)
            group by 1"""
        states = self.con.execute(counts).fetchall()
        found, tally.edited = {state: count for state, count, _ in states}, sum(edited for *_, edited in states)
        tally.new, tally.changed, tally.unchanged = (found.get(state, 0) for state in (NEW, CHANGED, UNCHANGED))
        tally.repeated = tally.records - tally.new - tally.changed - tally.unchanged
        return tally

    def served(self) -> int:
        """How many different records have come so far."""
        self.flush()
        self._wait()
        return int(self.con.execute(f"select count(distinct id) from read_{self.name}").fetchall()[0][0])

    def close(self) -> None:
        """Ends the worker, whatever it does."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _wait(self) -> None:
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.result()

    def take_query(self, query: str) -> None:
        """Takes the rows (record, seen) of a query, such as a file's."""
        self._wait()
        self._busy = self._worker.submit(self._digest, query, None)

    def take_moved(self, moved: Callable[[duckdb.DuckDBPyConnection, str, int], str | None]) -> None:
        """Takes records that were not served, as the query says that `moved` makes once all pages are in."""
        self.flush()
        self._wait()
        query, self.completed = moved(self.con, self.name, self.floor), None
        if query is not None:
            self.take_query(query)

    def _digest(self, source: str, pages: list[Any] | None) -> None:
        name, current = self.name, self.current
        if self.limit is not None:
            source = f"from ({source}) limit {max(0, self.limit - self.tally.records)}"
        self.con.execute(batch_sql(name, self.layout, source), pages)
        if self.completed is not None:
            self.completed(self.con, f"batch_{name}")
        current.prepare(self.con, f"batch_{name}")
        self.con.execute(f"""insert into read_{name}
            select b.id, b.h, case when c.id is null then {NEW} when c.h <> b.h then {CHANGED} else {UNCHANGED} end
            from batch_{name} b left join {current.table} c on c.id = b.id""")
        self._look()
        fresh = f"""select b.id, b.hash, b.modified, false as deleted, b.seen, b.record, b.problem
            from batch_{name} b where not exists (from {current.table} c where c.id = b.id and c.h = b.h)"""
        path = self.folder / f"{name}-{len(self.files):05d}.parquet"
        written = self.con.execute(copy_sql(fresh, path)).fetchall()[0][0]
        self.rows += written
        if written:
            self.files.append(path)
        else:
            path.unlink(missing_ok=True)
        self.con.execute(f"drop table batch_{name}")

    def _look(self) -> None:
        moment = moment_sql("modified", self.layout.timezone)
        records, problems, newest, oldest = self.con.execute(f"""
            select count(*), count(problem), max(moment), min(moment)
            from (select problem, {moment} as moment from batch_{self.name})""").fetchall()[0]
        tally = self.tally
        tally.records += records
        tally.problems += problems
        tally.newest = max((m for m in (tally.newest, newest) if m is not None), default=None)
        tally.oldest = min((m for m in (tally.oldest, oldest) if m is not None), default=None)


def pages_sql(selector: str | None) -> str:
    """Pages to rows (record, seen); parameters: the pages' texts, and when each was received (us)."""
    root = json_path(selector or "$")
    return f"""select unnest(case json_type(page, {literal(root)})
            when 'ARRAY' then json_extract(page, {literal(root + "[*]")})
            when 'OBJECT' then [json_extract(page, {literal(root)})] end) as record, seen
        from (select unnest($1::varchar[]) as page, make_timestamptz(unnest($2::bigint[])) as seen)"""


def batch_sql(name: str, layout: Layout, source: str) -> str:
    """Rows (record, seen) to `batch_<name>` (id, hash, h, modified, seen, record, problem)."""
    paths = [path for ways in layout.key for path in ways]
    parts, at = [], 1
    for ways in layout.key:
        keys = [f"case when {_is_key(f'x[{at + i}]', path)} then x[{at + i}] end" for i, path in enumerate(ways)]
        parts.append(f"coalesce({', '.join(keys)})")
        at += len(ways)
    modified = f"x[{at}]" if layout.modified else "null::varchar"
    picked = ", ".join(literal(json_path(p)) for p in [*paths, *([layout.modified] if layout.modified else [])])
    key = f"nullif(concat_ws('|', {', '.join(parts)}), '')" if len(parts) > 1 else parts[0]
    return f"""create or replace temp table batch_{name} as
        with record as ({_ours(source, layout.only_with)}),
        picked as (select record, seen, md5(record) as hash, json_extract_string(record, [{picked}]) as x from record),
        keyed as (select record, seen, hash, {modified} as modified, {key} as key from picked)
        select coalesce(key, '?' || hash) as id, hash, hash(hash) as h, modified, seen, record,
            case when key is not null then null
                when json_type(record) <> 'OBJECT' then 'not an object'
                else {literal("no id at " + ", ".join(" or ".join(ways) for ways in layout.key))} end as problem
        from keyed {f"where key is null or not ({layout.left_out})" if layout.left_out else ""}"""


def _ours(source: str, only_with: Sequence[str]) -> str:
    """Rows (record, seen) without records of another kind; what is no object stays, to be set aside."""
    held = (f"json_extract_string(record, {literal(json_path(path))})" for path in only_with)
    some = " and ".join(f"coalesce({text} not in ('', '[]', '{{}}'), false)" for text in held)
    return f"select * from ({source}) where json_type(record) <> 'OBJECT' or {some}" if some else source


def _is_key(value: str, path: str) -> str:
    """A key is a text that is not empty, or a number; `{...}` may be a text in braces, so its type is looked at."""
    looks = f"left({value}, 1) in ('{{', '[') or {value} in ('true', 'false')"
    return f"{value} <> '' and (not ({looks}) or json_type(record, {literal(json_path(path))}) = 'VARCHAR')"
