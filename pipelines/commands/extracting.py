"""Reads several connections side by side; one that fails never stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pipelines.commands.failures import describe
from pipelines.commands.report import Report, Row
from pipelines.connections.connection import Connection
from pipelines.connections.locks import TAKING_IN, LockHeld, lock

AT_ONCE = 4
TAKING_IN_SECONDS = 60


@dataclass(frozen=True)
class Wanted:
    """What of a connection is to be read."""

    full_refresh: bool = False
    limit: int | None = None
    only: str | None = None
    allow_shrink: bool = False


def extract_all(
    connections: list[Connection], wanted: Wanted, report: Report, *, state: Any, progress: Callable[..., None]
) -> list[Connection]:
    """Reads all; gives back those that came through, in the order given.

    Failures are noted in the report with their exit code; what a failed connection had read before stays.
    """
    from pipelines.extract.run import extract

    def one(connection: Connection) -> list[Any]:
        with _alone(connection):
            return extract(
                connection,
                state=state,
                full_refresh=wanted.full_refresh,
                limit=wanted.limit,
                only=wanted.only,
                allow_shrink=wanted.allow_shrink,
                progress=lambda entity, done, total=None: progress(f"{connection.name} {entity}", done, total),
            )

    has_tables = any(connection.wire.kind == "table" for connection in connections)
    if len(connections) > 1 or has_tables:
        from pipelines.state.arrow import be_there

        be_there(with_pandas=has_tables)
    came_through = []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, max(1, len(connections)))) as pool:
        futures = [(connection, pool.submit(one, connection)) for connection in connections]
        for connection, future in futures:
            try:
                reads = future.result()
            except Exception as problem:  # noqa: BLE001 - one connection's failure is that connection's alone
                report.stop(*describe(problem, connection))
                continue
            came_through.append(connection)
            report.rows += [row_of(connection, read) for read in reads]
            report.messages += [f"[{connection.mapping.label}] {w}" for read in reads for w in read.warnings]
            _say_done(connection, reads)
    return came_through


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """The connection's extract lock; who takes in webhooks is waited for."""
    asked = (connection.owner, f"extract-{connection.name}", "reading the CRM")
    with ExitStack() as held:
        try:
            held.enter_context(lock(*asked))
        except LockHeld as met:
            if met.holder is None or met.holder.purpose != TAKING_IN:
                raise
            held.enter_context(lock(*asked, wait_seconds=TAKING_IN_SECONDS))
        yield


def row_of(connection: Connection, read: Any) -> Row:
    """The report's row for one entity that was read."""
    return Row(
        "extract",
        read.entity,
        connection.name,
        came_in=read.records,
        new=read.new,
        changed=read.changed,
        unchanged=read.unchanged,
        deleted=read.deleted,
        rejected=read.rejected,
        seconds=read.seconds,
    )


def _say_done(connection: Connection, reads: list[Any]) -> None:
    import logging

    logger = logging.getLogger("crosswalk")
    for read in reads:
        logger.info("[%s] Successfully synced %d %s", connection.mapping.label, read.records, read.entity)
