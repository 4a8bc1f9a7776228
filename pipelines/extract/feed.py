"""The CRM's own list of deleted records: what is named there, and was not served in the same run, gets a tombstone.

A list goes on naming a record that was restored meanwhile. So an entry counts if its time is not before the current
version's; where it shows no time, if it is new in the list.
"""

from __future__ import annotations

from pipelines.extract import raw
from pipelines.extract.bookmark import moment_sql
from pipelines.extract.job import Job
from pipelines.extract.pages import Current, Intake, Layout
from pipelines.extract.request import filled
from pipelines.extract.shape import literal
from pipelines.extract.source import pages
from pipelines.mapping.language import Extract
from pipelines.wire.names import build_paginator


def named_deleted(job: Job, feed: Extract, bookmark: str | None) -> tuple[list[str], list[str], bool]:
    """Reads the list.

    Args:
        job: whose entity.
        feed: the mapping's block.
        bookmark: from when on, where the list can be asked so.

    Returns:
        Ids to bury; all ids that the list names; whether it could be read to its end.
    """
    name = f"{job.name}_deleted"
    moment = feed.incremental.cursor_path if feed.incremental else None
    deleted = job.entity.deleted
    layout = Layout(feed.data_selector, [[deleted.feed_id if deleted else "id"]], moment, job.connection.wire.timezone)
    intake = Intake(job.con, name, layout, job.folder, current=Current(None, name, whole=True), floor=job.floor)
    paginator = build_paginator(feed.paginator)
    is_whole = True
    try:
        for page in pages(job.wire, name, filled(feed, None, bookmark), paginator):
            is_whole = is_whole and page.problem is None and page.set_aside is None
            if page.records and page.problem is None:
                intake.add(page.content, page.received_at, page.records)
        intake.finish()
    finally:
        intake.close()
    named = [r[0] for r in job.con.execute(f"select distinct id from read_{name} where id not like '?%'").fetchall()]
    return _gone(job, intake, moment is not None), named, is_whole and not paginator.broken_off


def _gone(job: Job, intake: Intake, is_dated: bool) -> list[str]:
    if job.table() is None or not intake.files:
        return []
    files = ", ".join(literal(str(f)) for f in intake.files)
    zone = job.connection.wire.timezone
    before = job.log.named_before(job.con, job.name)
    new = "f.at >= c.at or f.at is null or c.at is null" if is_dated else "not list_contains(?, f.id)"
    rows = job.con.execute(
        f"""
        select f.id from (
            select id, max({moment_sql("modified", zone)}) as at from read_parquet([{files}]) group by id) f
        join (
            select id, max_by(deleted, {raw.ORDER}) as deleted, max({moment_sql("modified", zone)}) as at
            from log.raw.{job.name} group by id) c on c.id = f.id
        where not c.deleted and ({new}) and not exists (from read_{job.name} r where r.id = f.id)""",
        [] if is_dated else [before],
    ).fetchall()
    return [r[0] for r in rows]
