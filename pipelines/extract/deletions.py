"""What is no longer there: named by the CRM's own list of deleted records, merged into another record, not found when
we came to write to it, or missing from a full read and confirmed.

A record that is missing counts as deleted once a GET for it finds nothing, or, where the CRM has no such call, once it
is missing from two full reads in a row. One that is still there is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from requests import RequestException, Response

from pipelines.extract import raw
from pipelines.extract.feed import named_deleted
from pipelines.extract.guard import check_size
from pipelines.extract.job import Job
from pipelines.extract.pages import Current, Intake, Layout
from pipelines.extract.shape import json_path, literal, select
from pipelines.mapping.language import Request
from pipelines.mapping.wanted import plain_fields
from pipelines.state import intents

GONE = (404, 410)
FEWEST_CONFIRMED = 100


@dataclass
class Found:
    """What deletions came to; `missing` are ids whose absence is not confirmed yet."""

    deleted: int = 0
    rows: int = 0
    files: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    named: list[str] | None = None
    is_whole: bool = True
    warnings: list[str] = field(default_factory=list)


def find(job: Job, current: Current, intake: Intake, *, full: bool, bookmark: str | None) -> Found:
    """Tombstones for what is gone.

    Args:
        job: the entity that was read.
        current: its current versions; all of them where the read was full.
        intake: what was served.
        full: everything was asked for, and came.
        bookmark: from when on the read asked.

    Raises:
        SourceShrank: a full read found far fewer records than are known.
    """
    found = Found()
    gone: list[str] = []
    feed = job.entity.deleted.feed if job.entity.deleted else None
    if feed is not None and (job.is_known or feed.incremental is None):
        gone, found.named, found.is_whole = named_deleted(job, feed, bookmark)
    if job.is_known and intake.files:
        gone += ask(job, intake, [one for one in _merged(job, intake) if one not in gone], found)
    if job.is_known:
        gone += ask(job, intake, [one for one in _not_found(job) if one not in gone], found)
    if job.is_known and full:
        current.prepare(job.con)
        missing = _missing(job, current, set(gone))
        if not job.allow_shrink:
            _check_size(job, current, len(missing))
        gone += _confirmed(job, intake, missing, found)
    bury(job, gone, found)
    return found


def take_one(job: Job, intake: Intake, record_id: str) -> bool:
    """Reads the one record of a pilot; False where the CRM has no such record, or no call for one."""
    if job.entity.get is None:
        return False
    response = _get(job, job.entity.get, record_id)
    if response.status_code != 200:
        return False
    _take(intake, response)
    return True


def _check_size(job: Job, current: Current, missing: int) -> None:
    label, share = job.connection.mapping.label, job.connection.settings.min_source_share
    known = job.con.execute(f"select count(*) from {current.table} where not deleted").fetchall()[0][0]
    served = job.con.execute(f"select count(distinct id) from read_{job.name}").fetchall()[0][0]
    if missing:
        check_size(label, job.name, served, min(known, served + missing), share)


def _missing(job: Job, current: Current, named: set[str]) -> list[str]:
    """Ids that are current in the log, say nothing of being deleted, and were not served."""
    job.con.execute(f"""create or replace temp table missing_{job.name} as
        select c.id from {current.table} c
        where not c.deleted and not exists (from read_{job.name} r where r.id = c.id)""")
    gone = _says_deleted(job)
    more = f"where id not in ({gone})" if gone else ""
    rows = job.con.execute(f"select id from missing_{job.name} {more} order by id").fetchall()
    return [r[0] for r in rows if r[0] not in named]


def _merged(job: Job, intake: Intake) -> list[str]:
    """Ids that are current in the log, and that a record that is new or changed names as merged into it."""
    path = job.entity.deleted.merged if job.entity.deleted else None
    if path is None:
        return []
    ids = f"regexp_extract_all(json_extract_string(record, {literal(json_path(path))}), '[^][\",;\\s]+')"
    files = ", ".join(literal(str(file)) for file in intake.files)
    rows = job.con.execute(f"""select id from log.raw.{job.name}
        where id in (select unnest({ids}) from read_parquet([{files}]))
        group by id having not arg_max(deleted, {raw.ORDER}) order by id""").fetchall()
    return [row[0] for row in rows]


def _not_found(job: Job) -> list[str]:
    """Ids that are current in the log, and that a push has not found: else they would be planned, and passed over, at
    every run until the next full read."""
    keys = intents.not_found(job.state, job.connection.name, job.name) if job.state is not None else []
    if not keys:
        return []
    ids = ", ".join(literal(key.partition(":")[2]) for key in keys)
    rows = job.con.execute(f"""select id from log.raw.{job.name} where id in ({ids})
        group by id having not arg_max(deleted, {raw.ORDER}) order by id""").fetchall()
    return [row[0] for row in rows]


def _says_deleted(job: Job) -> str:
    """SQL of missing ids whose last record itself says that it is deleted: a list need not show those."""
    deleted = job.entity.deleted
    if deleted is None or not deleted.when:
        return ""
    tests = [
        f"json_extract_string(record, {literal(json_path(path))}) in ({', '.join(literal(_text(v)) for v in values)})"
        for path, values in deleted.when.items()
    ]
    return f"""select id from (
        select id, arg_max(record, {raw.ORDER}) as record from log.raw.{job.name}
        where id in (select id from missing_{job.name}) group by id) where {" or ".join(tests)}"""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _confirmed(job: Job, intake: Intake, missing: list[str], found: Found) -> list[str]:
    """Those of the missing that are deleted; the rest is noted as missing, or was there after all."""
    keyed = [i for i in missing if not i.startswith("?")]
    gone = [i for i in missing if i.startswith("?")]  # a record without an id that is no longer served
    before = job.log.missing_before(job.con, job.name) if keyed else set()
    gone += [i for i in keyed if i in before]
    asked = [i for i in keyed if i not in before]
    if job.entity.get is not None:
        most = max(FEWEST_CONFIRMED, intake.tally.records // 100)
        gone += ask(job, intake, asked[:most], found)
        asked = asked[most:]
    found.missing += asked
    if found.missing:
        found.warnings.append(f"{len(found.missing)} {job.name} are missing; the next run tells if they are deleted")
    return gone


def ask(job: Job, intake: Intake, ids: list[str], found: Found) -> list[str]:
    """Asks for each record; gives back those that are not there, and takes those that are."""
    request = job.entity.get
    if request is None or not ids:
        return []
    gone = []
    entity = job.entity
    zone = intake.layout.timezone
    layout = Layout(request.data_selector, entity.key, entity.modified, zone, entity.only_with, job.left_out)
    current = Current(job.table(), f"{job.name}_get", whole=False)
    alive = Intake(job.con, f"{job.name}_get", layout, job.folder, current=current, floor=job.floor)
    with ThreadPoolExecutor(job.connection.wire.concurrency) as pool:
        for record_id, response in zip(ids, pool.map(lambda i: _get(job, request, i), ids), strict=True):
            is_there = _is_there(job, response, request, record_id)
            if is_there is None:
                found.missing.append(record_id)
            elif is_there:
                _take(alive, response)
            else:
                gone.append(record_id)
    alive.finish()
    found.files += alive.files
    found.rows += alive.rows
    return gone


def _get(job: Job, request: Request, record_id: str) -> Response:
    wire = job.wire
    wire.purpose.name = job.name
    names = plain_fields(job.entity)
    said = {
        "path": request.path.replace("{id}", quote(record_id, safe="")),
        "params": _filled(request.params, record_id, ",".join(names)),
        "json_body": _filled(request.json_body, record_id, names),
    }
    try:
        response = wire.ask(request.model_copy(update=said))
    except RequestException as problem:
        raise wire.failed(f"fetch {job.name}", problem) from None
    if response.status_code == 401:
        raise wire.failed(f"fetch {job.name}", RequestException(response=response))
    return response


def _filled(value: Any, record_id: str, fields: list[str] | str) -> Any:
    if value == "{fields}":
        return fields
    if isinstance(value, str):
        return value.replace("{id}", record_id)
    if isinstance(value, dict):
        return {k: _filled(v, record_id, fields) for k, v in value.items()}
    return [_filled(v, record_id, fields) for v in value] if isinstance(value, list) else value


def _is_there(job: Job, response: Response, request: Request, record_id: str) -> bool | None:
    """Whether the record exists; None where the answer does not tell.

    A merged record's id may give the record it became: then this id is no more.
    """
    if response.status_code in GONE:
        return False
    if response.status_code != 200 or not response.content.strip():
        return None
    found, record = select(response.json(), request.data_selector)
    if isinstance(record, list):
        record = record[0] if record else None
    if not found or not isinstance(record, dict | None):
        return None
    if not record or not all(_first(record, [path]) for path in job.entity.only_with):
        return False
    return "|".join(filter(None, (_first(record, ways) for ways in job.entity.key))) == record_id


def _first(record: Any, paths: Iterable[str]) -> str:
    found = (select(record, path)[1] for path in paths)
    return next((str(value) for value in found if value not in (None, "")), "")


def _take(intake: Intake, response: Response) -> None:
    intake.add(response.content, response.received_at, 1)  # type: ignore[attr-defined]


def bury(job: Job, ids: Iterable[str], found: Found) -> None:
    """One tombstone each: the last known record, marked as deleted."""
    gone = sorted(set(ids))
    if not gone:
        return
    path = job.folder / f"{job.name}-gone.parquet"
    query = f"""select id, md5('deleted') as hash, null::varchar as modified, true as deleted,
        greatest(now(), make_timestamptz({job.floor})) as seen, arg_max(record, {raw.ORDER}) as record,
        null::varchar as problem
        from log.raw.{job.name} where id in (select unnest({_list(gone)})) group by id"""
    rows = job.con.execute(raw.copy_sql(query, path)).fetchall()[0][0]
    found.files.append(path)
    found.deleted += rows
    found.rows += rows


def _list(ids: list[str]) -> str:
    return "[" + ", ".join(literal(i) for i in ids) + "]"
