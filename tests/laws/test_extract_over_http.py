"""L3 and L9 over HTTP: the sandbox's faults strike while the real mapping is read by the real pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.connections.project import Project
from pipelines.connections.resolve import resolve
from pipelines.extract.run import extract
from pipelines.sandbox import SandboxHandle, start
from pipelines.wire.errors import CrmError

CRM = "brivity"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxHandle]:
    with tempfile.TemporaryDirectory() as folder, start(folder, [CRM], size=120) as running:
        yield running


faults = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(
                ["error", "drop", "throttle", "expire", "html", "truncate", "cut", "change", "remove", "insert"]
            ),
            "method": st.just("GET"),
            "after": st.integers(0, 4),
            "count": st.integers(1, 2),
            "retry_after": st.just(0),
        }
    ),
    max_size=3,
)


def served(connection: Any, entity: str) -> dict[str, Any]:
    """What the CRM holds, asked for outside of the pipeline."""
    import json
    import urllib.request

    wire = connection.wire
    token = json.dumps(
        {"grant_type": "client_credentials", "client_id": wire.auth["client_id"],
         "client_secret": wire.auth["client_secret"]}
    ).encode()  # fmt: skip
    headers = {**wire.headers, "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{wire.base_url}/auth/oauth/token", token, headers)
    with urllib.request.urlopen(asked) as answer:
        headers["Authorization"] = f"Bearer {json.load(answer)['access_token']}"
    found: dict[str, Any] = {}
    while True:
        url = f"{wire.base_url}/{entity}?limit=100&offset={len(found)}"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            rows = json.load(answer)[entity]
        found |= {str(r["id"]): r for r in rows}
        if len(rows) < 100:
            return found


def held(connection: Any, entity: str) -> dict[str, Any]:
    import json

    with duckdb.connect(str(connection.owner.raw(CRM)), read_only=True) as con:
        query = f"select id, record from raw.{entity}_current where not deleted"
        return {key: json.loads(record) for key, record in con.execute(query).fetchall()}


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(struck=faults)
def test_after_any_fault_the_next_run_holds_what_the_crm_holds(
    sandbox: SandboxHandle, project_root: Path, struck: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        environment = sandbox.environment(CRM)
        connection = resolve(CRM, Project(project_root, data), data, sandbox_environment=environment)
        for fault in struck:
            sandbox.admin("POST", f"{CRM}/faults", fault)
        try:
            extract(connection, backoff=0.01)
        except CrmError:
            assert struck
        sandbox.admin("DELETE", f"{CRM}/faults")
        for _ in range(2):
            reads = extract(connection, backoff=0.01, allow_shrink=True)
        assert all(read.complete for read in reads)
        for entity in connection.entities:
            assert held(connection, entity) == served(connection, entity)
