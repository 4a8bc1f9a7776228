"""A backup comes back as it was, on both stores; who was forgotten since it was made does not come back with it."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import own_postgres
import pytest
import raw_log
import sqlalchemy as sa
from raw_log import Version

from pipelines.commands.backing_up import backup
from pipelines.commands.exits import Stop
from pipelines.commands.restoring import Restored, restore
from pipelines.connections.locks import LockHeld, lock
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.extract.erasing import erase_records
from pipelines.state import erasing, forgotten
from pipelines.state.copying import NotEmpty, dump, load
from pipelines.state.database import State, now_us, open_state
from pipelines.state.erasing import Person
from pipelines.state.push_tables import ledger
from pipelines.state.service_tables import webhook_inbox
from pipelines.state.tables import check_results, golden_ids, pins

EVERYBODY = ["ann", "bob", "_service"]


@pytest.fixture
def project(tmp_path: Path, project_root: Path, database: str) -> Project:
    """Two owners and the service, each with something of their own."""
    del database  # it is where the states lie
    project = Project(project_root, tmp_path / "data")
    for name in EVERYBODY:
        owner = Owner(name, project.data_dir)
        with open_state(owner) as state, state.write() as connection:
            connection.execute(sa.insert(pins).values(
                entity="contacts", golden_id=f"of {name}", field="name", value='"x"', who="w", at=1
            ))  # fmt: skip
            connection.execute(sa.insert(webhook_inbox).values(
                owner=name, connection="north", scheme="x", event_id="1", received_at=1, body="{}", headers="{}",
                status="done",
            ))  # fmt: skip
        if name != "_service":
            raw_log.log(owner, "north", "contacts", [Version(i, {"owner": name, "no": i}) for i in "123"])
            owner.published_dir.mkdir()
            (owner.published_dir / "crm-1.duckdb").write_text(f"published of {name}")
            owner.crm.symlink_to("published/crm-1.duckdb")
    return project


@pytest.fixture
def elsewhere(project: Project, tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Callable[[], Project]:
    """`elsewhere()`: the same program on a machine that has no data yet."""

    def made() -> Project:
        if database == "postgres":
            own_postgres.empty(request.getfixturevalue("postgres"))
        return Project(project.root, tmp_path / "elsewhere")

    return made


def pinned(project: Project, name: str) -> list[str]:
    with open_state(Owner(name, project.data_dir)) as state, state.read() as connection:
        return list(connection.execute(sa.select(pins.c.golden_id)).scalars())


def logged(project: Project, name: str) -> list[str]:
    """The records of an owner's raw log."""
    with duckdb.connect(str(Owner(name, project.data_dir).raw("north")), read_only=True) as con:
        rows = con.execute("select id || ' of ' || (record->>'owner') from raw.contacts order by 1").fetchall()
    return [str(row[0]) for row in rows]


def test_a_backup_comes_back_as_it_was(project: Project, elsewhere: Callable[[], Project], tmp_path: Path) -> None:
    done = backup(project, tmp_path / "b.tar.gz")
    assert done.owners == EVERYBODY
    assert done.path.stat().st_mode & 0o077 == 0
    fresh = elsewhere()
    assert restore(fresh, done.path) == Restored(EVERYBODY, 0)
    for name in ("ann", "bob"):
        assert pinned(fresh, name) == [f"of {name}"]
        assert logged(fresh, name) == [f"{i} of {name}" for i in "123"]
        assert Owner(name, fresh.data_dir).crm.read_text() == f"published of {name}"
    assert pinned(fresh, "_service") == ["of _service"]
    with open_state(Owner("ann", fresh.data_dir)) as state, state.write() as connection:
        more = {"owner": "ann", "connection": "north", "scheme": "x", "received_at": 2, "body": "", "headers": ""}
        added = sa.insert(webhook_inbox).values(event_id="2", status="done", **more)
        assert connection.execute(added.returning(webhook_inbox.c.inbox_id)).scalar() == 2, "ids count on"


def test_what_is_there_is_moved_aside_and_not_lost(project: Project, tmp_path: Path, database: str) -> None:
    done = backup(project, tmp_path / "b.tar.gz")
    ann = Owner("ann", project.data_dir)
    with open_state(ann) as state, state.write() as connection:
        connection.execute(sa.update(pins).values(golden_id="changed since"))
    with pytest.raises(Stop, match="ann, bob, _service have data"):
        restore(project, done.path)
    assert pinned(project, "ann") == ["changed since"]
    assert restore(project, done.path, force=True).owners == EVERYBODY
    assert pinned(project, "ann") == ["of ann"]
    (aside,) = project.data_dir.glob(".ann.before-*")
    assert (aside / "raw" / "north.duckdb").exists()
    if database == "sqlite":
        with sqlite3.connect(aside / "state.sqlite") as old:
            assert old.execute("select golden_id from pins").fetchall() == [("changed since",)]
    else:
        with open_state(ann) as state, state.write() as connection:
            found = """select nspname from pg_namespace
                where starts_with(nspname, 'before_') and right(nspname, 10) = '_owner_ann' order by 1 desc"""
            schema = connection.exec_driver_sql(found).scalar()
            kept = connection.exec_driver_sql(f'select golden_id from "{schema}".pins').scalars().all()
        assert kept == ["changed since"]


def known(state: State, *ids: str) -> None:
    """What a state has of a person who has these records."""
    with state.write() as connection:
        for number in ids:
            key = f"north:{number}"
            connection.execute(
                sa.insert(golden_ids).values(entity="contacts", record_key=key, golden_id=f"g{number}", since=1)
            )
            connection.execute(sa.insert(ledger).values(
                intent_id=f"i{number}", run_id="r", connection="north", entity="contacts", golden_id=f"g{number}",
                record_key=key, action="update", fields='[["email", "a secret address", "x", null, null, null]]',
                status="done", attempt=1, planned_at=1,
            ))  # fmt: skip


@pytest.mark.parametrize("has_key", [True, False], ids=["the-backup-has-the-key", "nobody-was-forgotten-before"])
def test_who_was_forgotten_since_does_not_come_back(project: Project, tmp_path: Path, has_key: bool) -> None:
    ann = Owner("ann", project.data_dir)
    with open_state(ann) as state:
        known(state, "1", "2", "3")
        if has_key:
            with state.write() as connection:
                forgotten.remember(connection, [("north", "contacts", "0")])
    done = backup(project, tmp_path / "b.tar.gz")
    person = Person("contacts", frozenset({"g2"}), frozenset({("north", "2")}))
    with open_state(ann) as state:
        erasing.remember(state, person)
        erasing.erase(state, person)
        erasing.forget_identity(state, person)
    erase_records(ann, "north", "contacts", ["2"])
    assert restore(project, done.path, force=True) == Restored(EVERYBODY, 1)
    assert logged(project, "ann") == ["1 of ann", "3 of ann"]
    assert logged(project, "bob") == ["1 of bob", "2 of bob", "3 of bob"], "another owner's record of the same id stays"
    assert not ann.published_dir.exists(), "the next run publishes again"
    with open_state(ann) as state:
        with state.read() as connection:
            for table in (golden_ids, ledger):
                column = table.c.record_key
                assert connection.execute(sa.select(column).order_by(column)).scalars().all() == ["north:1", "north:3"]
        left_out = forgotten.left_out_sql(state, "north", "contacts", "id")
        ids = duckdb.execute(f"select id from (values ('1'), ('2')) t(id) where {left_out}").fetchall()
    assert ids == [("2",)], "and the next pull leaves them out"
    assert restore(project, done.path, force=True).forgotten == 1, "nor with the next restore"


def test_hashes_of_two_keys_are_both_known(tmp_path: Path, database: str) -> None:
    del database
    with open_state(Owner("ann", tmp_path)) as one, open_state(Owner("bob", tmp_path)) as other:
        for state, number in ((one, "1"), (other, "2")):
            with state.write() as connection:
                forgotten.remember(connection, [("north", "contacts", number)])
        for _ in range(2):
            forgotten.take_over(one, forgotten.kept(other))
        assert len(forgotten.kept(one).keys) == 2
        left_out = forgotten.left_out_sql(one, "north", "contacts", "id")
        query = f"select id from (values ('1'), ('2'), ('3')) t(id) where {left_out} order by id"
        assert duckdb.execute(query).fetchall() == [("1",), ("2",)]
        with one.write() as connection:
            forgotten.remember(connection, [("north", "contacts", "3")])
        now = query.replace(left_out, forgotten.left_out_sql(one, "north", "contacts", "id"))
        assert duckdb.execute(now).fetchall() == [("1",), ("2",), ("3",)]


def test_a_damaged_or_foreign_file_touches_nothing(project: Project, tmp_path: Path) -> None:
    good = backup(project, tmp_path / "b.tar.gz").path
    elsewhere = Project(project.root, tmp_path / "elsewhere")
    content = good.read_bytes()
    for number, bad in enumerate((b"", b"no archive", content[: len(content) // 2], content[:-400] + b"x" * 400)):
        (tmp_path / "bad.tar.gz").write_bytes(bad)
        with pytest.raises(Stop):
            restore(elsewhere, tmp_path / "bad.tar.gz")
        assert [p.name for p in elsewhere.data_dir.glob("[a-z]*")] == [], number


def test_a_file_that_leads_out_of_its_place_is_refused(project: Project, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar.gz"
    (tmp_path / "x").write_text("x")
    name = "owners/ann/raw/../../../../evil"
    said = {"format": 1, "state_version": "0001", "owners": ["ann"], "files": {name: "0"}}
    (tmp_path / "manifest.json").write_text(json.dumps(said))
    with tarfile.open(evil, "w:gz") as archive:
        archive.add(tmp_path / "manifest.json", "manifest.json")
        archive.add(tmp_path / "x", name)
    with pytest.raises(Stop, match="which no backup does"):
        restore(Project(project.root, tmp_path / "elsewhere"), evil)
    assert not (tmp_path / "evil").exists()


def test_nothing_is_restored_under_a_running_service(project: Project, tmp_path: Path) -> None:
    done = backup(project, tmp_path / "b.tar.gz")
    with lock(Owner("_service", project.data_dir), "serve", "crosswalk serve"), pytest.raises(LockHeld):
        restore(project, done.path, force=True)
    assert pinned(project, "ann") == ["of ann"]


def test_a_state_goes_through_a_file(tmp_path: Path, database: str) -> None:
    del database
    with open_state(Owner("a", tmp_path)) as one, open_state(Owner("b", tmp_path)) as other:
        with one.write() as connection:
            connection.execute(sa.insert(check_results).values(
                run_id="r", entity="contacts", expectation="e", severity="error", passed=1, at=now_us()
            ))  # fmt: skip
        dump(one, tmp_path / "copy.sqlite")
        load(tmp_path / "copy.sqlite", other)
        with other.read() as connection:
            assert connection.execute(sa.select(check_results.c.run_id)).scalars().all() == ["r"]
        with pytest.raises(NotEmpty):
            load(tmp_path / "copy.sqlite", other)
    with sqlite3.connect(tmp_path / "copy.sqlite") as copy:
        assert copy.execute("pragma integrity_check").fetchall() == [("ok",)]
