"""What a mapping leaves out and names in vain is found, and nothing personal is shown."""

from __future__ import annotations

import duckdb
from raw_log import Version, connect, log, schema

from pipelines.connections.owner import Owner
from pipelines.staging.coverage import Finding, coverage
from pipelines.staging.stage import stage

PEOPLE = {"contacts": schema(name="text", email="email", status={"type": "enum", "values": ["lead"]}, score="text")}
FIELDS = {"name": "Name", "email": "Mail", "status": {"path": "State", "values": {"new": "lead"}}, "score": "Score"}


def found(con: duckdb.DuckDBPyConnection, owner: Owner) -> dict[tuple[str, str], Finding]:
    records = [
        {"Name": "Ann", "State": "new", "Score": 1, "Region": "West", "Pet": {"Kind": "cat", "Name": "Tom"}},
        {"Name": "Bob", "State": "odd", "Score": "1", "Region": "East", "Reach": "b@x.org", "Kept": 1},
        {"Name": "Cid", "State": "odder", "Score": None, "Region": "", "Reach": "202 555 0123", "L": [{"a": 1}]},
        {"Name": "Dan", "Score": 2, "Region": 7, "Kept": 2},
    ]
    log(owner, "crm", "contacts", [Version(str(i), record) for i, record in enumerate(records)])
    connection = connect(owner, FIELDS, custom={"kept": "Kept"})
    stage(con, connection, PEOPLE)
    return {(finding.kind, finding.name): finding for finding in coverage(con, connection, PEOPLE)}


def test_what_is_not_mapped_is_listed_with_its_fill_rate(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    findings = found(con, owner)
    unmapped = {name: one for (kind, name), one in findings.items() if kind == "unmapped"}
    assert {name: one.share for name, one in unmapped.items()} == {
        "Region": 0.75,
        "Reach": 0.5,
        "Pet.Kind": 0.25,
        "Pet.Name": 0.25,
        "L": 0.25,
    }
    assert unmapped["Region"].types == {"number": 1, "text": 2}
    assert sorted(unmapped["Region"].examples) == ["7", "East", "West"]
    assert unmapped["Pet.Kind"].examples == ["cat"]


def test_no_example_may_be_personal(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    findings = found(con, owner)
    assert findings["unmapped", "Reach"].examples == []
    assert findings["unmapped", "Pet.Name"].examples == []


def test_what_never_comes_and_what_is_not_known_is_listed(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    findings = found(con, owner)
    assert findings["never", "email"].types == {"absent": 4}
    assert findings["unknown_value", "status"].examples == ["odd", "odder"]
    assert findings["mixed_types", "Score"].types == {"number": 2, "text": 1}
    assert {kind for kind, _ in findings} == {"unmapped", "never", "unknown_value", "mixed_types"}


def test_nothing_staged_is_nothing_found(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    assert coverage(con, connect(owner, FIELDS), PEOPLE) == []


def test_a_type_that_changed_since_the_last_run_is_told(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    """Also of a field that nobody mapped; with the next load it is only what comes in several types."""
    connection = connect(owner, FIELDS)
    first = [Version(str(i), {"Name": "Ann", "Score": str(i), "Size": i}, load="1") for i in range(3)]
    log(owner, "crm", "contacts", first)
    stage(con, connection, PEOPLE)
    assert not [f for f in coverage(con, connection, PEOPLE) if f.kind.endswith("types")]
    log(owner, "crm", "contacts", [Version("1", {"Name": "Ann", "Score": 7, "Size": "big"}, seen=1, load="2")])
    stage(con, connection, PEOPLE)
    changed = {f.name: f.types for f in coverage(con, connection, PEOPLE) if f.kind == "changed_types"}
    assert changed == {"Score": {"number": 1, "text": 3}, "Size": {"number": 3, "text": 1}}
    log(owner, "crm", "contacts", [Version("2", {"Name": "Ann", "Score": 8, "Size": 9}, seen=2, load="3")])
    stage(con, connection, PEOPLE)
    later = {(f.kind, f.name) for f in coverage(con, connection, PEOPLE) if f.kind.endswith("types")}
    assert later == {("mixed_types", "Score")}
