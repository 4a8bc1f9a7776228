"""What one CRM holds: one SQLite file per CRM, committed before the CRM answers.

A record is its JSON as the CRM would send it, plus what the CRM needs to find it again. Deleted records stay, marked,
so that a CRM can list them and an id is never given twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

Body = dict[str, Any]

_TABLES = """
create table if not exists records (
    seq integer primary key autoincrement, entity text not null, id text not null, body text not null,
    created real not null, modified real not null, deleted integer not null default 0, truth text,
    unique (entity, id));
create index if not exists records_live on records (entity, seq) where not deleted;
create index if not exists records_by_time on records (entity, modified, seq);
create table if not exists facts (name text primary key, value text not null);
"""
_COLUMNS = "seq, entity, id, body, created, modified, deleted, truth"


@dataclass(slots=True)
class Record:
    """One record of one CRM.

    Attributes:
        seq: the order in which the CRM got it.
        body: the record as the CRM would send it.
        created, modified: seconds since 1970 by the CRM's clock.
        deleted: True once it was deleted.
        truth: the id of the true person, deal, property or user; None for what a client of the API created.
    """

    entity: str
    id: str
    body: Body
    created: float
    modified: float
    deleted: bool = False
    truth: str | None = None
    seq: int = 0


class Store:
    """The records of one CRM.

    Args:
        path: the SQLite file, or None for a store in memory that ends with the object.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        if path:
            # NORMAL survives kill -9 of the process; FULL would only add the power cut, at milliseconds a write
            self.connection.executescript("pragma journal_mode = wal; pragma synchronous = normal;")
        self.connection.executescript(_TABLES)

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing for what is written inside; may be nested."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("begin")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def fill(self, records: Iterable[Record]) -> int:
        """Adds many new records at once and returns how many."""
        with self.transaction():
            before = self.connection.total_changes
            self.connection.executemany(
                "insert into records (entity, id, body, created, modified, deleted, truth)"
                " values (?, ?, ?, ?, ?, ?, ?)",
                map(_values, records),
            )
            return self.connection.total_changes - before

    def add(self, record: Record) -> Record:
        """Adds one new record; sqlite3.IntegrityError when its id is taken."""
        with self.transaction():
            self.fill([record])
        return self.get(record.entity, record.id) or record

    def save(self, record: Record) -> None:
        """Writes back a record that was read and changed."""
        self.connection.execute(
            "update records set body = ?, created = ?, modified = ?, deleted = ?, truth = ?"
            " where entity = ? and id = ?",
            (*_values(record)[2:], record.entity, record.id),
        )

    def get(self, entity: str, id: str | int) -> Record | None:
        """Returns one record, deleted ones too."""
        row = self.connection.execute(
            f"select {_COLUMNS} from records where entity = ? and id = ?", (entity, str(id))
        ).fetchone()
        return _record(row) if row else None

    def select(
        self, entity: str, where: str = "not deleted", values: Sequence[Any] = (), *,
        order: str = "seq", limit: int = -1, offset: int = 0,
    ) -> list[Record]:  # fmt: skip
        """Returns records that fit.

        Args:
            entity: which kind of records.
            where: an SQL condition over the columns seq, id, body, created, modified, deleted; for a field of the
                record write `body ->> '$.email' = ?`. Deleted records come along unless the condition excludes them.
            values: what stands for the question marks of `where`.
            order: SQL of an `order by`.
            limit: at most so many; -1 for all.
            offset: so many left out at the beginning.
        """
        rows = self.connection.execute(
            f"select {_COLUMNS} from records where entity = ? and ({where}) order by {order} limit ? offset ?",
            (entity, *values, limit, offset),
        )
        return [_record(row) for row in rows]

    def count(self, entity: str, where: str = "not deleted", values: Sequence[Any] = ()) -> int:
        """Returns how many records fit."""
        row = self.connection.execute(f"select count(*) from records where entity = ? and ({where})", (entity, *values))
        return int(row.fetchone()[0])

    def entities(self) -> list[str]:
        """Returns the kinds of records there are."""
        return [row[0] for row in self.connection.execute("select distinct entity from records order by 1")]

    def fact(self, name: str) -> str | None:
        """Returns something noted earlier under this name."""
        row = self.connection.execute("select value from facts where name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def note(self, name: str, value: str) -> None:
        """Notes something, e.g. the seed it was filled from."""
        self.connection.execute("insert or replace into facts values (?, ?)", (name, value))

    def next_number(self, name: str, first: int) -> int:
        """Returns the next of an endless row of numbers, e.g. for new ids; none is ever given twice."""
        number = max(int(self.fact(f"next {name}") or first), first)
        self.note(f"next {name}", str(number + 1))
        return number

    def clear(self) -> None:
        """Forgets everything."""
        with self.transaction():
            self.connection.execute("delete from records")
            self.connection.execute("delete from facts")


def _values(record: Record) -> tuple[Any, ...]:
    return (
        record.entity, record.id, orjson.dumps(record.body).decode(), record.created, record.modified,
        int(record.deleted), record.truth,
    )  # fmt: skip


def _record(row: Sequence[Any]) -> Record:
    seq, entity, id, body, created, modified, deleted, truth = row
    return Record(entity, id, orjson.loads(body), created, modified, bool(deleted), truth, seq)
