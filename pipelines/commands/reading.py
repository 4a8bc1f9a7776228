"""Reads an owner's warehouse while no run writes to it: DuckDB lets one process write, or several read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.commands.exits import Exit, Stop
from pipelines.connections.locks import LockHeld, lock
from pipelines.connections.owner import Owner

if TYPE_CHECKING:
    import duckdb

WAIT_SECONDS = 60


@contextmanager
def read_warehouse(owner: Owner, purpose: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, read-only; waits for a run that is at work on it.

    Raises:
        Stop: nothing was unified yet, or it is held for too long: by whom, and since when.
    """
    from pipelines.warehouse.connect import open_warehouse

    if not owner.warehouse.exists():
        raise Stop(Exit.WRONG_SETTINGS, f"owner {owner.name} has no data yet: run a connection first")
    try:
        with lock(owner, "warehouse", purpose, wait_seconds=WAIT_SECONDS):
            con = open_warehouse(owner, read_only=True)
            try:
                yield con
            finally:
                con.close()
    except LockHeld as held:
        raise Stop(Exit.LOCKED, str(held)) from None
