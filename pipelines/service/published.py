"""The published file, opened only to be read, and re-opened when a newer one is swapped in.

DuckDB knows a database by its path, so what is opened is the file that `crm.duckdb` points to, never the link. Readers
of an older file go on until they are done; nobody waits for a run, and no run waits for them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connections.owner import Owner
from pipelines.warehouse.connect import configuration

AT_MOST_OPEN = 16
MEMORY = "512MB"
TRIES = 3


@dataclass
class _File:
    """One open file and how many read it."""

    path: Path
    con: duckdb.DuckDBPyConnection
    readers: int = 0
    is_left: bool = False


class Published:
    """The published files of all owners; a few stay open. Safe for many threads."""

    def __init__(self, *, at_most_open: int = AT_MOST_OPEN) -> None:
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._lock = threading.Lock()
        self._at_most = at_most_open

    @contextmanager
    def cursor(self, owner: Owner) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A cursor of its own on the owner's newest published file; None where nothing was published yet."""
        file = self._take(owner)
        if file is None:
            yield None
            return
        cursor = file.con.cursor()
        try:
            yield cursor
        finally:
            cursor.close()
            self._give_back(file)

    def rows(self, owner: Owner, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query; none where nothing was published, or the file has no such table."""
        with self.cursor(owner) as cursor:
            if cursor is None:
                return []
            try:
                return cursor.execute(sql, values or []).fetchall()
            except duckdb.CatalogException:
                return []

    def close(self) -> None:
        """Closes every file; cursors that are out keep theirs until they are given back."""
        with self._lock:
            for key in list(self._files):
                self._leave(key)

    def _take(self, owner: Owner) -> _File | None:
        for attempt in range(TRIES):
            try:
                path = owner.crm.resolve(strict=True)
            except OSError:
                return None
            with self._lock:
                try:
                    return self._opened(str(owner.root), path, owner)
                except duckdb.IOException:
                    if attempt == TRIES - 1:  # pruned between the look and the opening: the link names a newer one
                        raise
        return None

    def _opened(self, key: str, path: Path, owner: Owner) -> _File:
        file = self._files.get(key)
        if file is None or file.path != path:
            settings = {**configuration(owner.root / "spill"), "memory_limit": MEMORY}
            con = duckdb.connect(str(path), read_only=True, config=settings)
            con.execute("set TimeZone = 'UTC'")
            self._leave(key)
            file = self._files[key] = _File(path, con)
        self._files.move_to_end(key)
        file.readers += 1
        while len(self._files) > self._at_most:
            self._leave(next(iter(self._files)))
        return file

    def _leave(self, key: str) -> None:
        """Forgets a file; the last of its readers closes it."""
        file = self._files.pop(key, None)
        if file is not None:
            file.is_left = True
            if file.readers == 0:
                file.con.close()

    def _give_back(self, file: _File) -> None:
        with self._lock:
            file.readers -= 1
            if file.is_left and file.readers == 0:
                file.con.close()
