"""The OpenAPI document and the page that shows it; CORS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from pipelines.service.settings import ServiceSettings, as_table

STORES = ("sqlite",)
ROUTES = ("documentation", "health", "user_sync", "internal_users")


def test_each_operation_says_who_may_call_and_how_it_fails(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    admin = document["paths"]["/api/admin/users/sync"]["post"]
    internal = document["paths"]["/api/internal/sync/users"]["post"]
    assert (admin["security"], internal["security"]) == ([{"wrapperToken": []}], [{"internalKey": []}])
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert {"200", "202", "400", "401", "429", "503", "default"} == set(internal["responses"])
    shape = internal["responses"]["400"]["content"]["application/json"]["schema"]["$ref"]
    assert document["components"]["schemas"][shape.rpartition("/")[2]]["required"] == ["success", "error", "timestamp"]
    assert not re.search(r"HTTPValidationError|\b422\b", str(document))


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert [client.get(name).status_code for name in loaded if name != "data:,"] == [200] * 3
    assert client.get("/docs/../pyproject.toml").status_code == client.get("/docs/other.js").status_code == 404


def test_cors_is_off_unless_set(client: TestClient, serve: Any) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/api/internal/sync/users", headers=asked).headers
    with serve(CORS_ORIGINS="https://app.example") as open_to_one:
        allowed = open_to_one.options("/api/internal/sync/users", headers=asked)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example")
        other = open_to_one.options("/api/internal/sync/users", headers={**asked, "Origin": "https://evil.test"})
        assert "access-control-allow-origin" not in other.headers


def test_every_setting_is_documented(project_root: Path) -> None:
    undescribed = [name for name, field in ServiceSettings.model_fields.items() if not field.description]
    assert not undescribed
    assert (project_root / "docs" / "service.md").read_text().endswith(as_table())
