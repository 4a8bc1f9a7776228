"""Reads one connection: every entity's records from the CRM into the raw version log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from requests.adapters import BaseAdapter

from pipelines.connections.connection import Connection
from pipelines.extract import raw
from pipelines.extract.job import EntityRead, Job, Outcome
from pipelines.extract.load import Folder, Versions, finish_pending, load
from pipelines.extract.read import read_entity
from pipelines.wire.accounts import limiter_for
from pipelines.wire.session import open_wire

__all__ = ["EntityRead", "extract"]

Loader = Callable[[Connection, Folder, list[Versions]], str]


def extract(
    connection: Connection, *, state: Any = None, full_refresh: bool = False, limit: int | None = None,
    only: str | None = None, entities: list[str] | None = None, progress: Callable[..., None] | None = None,
    allow_shrink: bool = False, adapter: BaseAdapter | None = None, loader: Loader = load,
    backoff: float = 0.5,
) -> list[EntityRead]:  # fmt: skip
    """Reads a connection into its raw log; the caller holds the connection's extract lock.

    Args:
        connection: what to read.
        state: the owner's open state, where a day's quota is counted for all processes; None counts it here.
        full_refresh: asks for everything, whatever the bookmark.
        limit: a pilot of at most so many records of each entity; bookmark and deletions are left alone.
        only: a pilot of the one record with this id.
        entities: only these.
        progress: called as `progress(entity, records_so_far, total_or_None)` from several threads.
        allow_shrink: the caller knows that the source is smaller (L10).
        adapter: what carries the bytes; default: the network.
        loader: what appends the new versions; default: dlt.
        backoff: seconds before a call is repeated; doubles each time.

    Raises:
        CrmError: the CRM refused, throttled or cannot be reached; what was read of other entities is kept.
        SourceShrank: the guard stopped it; nothing was loaded.
    """
    wanted = {k: v for k, v in connection.entities.items() if entities is None or k in entities}
    if not wanted:
        return []
    folder = Folder(connection)
    folder.empty()
    touched = finish_pending(connection, folder)
    path = connection.owner.raw(connection.name)
    wire = open_wire(connection, limiter_for(connection, state), adapter=adapter, backoff=backoff)
    try:
        with raw.work(path, folder.spool) as con:
            log = raw.Log.of(con)
            last, floor = log.last_reads(), log.last_seen() + 1
            jobs = [
                Job(
                    connection, wire, name, entity, con.cursor(), folder.spool, floor, log,
                    last.get(name, {}), full_refresh, limit, only, allow_shrink, progress or _silent, state,
                )
                for name, entity in wanted.items()
            ]  # fmt: skip
            outcomes = _read_all(jobs)
    finally:
        wire.close()
    return keep(connection, folder, outcomes, touched, loader)


def _silent(*_: Any) -> None:
    """Progress that nobody watches."""


def _read_all(jobs: list[Job]) -> list[Outcome]:
    if len(jobs) == 1:
        return [read_entity(jobs[0])]
    with ThreadPoolExecutor(min(4, len(jobs)), thread_name_prefix="read") as pool:
        return list(pool.map(read_entity, jobs))


def keep(
    connection: Connection, folder: Folder, outcomes: list[Outcome], touched: list[str], loader: Loader
) -> list[EntityRead]:
    """Loads what is new and notes what was read; then says what failed."""
    versions = [v for outcome in outcomes if (v := outcome.versions) is not None]
    load_id = loader(connection, folder, versions) if versions else ""
    notes = [outcome.note(load_id) for outcome in outcomes if outcome.is_noted]
    tables = {v.entity for v in versions} | set(touched)
    if notes or tables:
        raw.note(connection.owner.raw(connection.name), folder.spool, notes, sorted(tables))
    folder.tidy()
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed:
        raise failed[0]
    return [outcome.read for outcome in outcomes]
