"""The one store of users: against a model of the contract's rules, and against locks and lost connections."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project
from pipelines.service.users import sync as syncing
from pipelines.service.users.admin_entries import entry_of
from pipelines.service.users.sync import Tenant, sync
from pipelines.state.database import State, open_state
from pipelines.state.service_tables import users

ACME = Tenant("acme")
CUT = """select pg_terminate_backend(pid) from pg_stat_activity
    where pid <> pg_backend_pid() and datname = current_database()"""


@pytest.fixture
def store(project: Project, database: str) -> Iterator[State]:
    del database
    with open_state(Owner(SERVICE_OWNER, project.data_dir)) as opened:
        yield opened


@dataclass
class Model:
    """The contract's rules on a list of users, one entry after the other."""

    users: list[dict[str, Any]] = field(default_factory=list)

    def take(self, entry: dict[str, Any]) -> str:
        external_id, email = entry.get("externalId"), entry.get("email")
        if not external_id or not email:
            return "failed"
        by_id = next((user for user in self.users if user["externalId"] == external_id), None)
        by_email = next((user for user in self.users if user["email"].lower() == email.lower()), None)
        if by_id is not None and by_email is not None and by_id is not by_email:
            return "failed"
        found = by_id or by_email
        if found is None:
            found = {"firstName": "", "isActive": True}
            self.users.append(found)
        found |= {"externalId": external_id, "email": email}
        found |= {key: entry[key] for key in ("firstName", "isActive") if entry.get(key) not in (None, "")}
        return "updated" if by_id or by_email else "created"

    def reconcile(self, entries: list[dict[str, Any]]) -> int:
        ids = {entry.get("externalId") for entry in entries}
        emails = {str(entry.get("email")).lower() for entry in entries}
        gone = [
            u for u in self.users if u["isActive"] and u["externalId"] not in ids and u["email"].lower() not in emails
        ]
        for user in gone:
            user["isActive"] = False
        return len(gone)


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "externalId": st.sampled_from(["1", "2", "3", "4"]),
        "email": st.sampled_from(["a@x", "A@x", "b@x", "c@x", "d@x"]),
        "firstName": st.sampled_from(["", "Ada", "Grace"]), "isActive": st.sampled_from([None, True, False]),
    },
)  # fmt: skip
REQUESTS = st.lists(st.tuples(st.lists(ENTRIES, max_size=8), st.booleans()), min_size=1, max_size=4)


@settings(max_examples=60)
@given(requests=REQUESTS, batch=st.sampled_from([1, 3, 100]))
def test_the_store_is_what_the_rules_say(
    store: State, requests: list[tuple[list[dict[str, Any]], bool]], batch: int
) -> None:
    with store.write() as connection:
        connection.execute(sa.delete(users))
    model = Model()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(syncing, "BATCH", batch)
        for members, reconcile in requests:
            outcome = sync(store, ACME, [entry_of(user, "acme") for user in members], "admin", reconcile=reconcile)
            expected = [model.take(entry) for entry in members]
            assert [result.status for result in outcome.results] == expected
            assert len(outcome.deactivated) == (model.reconcile(members) if reconcile else 0)
    columns = [users.c[name] for name in ("external_id", "email", "first_name", "is_active")]
    with store.read() as connection:
        stored = {row[0]: tuple(row[1:]) for row in connection.execute(sa.select(*columns))}
    assert stored == {u["externalId"]: (u["email"], u["firstName"], u["isActive"]) for u in model.users}


def members(number: int) -> list[Any]:
    return [entry_of({"externalId": f"x-{n}", "email": f"u{n}@example.com"}, "acme") for n in range(number)]


def test_a_lock_is_waited_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr("pipelines.state.database.BUSY_SECONDS", 0.05)
    owner = Owner(SERVICE_OWNER, project.data_dir)
    with open_state(owner) as store, contextlib.closing(
        sqlite3.connect(owner.state, isolation_level=None, check_same_thread=False)
    ) as other:  # fmt: skip
        other.execute("BEGIN IMMEDIATE")
        is_passing = syncing._is_passing

        def locked(error: BaseException) -> bool:
            """Met the lock once; from here on there is none."""
            met.append(error)
            if other.in_transaction:
                other.execute("ROLLBACK")
            return is_passing(error)

        met: list[BaseException] = []
        monkeypatch.setattr(syncing, "_is_passing", locked)
        outcome = sync(store, ACME, members(3), "admin")
    assert [result.status for result in outcome.results] == ["created"] * 3
    assert met


def test_a_lost_connection_is_made_again(store: State) -> None:
    if store.engine.dialect.name == "sqlite":
        assert not syncing._is_passing(sa.exc.OperationalError("", {}, sqlite3.OperationalError("no such table: x")))
        return
    ending = threading.Event()

    def cut() -> None:
        """Ends every other connection to the database, again and again."""
        with sa.create_engine(store.engine.url, poolclass=sa.NullPool).connect() as connection:
            for _ in range(syncing.TRIES - 2):  # what is tried more often cannot fail by these alone
                connection.exec_driver_sql(CUT)
                if ending.wait(0.15):
                    return

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        outcome = sync(store, ACME, members(3000), "admin")
    finally:
        ending.set()
        cutter.join()
    assert {result.status for result in outcome.results} == {"created"}
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one() == 3000


def test_two_syncs_at_once_make_no_user_twice(store: State) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(sync(store, ACME, members(300), "admin"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.count("created") for outcome in found) == [0, 0, 300]


def test_another_service_takes_an_address_at_the_same_moment(store: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the look-up did not see yet: the batch fails on the constraint, and only the one user with it."""
    from pipelines.service.users import batch

    real, calls = batch.look_up, []

    def blind(connection: sa.Connection, organisation: str, entries: Any) -> batch.Known:
        calls.append(time.monotonic())
        found = real(connection, organisation, entries)
        return batch.Known({}, {k: v for k, v in found.by_email.items() if k != "u1@example.com"})

    sync(store, ACME, members(2), "admin")
    monkeypatch.setattr(batch, "look_up", blind)
    outcome = sync(store, ACME, members(3), "admin")
    assert [result.status for result in outcome.results] == ["updated", "failed", "created"]
    assert outcome.results[1].error == batch.CLASH
    assert len(calls) == 2
