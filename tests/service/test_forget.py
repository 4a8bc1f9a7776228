"""A person who was forgotten is nowhere any more, and does not come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.forgetting import forget
from pipelines.commands.run_options import RunOptions
from pipelines.commands.running import run
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.resolve import resolve
from pipelines.extract.erasing import erase_records
from pipelines.extract.run import extract
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.service.context import Context
from pipelines.service.jobs import store
from pipelines.service.jobs.kinds import command_of
from pipelines.service.webhooks.inbox import Arrival, Inbox
from pipelines.state import forgotten
from pipelines.state.database import open_state
from pipelines.state.push_tables import ledger
from pipelines.state.tables import golden_ids

SHARED = duckdb.connect()
STAGES = frozenset({"extract", "staging", "unify", "check", "publish"})


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path) -> Iterator[SandboxHandle]:
    """An emulated CRM that a real owner is connected to."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(project_root)
    with start(tmp_path / "sandbox", ["brivity"], size=30) as handle:
        for name, value in handle.environment("brivity").items():
            monkeypatch.setenv(name, value)
        yield handle


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("default", tmp_path / "data")


@pytest.fixture
def pulled(office: SandboxHandle, owner: Owner) -> Callable[[], list[tuple[str, str, str]]]:
    """Pulls and publishes; the persons as (golden id, source id, e-mail)."""
    assert office.address

    def pull() -> list[tuple[str, str, str]]:
        report, code = run(RunOptions(["brivity"], owner.data_dir, stages=STAGES, quiet=True, allow_mass_change=True))
        assert code is Exit.DONE, report.messages
        return people(owner)

    return pull


def people(owner: Owner) -> list[tuple[str, str, str]]:
    with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
        return con.execute("""
            select s.contact_id, s.source_id, c.email from unified.contact_sources s
            join unified.contacts c using (contact_id) where c.email is not null
            qualify count(*) over (partition by c.email) = 1 order by s.source_id""").fetchall()


def files_with(folder: Path, word: str) -> list[str]:
    """Files below a folder that hold a word, whichever way their format spells it."""
    wanted = [word.encode(), word.lower().encode()]
    return sorted(
        str(p.relative_to(folder)) for p in folder.rglob("*")
        if p.is_file() and not p.is_symlink() and any(w in p.read_bytes() for w in wanted)
    )  # fmt: skip


@pytest.mark.slow
def test_a_forgotten_person_is_nowhere_and_stays_away(
    owner: Owner, pulled: Callable[[], list[tuple[str, str, str]]], project_root: Path
) -> None:
    before = pulled()
    golden, source_id, email = before[3]
    leave_traces(owner, golden, source_id, email)
    assert files_with(owner.data_dir, email), "the test looks in the right place"
    project = Project(project_root, owner.data_dir)
    done = forget(project, owner, golden)
    assert (done.code, done.messages, done.records) == (Exit.DONE, [], [f"brivity:{source_id}"])
    assert done.versions >= 1
    assert [p for p in people(owner) if p[0] == golden] == []
    assert files_with(owner.data_dir, email) == []
    assert files_with(owner.data_dir, golden) == []
    after = pulled()  # the CRM still has them
    assert {p[:2] for p in after} >= {p[:2] for p in before if p[0] != golden}
    assert source_id not in {p[1] for p in after}
    assert files_with(owner.data_dir, email) == []
    with pytest.raises(Stop, match="has no contacts"):
        forget(project, owner, golden)


def leave_traces(owner: Owner, golden: str, source_id: str, email: str) -> None:
    """What pushes, operators and webhooks would have left."""
    with open_state(owner) as state, state.write() as connection:
        connection.execute(
            sa.insert(ledger).values(
                intent_id="i", run_id="r", connection="brivity", entity="contacts", golden_id=golden,
                record_key=f"brivity:{source_id}", action="update",
                fields=json.dumps([["email", json.dumps(email), '"x"', None, None, None]]), status="done", attempt=1,
                planned_at=1,
            )
        )  # fmt: skip
    with open_state(Owner("_service", owner.data_dir)) as store:
        inbox = Inbox(store)
        inbox.start()
        inbox.store([Arrival(owner.name, "brivity", "x", {"id": source_id, "email": email})])
        inbox.store([Arrival(owner.name, "brivity", "x", {"id": "someone-else"})])
        inbox.stop()


@pytest.mark.slow
def test_killed_at_any_moment_it_can_be_called_again(
    owner: Owner, pulled: Callable[[], list[tuple[str, str, str]]], project_root: Path
) -> None:
    golden, source_id, email = pulled()[0]
    words = [sys.executable, "-m", "pipelines", "forget", f"brivity:{source_id}", "--owner", owner.name, "--yes"]
    command = [*words, "--json", "--data-dir", str(owner.data_dir)]
    for seconds in (1.2, 2.5):
        process = subprocess.Popen(command, cwd=project_root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr  # 2: an earlier one had come to its end
    assert files_with(owner.data_dir, email) == []
    assert golden not in {p[0] for p in people(owner)}
    assert os.path.exists(owner.crm)


def test_the_log_and_the_next_pull_are_without_them(office: SandboxHandle, owner: Owner, project_root: Path) -> None:
    assert office.address
    connection = resolve("brivity", Project(project_root, owner.data_dir))
    with open_state(owner) as state:
        first = next(read for read in extract(connection, state=state) if read.entity == "contacts")
        with duckdb.connect(str(owner.raw("brivity")), read_only=True) as con:
            gone, record = con.execute("select id, record from raw.contacts_current order by id limit 1").fetchall()[0]
        email = json.loads(record)["email"] if isinstance(json.loads(record).get("email"), str) else gone
        assert erase_records(owner, "brivity", "contacts", [gone]) == 1
        with state.write() as db:
            forgotten.remember(db, [("brivity", "contacts", gone)])
        assert email.encode() not in owner.raw("brivity").read_bytes()
        again = next(read for read in extract(connection, state=state, full_refresh=True) if read.entity == "contacts")
    assert (again.records, again.new, again.changed, again.deleted) == (first.records - 1, 0, 0, 0)
    with duckdb.connect(str(owner.raw("brivity")), read_only=True) as con:
        assert con.execute("select count(*) from raw.contacts_current where id = ?", [gone]).fetchall() == [(0,)]


@given(
    st.text(min_size=1, max_size=20), st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True)
)
def test_sql_and_python_make_the_same_hash(key: str, ids: list[str]) -> None:
    key = key.encode().hex()
    inner = f"sha256('{key}north|contacts|' || id)"
    found = SHARED.execute(f"select id, sha256('{key}' || {inner}) from (select unnest(?::varchar[]) as id)", [ids])
    assert dict(found.fetchall()) == {i: forgotten.hash_of(key, "north", "contacts", i) for i in ids}


def test_only_who_was_forgotten_is_left_out(owner: Owner) -> None:
    with open_state(owner) as state:
        assert forgotten.left_out_sql(state, "north", "contacts", "id") == ""
        with state.write() as connection:
            forgotten.remember(connection, [("north", "contacts", "7"), ("north", "contacts", "O'Hara")])
            forgotten.remember(connection, [("north", "contacts", "7")])
        assert forgotten.number(state) == 2
        said = forgotten.left_out_sql(state, "north", "contacts", "id")
        with duckdb.connect() as con:
            rows = con.execute(
                f"select id from (values ('6'), ('7'), ('O''Hara'), ('70')) t(id) where {said}"
            ).fetchall()
        assert sorted(rows) == [("7",), ("O'Hara",)]
        assert forgotten.left_out_sql(state, "south", "contacts", "id") == ""
        with state.read() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(golden_ids)).scalar() == 0


def test_over_http_it_is_a_job_of_the_caller(
    client: TestClient, bearer: Callable[..., dict[str, str]], context_of: Callable[[TestClient], Context]
) -> None:
    context = context_of(client)
    context.background.jobs.stop()
    with context.state_of(context.owner("ann")).write() as db:
        db.execute(sa.insert(golden_ids).values(entity="contacts", record_key="north:7", golden_id="g7", since=1))
    assert client.post("/api/forget", json={"id": "g7"}).status_code == 401
    assert client.post("/api/forget", json={"id": "g7"}, headers=bearer("bob")).status_code == 404
    assert client.post("/api/forget", json={"id": ""}, headers=bearer("ann")).status_code == 400
    assert client.post("/api/forget", json={"id": "\x00"}, headers=bearer("ann")).status_code == 404
    answer = client.post("/api/forget", json={"id": "north:7"}, headers=bearer("ann"))
    assert answer.status_code == 202
    job = store.get(context.store, answer.json()["job_id"], "ann")
    assert job is not None
    command = command_of(context, job)
    assert command[3:] == [
        "forget", "--entity", "contacts", "--yes", "--json", "--data-dir", str(context.data_dir), "--owner", "ann",
        "--", "north:7",
    ]  # fmt: skip
    assert answer.headers["Location"] == f"/api/jobs/{job.job_id}"
