"""Files as a CRM: Brivity's transaction report, whose columns vary, and the same in Parquet and JSON lines."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.connections.project import find_project
from pipelines.connections.resolve import resolve
from pipelines.extract.run import extract
from pipelines.mapping.load import load_schemas
from pipelines.staging.stage import stage
from pipelines.warehouse.connect import open_warehouse

REPORT = """MLS #,Address,City,Side,Status,List Price,Close Price,GCI,Close Date,Source,Agent Split
2201,12 Oak St,Reno,Buyer,Closed,"$450,000","$441,500",13245,2026-03-02,Zillow,70%
2202,7 Elm Ct,Sparks,Seller,Pending,"$399,900",,,,Referral,60%
,9 Pine Rd,Reno,Seller,Active,,,,,,
"""
LATER = """Address,MLS #,Type,Status,Close Price,Contract Date,Agent,Client
12 Oak St,2201,Buyer,Closed,441500,2026-02-01,Rep One,Ana Lima
7 Elm Ct,2202,Seller,Closed,395000,2026-04-01,Rep One,
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Reads files into staging; gives the staged deals by their address."""
    project = find_project(data_dir=tmp_path / "data")

    def run(path: str) -> dict[str, dict[str, Any]]:
        connection = resolve("brivity_transactions", project, environment={"BRIVITY_TRANSACTIONS_PATH": path})
        extract(connection)
        schemas = load_schemas(project.schemas)
        with open_warehouse(connection.owner) as con:
            stage(con, connection, schemas)
            found = con.execute("from staging.brivity_transactions__deals")
            names = [d[0] for d in found.description or []]
            return {row["property_address"]: row for values in found.fetchall() if (row := dict(zip(names, values)))}  # noqa: B905

    return run


def test_a_report_with_columns_of_its_own(read: Any, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_text(REPORT)
    found = read(str(tmp_path / "report.csv"))
    oak = found["12 Oak St, Reno"]
    assert (oak["close_price"], oak["amount"], oak["status"]) == (Decimal("441500.00"), Decimal("441500.00"), "won")
    assert oak["standard_status"] == "closed"
    assert json.loads(oak["custom"])["Agent Split"] == "70%"
    assert found["7 Elm Ct, Sparks"]["amount"] == Decimal("399900.00")
    assert found["9 Pine Rd, Reno"]["listing_id"] is None


def test_the_next_report_has_other_columns(read: Any, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_text(REPORT)
    read(str(tmp_path / "*.csv"))
    (tmp_path / "report.csv").write_text(LATER)
    found = read(str(tmp_path / "*.csv"))
    elm = next(row for row in found.values() if row["listing_id"] == "2202")
    assert (elm["status"], elm["close_price"], elm["transaction_type"]) == ("won", Decimal("395000.00"), "Seller")
    assert elm["owner_name"] == "Rep One"
    oak = next(row for row in found.values() if row["listing_id"] == "2201")
    assert json.loads(oak["custom"])["Client"] == "Ana Lima", "no field of ours: kept as it came"
    assert "lead_source" in elm["absent_fields"], "a column that is not there says nothing"


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_the_same_in_other_formats(read: Any, tmp_path: Path, kind: str) -> None:
    (tmp_path / "report.csv").write_text(REPORT)
    expected = {
        key: (row["source_id"], row["amount"], row["status"]) for key, row in read(str(tmp_path / "report.csv")).items()
    }
    written = "parquet" if kind == "parquet" else "json"
    with duckdb.connect() as con:
        source = f"read_csv('{tmp_path}/report.csv', all_varchar = true)"
        con.execute(f"copy (from {source}) to '{tmp_path}/same.{kind}' (format {written})")
    found = read(str(tmp_path / f"same.{kind}"))
    assert {key: (row["source_id"], row["amount"], row["status"]) for key, row in found.items()} == expected
