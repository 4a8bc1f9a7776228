"""The ledger's lines: one for each field that was written, of which the state keeps one row for each record.

Of a row only `fields` says more than one thing: a JSON list of [field, old, new, since, read_back, left out], values as
JSON text, `since` in microseconds, the last one why the field was not sent with the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from pipelines.state.intents import Change
from pipelines.state.push_tables import ledger

_CHANGE = (
    sa.Column("field", sa.Text), sa.Column("old", sa.Text), sa.Column("new", sa.Text), sa.Column("read_back", sa.Text),
    sa.Column("since", sa.BigInteger),
)  # fmt: skip
_SHARED = [column for column in ledger.columns if column.name != "fields"]
_FIRST = [column.name for column in _SHARED].index("status")
COLUMNS: list[sa.Column[Any]] = [*_SHARED[:_FIRST], *_CHANGE, *_SHARED[_FIRST:]]
"""Of a line."""


def packed(changes: tuple[Change, ...], read_back: Mapping[str, str | None], left_out: Mapping[str, str]) -> str:
    """The column `fields`. What is deleted has no fields, but its line."""
    kept, why = read_back.get, left_out.get
    told = [(*change, kept(change.field), why(change.field)) for change in changes or (Change("", None, None),)]
    return orjson.dumps(told).decode()


def lines(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of a row, with the names of COLUMNS."""
    shared = {name: value for name, value in row.items() if name != "fields"}
    for field, old, new, since, read_back, left_out in json.loads(row["fields"]):
        line = {**shared, "field": field, "old": old, "new": new, "since": since, "read_back": read_back}
        yield line if left_out is None else line | {"status": "skipped", "http_status": None, "error": left_out}


def lines_sql(rows: str) -> str:
    """The lines of rows that DuckDB sees under a name; moments with their time zone."""
    shown = {
        "field": "told[1]", "old": "told[2]", "new": "told[3]", "read_back": "told[5]",
        "since": "make_timestamp(told[4]::BIGINT) AT TIME ZONE 'UTC'",
        "status": "if(told[6] IS NULL, status, 'skipped')",
        "http_status": "if(told[6] IS NULL, http_status, NULL)",
        "error": "coalesce(told[6], error)",
    }  # fmt: skip
    columns = ", ".join(f"{shown.get(column.name, column.name)} AS {column.name}" for column in COLUMNS)
    each = f"""SELECT *, unnest(from_json(fields, '[["VARCHAR"]]')) AS told FROM {rows}"""
    return f"SELECT {columns} FROM ({each})"
