"""What holds for every call: health, request ids, headers, limits, errors without internals."""

from __future__ import annotations

from starlette.testclient import TestClient

ROUTES = ("health",)
STORES = ("sqlite",)


def test_it_is_alive_ready_and_counted(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    shown = client.get("/metrics").text
    assert 'crosswalk_requests_total{method="GET",route="/healthz",status="200"} 1.0' in shown


def test_every_answer_has_a_request_id_and_security_headers(client: TestClient) -> None:
    for path in ("/healthz", "/nowhere"):
        headers = client.get(path).headers
        assert len(headers["x-request-id"]) == 16
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/healthz", headers={"X-Request-ID": "from-a-proxy"}).headers["x-request-id"] == "from-a-proxy"
    assert client.get("/healthz", headers={"X-Request-ID": "no good\t"}).headers["x-request-id"] != "no good\t"


def test_a_path_that_is_not_there_has_its_contracts_shape(client: TestClient) -> None:
    assert client.get("/api/external/nowhere").json() == {"success": False, "error": "Not Found"}
    assert client.get("/nowhere").status_code == 404
