"""Connections of kind file: CSV, Parquet and JSON lines go the same way as any CRM's records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from pipelines.extract.run import extract
from pipelines.mapping.language import Mapping
from pipelines.wire.errors import CrmUnreachable


def from_file(memory: ModuleType, tmp_path: Path, path: Path, key: Any = "id") -> Any:
    mapping = Mapping.model_validate(
        {
            "crm": "memory",
            "label": "Report",
            "connection": {"kind": "file", "path": str(path)},
            "entities": {"contacts": {"extract": {"path": "*"}, "id": key, "fields": {"name": "name"}}},
        }
    )
    return replace(memory.connection(tmp_path), mapping=mapping, wire=mapping.connection)


def test_csv_whose_columns_vary(memory: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_text('\ufeffid,name,List Price\n1,"Ada, ""the first""",5\n2,Grace,\n')
    connection = from_file(memory, tmp_path, file)
    assert extract(connection)[0].new == 2
    file.write_text("id;name;Status\n1;Ada;Sold\n2;Grace;\n")
    assert extract(connection)[0].changed == 2
    assert memory.current(connection) == {
        "1": {"id": "1", "name": "Ada", "Status": "Sold"}, "2": {"id": "2", "name": "Grace", "Status": None},
    }  # fmt: skip
    assert extract(connection)[0].unchanged == 2


def test_a_bad_line_is_set_aside_and_nothing_counts_as_deleted(memory: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_text("id,name\n1,Ada\n2,Grace\n3,Mary\n")
    connection = from_file(memory, tmp_path, file)
    extract(connection)
    file.write_text("id,name\n1,Ada\n2,Grace,too,many\n3,Maria\n")
    read = extract(connection)[0]
    assert (read.complete, read.changed, read.deleted) == (False, 1, 0)
    assert memory.rows(connection, "select text from raw._rejected_pages") == [("2,Grace,too,many",)]


def test_json_lines_keep_their_numbers(memory: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text('{"id": 12345678901234567890123, "tags": ["a"]}\n{"name": "nobody"}\n')
    connection = from_file(memory, tmp_path, file)
    read = extract(connection)[0]
    assert (read.new, read.rejected) == (2, 1)
    assert memory.rows(connection, "select id from raw.contacts where problem is null") == [
        ("12345678901234567890123",)
    ]


def test_parquet_and_an_id_of_two_columns(memory: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "deals.parquet"
    with duckdb.connect() as con:
        con.execute(f"""copy (select * from (values ('M1', '9 Elm', date '2026-01-02'), (null, '7 Oak', null))
            t("MLS #", address, closed)) to '{file}' (format parquet)""")
    connection = from_file(memory, tmp_path, file, ["MLS #", "address"])
    extract(connection)
    assert set(memory.current(connection)) == {"M1|9 Elm", "7 Oak"}


def test_a_folder_of_files_is_one_set(memory: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("id,name\n1,Ada\n")
    (folder / "b.json").write_text(json.dumps([{"id": "2"}, {"id": "3"}]))
    (folder / "notes.md").write_text("not data")
    connection = from_file(memory, tmp_path, folder)
    assert extract(connection)[0].new == 3
    (folder / "b.json").write_text(json.dumps([{"id": "2"}]))
    assert [extract(connection)[0].deleted for _ in range(2)] == [0, 1]


def test_no_file_is_said_with_the_place(memory: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(CrmUnreachable, match="No CSV, Parquet or JSON file at"):
        extract(from_file(memory, tmp_path, tmp_path / "absent.csv"))
