"""What a sync's report becomes in the words of the contracts; the sync is a process that only prints a report."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipelines.connections.connection import Settings
from pipelines.connections.stored import Stored
from pipelines.connections.vault import Vault
from pipelines.service import jobs
from pipelines.service.jobs import runner
from pipelines.service.jobs.kinds import command_of, environment_of
from pipelines.state import service_connections

ROUTES = ("unified", "connectors", "webhooks")
STORES = ("sqlite",)
UNIFIED, CONNECTORS = "/api/crm/integrations", "/api/integrations/crm"
KEY = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
GIVEN = {"JWT_SECRET": "a secret of the tests, thirty-two bytes or more", "ENCRYPTION_KEY": KEY}
Reports = Callable[..., list[list[str]]]


def row(stage: str, entity: str, **counts: int) -> dict[str, Any]:
    return {"stage": stage, "entity": entity, "connection": "mri_vault", **counts}


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    """`reports(exit_code, messages, rows)`: what the next syncs print; gives their commands as they come."""
    commands: list[list[str]] = []

    def printing(exit_code: int = 0, messages: tuple[str, ...] = (), rows: tuple[Any, ...] = ()) -> list[list[str]]:
        text = json.dumps({"exit_code": exit_code, "messages": messages, "rows": rows})

        def command(context: Any, job: jobs.Job) -> list[str]:
            commands.append(command_of(context, job))
            return [sys.executable, "-c", f"print({text!r}); raise SystemExit({exit_code})"]

        monkeypatch.setattr(runner, "command_of", command)
        return commands

    return printing


@pytest.fixture
def client(serve: Any, context_of: Any) -> Iterator[TestClient]:
    """Ann has connected a CRM."""
    with serve(**GIVEN) as started:
        context = context_of(started)
        credentials = {"apiKey": "key-of-ann", "instanceUrl": "https://8.8.8.8"}
        settings = Settings.model_validate({"direction": "push"})
        stored = Stored("mri_vault", credentials, settings)
        sealed = Vault.of(GIVEN).seal("ann", "mri_vault", credentials)
        service_connections.save(context.state_of(context.owner_of("ann")), stored, sealed)
        yield started


@pytest.fixture
def call(client: TestClient, bearer: Any) -> Any:
    return lambda method, path, **more: client.request(method, path, headers=bearer("ann"), **more)


def test_push_counts_what_was_written_and_applies(call: Any, reports: Reports) -> None:
    rows = (row("extract", "contacts", came_in=9), row("push", "contacts", pushed=45),
            row("push", "deals", pushed=8, failed=1), row("push", "properties", pushed=12))  # fmt: skip
    commands = reports(rows=rows)
    done = call("POST", f"{CONNECTORS}/mri_vault/sync")
    assert done.json() == {"success": True, "contactsSynced": 45, "propertiesSynced": 12, "dealsSynced": 8, "failed": 1}
    (command,) = commands
    assert command[command.index("--push") + 1] == "apply"
    assert command[command.index("--owner") + 1] == "ann"
    assert "--allow-mass-change" not in command


def test_pull_and_both(call: Any, reports: Reports) -> None:
    rows = (row("extract", "contacts", came_in=9), row("push", "contacts", pushed=2))
    commands = reports(rows=rows)
    call("PATCH", f"{CONNECTORS}/mri_vault", json={"syncConfig": {"syncDirection": "pull"}})
    assert call("POST", f"{CONNECTORS}/mri_vault/sync").json()["contactsSynced"] == 9
    assert commands[0][commands[0].index("--push") + 1] == "off"
    call("PATCH", f"{CONNECTORS}/mri_vault", json={"syncConfig": {"syncDirection": "both"}})
    assert call("POST", f"{CONNECTORS}/mri_vault/sync").json()["contactsSynced"] == 11


def test_a_tripped_guard_shows_the_way_on(call: Any, reports: Reports) -> None:
    """connectors.md, sync: 409 VALIDATION_FAILED with the counts and "confirm": true as the way on."""
    commands = reports(
        5, ("[MRI Vault] contacts: 900 records would be created (100 may)",), (row("plan", "contacts", planned=900),)
    )
    refused = call("POST", f"{CONNECTORS}/mri_vault/sync")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "VALIDATION_FAILED"
    assert error["details"]["counts"] == {"contacts": 900}
    assert error["details"]["confirm"] is True
    call("POST", f"{CONNECTORS}/mri_vault/sync", json={"confirm": True})
    assert ["--allow-mass-change" in command for command in commands] == [False, True]


def test_what_a_crm_refuses_is_told(call: Any, reports: Reports, caplog: pytest.LogCaptureFixture) -> None:
    """unified-crm.md, errors and log lines."""
    reports(
        3,
        ("[MRI Vault] MRI Vault authentication failed (POST /token, status 401): Invalid client_id or client_secret",),
    )
    refused = call("POST", f"{UNIFIED}/sync/mri_vault")
    assert refused.status_code == 502
    assert refused.json() == {
        "error": "MRI Vault authentication failed", "statusCode": 502, "details": "Invalid client_id or client_secret",
    }  # fmt: skip
    assert call("POST", f"{CONNECTORS}/mri_vault/sync").json()["error"]["code"] == "INTEGRATION_FAILED"
    (one,) = call("GET", f"{CONNECTORS}/user").json()["integrations"]
    assert one["status"] == "error"
    assert one["lastError"] == "MRI Vault authentication failed: Invalid client_id or client_secret"
    with caplog.at_level(logging.INFO, "crosswalk"):
        reports(
            3,
            ("[MRI Vault] Failed to fetch deals: Request timeout after 15 seconds",),
            (row("extract", "contacts", came_in=245),),
        )
        done = call("POST", f"{UNIFIED}/sync-all").json()["results"]
    assert done["mri_vault"]["contacts"] == {"success": True, "count": 245}
    assert done["mri_vault"]["deals"] == {
        "success": False, "count": 0, "error": "Failed to fetch deals", "details": "Request timeout after 15 seconds",
    }  # fmt: skip
    assert "synced_at" in done
    lines = [record.getMessage() for record in caplog.records]
    assert "[MRI Vault] Authentication successful" in lines
    assert "[MRI Vault] Successfully synced 245 contacts" in lines
    assert "[MRI Vault] Failed to fetch deals: Request timeout after 15 seconds" in lines


def test_a_fault_of_the_program_tells_no_internals(call: Any, reports: Reports) -> None:
    reports(70, ("[MRI Vault] name 'secret_thing' is not defined",))
    for path in (f"{CONNECTORS}/mri_vault/sync", f"{UNIFIED}/sync/mri_vault"):
        refused = call("POST", path)
        assert refused.status_code == 502
        assert "secret_thing" not in refused.text


def test_pulling_never_pushes(call: Any, reports: Reports) -> None:
    """unified-crm.md, sync-all: it pulls and unifies; it never pushes."""
    commands = reports(rows=(row("extract", "contacts", came_in=1),))
    told = call("POST", f"{UNIFIED}/sync-all").json()
    assert told["message"] == "Sync initiated for all enabled CRM sources"
    assert set(told["results"]) == {"mri_vault", "synced_at"}
    call("POST", f"{UNIFIED}/sync/mri_vault")
    assert {command[command.index("--push") + 1] for command in commands} == {"off"}
    call("PATCH", f"{UNIFIED}/sources/mri_vault", json={"enabled": False})
    assert set(call("POST", f"{UNIFIED}/sync-all").json()["results"]) == {"synced_at"}


def test_changes_of_a_connection(call: Any) -> None:
    """connectors.md, PATCH: syncConfig, and fieldMapping validated as a mapping is."""
    path = f"{CONNECTORS}/mri_vault"
    changed = call(
        "PATCH", path, json={"syncConfig": {"syncDeals": False}, "fieldMapping": {"contacts": {"company": "firm"}}}
    ).json()
    assert changed["syncConfig"] == {
        "syncContacts": True,
        "syncProperties": True,
        "syncDeals": False,
        "syncDirection": "push",
    }
    assert changed["fieldMapping"] == {"contacts": {"company": "firm"}}
    for wrong in ({"contacts": {"compny": "firm"}}, {"contacts": {"company": {"sql": "1"}}}, {"x": {}}):
        refused = call("PATCH", path, json={"fieldMapping": wrong})
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "VALIDATION_FAILED"
        assert refused.json()["error"]["details"]
    for wrong in (
        {"syncConfig": {"syncDirection": "up"}},
        {"syncConfig": {"syncHouses": True}},
        {"syncDirection": "pull"},
    ):
        assert call("PATCH", path, json=wrong).status_code == 400, wrong
    (one,) = call("GET", f"{CONNECTORS}/user").json()["integrations"]
    assert one["syncConfig"] == changed["syncConfig"]


def test_what_a_process_gets_holds_the_key_and_not_the_credentials(client: TestClient, context_of: Any) -> None:
    given = environment_of(context_of(client))
    assert given["ENCRYPTION_KEY"] == KEY
    assert "key-of-ann" not in str(given)
