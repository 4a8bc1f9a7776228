"""Users that were pushed in are a source like any other: a mapping reads them, and they become golden users."""

from __future__ import annotations

import time
from typing import Any

import duckdb
import jwt
import pytest

from pipelines.commands.exits import Exit
from pipelines.commands.run_options import RunOptions
from pipelines.commands.running import run
from pipelines.connections.project import Project

ROUTES = ("user_sync",)
SECRET = "the wrapper's key, which is thirty-two bytes long"


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
    stages = frozenset({"extract", "staging", "unify"})
    report, code = run(RunOptions(["wrapper_users"], data_dir=project.data_dir, stages=stages, quiet=True))
    assert (code, report.sandbox, report.owner) == (Exit.DONE, False, "default")
    with duckdb.connect(str(project.data_dir / "default" / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select email, first_name, name, role, is_active, external_id from unified.users order by email"
        ).fetchall()
    assert rows == [
        ("ada@acme.example", "Ada", "Ada Lovelace", "admin", True, "x-1"),
        ("grace@acme.example", "Grace", "Grace", "user", False, "x-2"),
    ]
