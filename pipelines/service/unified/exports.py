"""Golden records as CSV, Excel or Parquet: written a batch at a time, so that memory stays flat.

A text that a spreadsheet would run as a formula gets an apostrophe before it (CSV), or is stored as text (Excel).

Source: OWASP, CSV Injection (doc): cells that begin with = + - @, tab or carriage return.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.service.errors import ServiceError
from pipelines.service.unified.filters import Where
from pipelines.warehouse.models import ident

if TYPE_CHECKING:
    from pipelines.service.context import Context

Format = Literal["csv", "xlsx", "parquet"]
MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
BATCH = 10_000
SHEET_ROWS = 1_048_575
SHEET_TEXT = 32_767
_PHONE = re.compile(r"\+[0-9]{6,15}(;ext=[0-9]+)?")
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(context: Context, owner: Owner, schema: CanonicalEntity, wanted: Where, form: Format) -> Iterator[bytes]:
    """The records as the bytes of a file.

    Raises:
        ServiceError: 400, more rows than a spreadsheet holds.
    """
    with context.published.cursor(owner) as cursor:
        source = _source(cursor, schema)
        try:
            if cursor is not None and source is not None:
                yield from _WRITERS[form](cursor, source, wanted)
            else:
                with duckdb.connect() as empty:
                    yield from _WRITERS[form](empty, _nothing(schema), Where())
        except duckdb.ConversionException as problem:
            raise ServiceError(400, "Invalid filters", details=str(problem).splitlines()[0][:300]) from None


def columns_of(schema: CanonicalEntity) -> list[str]:
    """The columns of an export."""
    own = [name for name in schema.fields if name != "created_at"]
    return [f"{schema.singular}_id", *own, "connections", "source_count", "created_at", "updated_at"]


def _source(cursor: duckdb.DuckDBPyConnection | None, schema: CanonicalEntity) -> str | None:
    if cursor is None:
        return None
    table = f"unified.{ident(schema.entity)}"
    there = cursor.execute(
        "select count(*) from information_schema.tables where table_schema = 'unified' and table_name = ?",
        [schema.entity],
    ).fetchall()[0][0]
    return f"select {', '.join(f'g.{ident(c)}' for c in columns_of(schema))} from {table} as g" if there else None


def _nothing(schema: CanonicalEntity) -> str:
    types = {name: field.duckdb_type for name, field in schema.fields.items()}
    types |= {
        "connections": "VARCHAR[]",
        "source_count": "BIGINT",
        "created_at": "TIMESTAMPTZ",
        "updated_at": "TIMESTAMPTZ",
    }
    empty = ", ".join(f"null::{types.get(c, 'VARCHAR')} as {ident(c)}" for c in columns_of(schema))
    return f"select * from (select {empty} limit 0) as g"


def _ordered(source: str, wanted: Where) -> str:
    return f"{source} where {wanted.sql} order by 1"


def _batches(
    cursor: duckdb.DuckDBPyConnection, source: str, wanted: Where
) -> tuple[list[str], Iterator[list[tuple[Any, ...]]]]:
    """Names, and rows in which lists are texts with semicolons and times are ISO 8601."""
    described = cursor.execute(f"describe {_ordered(source, wanted)}", wanted.values).fetchall()
    names = [str(row[0]) for row in described]
    plain = ", ".join(_plain(str(name), str(kind)) for name, kind, *_ in described)
    found = cursor.execute(f"select {plain} from ({_ordered(source, wanted)})", wanted.values)

    def chunks() -> Iterator[list[tuple[Any, ...]]]:
        while rows := found.fetchmany(BATCH):
            yield rows

    return names, chunks()


def _plain(name: str, kind: str) -> str:
    column = ident(name)
    if kind.endswith("[]"):
        return f"array_to_string({column}, '; ') as {column}"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {column}), '%Y-%m-%dT%H:%M:%SZ') as {column}"
    if kind == "DATE" or kind.startswith("JSON"):
        return f"{column}::varchar as {column}"
    return f"{column}::double as {column}" if kind.startswith("DECIMAL") else column


def safe(value: Any) -> Any:
    """A cell that no spreadsheet runs. A telephone number, all digits behind its plus, is none to run."""
    if not isinstance(value, str) or not value.startswith(_STARTS) or _PHONE.fullmatch(value):
        return value
    return f"'{value}"


def _csv(cursor: duckdb.DuckDBPyConnection, source: str, wanted: Where) -> Iterator[bytes]:
    names, batches = _batches(cursor, source, wanted)
    yield b"\xef\xbb\xbf" + _lines([names])
    for batch in batches:
        yield _lines([[safe(value) for value in row] for row in batch])


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _xlsx(cursor: duckdb.DuckDBPyConnection, source: str, wanted: Where) -> Iterator[bytes]:
    import xlsxwriter  # type: ignore[import-untyped]

    count = cursor.execute(f"select count(*) from ({_ordered(source, wanted)})", wanted.values).fetchall()[0][0]
    if count > SHEET_ROWS:
        raise ServiceError(400, f"A sheet holds {SHEET_ROWS} rows, and there are {count}", details="Use csv or parquet")
    names, batches = _batches(cursor, source, wanted)
    with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
        path = Path(folder) / "export.xlsx"
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": folder}
        with xlsxwriter.Workbook(str(path), options) as book:
            sheet = book.add_worksheet("export")
            sheet.write_row(0, 0, names)
            number = 0
            for batch in batches:
                for row in batch:
                    number += 1
                    sheet.write_row(number, 0, [_cell(value) for value in row])
        yield from _pieces(path)


def _cell(value: Any) -> Any:
    return value[:SHEET_TEXT] if isinstance(value, str) else value


def _parquet(cursor: duckdb.DuckDBPyConnection, source: str, wanted: Where) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
        path = Path(folder) / "export.parquet"
        copied = f"copy ({_ordered(source, wanted)}) to '{path}' (format parquet, compression zstd)"
        cursor.execute(copied, wanted.values)
        yield from _pieces(path)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 18):
            yield piece


_WRITERS = {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet}
