"""The OpenAPI document: what FastAPI knows of the routes, and what holds for all of a contract's calls."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

Schema = dict[str, Any]
VERSION = "1.0.0"
ABOUT = (
    "User sync, the unified CRM, connectors, the external CRM and webhooks, over the same mappings, models and tables "
    "as the command line. Every answer carries `X-Request-ID`; an error has the shape of the contract that the path "
    "belongs to."
)
_TEXT: Schema = {"type": "string"}
_NO: Schema = {"type": "boolean", "const": False}


def _thing(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": [n for n in properties if n != "details"]}


SHAPES: dict[str, Schema] = {
    "Error": _thing(success=_NO, error=_TEXT, details={}),
    "DatedError": _thing(success=_NO, error=_TEXT, timestamp={"type": "string", "format": "date-time"}, details={}),
    "NumberedError": _thing(error=_TEXT, statusCode={"type": "integer"}, details={}),
    "CodedError": _thing(success=_NO, error=_thing(code=_TEXT, message=_TEXT, details={})),
}
SECURITY: dict[str, Schema] = {
    "HTTPBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Names the user"},
    "wrapperToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Names the organisation",
    },
    "internalKey": {"type": "apiKey", "in": "header", "name": "X-Internal-API-Key"},
    "crmKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
BELOW = (
    ("/api/admin/users", "Error", "wrapperToken"),
    ("/api/internal", "DatedError", "internalKey"),
    ("/api/crm/integrations", "NumberedError", "HTTPBearer"),
    ("/api/integrations/crm", "CodedError", "HTTPBearer"),
    ("/api/external", "Error", "crmKey"),
)
"""Shape of errors, and what opens the door, by the beginning of the path."""
GUARDED = {
    "400": "What was asked is wrong", "401": "Who asks is not known", "429": "Too many calls; see `Retry-After`",
    "503": "Not configured, or not reachable",
}  # fmt: skip


def describe(app: FastAPI) -> None:
    """Gives an application its document, made when it is first asked for."""

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> Schema:
    found = get_openapi(title="Crosswalk", version=VERSION, description=ABOUT, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in (
        "HTTPValidationError",
        "ValidationError",
    ):  # errors of validation are answered in the contract's shape
        schemas.pop(unused, None)
    schemas |= SHAPES
    components["securitySchemes"] = components.get("securitySchemes", {}) | SECURITY
    for path, operations in found["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    return found


def _complete(path: str, operation: Schema) -> None:
    shape, key = next(((s, k) for prefix, s, k in BELOW if path.startswith(prefix)), ("Error", None))
    answers = operation["responses"]
    answers.pop("422", None)
    if key is not None and "security" not in operation:
        operation["security"] = [{key: []}]
    statuses = GUARDED if "security" in operation else {"400": GUARDED["400"]}
    for status, says in {**statuses, "default": "An error"}.items():
        known = answers.setdefault(status, {"description": says})
        if "content" not in known:
            known["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
