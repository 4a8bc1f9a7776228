"""Opening a state: migrations, versions, durability."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipelines.connections.owner import Owner
from pipelines.state import push_tables, service_more, service_tables, tables, version
from pipelines.state.columns import metadata
from pipelines.state.database import State, open_state, schema_of


def test_migrations_make_exactly_the_tables_the_program_knows(state: State) -> None:
    assert {t.metadata for t in (push_tables.ledger, service_tables.jobs, service_more.forgotten, tables.runs)} == {
        metadata
    }
    with state.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert version.stamped(connection) == version.head()


def test_a_newer_state_is_refused_and_left_as_it_was(owner: Owner) -> None:
    with open_state(owner) as state, state.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(version.NewerStateError, match=r"version 9999.*versions up to \d{4}\. Update the program"):
        open_state(owner)


def test_commits_are_on_disk_before_they_return(state: State) -> None:
    with state.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_an_open_of_a_current_state_imports_no_alembic(owner: Owner) -> None:
    open_state(owner).close()
    program = (
        "import sys; from pathlib import Path\n"
        "from pipelines.connections.owner import Owner\n"
        "from pipelines.state.database import open_state\n"
        f"open_state(Owner({owner.name!r}, Path({str(owner.data_dir)!r})))\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('alembic', 'mako')]\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=250).returncode == 0


def test_two_processes_may_make_the_same_state(owner: Owner) -> None:
    program = (
        "from pathlib import Path\n"
        "from pipelines.connections.owner import Owner\n"
        "from pipelines.state.database import open_state\n"
        f"open_state(Owner({owner.name!r}, Path({str(owner.data_dir)!r})))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [child.wait(250) for child in children] == [0, 0, 0]


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def fail_half_way() -> None:
        with state.write() as connection:
            connection.execute(sa.text("INSERT INTO stamps VALUES ('a', 'b')"))
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    with state.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM stamps")).scalar() == 0


def test_schemas_of_long_names_stay_apart(owner: Owner) -> None:
    long = ["x" * 100 + end for end in "ab"]
    names = {schema_of(Owner(name, owner.data_dir)) for name in [*long, "bob", "Bob"]}
    assert len(names) == 4
    assert all(len(name) <= 63 for name in names)
