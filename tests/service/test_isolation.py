"""Law L13 over HTTP: two owners with the same people; on no endpoint does one see, change or count the other's.

Every route of the service is called here. One that is added without a line in `AS_BOB` fails the first test.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from published_world import publish_world
from starlette.testclient import TestClient

from pipelines.connections.connection import Settings
from pipelines.connections.stored import Stored
from pipelines.connections.vault import Vault
from pipelines.service import audit, jobs, schedules
from pipelines.service.app import ROUTES as ALL_ROUTES
from pipelines.service.background import Background
from pipelines.service.jobs import runner
from pipelines.service.jobs.kinds import command_of
from pipelines.state import service_connections

STORES = ("sqlite",)
UNIFIED, CONNECTORS = "/api/crm/integrations", "/api/integrations/crm"
KEY = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
JWT_SECRET = "a secret of the tests, thirty-two bytes or more"
MARK = "only-anns"
OF_NOBODY = {  # callers of these are no users: they are proven by other means, and have tests of their own
    "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/api/admin/users/sync", "/api/internal/sync/users",
    "/api/internal/sync/jobs/{job_id}", "/api/webhooks/{connection}", "/api/webhooks/{owner}/{connection}",
    "/api/external/webhook", "/api/external/fetch", "/api/external/push/{record_id}", "/api/external/polling/start",
    "/api/external/polling/stop", "/api/external/status",
}  # fmt: skip


@dataclass
class World:
    """Ann's records, and what names them."""

    client: TestClient
    ann: dict[str, str]
    bob: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)

    def as_bob(self, method: str, path: str, **more: Any) -> Any:
        return self.client.request(method, path, headers=self.bob, **more)

    def all_of_ann(self) -> str:
        """Everything that Ann can read."""
        paths = [
            f"{UNIFIED}/contacts", f"{UNIFIED}/deals", f"{UNIFIED}/search?q=twin", f"{UNIFIED}/local/contacts",
            f"{UNIFIED}/local/deals", f"{UNIFIED}/local/properties", f"{UNIFIED}/segments", f"{CONNECTORS}/user",
            f"{UNIFIED}/sources/brivity", "/api/schedules", "/api/jobs", f"{UNIFIED}/audit",
        ]  # fmt: skip
        return "\n".join(self.client.get(path, headers=self.ann).text for path in paths)


def _quick(context: Any, job: jobs.Job) -> list[str]:
    command = command_of(context, job)
    assert command[command.index("--owner") + 1] == job.owner
    report = json.dumps({"exit_code": 0, "rows": [], "messages": []})
    return [sys.executable, "-c", f"print({report!r})"]


@pytest.fixture
def world(serve: Any, bearer: Any, context_of: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Ann and Bob know the same person; Ann has connections, a schedule, a segment, a job and a trail besides."""
    # nothing is unified beside the calls of the test, and processes only say for whom they would work
    monkeypatch.setattr(Background, "changed", lambda *_, **__: None)
    monkeypatch.setattr(runner, "command_of", _quick)
    with serve(JWT_SECRET=JWT_SECRET, ENCRYPTION_KEY=KEY) as client:
        context = context_of(client)
        found = World(client, bearer("ann"), bearer("bob"))
        for name, note in (("ann", MARK), ("bob", "bobs")):
            owner = context.owner_of(name)
            twin = {"connection": "brivity", "source_id": "1", "golden": "c_twin", "first_name": "Tina",
                    "last_name": "Twin", "email": "tina.twin@example.com", "phone": "+15551234567",
                    "company": note}  # fmt: skip
            deal = {"connection": "brivity", "source_id": "d1", "golden": "d_twin", "name": f"Twin House {note}",
                    "contact_ids": ["brivity:1"]}  # fmt: skip
            publish_world(owner, context.schemas, raw=False, contacts=[twin], deals=[deal])
            local = {"first_name": "Tina", "last_name": "Twin", "email": "tina.twin@example.com", "company": note}
            for entity, fields in (("contacts", local), ("deals", {"name": note}), ("properties", {"address": note})):
                made = client.post(f"{UNIFIED}/local/{entity}", json=fields, headers=bearer(name)).json()
                found.ids[f"{name} {entity}"] = next(v for k, v in made.items() if k != "success")["id"]
        owner = context.owner_of("ann")
        stored = Stored(
            "mri_vault", {"apiKey": MARK, "instanceUrl": f"https://{MARK}.example"}, Settings.model_validate({})
        )
        sealed = Vault.of({"ENCRYPTION_KEY": KEY}).seal("ann", "mri_vault", stored.credentials)
        service_connections.save(context.state_of(owner), stored, sealed)
        segment = {"name": MARK, "entity": "contacts", "filters": {"company": MARK}}
        assert client.post(f"{UNIFIED}/segments", json=segment, headers=found.ann).status_code == 201
        schedules.set_schedule(context, "ann", "mri_vault", interval_minutes=500_000)
        found.ids["job"] = jobs.submit(context, "ann", jobs.SYNC, [MARK], {"push": "off"})
        jobs.cancel(context, found.ids["job"], "ann")
        assert jobs.wait(context, found.ids["job"], 60), "what changes of itself proves nothing"
        audit.note(context, "ann", "ann", MARK)
        yield found


Probe = Callable[[World], Any]


def _get(path: str) -> Probe:
    return lambda w: w.as_bob("GET", path)


def _body(method: str, name: str) -> dict[str, Any]:
    return {"json": {name: "changed"}} if method == "PATCH" else {}


def _local(method: str) -> Probe:
    def probe(w: World) -> list[Any]:
        fields = {"contacts": "company", "deals": "name", "properties": "address"}
        answers = [
            w.as_bob(method, f"{UNIFIED}/local/{entity}/{w.ids[f'ann {entity}']}", **_body(method, name))
            for entity, name in fields.items()
        ]
        assert {answer.status_code for answer in answers} == {404}
        return answers

    return probe


def _status(method: str, path: str, status: int, **more: Any) -> Probe:
    def probe(w: World) -> Any:
        answer = w.as_bob(method, path.format(**w.ids, mark=MARK), **more)
        assert answer.status_code == status, (path, answer.text)
        return answer

    return probe


def _export(w: World) -> list[Any]:
    everything = w.as_bob("GET", f"{UNIFIED}/export?entity=contacts")
    assert everything.text.count("\n") == 2  # the names of the columns, and one of his own
    none = w.as_bob("GET", f"{UNIFIED}/export?company={MARK}")
    assert none.text.count("\n") == 1
    other = w.as_bob("GET", f"{UNIFIED}/export?segment={MARK}")
    assert other.status_code == 404
    return [everything]


def _search(w: World) -> list[Any]:
    answers = [w.as_bob("GET", f"{UNIFIED}/search?q={q}") for q in ("twin", "5551234567", "tina.twin@example.com")]
    assert [answer.json()["total"] for answer in answers] == [2, 1, 2]
    assert w.as_bob("GET", f"{UNIFIED}/search?q=only anns").json()["total"] == 0
    return [*answers, w.as_bob("GET", f"{UNIFIED}/search?q=twin house&type=deal")]


def _counts(w: World) -> Any:
    answer = w.as_bob("GET", f"{UNIFIED}/sync-status")
    status = answer.json()["status"]
    assert (status["brivity"]["contactCount"], status["local"]["contactCount"]) == (1, 1)
    assert (status["brivity"]["dealCount"], status["local"]["dealCount"]) == (1, 1)
    assert "mri_vault" not in status
    return answer


def _clear(w: World) -> Any:
    answer = w.as_bob("POST", f"{UNIFIED}/cache/clear", json={"source": "mri_vault"})
    assert answer.json()["success"] is True
    return answer


def _forget(w: World) -> list[Any]:
    ids = ["c_twin", f"local:{w.ids['ann contacts']}", w.ids["ann contacts"]]
    answers = [w.as_bob("POST", "/api/forget", json={"id": i}) for i in ids]
    assert {answer.status_code for answer in answers} == {404}
    return answers


NOT_CONNECTED = {"json": {}}
AS_BOB: dict[tuple[str, str], Probe] = {
    ("GET", f"{UNIFIED}/cached-data"): _get(f"{UNIFIED}/cached-data"),
    ("GET", f"{UNIFIED}/contacts"): _get(f"{UNIFIED}/contacts"),
    ("GET", f"{UNIFIED}/deals"): _get(f"{UNIFIED}/deals"),
    ("GET", f"{UNIFIED}/search"): _search,
    ("GET", f"{UNIFIED}/sync-status"): _counts,
    ("POST", f"{UNIFIED}/sync-all"): _status("POST", f"{UNIFIED}/sync-all", 200),
    ("POST", f"{UNIFIED}/sync/{{source}}"): _status("POST", f"{UNIFIED}/sync/mri_vault", 400),
    ("POST", f"{UNIFIED}/cache/clear"): _clear,
    ("POST", f"{UNIFIED}/test/{{source}}"): _status("POST", f"{UNIFIED}/test/mri_vault", 400),
    ("GET", f"{UNIFIED}/sources/{{source}}"): _get(f"{UNIFIED}/sources/mri_vault"),
    ("PATCH", f"{UNIFIED}/sources/{{source}}"): _status(
        "PATCH", f"{UNIFIED}/sources/hubspot", 200, json={"enabled": False, "interval_minutes": 9_999}
    ),
    ("GET", f"{UNIFIED}/audit"): _get(f"{UNIFIED}/audit?limit=500"),
    ("POST", f"{UNIFIED}/local/{{entity}}"): _status(
        "POST", f"{UNIFIED}/local/deals", 400, json={"name": "x", "contact_ids": ["c_of_ann"]}
    ),
    ("GET", f"{UNIFIED}/local/{{entity}}"): lambda w: [
        w.as_bob("GET", f"{UNIFIED}/local/{e}") for e in ("contacts", "deals", "properties")
    ],
    ("GET", f"{UNIFIED}/local/{{entity}}/{{record_id}}"): _local("GET"),
    ("PATCH", f"{UNIFIED}/local/{{entity}}/{{record_id}}"): _local("PATCH"),
    ("DELETE", f"{UNIFIED}/local/{{entity}}/{{record_id}}"): _local("DELETE"),
    ("GET", f"{UNIFIED}/export"): _export,
    ("GET", f"{UNIFIED}/segments"): _get(f"{UNIFIED}/segments"),
    ("POST", f"{UNIFIED}/segments"): _status(
        "POST", f"{UNIFIED}/segments", 201, json={"name": "his", "filters": {"company": "bobs"}}
    ),
    ("DELETE", f"{UNIFIED}/segments"): _status("DELETE", f"{UNIFIED}/segments?name={MARK}", 404),
    ("DELETE", f"{UNIFIED}/segments/{{name}}"): _status("DELETE", f"{UNIFIED}/segments/{MARK}", 404),
    ("GET", CONNECTORS): _get(CONNECTORS),
    ("GET", f"{CONNECTORS}/user"): _get(f"{CONNECTORS}/user"),
    ("POST", f"{CONNECTORS}/{{provider}}/connect"): _status(
        "POST",
        f"{CONNECTORS}/mri_vault/connect",
        400,
        json={"credentials": {"apiKey": "k", "instanceUrl": "https://10.0.0.1"}},
    ),
    ("POST", f"{CONNECTORS}/{{provider}}/sync"): _status("POST", f"{CONNECTORS}/mri_vault/sync", 400),
    ("PATCH", f"{CONNECTORS}/{{provider}}"): _status(
        "PATCH", f"{CONNECTORS}/mri_vault", 400, json={"syncConfig": {"syncDirection": "pull"}}
    ),
    ("DELETE", f"{CONNECTORS}/{{provider}}"): _status("DELETE", f"{CONNECTORS}/mri_vault", 400),
    ("GET", "/api/jobs"): _get("/api/jobs"),
    ("POST", "/api/jobs"): lambda w: w.as_bob("POST", "/api/jobs", json={"connections": ["mri_vault"]}),
    ("GET", "/api/jobs/{job_id}"): _status("GET", "/api/jobs/{job}", 404),
    ("POST", "/api/jobs/{job_id}/cancel"): _status("POST", "/api/jobs/{job}/cancel", 404),
    ("POST", "/api/forget"): _forget,
    ("GET", "/api/schedules"): _get("/api/schedules"),
    ("GET", "/api/schedules/{connection}"): _status("GET", "/api/schedules/mri_vault", 404),
    ("PUT", "/api/schedules/{connection}"): lambda w: w.as_bob(
        "PUT", "/api/schedules/mri_vault", json={"interval_minutes": 77}
    ),
    ("DELETE", "/api/schedules/{connection}"): lambda w: w.as_bob("DELETE", "/api/schedules/mri_vault"),
}


def operations(client: TestClient) -> set[tuple[str, str]]:
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_every_endpoint_is_looked_at(serve: Any) -> None:
    with serve(JWT_SECRET=JWT_SECRET) as client:
        there = operations(client)
        assert {path for _, path in there if path not in OF_NOBODY} == {path for _, path in AS_BOB}
        assert {(m, p) for m, p in there if p not in OF_NOBODY} == set(AS_BOB)
        assert set(ALL_ROUTES) >= {"unified", "local", "exports", "connectors", "jobs", "schedules"}


def test_every_endpoint_of_users_asks_who_it_is(serve: Any) -> None:
    with serve(JWT_SECRET=JWT_SECRET) as client:
        for method, path in AS_BOB:
            answer = client.request(method, path.replace("{", "").replace("}", ""), json={})
            assert answer.status_code == 401, (method, path)


def test_nobody_sees_changes_or_counts_anothers(world: World) -> None:
    before = world.all_of_ann()
    assert MARK in before
    assert world.client.get(f"{UNIFIED}/contacts", headers=world.ann).json()["count"] == 2
    for operation, probe in AS_BOB.items():
        answers = probe(world)
        for answer in answers if isinstance(answers, list) else [answers]:
            assert answer.status_code < 500, (operation, answer.text)
            assert MARK not in answer.text, operation
            assert not [i for name, i in world.ids.items() if name.startswith("ann") and i in answer.text], operation
    assert world.all_of_ann() == before


def test_a_name_that_looks_like_another_is_another(serve: Any, bearer: Any, context_of: Any) -> None:
    """Owners are told apart on file systems that know no case, and none leaves its folder."""
    names = [
        "ann",
        "ANN",
        "Ann",
        "ann ",
        " ann",
        "ann/../bob",
        "../ann",
        "_service",
        "default2",
        "ann.",
        "anǹ",
        "\u202eann",
    ]
    with serve(JWT_SECRET=JWT_SECRET) as client:
        context = context_of(client)
        owners = {context.owner_of(name).name.lower() for name in names}
        assert len(owners) == len(names)
        for name in names:
            made = client.post(
                f"{UNIFIED}/local/contacts", json={"first_name": json.dumps(name)[:50]}, headers=bearer(name)
            )
            assert made.status_code == 201
            assert client.get(f"{UNIFIED}/local/contacts", headers=bearer(name)).json()["count"] == 1
