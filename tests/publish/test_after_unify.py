"""What unify really leaves is published, explained, and passes the checks; and rest stays rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import staged_world

from pipelines.check.run import check
from pipelines.publish.candidate import LAST, build_candidate, refresh_candidate
from pipelines.publish.comments import unexplained
from pipelines.publish.content import content_version, published_version
from pipelines.publish.swap import publish
from pipelines.state.snapshot import snapshot


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    """Two CRMs that share thirty of a hundred people."""
    world = staged_world.World(tmp_path)
    theirs = [staged_world.contact(f"b:{i}", email=f"p{i}@example.org", last_name=f"Last {i}", at=2) for i in range(30)]
    ours = [staged_world.contact(f"a:{i}", email=f"p{i}@example.org", last_name=f"Last {i}", at=1) for i in range(100)]
    world.stage("contacts", [*ours, *theirs])
    for entity in world.schemas:
        if entity != "contacts":
            world.stage(entity, [])
    world.unify(run_id="r1")
    yield world
    world.close()


def test_published_explained_and_at_rest(world: Any) -> None:
    def history(con: duckdb.DuckDBPyConnection) -> None:
        snapshot(world.state, con, known=LAST)

    candidate = build_candidate(world.con, world.owner, world.schemas, history, "r1")
    report = check(world.owner, candidate, world.schemas, run_id="r1")
    assert [str(r) for r in report.results if not r.passed] == []
    report.write_into(candidate)
    publish(world.owner, candidate, "r1")
    assert published_version(world.owner) == content_version(world.con, world.schemas)
    world.unify(run_id="r2")
    assert published_version(world.owner) == content_version(world.con, world.schemas)
    publish(world.owner, refresh_candidate(world.owner, world.schemas, history, "r2"), "r2")
    with duckdb.connect(str(world.owner.crm.resolve()), read_only=True) as con:
        assert unexplained(con) == []
        assert con.execute("select count(*) from contacts").fetchall() == [(100,)]
        told = "select connection, count(*) from unified.contact_lineage where field = 'email' group by 1 order by 1"
        assert con.execute(told).fetchall() == [("a", 70), ("b", 30)]
        assert con.execute(
            "select table_type from information_schema.tables where table_name = 'contact_lineage'"
        ).fetchall() == [("VIEW",)]
