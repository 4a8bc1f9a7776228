"""A raw log becomes the tables that docs/architecture.md promises, and only what changed is staged anew."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_log import START, Version, connect, log, rows, schema

from pipelines.connections.owner import Owner
from pipelines.mapping.load import load_schemas
from pipelines.staging.stage import StagingError, stage
from pipelines.warehouse.build import read_builds
from pipelines.warehouse.filled import RECORDS, filled

PEOPLE = {
    "contacts": schema(name="text", email="email", amount="money", currency="text", status="text", owner_id="text")
}
FIELDS: dict[str, Any] = {"name": "Name", "email": "Mail"}


def staged(con: duckdb.DuckDBPyConnection, **where: Any) -> list[dict[str, Any]]:
    return [r for r in rows(con, "staging.crm__contacts") if all(r[k] == v for k, v in where.items())]


def test_a_row_has_what_the_contract_says(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    first = Version("7", {"Name": "Ann", "Mail": "a@x.org"}, 1, "2024-01-01T08:00:00Z")
    second = Version("7", {"Name": "Anna", "Mail": "?", "Extra": {"q": 1}}, 2, "2024-01-02T08:00:00Z", load="load-2")
    log(owner, "crm", "contacts", [first, second])
    counts = stage(con, connect(owner, FIELDS), PEOPLE)[0]
    assert (counts.records, counts.staged, counts.rejected_values, counts.rebuilt) == (1, 1, 1, 1)
    row = staged(con)[0]
    assert row.pop("values_hash") > 0
    assert row == {
        "record_key": "crm:7",
        "connection": "crm",
        "source_id": "7",
        "modified_at": START + timedelta(days=1, hours=8),
        "first_modified_at": START + timedelta(hours=8),
        "seen_at": START + timedelta(minutes=2),
        "first_seen_at": START + timedelta(minutes=1),
        "is_deleted": False,
        "is_in_scope": True,
        "name": "Anna",
        "email": None,
        "amount": None,
        "currency": None,
        "status": None,
        "owner_id": None,
        "custom": '{"Extra":{"q":1}}',
        "absent_fields": ["amount", "currency", "status", "owner_id"],
        "unreadable_fields": ["email"],
        "raw_hash": second.row()[1],
    }
    assert rows(con, "quality.rejected_values") == [
        {
            "connection": "crm",
            "entity": "contacts",
            "source_id": "7",
            "field": "email",
            "value": "?",
            "reason": "not an e-mail address",
            "seen_at": START + timedelta(minutes=2),
        }
    ]


def test_every_canonical_field_of_our_schemas_is_a_column(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    folder = Path(__file__).resolve().parents[2] / "schemas"
    schemas = load_schemas(folder)
    stage(con, connect(owner, {"first_name": "Name"}), schemas)
    for entity, one in schemas.items():
        described = con.execute(f"describe staging.{entity}").fetchall()
        types = {name: kind.replace(" WITH TIME ZONE", "TZ") for name, kind, *_ in described}
        fields = list(types)[9:-5]
        assert fields == list(one.fields)
        assert [types[name] for name in fields] == [field.duckdb_type for field in one.fields.values()]


def test_a_record_without_a_key_or_a_shape_is_rejected(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(
        owner,
        "crm",
        "contacts",
        [
            Version("1", {"Name": "Ann"}),
            Version("?abc", {"Name": "Bob"}, problem="no id at id"),
            Version("2", [1, 2]),
            Version("3", "null"),
        ],
    )
    counts = stage(con, connect(owner, FIELDS), PEOPLE)[0]
    assert (counts.records, counts.staged, counts.rejected_records) == (4, 1, 3)
    reasons = {row["source_id"]: row["reason"] for row in rows(con, "quality.rejected_records")}
    assert reasons == {"?abc": "no id at id", "2": "not a JSON object", "3": "not a JSON object"}


def test_deleted_records_are_marked_and_kept(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(
        owner,
        "crm",
        "contacts",
        [
            Version("1", {"Name": "Ann", "State": "Trash"}),
            Version("2", {"Name": "Bob", "State": "live"}),
            Version("3", {"Name": "Cid"}),
            Version("3", {"Name": "Cid"}, 1, deleted=True),
        ],
    )
    stage(con, connect(owner, FIELDS, deleted={"when": {"State": ["trash"]}}), PEOPLE)
    assert {r["source_id"]: (r["is_deleted"], r["name"]) for r in staged(con)} == {
        "1": (True, "Ann"),
        "2": (False, "Bob"),
        "3": (True, "Cid"),
    }


def test_what_leaves_the_filter_is_out_of_scope_not_deleted(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    versions = [Version(str(i), {"Name": "x", "S": status}) for i, status in enumerate(["lead", "lost", None])]
    log(owner, "crm", "contacts", versions)
    stage(con, connect(owner, {"name": "Name", "status": "S"}, where="status in ('lead', 'client')"), PEOPLE)
    assert [(r["is_in_scope"], r["is_deleted"]) for r in staged(con)] == [(True, False), (False, False), (False, False)]


def test_an_amount_without_a_currency_has_the_connections(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version("1", {"A": 5}), Version("2", {"A": 5, "C": "EUR"}), Version("3", {"A": ""})])
    stage(con, connect(owner, {"amount": "A", "currency": "C"}, spoken={"currency": "AUD"}), PEOPLE)
    assert [r["currency"] for r in staged(con)] == ["AUD", "EUR", None]


@pytest.mark.parametrize(
    ("record", "custom"),
    [
        ({"id": 1, "Name": "x"}, None),
        ({"id": 1, "Name": "x", "More": None}, {"More": None}),
        ({"P": {"Mail": "a@b", "Left": 1}}, {"P": {"Left": 1}}),
        ({"P": {"Mail": "a@b"}}, None),
        ({"P": "text"}, {"P": "text"}),
        ({"L": [{"V": 1}, {"V": 2}]}, {"L": [{"V": 1}, {"V": 2}]}),
        ({"X": {"deep": 5}, "Big": 12345678901234567890123}, {"named": 5, "Big": 12345678901234567890123}),
    ],
)
def test_what_the_mapping_does_not_name_is_custom(
    con: duckdb.DuckDBPyConnection, owner: Owner, record: Any, custom: Any
) -> None:
    log(owner, "crm", "contacts", [Version("1", record)])
    fields = {"name": "Name", "email": "P.Mail", "status": "L.0.V"}
    stage(con, connect(owner, fields, custom={"named": "X.deep"}), PEOPLE)
    found = staged(con)[0]["custom"]
    assert (found and json.loads(found)) == custom


def test_unchanged_input_leaves_the_tables_alone(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version(str(i), {"Name": f"n{i}"}) for i in range(10)])
    stage(con, connect(owner, FIELDS), PEOPLE)
    before, built = rows(con, "staging.contacts"), read_builds(con)
    again = stage(con, connect(owner, FIELDS), PEOPLE)[0]
    assert (again.rebuilt, again.reason, again.staged) == (0, "unchanged", 10)
    assert (rows(con, "staging.contacts"), read_builds(con)) == (before, built)


def test_only_records_with_new_versions_are_staged_anew(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version(str(i), {"Name": f"n{i}", "Mail": "?"}) for i in range(10)])
    connection = connect(owner, FIELDS)
    stage(con, connection, PEOPLE)
    log(
        owner,
        "crm",
        "contacts",
        [Version("3", {"Name": "new"}, 5, load="load-2"), Version("new", {}, 5, load="load-2")],
    )
    counts = stage(con, connection, PEOPLE)[0]
    assert (counts.rebuilt, counts.reason, counts.staged, counts.rejected_values) == (2, "2 records changed", 11, 9)
    assert staged(con, source_id="3")[0]["name"] == "new"
    assert kept_counts(con) == {RECORDS: 11, "name": 10, "email": 0}
    log(owner, "crm", "contacts", [Version("4", {"Name": "the rest of the load"}, 6, load="load-2")])
    assert stage(con, connection, PEOPLE)[0].rebuilt == 3
    assert staged(con, source_id="4")[0]["name"] == "the rest of the load"


def kept_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many values there are, as kept with the build that is there now."""
    return filled(con, "staging.crm__contacts", ["name", "email"])


def test_a_changed_mapping_stages_all_anew(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version(str(i), {"Name": f"n{i}", "N": "z"}) for i in range(10)])
    stage(con, connect(owner, FIELDS), PEOPLE)
    counts = stage(con, connect(owner, {"name": "N"}), PEOPLE)[0]
    assert (counts.rebuilt, counts.reason) == (10, "mapping, schema or program changed")
    assert {r["name"] for r in staged(con)} == {"z"}
    con.execute("delete from staging.crm__contacts")  # what was counted is what was staged
    assert kept_counts(con) == {RECORDS: 10, "name": 10, "email": 0}


def test_a_raw_log_made_anew_stages_all_anew(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version(str(i), {"Name": "old"}) for i in range(10)])
    stage(con, connect(owner, FIELDS), PEOPLE)
    owner.raw("crm").unlink()
    log(owner, "crm", "contacts", [Version("1", {"Name": "new"}, load="load-9")])
    assert stage(con, connect(owner, FIELDS), PEOPLE)[0].reason == "the raw log was made anew"
    assert [r["name"] for r in staged(con)] == ["new"]


def test_connections_stand_side_by_side_in_one_view(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    for name in ("north", "south"):
        log(owner, name, "contacts", [Version("1", {"Name": name})])
        stage(con, connect(owner, FIELDS, name=name), {**PEOPLE, "deals": schema("deals", amount="money")})
    assert [r["record_key"] for r in rows(con, "staging.contacts")] == ["north:1", "south:1"]
    assert rows(con, "staging.contacts_edits") == []
    assert rows(con, "staging.deals") == []


def test_an_expression_that_cannot_run_is_named(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version("1", {})])
    with pytest.raises(StagingError, match=r"crm contacts: .*nothing_like_it"):
        stage(con, connect(owner, {"name": {"sql": "nothing_like_it(record)"}}), PEOPLE)


def test_a_value_in_a_wrong_shape_beside_a_good_one_is_shown(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version("1", {"A": {"x": 1}, "B": "Ann"})])
    stage(con, connect(owner, {"name": {"first_of": ["A", "B"]}}), PEOPLE)
    assert [(r["name"], r["unreadable_fields"]) for r in staged(con)] == [("Ann", ["name"])]
    shown = [(r["value"], r["reason"]) for r in rows(con, "quality.rejected_values")]
    assert shown == [('{"x":1}', "a list or an object where one value is expected")]


def test_a_modification_time_is_read_however_it_is_written(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    writings = [
        "2024-01-02T00:00:00Z",
        "2024-01-02T01:00:00.000+0100",
        "1704153600",
        "1704153600000",
        "/Date(1704153600000)/",
        "Tue, 02 Jan 2024 00:00:00 GMT",
    ]
    log(owner, "crm", "contacts", [Version(str(i), {}, modified=text) for i, text in enumerate([*writings, "soon"])])
    stage(con, connect(owner, FIELDS), PEOPLE)
    assert [r["modified_at"] for r in staged(con)] == [START + timedelta(days=1)] * len(writings) + [None]


def test_an_entity_that_the_mapping_drops_is_dropped(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    log(owner, "crm", "contacts", [Version("1", {"Mail": "?"})])
    connection = connect(owner, FIELDS)
    stage(con, connection, PEOPLE)
    entities = {"deals": connection.mapping.entities["contacts"]}
    dropped = replace(connection, mapping=connection.mapping.model_copy(update={"entities": entities}))
    stage(con, dropped, PEOPLE)
    assert rows(con, "staging.contacts") == []
    assert rows(con, "quality.rejected_values") == []
    assert stage(con, connection, PEOPLE)[0].reason == "new"


def test_a_schema_may_not_use_staging_s_own_names(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    with pytest.raises(ValueError, match="for itself: hash"):
        stage(con, connect(owner, {}), {"contacts": schema(hash="text")})
