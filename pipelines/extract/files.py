"""Connections of kind file: CSV, Parquet and JSON lines, read by DuckDB into the same version log.

Every row becomes a JSON object of its columns, so that columns may vary from file to file and from day to day. The
whole set is read each time and compared by content. A line that cannot be read is set aside, and the read then counts
as incomplete.
"""

from __future__ import annotations

import csv
import glob
import gzip
import re
from pathlib import Path

import duckdb

from pipelines.extract.shape import literal
from pipelines.wire.errors import CrmUnreachable

_CSV = (".csv", ".tsv", ".txt")
_JSON = (".json", ".jsonl", ".ndjson")


def found_files(label: str, path: str, pattern: str) -> list[Path]:
    """The files of a connection: `path` itself, or what `pattern` finds below the folder that it names.

    Raises:
        CrmUnreachable: there is none.
    """
    whole = str(Path(path) / pattern) if Path(path).is_dir() else path
    found = sorted(Path(p) for p in glob.glob(whole, recursive=True) if Path(p).is_file())
    readable = [p for p in found if kind_of(p) is not None]
    if not readable:
        raise CrmUnreachable(label, f"No CSV, Parquet or JSON file at {whole}")
    return readable


def kind_of(path: Path) -> str | None:
    """csv, json or parquet, by the name; a .gz or .zst behind it does not count."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in (".gz", ".zst")]
    last = suffixes[-1] if suffixes else ""
    return "csv" if last in _CSV else "json" if last in _JSON else "parquet" if last in (".parquet", ".pq") else None


def rows_sql(path: Path, seen: int, rejects: str) -> str:
    """A file's rows as (record, seen).

    Args:
        path: one file.
        seen: when it was read (us).
        rejects: table that takes the lines of a CSV file that cannot be read.
    """
    name, stamp = literal(str(path)), f"make_timestamptz({seen}) as seen"
    if kind_of(path) == "json":
        return f"select json as record, {stamp} from read_json_objects({name}, format = 'auto')"
    if kind_of(path) == "parquet":
        return f"select to_json(r) as record, {stamp} from read_parquet({name}) r"
    return f"""select to_json(r) as record, {stamp} from read_csv({name}, {_dialect(path)}
        header = true, store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{rejects}_scan') r"""


def _dialect(path: Path) -> str:
    """Delimiter and columns as the first line shows them; told to DuckDB, as one bad line can mislead its guess."""
    if path.suffix.lower() == ".zst":
        return "all_varchar = true,"
    with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
        header = file.readline(1_000_000).decode("utf-8-sig", "replace")
    bare = re.sub(r'"[^"]*"', "", header)
    delimiter = max((",", ";", "\t", "|"), key=bare.count)
    names: list[str] = []
    for name in next(csv.reader([header], delimiter=delimiter), []):
        names.append(name if name and name not in names else f"{name or 'column'}_{len(names) + 1}")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return f"""auto_detect = false, delim = {literal(delimiter)}, quote = '"', escape = '"', columns = {{{columns}}},"""


def rejected_lines(con: duckdb.DuckDBPyConnection, rejects: str) -> list[tuple[str, str]]:
    """Reason and text of each line that could not be read."""
    query = f"select distinct on (line) error_message, csv_line from {rejects} order by line"
    try:
        rows = con.execute(query).fetchall()
    except duckdb.CatalogException:
        return []
    return [(f"a line that cannot be read: {reason}"[:300], str(line)[:2000]) for reason, line in rows]
