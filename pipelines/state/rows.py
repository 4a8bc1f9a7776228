"""Many rows at once: from Arrow or tuples into a table, and back as Arrow batches.

A million rows take seconds, so rows go through the driver's own executemany, and come back a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

CHUNK = 50_000
BLOCK = 50
"""Rows of one statement, where a statement that holds several is faster."""
MOMENT = pa.timestamp("us", tz="UTC")


_MOMENTS = {"at", "until"}


def is_moment(column: sa.Column[Any]) -> bool:
    """True for columns that hold microseconds since 1970."""
    return isinstance(column.type, sa.BigInteger) and (
        column.name.endswith(("_at", "since")) or column.name in _MOMENTS
    )


def arrow_schema(columns: Sequence[sa.Column[Any]]) -> pa.Schema:
    """Arrow types of the columns: text, int64, double, moments in UTC."""
    return pa.schema([(column.name, _arrow_type(column)) for column in columns])


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    if is_moment(column):
        return MOMENT
    if isinstance(column.type, sa.Integer):
        return pa.int64()
    if isinstance(column.type, sa.Boolean):
        return pa.bool_()
    return pa.float64() if isinstance(column.type, sa.Float) else pa.string()


def read_arrow(
    connection: sa.Connection, columns: Sequence[sa.Column[Any]], where: ColumnElement[bool] | None = None
) -> Iterator[pa.RecordBatch]:
    """The chosen columns as Arrow batches of at most CHUNK rows; no batch where there is no row."""
    query = sa.select(*columns) if where is None else sa.select(*columns).where(where)
    schema = arrow_schema(columns)
    with connection.execution_options(yield_per=CHUNK).execute(query) as found:
        for chunk in found.partitions():
            values = zip(zip(*chunk, strict=True), schema, strict=True)
            yield pa.RecordBatch.from_arrays([_array(column, field.type) for column, field in values], schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, type=pa.int64(), from_pandas=False).cast(kind)
    return pa.array(values, type=kind, from_pandas=False)


def tuples(table: pa.Table, names: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The named columns of an Arrow table as chunks of tuples; moments become microseconds."""
    for batch in table.select(list(names)).to_batches(max_chunksize=CHUNK):
        yield list(zip(*(_plain(column) for column in batch.columns), strict=True))


def _plain(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64())
    return list(column.to_pylist())


def insert(connection: sa.Connection, table: sa.Table, rows: Iterable[Sequence[Any]], names: Sequence[str]) -> None:
    """Adds rows given as tuples in the order of `names`."""
    _run(connection, f"INSERT INTO {_quoted(connection, table.name)} ({_list(connection, names)})", rows, len(names))


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Iterable[Sequence[Any]], names: Sequence[str] | None = None
) -> None:
    """Adds rows, or replaces those with the same primary key. Without `names` the tuples hold every column."""
    names = list(names) if names is not None else [column.name for column in table.columns]
    head = f"INSERT INTO {_quoted(connection, table.name)} ({_list(connection, names)})"
    _run(connection, head, rows, len(names), conflict(connection, table, names))


def conflict(connection: sa.Connection, table: sa.Table, names: Sequence[str]) -> str:
    """The ON CONFLICT clause that replaces the named columns; SQLite and PostgreSQL share it."""
    keys = [column.name for column in table.primary_key.columns]
    rest = [name for name in names if name not in keys]
    sets = ", ".join(f"{_quoted(connection, n)} = excluded.{_quoted(connection, n)}" for n in rest)
    return f" ON CONFLICT ({_list(connection, keys)}) DO " + (f"UPDATE SET {sets}" if rest else "NOTHING")


def _run(connection: sa.Connection, head: str, rows: Iterable[Sequence[Any]], width: int, tail: str = "") -> None:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    one = f"({', '.join([mark] * width)})"
    left = [tuple(row) for row in rows]
    if connection.dialect.name == "sqlite":
        # the driver gives its thread's turn away at every statement, and may wait long for the next one
        block = f"{head} VALUES {', '.join([one] * BLOCK)}{tail}"
        whole = len(left) - len(left) % BLOCK
        for start in range(0, whole, BLOCK):
            connection.exec_driver_sql(block, tuple(chain.from_iterable(left[start : start + BLOCK])))
        left = left[whole:]
    if left:
        connection.exec_driver_sql(f"{head} VALUES {one}{tail}", left)


def _list(connection: sa.Connection, names: Sequence[str]) -> str:
    return ", ".join(_quoted(connection, name) for name in names)


def _quoted(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
