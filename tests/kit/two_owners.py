"""Two owners with the same people, and for every call of the service what the second does to get at the first's.

Who adds a route adds a line to `AS_BOB`; test_isolation.py fails where one lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient

UNIFIED, CONNECTORS = "/api/crm/integrations", "/api/integrations/crm"
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
            f"{UNIFIED}/sources/brivity", "/api/schedules", "/api/jobs", f"{UNIFIED}/audit", "/api/set-aside",
        ]  # fmt: skip
        return "\n".join(self.client.get(path, headers=self.ann).text for path in paths)


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


def _retry(w: World) -> list[Any]:
    answers = [w.as_bob("POST", "/api/set-aside/retry", json=body) for body in ({}, {"connection": "mri_vault"})]
    assert [answer.json()["queued"] for answer in answers] == [0, 0]
    return answers


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
    ("GET", "/api/set-aside"): _get("/api/set-aside"),
    ("POST", "/api/set-aside/retry"): _retry,
    ("GET", "/api/schedules"): _get("/api/schedules"),
    ("GET", "/api/schedules/{connection}"): _status("GET", "/api/schedules/mri_vault", 404),
    ("PUT", "/api/schedules/{connection}"): lambda w: w.as_bob(
        "PUT", "/api/schedules/mri_vault", json={"interval_minutes": 77}
    ),
    ("DELETE", "/api/schedules/{connection}"): lambda w: w.as_bob("DELETE", "/api/schedules/mri_vault"),
}
