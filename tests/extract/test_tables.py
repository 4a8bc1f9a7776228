"""Connections of kind table: rows of state become records of the version log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.extract import tables
from pipelines.extract.run import extract
from pipelines.mapping.language import Mapping
from pipelines.state.database import State, now_us, open_state
from pipelines.state.service_tables import local_records, users


@pytest.fixture(autouse=True)
def _on_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)


def of_table(memory: ModuleType, tmp_path: Path, table: str, entity: str, whose: str | None = None) -> Connection:
    block = {"kind": "table"} | ({"path": whose} if whose else {})
    fields = {"extract": {"path": table}, "id": "id", "modified": "updated_at", "fields": {"name": "name"}}
    mapping = Mapping.model_validate(
        {"crm": "memory", "label": "Ours", "connection": block, "entities": {entity: fields}}
    )
    found: Connection = replace(memory.connection(tmp_path), mapping=mapping, wire=mapping.connection)
    return found


def enter(state: State, record_id: str, **more: Any) -> None:
    row = {"entity": "contacts", "record_id": record_id, "created_at": 5, "updated_at": 7, "deleted_at": None, **more}
    with state.write() as connection:
        connection.execute(sa.delete(local_records).where(local_records.c.record_id == record_id))
        connection.execute(sa.insert(local_records).values(**row))


def test_records_entered_here_are_versions_like_any_other(memory: ModuleType, tmp_path: Path) -> None:
    connection = of_table(memory, tmp_path, "local_records", "contacts")
    assert not tables.has_rows(connection)
    with open_state(connection.owner) as state:
        enter(state, "1", record=json.dumps({"name": 'Ada "A" Lovelace', "phones": ["1"], "email": None}))
        enter(state, "2", record='{"name": "Grace"}')
        enter(state, "3", record='{"name": "a deal"}', entity="deals")
        assert extract(connection, state=state)[0].new == 2
        assert tables.has_rows(connection)
        enter(state, "2", record='{"name": "Grace"}', deleted_at=9)
        read = extract(connection, state=state)[0]
    assert (read.records, read.changed, read.unchanged, read.complete) == (2, 1, 1, True)
    times = {"created_at": "1970-01-01T00:00:00.000005Z", "updated_at": "1970-01-01T00:00:00.000007Z"}
    assert memory.current(connection) == {
        "1": {"name": 'Ada "A" Lovelace', "phones": ["1"], "email": None, "id": "1", **times, "deleted": False},
        "2": {"name": "Grace", "id": "2", **times, "deleted": True},
    }


def user(user_id: str, tenant: str, **more: Any) -> dict[str, Any]:
    at = now_us()
    texts = dict.fromkeys(("name", "first_name", "last_name", "role", "synced_from"), "x")
    lists = {"roles": '["a"]', "permissions": "[]", "allowed_applications": "[]", "metadata": '{"k": {"l": 1}}'}
    moments = {"last_synced_at": at, "created_at": at, "updated_at": at}
    email = f"{user_id}@x.example"
    return {"id": user_id, "tenant_id": tenant, "email": email, "email_key": email, **texts, **lists, **moments, **more}


def test_users_of_one_organisation_and_of_no_other(memory: ModuleType, tmp_path: Path) -> None:
    connection = of_table(memory, tmp_path, "users", "users", "acme")
    with open_state(Owner(SERVICE_OWNER, tmp_path)) as store, store.write() as written:
        written.execute(sa.insert(users), [user("1", "acme", is_active=False), user("2", "other", is_active=True)])
    assert extract(connection)[0].new == 1
    found = memory.current(connection, "users")
    assert set(found) == {"1"}
    assert found["1"]["metadata"] == {"k": {"l": 1}}
    assert (found["1"]["roles"], found["1"]["is_active"], found["1"]["is_admin"]) == (["a"], False, False)
    with open_state(Owner(SERVICE_OWNER, tmp_path)) as store, store.write() as written:
        written.execute(sa.update(users).values(last_synced_at=now_us()))
    assert extract(connection)[0].unchanged == 1  # that it was synced again is no edit


def test_a_table_that_is_not_there_is_named(memory: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no table secrets; there are"):
        extract(of_table(memory, tmp_path, "secrets", "contacts"))
