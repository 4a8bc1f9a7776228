"""What is no longer there: named by the CRM's own list of deleted records, or missing from a full read and confirmed.

A record that is missing counts as deleted once a GET for it finds nothing, or, where the CRM has no such call, once it
is missing from two full reads in a row. One that is still there is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from requests import Request as HttpRequest
from requests import RequestException, Response

from pipelines.extract import raw
from pipelines.extract.guard import check_size
from pipelines.extract.pages import Current, Intake, Layout, copy_sql
from pipelines.extract.shape import json_path, literal, select
from pipelines.extract.source import layout_paths
from pipelines.mapping.language import Request

if TYPE_CHECKING:
    from pipelines.extract.read import Job

GONE = (404, 410)
FEWEST_CONFIRMED = 100


@dataclass
class Found:
    """What deletions came to; `missing` are ids whose absence is not confirmed yet."""

    deleted: int = 0
    rows: int = 0
    files: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def find(job: Job, current: Current, intake: Intake, *, full: bool) -> Found:
    """Tombstones for what is gone.

    Raises:
        SourceShrank: a full read found far fewer records than are known.
    """
    found = Found()
    if job.table() is None or not full:
        return found
    current.prepare(job.con)
    known, read = _sizes(job, current)
    if not job.allow_shrink:
        label, share = job.connection.mapping.label, job.connection.settings.min_source_share
        check_size(label, job.name, read, known, share)
    missing = _missing(job, current)
    if missing:
        _confirm(job, intake, missing, found)
    return found


def take_one(job: Job, intake: Intake, record_id: str) -> None:
    """Reads the one record of a pilot."""
    if job.entity.get is None:
        raise ValueError(f"{job.name}: the mapping has no `get`, so that one record cannot be read alone")
    response = _get(job, job.entity.get, record_id)
    if response.status_code in GONE:
        return
    _take(job, intake, response)


def _sizes(job: Job, current: Current) -> tuple[int, int]:
    gone = _says_deleted(job)
    known = job.con.execute(f"""
        select count(*) from {current.table} c where not deleted and id not like '?%'
        {f"and id not in ({gone})" if gone else ""}""").fetchall()[0][0]
    read = job.con.execute(f"select count(distinct id) from read_{job.name}").fetchall()[0][0]
    return known, read


def _missing(job: Job, current: Current) -> list[str]:
    """Ids that are current in the log, say nothing of being deleted, and were not served."""
    gone = _says_deleted(job)
    rows = job.con.execute(f"""
        select c.id from {current.table} c
        where not c.deleted and not exists (from read_{job.name} r where r.id = c.id)
        {f"and c.id not in ({gone})" if gone else ""} order by c.id""").fetchall()
    return [r[0] for r in rows]


def _says_deleted(job: Job) -> str:
    """SQL of ids whose current record itself says that it is deleted: a list need not show those."""
    deleted = job.entity.deleted
    if deleted is None or not deleted.when:
        return ""
    tests = [
        f"json_extract_string(record, {literal(json_path(path))}) in ({', '.join(literal(_text(v)) for v in values)})"
        for path, values in deleted.when.items()
    ]
    return f"""select id from (
        select id, arg_max(record, {raw.ORDER}) as record from log.raw.{job.name} group by id)
        where {" or ".join(tests)}"""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _confirm(job: Job, intake: Intake, missing: list[str], found: Found) -> None:
    keyed = [i for i in missing if not i.startswith("?")]
    gone = [i for i in missing if i.startswith("?")]  # a record without an id that is no longer served
    before = raw.missing_before(job.con, job.name)
    gone += [i for i in keyed if i in before]
    asked = [i for i in keyed if i not in before]
    if job.entity.get is not None:
        most = max(FEWEST_CONFIRMED, intake.tally.records // 100)
        absent = _ask(job, intake, asked[:most], found)
        gone += absent
        found.missing = asked[most:]
    else:
        found.missing = asked
    if found.missing:
        found.warnings.append(f"{len(found.missing)} {job.name} are missing; the next run tells if they are deleted")
    _bury(job, gone, found)


def _ask(job: Job, intake: Intake, ids: list[str], found: Found) -> list[str]:
    """Asks for each record; gives back those that are not there, and takes those that are."""
    request = job.entity.get
    if request is None or not ids:
        return []
    gone = []
    entity = job.entity
    layout = Layout(request.data_selector, layout_paths(entity), entity.modified, intake.layout.timezone)
    current = Current(job.table(), f"{job.name}_get", whole=False)
    alive = Intake(job.con, f"{job.name}_get", layout, job.folder, current=current, floor=job.floor)
    with ThreadPoolExecutor(job.connection.wire.concurrency) as pool:
        for record_id, response in zip(ids, pool.map(lambda i: _get(job, request, i), ids), strict=True):
            if response.status_code in GONE or _is_other(job, response, request, record_id):
                gone.append(record_id)
            elif response.status_code == 200:
                _take(job, alive, response)
            else:
                found.missing.append(record_id)
    tally = alive.finish()
    found.files += alive.files
    found.rows += tally.new + tally.changed
    return gone


def _get(job: Job, request: Request, record_id: str) -> Response:
    wire = job.wire
    path = request.path.replace("{id}", quote(record_id, safe=""))
    url = path if path.startswith("http") else f"{wire.log_in().rstrip('/')}/{path.lstrip('/')}"
    call = HttpRequest(
        request.method, url, headers=request.headers, params=_with_id(request.params, record_id),
        json=_with_id(request.json_body, record_id) if request.json_body is not None else None,
    )  # fmt: skip
    try:
        response = wire.session.send(wire.session.prepare_request(call), timeout=(10, wire.timeout))
    except RequestException as problem:
        raise wire.failed(f"fetch {job.name}", problem) from None
    if response.status_code == 401 or response.status_code >= 500:
        raise wire.failed(f"fetch {job.name}", RequestException(response=response))
    return response  # type: ignore[no-any-return]


def _with_id(value: Any, record_id: str) -> Any:
    if isinstance(value, str):
        return value.replace("{id}", record_id)
    if isinstance(value, dict):
        return {k: _with_id(v, record_id) for k, v in value.items()}
    return [_with_id(v, record_id) for v in value] if isinstance(value, list) else value


def _record(response: Response, selector: str | None) -> Any:
    found, value = select(response.json(), selector)
    return (value[0] if value else None) if found and isinstance(value, list) else value


def _is_other(job: Job, response: Response, request: Request, record_id: str) -> bool:
    """A merged record's id may give the record it became: then this id is no more."""
    if response.status_code != 200:
        return False
    record = _record(response, request.data_selector)
    if record is None:
        return True
    ids = [str(select(record, p)[1]) for p in layout_paths(job.entity) if select(record, p)[1] not in (None, "")]
    return bool(ids) and ids[0] != record_id


def _take(job: Job, intake: Intake, response: Response) -> None:
    del job
    intake.add(response.content, response.received_at, 1)  # type: ignore[attr-defined]


def _bury(job: Job, ids: Iterable[str], found: Found) -> None:
    """One tombstone each: the last known record, marked as deleted."""
    gone = sorted(set(ids))
    if not gone:
        return
    path = job.folder / f"{job.name}-gone.parquet"
    query = f"""select id, md5('deleted') as hash, null::varchar as modified, true as deleted,
        greatest(now(), make_timestamptz({job.floor})) as seen, arg_max(record, {raw.ORDER}) as record,
        null::varchar as problem
        from log.raw.{job.name} where id in (select unnest({_list(gone)})) group by id"""
    rows = job.con.execute(copy_sql(query, path)).fetchall()[0][0]
    found.files.append(path)
    found.deleted += rows
    found.rows += rows


def _list(ids: list[str]) -> str:
    return "[" + ", ".join(literal(i) for i in ids) + "]"
