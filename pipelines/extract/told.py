"""What a CRM told by itself: records that it points to are fetched, records that it sent are taken as they are.

They go the way of all records, into the same version log through the same load, and the next staging finds them there.
Bookmarks, full reads and what is missing are left alone: a webhook that never came is healed by the next read.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from requests.adapters import BaseAdapter

from pipelines.connections.connection import Connection
from pipelines.extract import deletions, raw
from pipelines.extract.job import EntityRead, Job, Outcome
from pipelines.extract.load import Folder, Versions, finish_pending, load
from pipelines.extract.own_fields import with_own_fields
from pipelines.extract.pages import Current, Intake, Layout
from pipelines.extract.run import Loader, keep
from pipelines.wire.accounts import limiter_for
from pipelines.wire.session import Wire, open_wire


@dataclass
class Told:
    """Of one entity: ids to fetch, ids that are gone, and records by id with when each was received (us)."""

    fetch: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    records: dict[str, tuple[Any, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """Reads by entity; `(entity, id)` of what could not be fetched, and of what was read later anyway."""

    reads: list[EntityRead]
    unanswered: list[tuple[str, str]]
    overtaken: list[tuple[str, str]]


def take_told(
    connection: Connection, told: dict[str, Told], *, state: Any = None, adapter: BaseAdapter | None = None,
    loader: Loader = load, backoff: float = 0.5,
) -> Taken:  # fmt: skip
    """Takes into the raw log what a CRM told; the caller holds the connection's extract lock.

    Args:
        connection: whose CRM.
        told: by entity.
        state: the owner's open state, where a day's quota is counted for all processes.
        adapter: what carries the bytes; default: the network.
        loader: what appends the new versions; default: dlt.
        backoff: seconds before a call is repeated; doubles each time.

    Raises:
        CrmError: the CRM refused, throttled or cannot be reached; nothing was loaded, and all may be told again.
    """
    folder = Folder(connection)
    folder.empty()
    touched = finish_pending(connection, folder)
    wire = open_wire(connection, limiter_for(connection, state), adapter=adapter, backoff=backoff)
    try:
        with raw.work(connection.owner.raw(connection.name), folder.spool) as con:
            log = raw.Log.of(con)
            floor = log.last_seen() + 1
            takings = [
                _Taking(_job(connection, wire, name, con, folder, floor, log, state), one)
                for name, one in told.items()
                if name in connection.entities
            ]
            outcomes = [taking.take() for taking in takings]
    finally:
        wire.close()
    reads = keep(connection, folder, outcomes, touched, loader)
    return Taken(
        reads,
        [(taking.job.name, i) for taking in takings for i in taking.found.missing],
        [(taking.job.name, i) for taking in takings for i in taking.overtaken],
    )


def _job(
    connection: Connection, wire: Wire, name: str, con: Any, folder: Folder, floor: int, log: raw.Log, state: Any
) -> Job:
    return Job(
        connection, wire, name, connection.entities[name], con.cursor(), folder.spool, floor, log,
        {}, False, None, None, False, _silent, state,
    )  # fmt: skip


def _silent(*_: Any) -> None:
    """Progress that nobody watches."""


class _Taking:
    """One entity of one batch."""

    def __init__(self, job: Job, told: Told) -> None:
        self.job, self.told = job, told
        self.found = deletions.Found()
        self.overtaken: list[str] = []
        self.started = time.monotonic()

    def take(self) -> Outcome:
        """Records that were sent, then those that are fetched, then what is gone."""
        job, entity = self.job, self.job.entity
        zone = job.connection.wire.timezone
        layout = Layout(None, entity.key, entity.modified, zone, entity.only_with, job.left_out)
        current = Current(job.table(), f"{job.name}_told", whole=False)
        intake = Intake(job.con, f"{job.name}_told", layout, job.folder, current=current, floor=job.floor)
        try:
            for record, received_at in self._news():
                intake.add(_page(record), received_at, 1)
            tally = intake.finish()
        finally:
            intake.close()
        gone = [*self.told.gone, *self._fetch(intake)]
        if job.is_known:
            deletions.bury(job, gone, self.found)
        records = tally.records + len(self.told.fetch) - len(self.found.missing)
        changed = tally.changed + self.found.rows - self.found.deleted
        read = EntityRead(
            job.name, records, tally.new, changed, tally.unchanged, self.found.deleted, tally.problems, False,
            job.wire.calls[job.name], time.monotonic() - self.started, None,
        )  # fmt: skip
        files = [*intake.files, *self.found.files]
        return Outcome(read, Versions(job.name, files, intake.rows + self.found.rows) if files else None)

    def _fetch(self, intake: Intake) -> list[str]:
        """Fetches what was pointed to; gives back what is not there. Where the CRM has no such call, none is."""
        ids = list(dict.fromkeys(self.told.fetch))
        if self.job.entity.get is None:
            self.found.missing += ids
            return []
        if ids:
            self.job.entity, _ = with_own_fields(self.job)
        return deletions.ask(self.job, intake, ids, self.found)

    def _news(self) -> list[tuple[Any, int]]:
        """The records that were received after the version that is there was seen."""
        sent = self.told.records
        if not sent or not self.job.is_known:
            return list(sent.values())
        query = f"""select id, epoch_us(max(seen)) from log.raw.{self.job.name}
            where id in (select unnest(?::varchar[])) group by id"""
        seen = dict(self.job.con.execute(query, [list(sent)]).fetchall())
        self.overtaken = [i for i, (_, received_at) in sent.items() if seen.get(i, 0) > received_at]
        return [pair for i, pair in sent.items() if i not in set(self.overtaken)]


def _page(record: Any) -> bytes:
    return json.dumps([record], ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
