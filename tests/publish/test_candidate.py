"""The candidate holds what it should, says what everything is, and older readers can open it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.publish.candidate import build_candidate, refresh_candidate
from pipelines.publish.comments import unexplained
from pipelines.publish.content import content_version, published_version
from pipelines.publish.swap import publish
from pipelines.state.database import open_state
from pipelines.state.snapshot import snapshot

Schemas = dict[str, CanonicalEntity]


def tables(path: Path) -> set[str]:
    with duckdb.connect(str(path), read_only=True) as con:
        found = con.execute("select table_schema || '.' || table_name from information_schema.tables").fetchall()
    return {name for (name,) in found}


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture
def candidate(warehouse: duckdb.DuckDBPyConnection, owner: Owner, schemas: Schemas) -> Path:
    with open_state(owner) as state:
        return build_candidate(warehouse, owner, schemas, lambda con: snapshot(state, con), "r1")


def test_holds_golden_and_source_records_and_no_workings(candidate: Path) -> None:
    found = tables(candidate)
    assert {"main.contacts", "unified.contacts", "staging.brivity__contacts", "staging.contacts"} <= found
    assert {"unified.deal_lineage", "quality.rejected_values", "sync.runs", "sync.ledger"} <= found
    assert not found & {"staging.phone_numbers", "staging._dlt_loads", "unified.identity_pairs", "meta.builds"}
    assert ask(candidate, "select count(*), min(contact_id) from contacts") == [(20, "contact-0")]


def test_every_table_and_column_says_what_it_is(candidate: Path) -> None:
    with duckdb.connect(str(candidate), read_only=True) as con:
        assert unexplained(con) == []


def test_a_column_without_a_comment_is_told(candidate: Path) -> None:
    with duckdb.connect(str(candidate)) as con:
        con.execute("alter table unified.contacts add column riddle int")
        con.execute("create table unified.mystery as select 1 as x")
        assert unexplained(con) == ["unified.contacts.riddle", "unified.mystery", "unified.mystery.x"]


def test_comments_come_from_the_schemas(candidate: Path) -> None:
    column = "select comment from duckdb_columns() where schema_name = 'main' and table_name = 'contacts' "
    email = ask(candidate, column + "and column_name = 'email'")[0][0]
    assert email == "Main e-mail address, lower case. RESO: Email. Personal data: contact"
    table = ask(candidate, "select comment from duckdb_tables() where table_name = 'brivity__deals'")[0][0]
    assert table == "One row is the current version of one deal as brivity has it"


def test_is_in_the_format_that_every_duckdb_1_reads(candidate: Path) -> None:
    """Bytes 12 to 20 of a DuckDB file are its format; 64 is what DuckDB 1.0 writes and reads."""
    assert int.from_bytes(candidate.read_bytes()[12:20], "little") == 64
    assert not candidate.with_name("crm.duckdb.wal").exists()


def test_a_view_that_reads_an_unpublished_table_becomes_a_table(
    warehouse: duckdb.DuckDBPyConnection, owner: Owner, schemas: Schemas
) -> None:
    warehouse.execute("""
        create table unified.workings as select 'contact-1' as contact_id, 'email' as field;
        create or replace view unified.contact_lineage as select * from unified.workings;
        create or replace view unified.deal_lineage as select * from warehouse.unified.deal_sources""")
    path = build_candidate(warehouse, owner, schemas, None, "r1")
    assert ask(path, "from unified.contact_lineage") == [("contact-1", "email")]
    assert ask(path, "select count(*) from unified.deal_lineage") == [(20,)]
    kinds = dict(ask(path, "select table_name, table_type from information_schema.tables where table_schema='unified'"))
    assert (kinds["contact_lineage"], kinds["deal_lineage"]) == ("BASE TABLE", "VIEW")


def test_the_warehouse_stays_usable(warehouse: duckdb.DuckDBPyConnection, candidate: Path) -> None:
    assert warehouse.execute("select current_database()").fetchall() == [("warehouse",)]
    assert warehouse.execute("select count(*) from duckdb_databases() where not internal").fetchall() == [(1,)]
    assert candidate.exists()


def test_content_version_changes_with_the_content_alone(
    warehouse: duckdb.DuckDBPyConnection, owner: Owner, schemas: Schemas
) -> None:
    before = content_version(warehouse, schemas)
    assert content_version(warehouse, schemas) == before
    warehouse.execute("update unified.contacts set city = 'Oslo' where contact_id = 'contact-3'")
    after = content_version(warehouse, schemas)
    assert after != before
    assert published_version(owner) is None
    publish(owner, build_candidate(warehouse, owner, schemas, None, "r1"), "r1")
    assert published_version(owner) == after


def test_refresh_renews_the_history_and_keeps_the_rest(candidate: Path, owner: Owner, schemas: Schemas) -> None:
    publish(owner, candidate, "r1")
    content = published_version(owner)

    def history(con: duckdb.DuckDBPyConnection) -> None:
        assert con.execute("select count(*) from published.unified.contacts").fetchall() == [(20,)]
        con.execute("create table sync.runs as select 'r1' as run_id, 'done' as status")

    publish(owner, refresh_candidate(owner, schemas, history, "r2"), "r2")
    assert ask(owner.crm, "from sync.runs") == [("r1", "done")]
    assert ask(owner.crm, "select run_id, content from sync.publication") == [("r2", content)]
    assert ask(owner.crm, "select count(*) from contacts") == [(20,)]
    with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
        assert unexplained(con) == []
