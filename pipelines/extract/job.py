"""One entity to read, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connections.connection import Connection
from pipelines.extract import raw
from pipelines.extract.load import Versions
from pipelines.mapping.language import Entity
from pipelines.state.database import State
from pipelines.state.forgotten import left_out_sql
from pipelines.wire.session import Wire


@dataclass(frozen=True)
class EntityRead:
    """What reading one entity came to.

    Attributes:
        records: records received; rejected: those that cannot be keyed.
        new, changed, unchanged, deleted: of records.
        full: everything was asked for; complete: and every page could be read.
        calls: attempts made for this entity, login and repetitions included.
        bookmark: from when on the next read asks (UTC, ISO 8601); None: everything.
        windows: how many windows it was read in; the first page counts as one where it was only looked at.
    """

    entity: str
    records: int
    new: int
    changed: int
    unchanged: int
    deleted: int
    rejected: int
    complete: bool
    calls: int
    seconds: float
    bookmark: str | None
    warnings: list[str] = field(default_factory=list)
    full: bool = False
    windows: int = 1


@dataclass
class Job:
    """One entity to read."""

    connection: Connection
    wire: Wire
    name: str
    entity: Entity
    con: duckdb.DuckDBPyConnection
    folder: Path
    floor: int
    log: raw.Log
    last: dict[str, Any]
    full_refresh: bool
    limit: int | None
    only: str | None
    allow_shrink: bool
    progress: Callable[..., None]
    state: State | None = None

    @property
    def left_out(self) -> str:
        """SQL over `key`, true for records that were erased; empty where none was."""
        return left_out_sql(self.state, self.connection.name, self.name, "key") if self.state is not None else ""

    @property
    def is_pilot(self) -> bool:
        """A pilot leaves bookmark and deletions alone."""
        return self.limit is not None or self.only is not None

    @property
    def is_known(self) -> bool:
        """The log has the entity's table."""
        return self.name in self.log.tables

    def table(self) -> str | None:
        """The entity's table in the log; None where there is none yet."""
        return self.name if self.is_known else None


@dataclass
class Outcome:
    """What came of a job: its read, new versions, and what is to be noted."""

    read: EntityRead
    versions: Versions | None = None
    error: Exception | None = None
    rejected_pages: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] | None = None
    named_deleted: list[str] | None = None
    shape: str = ""

    @property
    def is_noted(self) -> bool:
        """A read that failed leaves no note."""
        return self.error is None

    def note(self, load_id: str) -> raw.Note:
        """The row of `_reads`, and what goes with it."""
        r = self.read
        counts = (r.records, r.new, r.changed, r.unchanged, r.deleted)
        return raw.Note(
            load_id if self.versions else "", r.entity, r.full, r.complete, counts, r.bookmark, self.shape,
            self.rejected_pages, self.missing, self.named_deleted,
        )  # fmt: skip
