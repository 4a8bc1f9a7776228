"""A mapping's own view stands in the published file, explained, and a change of it is new content."""

from __future__ import annotations

import json

import duckdb

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.publish.candidate import build_candidate
from pipelines.publish.comments import unexplained
from pipelines.publish.content import content_version

TABLE = """create table meta.own_views (
    connection varchar, name varchar, query varchar, says varchar, columns varchar, primary key (connection, name))"""
QUERY = "select source_id as id, name as nama from staging.brivity__contacts"


def test_the_view_is_published(
    warehouse: duckdb.DuckDBPyConnection, owner: Owner, schemas: dict[str, CanonicalEntity]
) -> None:
    before = content_version(warehouse, schemas)
    warehouse.execute(f"create schema if not exists meta; {TABLE}")
    said = json.dumps({"id": "Id in the CRM", "nama": "Its name"})
    warehouse.execute("insert into meta.own_views values ('brivity', 'people', $1, '', $2)", [QUERY, said])
    assert content_version(warehouse, schemas) != before
    path = build_candidate(warehouse, owner, schemas, None, "r1")
    with duckdb.connect(str(path), read_only=True) as con:
        expected = con.execute("select count(*) from staging.brivity__contacts").fetchall()
        assert con.execute("select count(id) from people").fetchall() == expected != [(0,)]
        assert [name for name in unexplained(con) if "people" in name] == []
