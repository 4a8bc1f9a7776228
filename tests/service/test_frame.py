"""What holds for every call: health, request ids, headers, limits, errors without internals."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from pipelines.service.connections import resolve_for
from pipelines.state import limiter, runs
from pipelines.state.database import now_us
from pipelines.wire.accounts import account

ROUTES = ("health",)
STORES = ("sqlite",)


def test_it_is_alive_ready_and_counted(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    shown = client.get("/metrics").text
    assert 'crosswalk_requests_total{method="GET",route="/healthz",status="200"} 1.0' in shown


def test_strangers_make_no_new_series(client: TestClient) -> None:
    for number in range(20):
        client.request(f"BREW{number}", f"/nowhere/{number}")
    shown = [line for line in client.get("/metrics").text.splitlines() if line.startswith("crosswalk_requests_total")]
    assert len(shown) == 1
    assert 'method="other",route="none"' in shown[0]


def test_readiness_tells_the_last_run(client: TestClient, context_of: Any) -> None:
    context = context_of(client)
    assert client.get("/readyz").json()["last_run"] is None
    state = context.state_of(context.owner("default"))
    run_id = runs.start(state, ["north"])
    runs.finish(state, run_id, 3, {})
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["store"], ready["state"]) == ("ready", "ok", "ok")
    assert (ready["last_run"]["run_id"], ready["last_run"]["status"], ready["last_run"]["exit_code"]) == (
        run_id, "failed", 3,
    )  # fmt: skip
    with state.write() as connection:
        connection.exec_driver_sql("ALTER TABLE runs RENAME TO gone")
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["state"]) == (503, "cannot be reached")


def test_what_is_left_of_a_days_quota_is_shown(serve: Any, context_of: Any) -> None:
    with serve(HUBSPOT_ACCESS_TOKEN="a-token") as client:
        context = context_of(client)
        owner = context.owner("default")
        connection = resolve_for(context, owner, "hubspot")
        [day] = [limit for limit in connection.wire.limits if limit.seconds == 86400]
        begun = (now_us() // 3_600_000_000) * 3_600_000_000
        limiter.use(context.state_of(owner), account(connection), f"{day.match or 'all'}/86400s/3", begun, 1000)
        shown = client.get("/metrics").text
    name = 'crosswalk_crm_quota_left{connection="hubspot",window="86400s"}'
    assert f"{name} {float(day.requests - 1000)}" in shown


def test_metrics_may_be_closed(serve: Any) -> None:
    with serve(METRICS_TOKEN="the scraper's own") as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": "Bearer the scraper's own"}).status_code == 200


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
