"""Many rows at once into a table.

A million rows take seconds, so rows go through the driver's own executemany.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

CHUNK = 50_000
BLOCK = 50
"""Rows of one statement, where a statement that holds several is faster."""


_MOMENTS = {"at", "until"}


def is_moment(column: sa.Column[Any]) -> bool:
    """True for columns that hold microseconds since 1970."""
    return isinstance(column.type, sa.BigInteger) and (
        column.name.endswith(("_at", "since")) or column.name in _MOMENTS
    )


def insert(connection: sa.Connection, table: sa.Table, rows: Iterable[Sequence[Any]], names: Sequence[str]) -> None:
    """Adds rows given as tuples in the order of `names`."""
    _run(connection, f"INSERT INTO {_quoted(connection, table.name)} ({_list(connection, names)})", rows, len(names))


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Iterable[Sequence[Any]], names: Sequence[str] | None = None,
    merged: Mapping[str, str] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Adds rows, or replaces those with the same primary key. Without `names` the tuples hold every column.

    `merged` says of columns how both values make the new one: an expression of `<table>.x` and `excluded.x`.
    """
    names = list(names) if names is not None else [column.name for column in table.columns]
    head = f"INSERT INTO {_quoted(connection, table.name)} ({_list(connection, names)})"
    _run(connection, head, rows, len(names), conflict(connection, table, names, merged))


def conflict(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], merged: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The ON CONFLICT clause that replaces the named columns; SQLite and PostgreSQL share it."""
    keys = [column.name for column in table.primary_key.columns]
    rest = [name for name in names if name not in keys]
    quoted = {n: _quoted(connection, n) for n in rest}
    sets = ", ".join(f"{name} = {merged.get(n, f'excluded.{name}')}" for n, name in quoted.items())
    return f" ON CONFLICT ({_list(connection, keys)}) DO " + (f"UPDATE SET {sets}" if rest else "NOTHING")


def _run(connection: sa.Connection, head: str, rows: Iterable[Sequence[Any]], width: int, tail: str = "") -> None:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    one = f"({', '.join([mark] * width)})"
    left = list(rows)
    if connection.dialect.name == "sqlite":
        # the driver gives its thread's turn away at every statement, and may wait long for the next one
        block = f"{head} VALUES {', '.join([one] * BLOCK)}{tail}"
        whole = len(left) - len(left) % BLOCK
        for start in range(0, whole, BLOCK):
            connection.exec_driver_sql(block, tuple(chain.from_iterable(left[start : start + BLOCK])))
        left = left[whole:]
    if left:
        connection.exec_driver_sql(f"{head} VALUES {one}{tail}", [tuple(row) for row in left])


def _list(connection: sa.Connection, names: Sequence[str]) -> str:
    return ", ".join(_quoted(connection, name) for name in names)


def _quoted(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
