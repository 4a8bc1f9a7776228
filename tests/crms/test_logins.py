"""One mapping, two ways to log in: by what a user granted, or by the application's own credentials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import emulated
import pytest

from pipelines.connections.project import Project
from pipelines.connections.resolve import resolve
from pipelines.extract.run import extract
from pipelines.sandbox.inside import RequestsAdapter
from pipelines.sandbox.server import Sandbox

CRMS = {"salesforce": ("User", "services/oauth2/token"), "zoho": ("users", "oauth/v2/token")}


class Watched(RequestsAdapter):
    """Notes what tokens were asked for with."""

    def __init__(self, sandbox: Sandbox, path: str) -> None:
        super().__init__(sandbox)
        self.path, self.asked = path, list[Mapping[str, list[str]]]()

    def send(self, request: Any, *args: Any, **more: Any) -> Any:
        if self.path in request.url:
            self.asked.append(parse_qs(request.body))
        return super().send(request, *args, **more)


@pytest.mark.parametrize(
    ("crm", "lacks", "grant"),
    [
        ("salesforce", "", "refresh_token"),
        ("salesforce", "SALESFORCE_REFRESH_TOKEN", "client_credentials"),
        ("zoho", "", "refresh_token"),
    ],
)
def test_a_token_is_asked_for(project_root: Path, tmp_path: Path, crm: str, lacks: str, grant: str) -> None:
    sandbox, (kind, path) = emulated.emulated(crm, 20), CRMS[crm]
    given = sandbox.crm(crm).environment(f"http://sandbox/{crm}")
    given.pop(lacks, None)
    given["ALLOW_INSECURE_CRM_URLS"] = "true"  # nothing leaves this process
    connection = resolve(crm, Project(project_root, tmp_path), sandbox_environment=given)
    adapter = Watched(sandbox, path)
    (read,) = extract(connection, adapter=adapter, entities=["users"])
    assert read.new == sandbox.crm(crm).store.count(kind) > 0
    assert [asked["grant_type"] for asked in adapter.asked] == [[grant]]


class Ending(RequestsAdapter):
    """Ends all logins when the call for one record comes for the first time."""

    def __init__(self, sandbox: Sandbox, path: str) -> None:
        super().__init__(sandbox)
        self.sandbox, self.path, self.statuses = sandbox, path, list[int]()

    def send(self, request: Any, *args: Any, **more: Any) -> Any:
        if self.path in request.url and not self.statuses:
            self.sandbox.crm("salesforce").tokens.withdraw_all()
        answered = super().send(request, *args, **more)
        if self.path in request.url:
            self.statuses.append(answered.status_code)
        return answered


def test_a_login_that_ends_before_one_record_is_asked_for_is_renewed(project_root: Path, tmp_path: Path) -> None:
    """Pages renew it; so does the call that confirms that a record is no more."""
    sandbox = emulated.emulated("salesforce", 20)
    given = sandbox.crm("salesforce").environment("http://sandbox/salesforce")
    given["ALLOW_INSECURE_CRM_URLS"] = "true"  # nothing leaves this process
    connection = resolve("salesforce", Project(project_root, tmp_path), sandbox_environment=given)
    extract(connection, adapter=RequestsAdapter(sandbox), entities=["users"])
    sandbox.crm("salesforce").remove(sandbox.crm("salesforce").store.select("User")[-1])
    adapter = Ending(sandbox, "sobjects/User/")
    (read,) = extract(connection, adapter=adapter, entities=["users"], full_refresh=True)
    assert (read.deleted, read.complete, adapter.statuses) == (1, True, [401, 404])
