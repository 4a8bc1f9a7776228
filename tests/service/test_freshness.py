"""`cache_ttl_minutes` of unified-crm.md: who reads what is older than that makes the service pull it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.connections.connection import Settings
from pipelines.connections.stored import Stored
from pipelines.connections.vault import Vault
from pipelines.service.background import Background
from pipelines.service.context import Context
from pipelines.service.jobs.runner import Runner
from pipelines.state import service_connections
from pipelines.state.database import now_us
from pipelines.state.service_tables import jobs as job_table

ROUTES = ("unified", "webhooks")
STORES = ("sqlite",)
BASE = "/api/crm/integrations"
GIVEN = {"JWT_SECRET": "a secret of the tests, thirty-two bytes or more"}
MINUTE = 60_000_000
Job = tuple[str, str, str]


@pytest.fixture
def client(serve: Any, context_of: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Ann has connected a CRM; jobs are submitted, and none is begun."""
    monkeypatch.setattr(Runner, "_run", lambda _: None)
    monkeypatch.setattr(Background, "changed", lambda *_: None)
    key = "".join(f"{(i * 73 + 41) * (i + 3) % 256:02x}" for i in range(32))
    with serve(**GIVEN, ENCRYPTION_KEY=key) as started:
        context = context_of(started)
        stored = Stored("mri_vault", {"apiKey": "k", "instanceUrl": "https://8.8.8.8"}, Settings())
        sealed = Vault.of({"ENCRYPTION_KEY": key}).seal("ann", "mri_vault", stored.credentials)
        service_connections.save(context.state_of(context.owner_of("ann")), stored, sealed)
        yield started


@pytest.fixture
def call(client: TestClient, bearer: Any) -> Callable[..., Any]:
    return lambda method, path, **more: client.request(method, f"{BASE}{path}", headers=bearer("ann"), **more)


def submitted(context: Context) -> list[Job]:
    c = job_table.c
    with context.store.read() as connection:
        found = connection.execute(sa.select(c.kind, c.connection, c.params).order_by(c.job_id))
        return [(str(kind), str(name), str(params)) for kind, name, params in found]


SYNC = ("sync", "mri_vault", '{"push": "off", "scheduled": true}')


@pytest.mark.parametrize("path", ["/cached-data", "/cached-data?source=mri_vault", "/contacts", "/deals"])
def test_reading_what_is_too_old_pulls_it_again(
    client: TestClient, call: Callable[..., Any], context_of: Any, path: str
) -> None:
    """Nobody waits for it, one sync that waits is enough, and it never pushes."""
    assert call("GET", path).status_code == 200
    assert submitted(context_of(client)) == [], "nobody has set a limit"
    call("PATCH", "/sources/mri_vault", json={"cache_ttl_minutes": 5})
    for _ in range(3):
        assert call("GET", path).status_code == 200
    assert submitted(context_of(client)) == [SYNC]


@pytest.mark.parametrize(
    ("limit", "minutes_ago", "pulls"),
    [(5, 4, False), (5, 6, True), (0, 0, False), (0, 2, True), (None, 9999, False)],
    ids=["young", "old", "zero-is-a-minute", "zero-and-older", "no-limit"],
)
def test_the_limit_counts_from_the_last_sync(
    client: TestClient, call: Callable[..., Any], context_of: Any, limit: int | None, minutes_ago: int, pulls: bool
) -> None:
    context = context_of(client)
    state = context.state_of(context.owner_of("ann"))
    service_connections.synced(state, "mri_vault", None)
    with state.write() as connection:
        table = service_connections.service_connections
        connection.execute(sa.update(table).values(last_sync=now_us() - minutes_ago * MINUTE))
    call("PATCH", "/sources/mri_vault", json={"cache_ttl_minutes": limit})
    assert call("GET", "/contacts").status_code == 200
    assert submitted(context) == ([SYNC] if pulls else [])


def test_a_sync_that_was_tried_counts(client: TestClient, call: Callable[..., Any], context_of: Any) -> None:
    """A CRM that is down is not asked at every call."""
    context = context_of(client)
    call("PATCH", "/sources/mri_vault", json={"cache_ttl_minutes": 5})
    call("GET", "/contacts")
    with context.store.write() as connection:
        connection.execute(sa.update(job_table).values(status="failed", finished_at=now_us()))
    call("GET", "/contacts")
    assert len(submitted(context)) == 1
    with context.store.write() as connection:
        connection.execute(sa.update(job_table).values(created_at=now_us() - 6 * MINUTE))
    call("GET", "/contacts")
    assert len(submitted(context)) == 2


def test_what_is_not_enabled_or_not_connected_stays_as_it_is(
    client: TestClient, call: Callable[..., Any], context_of: Any
) -> None:
    call("PATCH", "/sources/mri_vault", json={"cache_ttl_minutes": 0, "enabled": False})
    call("PATCH", "/sources/brivity", json={"cache_ttl_minutes": 0})
    assert call("GET", "/cached-data").status_code == 200
    assert submitted(context_of(client)) == []
