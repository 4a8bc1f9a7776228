"""An owner: whose data it is. One owner is one folder, so that nobody sees another's (law L13)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SERVICE_OWNER = "_service"
"""Whose state holds what belongs to the whole service; no user can be this owner."""

_SAFE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.@-]{0,127}|_service)")


@dataclass(frozen=True)
class Owner:
    """Names the files of one owner below `data_dir`; creates nothing.

    Raises:
        ValueError: the name could leave the folder, or is no file name everywhere.
    """

    name: str
    data_dir: Path

    def __post_init__(self) -> None:
        if not _SAFE.fullmatch(self.name) or ".." in self.name:
            raise ValueError(f"owner {self.name!r}: use letters, digits, and . _ @ - (at most 128)")

    @property
    def root(self) -> Path:
        """The owner's folder; deleting it erases the owner."""
        return self.data_dir / self.name

    def raw(self, connection: str) -> Path:
        """The version log of one connection (DuckDB)."""
        return self.root / "raw" / f"{connection}.duckdb"

    @property
    def dlt_dir(self) -> Path:
        """dlt's working folder."""
        return self.root / "raw" / ".dlt"

    @property
    def warehouse(self) -> Path:
        """staging to unified: derived, may be deleted (DuckDB)."""
        return self.root / "warehouse.duckdb"

    @property
    def state(self) -> Path:
        """All that cannot be derived (SQLite)."""
        return self.root / "state.sqlite"

    @property
    def candidate(self) -> Path:
        """The file that is checked before it is published (DuckDB)."""
        return self.root / "candidate" / "crm.duckdb"

    @property
    def published_dir(self) -> Path:
        """Holds crm-<run>.duckdb, one for each run that published."""
        return self.root / "published"

    @property
    def crm(self) -> Path:
        """What analysts open: a link to the last good published file."""
        return self.root / "crm.duckdb"

    @property
    def docs_dir(self) -> Path:
        """Data Docs of the checks."""
        return self.root / "docs"

    @property
    def locks_dir(self) -> Path:
        """One file for each lock."""
        return self.root / "locks"
