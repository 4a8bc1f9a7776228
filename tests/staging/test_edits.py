"""When did each field last change, and was it us?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from raw_log import START, Version, connect, log, rows, schema

from pipelines.connections.owner import Owner
from pipelines.staging.stage import stage

PEOPLE = {"contacts": schema(name="text", email="email", tags={"type": "list", "of": "text", "survivorship": "union"})}
FIELDS = {"name": "Name", "email": "Mail", "tags": {"each": "Tags"}}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def history(*records: Any, dated: bool = True) -> list[Version]:
    """Versions of one record: each seen an hour after it was modified, one a day."""
    return [
        Version("1", record, n * 1440 + 60, day(n).isoformat() if dated else None) for n, record in enumerate(records)
    ]


def edits(con: duckdb.DuckDBPyConnection, owner: Owner, versions: list[Version]) -> dict[str, tuple[Any, bool]]:
    log(owner, "crm", "contacts", versions)
    stage(con, connect(owner, FIELDS), PEOPLE)
    return {r["field"]: (r["edited_at"], r["is_echo"]) for r in rows(con, "staging.crm__contacts_edits")}


def we_wrote(con: duckdb.DuckDBPyConnection, field: str, value: str, at: datetime, since: datetime | None) -> None:
    con.execute(
        "create table if not exists sync.echoes (connection varchar, entity varchar, source_id varchar, field varchar, "
        "value varchar, written_at timestamptz, since timestamptz)"
    )
    con.execute("insert into sync.echoes values ('crm', 'contacts', '1', ?, ?, ?, ?)", [field, value, at, since])


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([{"Name": "a"}], {}),
        ([{"Name": "a"}, {"Name": "a", "Other": 1}], {}),
        ([{"Name": "a"}, {"Name": " a "}], {}),
        ([{"Name": "a"}, {"Name": "b"}], {"name": 1}),
        ([{"Name": "a"}, {"Name": "b"}, {"Name": "b", "Mail": "x@y"}], {"name": 1, "email": 2}),
        ([{"Name": "a"}, {"Name": "b"}, {"Name": "a"}], {"name": 2}),
        ([{"Name": "a"}, {"Name": ""}, {"Name": "a"}], {}),
        ([{"Name": "a"}, {}, {"Name": "a"}], {}),
        ([{"Name": "a"}, {"Name": {"x": 1}}, {"Name": "a"}], {}),
        ([{"Name": "a"}, {"Name": None}, {"Name": "b"}], {"name": 2}),
        ([{"Name": "a"}, {"Name": "b"}, {"Name": ""}], {}),
        ([{"Name": ""}, {"Name": "b"}], {"name": 1}),
        ([{"Tags": ["a", "b"]}, {"Tags": ["b", "a"]}], {}),
        ([{"Tags": ["a", "b"]}, {"Tags": ["b"]}], {"tags": 1}),
    ],
)
def test_an_edit_is_a_value_that_changed(
    con: duckdb.DuckDBPyConnection, owner: Owner, records: list[Any], expected: dict[str, int]
) -> None:
    assert edits(con, owner, history(*records)) == {field: (day(n), False) for field, n in expected.items()}


def test_without_modification_times_an_edit_is_dated_by_when_it_was_seen(
    con: duckdb.DuckDBPyConnection, owner: Owner
) -> None:
    found = edits(con, owner, history({"Name": "a"}, {"Name": "b"}, dated=False))
    assert found == {"name": (day(1) + timedelta(hours=1), False)}


def test_what_we_wrote_ourselves_is_as_old_as_what_we_wrote(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    we_wrote(con, "name", "b", day(1), since=day(-30))
    assert edits(con, owner, history({"Name": "a"}, {"Name": "b"})) == {"name": (day(-30), True)}


def test_a_record_we_created_is_as_old_as_what_we_wrote(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    we_wrote(con, "name", "a", day(0), since=None)
    assert edits(con, owner, history({"Name": "a", "Mail": "x@y"})) == {"name": (None, True)}


def test_a_list_we_wrote_is_known_again(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    we_wrote(con, "tags", '["a","b"]', day(1), since=day(-1))
    assert edits(con, owner, history({"Tags": ["a"]}, {"Tags": ["b", "a"]})) == {"tags": (day(-1), True)}


def test_people_who_change_it_back_to_our_value_have_edited_it(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    we_wrote(con, "name", "b", day(1), since=day(-30))
    versions = history({"Name": "a"}, {"Name": "b"}, {"Name": "c"}, {"Name": "b"})
    assert edits(con, owner, versions) == {"name": (day(3), False)}


def test_a_different_value_than_ours_is_an_edit(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    we_wrote(con, "name", "b", day(1), since=day(-30))
    assert edits(con, owner, history({"Name": "a"}, {"Name": "c"})) == {"name": (day(1), False)}


def test_a_write_noted_later_changes_what_was_staged_before(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    assert edits(con, owner, history({"Name": "a"}, {"Name": "b"})) == {"name": (day(1), False)}
    we_wrote(con, "name", "b", day(1), since=day(-30))
    assert edits(con, owner, []) == {"name": (day(-30), True)}
    con.execute("delete from sync.echoes")
    assert edits(con, owner, []) == {"name": (day(1), False)}


def test_a_deletion_is_no_edit(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    versions = [*history({"Name": "a"}, {"Name": "b"}), Version("1", {"Name": "b"}, 9999, deleted=True)]
    assert edits(con, owner, versions) == {"name": (day(1), False)}


def test_what_a_crm_puts_into_a_record_that_we_made_is_nobodys_edit(
    con: duckdb.DuckDBPyConnection, owner: Owner
) -> None:
    """Its own first stage, owner or source would else be the latest word on a record that others know better."""
    we_wrote(con, "", "", day(0), since=None)
    we_wrote(con, "name", "a", day(0), since=day(-30))
    made = {"Name": "a", "Mail": "default@crm"}
    assert edits(con, owner, history(made)) == {"name": (day(-30), True), "email": (None, True)}


def test_what_people_change_in_a_record_that_we_made_is_an_edit(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    we_wrote(con, "", "", day(0), since=None)
    made, changed = {"Name": "a", "Mail": "default@crm"}, {"Name": "a", "Mail": "x@y"}
    assert edits(con, owner, history(made, changed)) == {"name": (None, True), "email": (day(1), False)}


@pytest.mark.parametrize(("made_at", "why"), [(-1, "somebody was there before the first read"), (3, "an old record")])
def test_what_was_not_read_as_we_made_it_counts_as_it_is(
    con: duckdb.DuckDBPyConnection, owner: Owner, made_at: float, why: str
) -> None:
    we_wrote(con, "", "", day(made_at), since=None)
    assert edits(con, owner, history({"Name": "a"})) == {}, why
