"""`/healthz`, `/readyz`, `/metrics`: for whoever watches the service."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pipelines.service.auth import CurrentContext, bearer_of, same_key
from pipelines.service.errors import ServiceError
from pipelines.service.routing import router as make_router

router = make_router(tag="health")


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(context: CurrentContext) -> JSONResponse:
    """Whether the stores can be reached; 503 where one cannot."""
    found: dict[str, Any] = {"status": "ready", "store": "ok"}
    try:
        with context.store.read() as connection:
            connection.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError:
        return JSONResponse({"status": "not ready", "store": "cannot be reached"}, 503)
    return JSONResponse(found)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, context: CurrentContext) -> Response:
    """Counts in Prometheus' text format."""
    token = context.settings.metrics_token
    if token is not None and not same_key(bearer_of(request) or "", [token.get_secret_value()]):
        raise ServiceError(401, "Unauthorized", headers={"WWW-Authenticate": "Bearer"})
    return Response(generate_latest(context.metrics.registry), media_type=CONTENT_TYPE_LATEST)
