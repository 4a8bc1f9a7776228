"""Reads a sample: a list of records, one record a line, an API's answer with the list somewhere inside, or CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.mapping.document import shown
from pipelines.mapping.problems import MappingErrors, Problem

MOST = 500
_DEEPEST_LIST = 4

Record = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """The records of a sample (at most 500), and where they were.

    `selector` is the dotted path of the list in `envelope`, the answer around it; both are empty for a bare list.
    """

    records: list[Record]
    is_table: bool = False
    selector: str = ""
    envelope: Any = None


def read_sample(path: Path) -> Sample:
    """Read a sample of records.

    Raises:
        MappingErrors: the file cannot be read, or holds no records.
    """
    try:
        sample = _table(path) if path.suffix.lower() in (".csv", ".tsv", ".txt") else _json(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, f"cannot be read: {type(error).__name__}") from None
    if not any(sample.records):
        raise _refused(path, "holds no records")
    return sample


def _refused(path: Path, found: str, line: int = 1) -> MappingErrors:
    expected = "a JSON list, JSON lines, an API's answer, or CSV with a header"
    return MappingErrors([Problem(shown(path), line, 1, "", found, expected=expected)])


def _table(path: Path) -> Sample:
    import duckdb

    con = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    try:
        found = con.execute(
            "select * from read_csv(?, all_varchar => true, header => true, sample_size => -1) limit ?",
            [str(path), MOST],
        )
        names = [column[0] for column in found.description or []]
        return Sample([dict(zip(names, row, strict=True)) for row in found.fetchall()], is_table=True)
    except duckdb.Error as error:
        raise _refused(path, f"not readable as CSV: {str(error).splitlines()[0][:100]}") from None
    finally:
        con.close()


def _json(path: Path) -> Sample:
    text = path.read_text(encoding="utf-8-sig")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            data = [json.loads(line) for line in lines[:MOST]]
        except json.JSONDecodeError:
            raise _refused(path, f"not readable as JSON: {whole.msg}", whole.lineno) from None
    if isinstance(data, list):
        return Sample(_objects(data))
    lists = sorted(_lists(data, ""), key=lambda found: -sum(map(bool, found[1])))
    if lists:
        selector, records = lists[0]
        return Sample(records, selector=selector, envelope=data)
    return Sample(_objects([data]))


def _objects(values: list[Any]) -> list[Record]:
    return [value for value in values if isinstance(value, dict)][:MOST]


def _lists(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, list[Record]]]:
    """Lists of objects in an answer, with their paths; lists within records do not count."""
    if not isinstance(value, dict) or depth > _DEEPEST_LIST or _looks_like_record(value):
        return
    for key, member in value.items():
        where = f"{path}.{key}" if path else key
        if isinstance(member, list) and _objects(member):
            yield where, _objects(member)
        else:
            yield from _lists(member, where, depth + 1)


def _looks_like_record(value: Record) -> bool:
    """An answer has few plain values beside its list; a record has an id."""
    return any(key.lower() in ("id", "uuid", "key", "_id") for key in value)
