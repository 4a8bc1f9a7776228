"""Values that a list of records leaves out, such as relations: read for many records in one call, put into each.

A relation may change while the record's time of change stays, so an incremental read asks for those of all known
records, not of the changed ones alone: a thousand in a call, where a list would come in pages of a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
from requests import RequestException

from pipelines.extract.job import Job
from pipelines.extract.raw import ORDER
from pipelines.extract.shape import json_path, literal, steps
from pipelines.mapping.language import Beside


class BesideRead:
    """Completes the records of one read."""

    def __init__(self, job: Job, block: Beside) -> None:
        self.job, self.block = job, block
        self.table = f"beside_{job.name}"

    def complete(self, con: duckdb.DuckDBPyConnection, batch: str) -> None:
        """Puts the values into the records of a batch (id, hash, h, modified, seen, record, problem).

        Raises:
            CrmError: the CRM did not say them.
        """
        self._read(con, f"select id from {batch} where problem is null")
        con.execute(f"""create or replace temp table {batch} as
            with whole as (
                select b.* replace ({self._merged("b.record")} as record)
                from {batch} b left join {self.table} v on v.id = b.id)
            select w.* replace (md5(record) as hash, hash(md5(record)) as h) from whole w""")

    def moved(self, con: duckdb.DuckDBPyConnection, name: str, floor: int) -> str | None:
        """A query (record, seen) of known records that this read did not serve, and whose values are others now."""
        job = self.job
        if not job.is_known:
            return None
        con.execute(f"""create or replace temp table known_{self.table} as
            select id, arg_max(record, {ORDER}) as record from log.raw.{job.name}
            where not id.starts_with('?') and id not in (select id from read_{name})
            group by id having not arg_max(deleted, {ORDER})""")
        self._read(con, f"select id from known_{self.table}")
        at = literal(json_path(self.block.into))
        return f"""select {self._merged("k.record")} as record, greatest(now(), make_timestamptz({floor})) as seen
            from known_{self.table} k join {self.table} v on v.id = k.id
            where json_extract(k.record, {at})::varchar is distinct from v.held::varchar"""

    def _read(self, con: duckdb.DuckDBPyConnection, query: str) -> None:
        """Makes the table (id, held) of the values of these records; none where a call left them unsaid."""
        ids = [str(id) for (id,) in con.execute(f"{query} order by 1").fetchall()]
        parts = [ids[start : start + self.block.size] for start in range(0, len(ids), self.block.size)]
        con.execute(f"create or replace temp table {self.table} (id varchar, held json)")
        with ThreadPoolExecutor(max(1, min(len(parts), self.job.connection.wire.concurrency))) as pool:
            for part, text in zip(parts, pool.map(self._ask, parts), strict=True):
                con.execute(f"insert into {self.table} {self._answers()}", [text, part])

    def _answers(self) -> str:
        """SQL: an answer ($1) to ids ($2) as (id, held)."""
        block = self.block
        at, of, value = (
            literal(json_path(path)) for path in (block.request.data_selector or "$", block.of, block.value)
        )
        held = ", ".join(f"{ours}: json_extract_string(m, {literal(json_path(p))})" for ours, p in block.shape.items())
        member = f"to_json({{{held}}})" if held else "m"
        listed = f"list_sort(list_distinct(list_transform(json_extract(said, {value})::json[], lambda m: {member})))"
        return f"""with answer as (select unnest(json_extract($1::json, {at})::json[]) as said),
            told as (select json_extract_string(said, {of}) as id, {listed} as held from answer)
            select a.id, to_json(coalesce(t.held, [])) from (select unnest($2::varchar[]) as id) a
            left join told t on t.id = a.id
            where t.id is not null or {self._may_lack()}"""

    def _may_lack(self) -> str:
        """SQL: the answer ($1) names nothing that went wrong, but records that have none."""
        if self.block.errors is None:
            return "true"
        at = literal(json_path(self.block.errors))
        errors = f"coalesce(json_extract($1::json, {at})::json[], []::json[])"
        none = literal(self.block.none or "")
        return f"len(list_filter({errors}, lambda e: not contains(e::varchar, {none}))) = 0"

    def _merged(self, record: str) -> str:
        """SQL: the record with the values at their place, as they are where none are known."""
        held = "v.held"
        for step in reversed(steps(self.block.into)):
            held = f"json_object({literal(str(step))}, {held})"
        return f"case when v.held is null then {record} else json_merge_patch({record}, {held}) end"

    def _ask(self, ids: list[str]) -> str:
        job, request = self.job, self.block.request
        job.wire.purpose.name = job.name
        body: dict[str, Any] = {**(request.json_body or {}), self.block.items: list(self._members(ids))}
        what = f"fetch {job.name}: {self.block.into}"
        try:
            response = job.wire.ask(request.model_copy(update={"json_body": body}))
            response.raise_for_status()
        except RequestException as problem:
            raise job.wire.failed(what, problem) from None
        return str(response.content.decode("utf-8"))

    def _members(self, ids: list[str]) -> Iterator[Any]:
        for id in ids:
            item = self.block.item
            yield {key: id if value == "$id" else value for key, value in item.items()} if item else id
