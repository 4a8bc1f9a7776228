"""Errors of the service: raised anywhere, answered in the shape of the contract that the path belongs to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

logger = logging.getLogger("crosswalk.service")


class ServiceError(HTTPException):
    """A call that is refused, or failed.

    Args:
        status: HTTP status.
        message: for the caller; no internals, no secret.
        details: more of the same, any JSON value.
        code: of the contract of the connectors; default: follows from the status.
        headers: of the answer.
    """

    def __init__(
        self, status: int, message: str, *, details: Any = None, code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(status, message, dict(headers) if headers else None)
        self.message, self.details, self.code = message, details, code


def too_many(message: str, retry_after: float) -> ServiceError:
    """429 with `Retry-After` in whole seconds, at least one."""
    return ServiceError(429, message, headers={"Retry-After": str(max(1, int(retry_after + 0.999)))})


def timestamp() -> str:
    """This moment as the contracts write it: 2025-08-19T14:08:30.000Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Shape = Callable[[ServiceError], dict[str, Any]]


def _plain(error: ServiceError) -> dict[str, Any]:
    return {"success": False, "error": error.message} | _detailed(error)


def _dated(error: ServiceError) -> dict[str, Any]:
    return {"success": False, "error": error.message, "timestamp": timestamp()} | _detailed(error)


def _numbered(error: ServiceError) -> dict[str, Any]:
    return {"error": error.message, "statusCode": error.status_code} | _detailed(error)


def _coded(error: ServiceError) -> dict[str, Any]:
    status = error.status_code
    follows = "AUTH_REQUIRED" if status == 401 else "INTEGRATION_FAILED" if status >= 500 else "VALIDATION_FAILED"
    return {
        "success": False,
        "error": {"code": error.code or follows, "message": error.message} | _detailed(error),
    }


def _detailed(error: ServiceError) -> dict[str, Any]:
    return {} if error.details is None else {"details": error.details}


SHAPES: tuple[tuple[str, Shape], ...] = (
    ("/api/admin/users", _plain),
    ("/api/internal", _dated),
    ("/api/crm/integrations", _numbered),
    ("/api/integrations/crm", _coded),
    ("/api/external", _plain),
)
"""The shape of an error, by the beginning of the path."""


def shape_of(path: str) -> Shape:
    """How errors look below a path."""
    return next((shape for prefix, shape in SHAPES if path == prefix or path.startswith(f"{prefix}/")), _plain)


def answer(error: ServiceError, path: str) -> JSONResponse:
    """The answer to a call to `path` that met this error."""
    return JSONResponse(shape_of(path)(error), error.status_code, dict(error.headers or {}))


def install(app: FastAPI) -> None:
    """Makes every error of an application answer in its contract's shape."""

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        known = error if isinstance(error, ServiceError) else _as_service_error(error)
        return answer(known, request.url.path)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        details = [{"field": _field(found["loc"]), "message": str(found["msg"])} for found in error.errors()]
        return answer(ServiceError(400, "Invalid request format", details=details), request.url.path)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)


def _as_service_error(error: HTTPException) -> ServiceError:
    return ServiceError(error.status_code, str(error.detail), headers=error.headers)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("body", "query", "path", "header"))


def broken(error: BaseException, path: str, request_id: str) -> JSONResponse:
    """500: the caller gets the request id, the log gets the rest."""
    logger.error("request %s to %s failed", request_id, path, exc_info=error)
    message = "Internal server error during sync" if path.startswith("/api/admin/users") else "Internal server error"
    return answer(ServiceError(500, message, details=request_id), path)
