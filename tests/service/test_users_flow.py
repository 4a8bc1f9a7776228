"""Users that were pushed in are a source like any other: a mapping reads them, and they become golden users."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import duckdb
import jwt
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.commands.exits import Exit
from pipelines.commands.run_options import RunOptions
from pipelines.commands.running import run
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project
from pipelines.sandbox.handle import start
from pipelines.service.context import Context
from pipelines.service.jobs import store
from pipelines.service.owners import organisation_name, owner_name
from pipelines.service.users import flowing
from pipelines.state.service_tables import jobs as job_table

ROUTES = ("user_sync", "internal_users")
SECRET = "the wrapper's key, which is thirty-two bytes long"
KEY = "the internal key of the tests"


def read(project: Project, owner: str, *stages: str, name: str = "wrapper_users") -> None:
    """A run over the connection that reads an owner's users."""
    options = RunOptions([name], data_dir=project.data_dir, stages=frozenset(stages), quiet=True, owner=owner)
    report, code = run(options)
    assert (code, report.sandbox, report.owner) == (Exit.DONE, False, owner), report.messages


def pulled(project: Project, owner: str, name: str = "wrapper_users") -> list[str]:
    """E-mail addresses in the raw log of an owner, after their users were read."""
    read(project, owner, "extract", name=name)
    with duckdb.connect(str(Owner(owner, project.data_dir).raw(name)), read_only=True) as con:
        rows = con.execute("select record->>'email' from raw.users_current order by 1").fetchall()
    return [str(row[0]) for row in rows]


def submitted(context: Context, kind: str) -> list[tuple[str, str | None]]:
    """Owner and connection of the jobs of a kind."""
    c = job_table.c
    with context.store.read() as connection:
        rows = connection.execute(sa.select(c.owner, c.connection).where(c.kind == kind).order_by(c.owner))
        return [(str(owner), name) for owner, name in rows]


def carry_on(context: Context) -> None:
    """Does the jobs that lead from the user store to a run."""
    for job in store.listed(context.store, SERVICE_OWNER, kind=flowing.FLOW):
        flowing._flow(context, job)


def push(client: TestClient, tenant: str, *emails: str) -> None:
    """One sync by the second contract."""
    users = [{"email": email, "name": email} for email in emails]
    body = {"operation": "user_sync", "tenant": {"id": tenant, "name": tenant}, "users": users}
    answer = client.post("/api/internal/sync/users", json=body, headers={"X-Internal-API-Key": KEY})
    assert answer.status_code == 200, answer.text


def test_every_organisations_users_flow_on_by_themselves(
    serve: Any, context_of: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One named by a variable, one by the settings, two by nobody: each to its owner, and to no other."""
    project.config.parent.mkdir()
    project.config.write_text('[connections.north_users]\nmapping = "wrapper_users"\nowner = "ann"\n')
    variables = {"WRAPPER_ORG_CODE": "acme", "NORTH_USERS_WRAPPER_ORG_CODE": "north"}
    with serve(INTERNAL_API_KEY=KEY, **variables) as client:
        context = context_of(client)
        for tenant in ("acme", "north", "south", "West & Co"):
            push(client, tenant, f"ada@{tenant.split()[0].lower()}.example", "both@shared.example")
        push(client, "south")
        carry_on(context)
        west = organisation_name("West & Co")
        flows = [("ann", "north_users"), ("default", "wrapper_users"), (west, "wrapper_users")]
        assert submitted(context, "sync") == sorted([*flows, ("org-south", "wrapper_users")])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.root)
    assert pulled(project, "default") == ["ada@acme.example", "both@shared.example"]
    assert pulled(project, "ann", "north_users") == ["ada@north.example", "both@shared.example"]
    assert pulled(project, "org-south") == ["ada@south.example", "both@shared.example"]
    assert pulled(project, west) == ["ada@west.example", "both@shared.example"]


def test_an_organisation_is_no_persons_owner() -> None:
    """Who names themselves as an organisation does gets a folder of their own (law L13)."""
    assert organisation_name("acme") == "org-acme"
    assert owner_name("acme") == "acme"
    assert owner_name("org-acme").startswith("user-")
    odd = organisation_name("Acme")
    assert odd.startswith("org-")
    assert odd != organisation_name("ACME")
    assert organisation_name(odd.removeprefix("org-")) != odd


def test_a_sync_that_changed_nobody_makes_nobody_work(serve: Any, context_of: Any) -> None:
    with serve(INTERNAL_API_KEY=KEY) as client:
        push(client, "south")
        assert submitted(context_of(client), flowing.FLOW) == []
        push(client, "south", "ada@south.example")
        push(client, "south", "ada@south.example")
        assert submitted(context_of(client), flowing.FLOW) == [(SERVICE_OWNER, None)]


def test_users_of_the_organisation_become_golden_users(
    serve: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [
        {"externalId": "x-1", "email": "Ada@Acme.example", "firstName": "Ada", "lastName": "Lovelace", "role": "admin"},
        {"externalId": "x-2", "email": "grace@acme.example", "firstName": "Grace", "isActive": False},
    ]
    with serve(WRAPPER_SECRET_KEY=SECRET) as client:
        for organisation, who in (("acme", members), ("other", members[:1])):
            token = jwt.encode({"orgCode": organisation, "exp": time.time() + 60}, SECRET, "HS256")
            answer = client.post(
                "/api/admin/users/sync", json={"users": who}, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.json()["data"]["summary"]["created"] == len(who)
    monkeypatch.setenv("WRAPPER_ORG_CODE", "acme")
    read(project, "default", "extract", "staging", "unify")
    with duckdb.connect(str(project.data_dir / "default" / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select email, first_name, name, role, is_active, external_id from unified.users order by email"
        ).fetchall()
    assert rows == [
        ("ada@acme.example", "Ada", "Ada Lovelace", "admin", True, "x-1"),
        ("grace@acme.example", "Grace", "Grace", "user", False, "x-2"),
    ]


TEAM = """
crm: team
label: Team
connection:
  base_url: "${TEAM_ADDRESS}"
  auth: {type: bearer, token: "${TEAM_TOKEN}"}
entities:
  users:
    extract:
      path: api/contacts
      data_selector: items
      params: {pagesize: 100}
      paginator: {type: page_number, base_page: 1, page_param: page, total_path: totalPages}
    get: {path: "api/contacts/{id}"}
    id: id
    modified: modified
    fields: {first_name: firstName, last_name: lastName, email: email, role: type}
    push:
      create: email is not null
      find: {by: [email], request: {path: api/contacts, params: {email: "{email}"}, data_selector: items}}
      fields: [first_name, last_name, email, role]
      create_request: {method: POST, path: api/contacts}
      update_request: {method: PUT, path: "api/contacts/{id}"}
      answer_record: "$"
"""


@pytest.mark.slow
def test_users_are_pushed_to_a_crm_whose_mapping_pushes_users(
    serve: Any, project: Project, project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mapped CRM documents a call that makes users, so one that does is made of an emulated CRM's contacts."""
    with start(tmp_path / "crm", ["mri_vault"], size=3) as crm:
        given = crm.environment("mri_vault")
        project.mappings.unlink()
        project.mappings.mkdir()
        shutil.copy(project_root / "mappings" / "wrapper_users.yml", project.mappings)
        (project.mappings / "team.yml").write_text(TEAM)
        with serve(INTERNAL_API_KEY=KEY) as client:
            push(client, "acme", "ada@acme.example")
        monkeypatch.chdir(project.root)
        for name, value in {
            "WRAPPER_ORG_CODE": "acme", "TEAM_ADDRESS": given["MRI_VAULT_INSTANCE_URL"],
            "TEAM_TOKEN": given["MRI_VAULT_API_KEY"], "ALLOW_INSECURE_CRM_URLS": "true",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        for times in (1, 2):
            options = RunOptions(["wrapper_users", "team"], project.data_dir, push="apply", quiet=True, owner="default")
            report, code = run(options)
            assert code is Exit.DONE, (times, report.messages)
            there = crm.admin("GET", "mri_vault/records?entity=contacts")
            assert [one["body"]["email"] for one in there].count("ada@acme.example") == 1, times
