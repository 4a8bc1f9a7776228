"""Rows of a table as Arrow, a chunk at a time, and Arrow's as tuples.

Apart from `rows`, because a run with nothing new needs no Arrow, whose import is a tenth of all that such a run takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from pipelines.state.rows import CHUNK, is_moment

MOMENT = pa.timestamp("us", tz="UTC")


def be_there(*, with_pandas: bool = False) -> None:
    """Called before threads start: DuckDB looks into these modules wherever one imports them, and meets half of one.

    Args:
        with_pandas: PyArrow imports it when it first makes an array of Python values.
    """
    if with_pandas:
        pa.array([0])


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
