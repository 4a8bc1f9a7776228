"""`/healthz`, `/readyz`, `/metrics`: for whoever watches the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pipelines.service.auth import CurrentContext, bearer_of, same_key
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.quota import QuotaLeft
from pipelines.service.routing import router as make_router
from pipelines.state.database import State
from pipelines.state.tables import runs

router = make_router(tag="health")


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "A store cannot be reached"}})
def readyz(context: CurrentContext) -> JSONResponse:
    """Whether the stores can be reached, and how the last run of the default owner ended."""
    found: dict[str, Any] = {"status": "ready", "store": "ok", "state": "ok", "last_run": None}
    owner = context.owner(context.settings.default_owner)
    stores: dict[str, Callable[[], State]] = {"store": lambda: context.store, "state": lambda: context.state_of(owner)}
    for name, state in stores.items():
        try:
            found["last_run"] = _last_run(state())
        except (sa.exc.SQLAlchemyError, OSError):
            found |= {name: "cannot be reached", "status": "not ready"}
    return JSONResponse(found, 200 if found["status"] == "ready" else 503)


def _last_run(state: State) -> dict[str, Any] | None:
    c = runs.c
    query = sa.select(c.run_id, c.status, c.exit_code, c.started_at, c.finished_at).order_by(c.started_at.desc())
    with state.read() as connection:
        row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else {k: _iso(v) if k.endswith("_at") else v for k, v in row.items()}


def _iso(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1_000_000, UTC).isoformat()


@asynccontextmanager
async def lifespan(context: Context) -> AsyncIterator[None]:
    """What only the connections know is asked for when somebody looks."""
    left = QuotaLeft(context)
    context.metrics.ask(
        "crosswalk_crm_quota_left", "Calls left of a CRM's long quota", ["connection", "window"], left.samples
    )
    yield


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, context: CurrentContext) -> Response:
    """Counts in Prometheus' text format."""
    token = context.settings.metrics_token
    if token is not None and not same_key(bearer_of(request) or "", [token.get_secret_value()]):
        raise ServiceError(401, "Unauthorized", headers={"WWW-Authenticate": "Bearer"})
    return Response(generate_latest(context.metrics.registry), media_type=CONTENT_TYPE_LATEST)
