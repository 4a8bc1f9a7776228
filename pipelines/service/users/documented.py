"""What `/docs` says of the two calls: the contracts' own shapes. Keys that are not named pass unharmed."""

from __future__ import annotations

from typing import Any

from pipelines.service.metrics import Metrics
from pipelines.service.users.sync import Outcome

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "array", "items": TEXT}
MOMENT: Schema = {"type": "string", "format": "date-time"}
NULL_TEXT: Schema = {"type": ["string", "null"]}


def thing(required: str = "", **properties: Schema) -> Schema:
    """An object with these properties, of which some are required."""
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": True}


def many(item: Schema, at_least: int = 0) -> Schema:
    """A list."""
    return {"type": "array", "items": item, "minItems": at_least}


def _body(schema: Schema, example: Any) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _answer(schema: Schema, description: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_STATUS: Schema = {"type": "string", "enum": ["created", "updated", "failed"]}
_ADMIN_USER = thing(
    externalId=TEXT, email=TEXT, firstName=TEXT, lastName=TEXT, role=TEXT, isActive=FLAG, orgCode=TEXT,
    metadata=thing(),
)  # fmt: skip
_ADMIN_RESULT = thing("status", userId=NULL_TEXT, email=NULL_TEXT, status=_STATUS, crmUserId=TEXT, error=TEXT)
_SUMMARY = thing(
    "total created updated failed errors", total=COUNT, created=COUNT, updated=COUNT, failed=COUNT, deactivated=COUNT,
    errors=TEXTS,
)  # fmt: skip
_ADMIN_DATA = thing(
    "mode summary results timestamp", mode=TEXT, summary=_SUMMARY, results=many(_ADMIN_RESULT), timestamp=MOMENT
)
ADMIN: dict[str, Any] = {
    "responses": {
        200: _answer(thing("success message data", success=FLAG, message=TEXT, data=_ADMIN_DATA), "One result per user")
    },
    "openapi_extra": {
        "requestBody": _body(
            thing(
                "users", mode={"type": "string", "enum": ["upsert", "full-reconcile"]}, users=many({}, 1) | {
                    "items": _ADMIN_USER
                },
            ),
            {"mode": "upsert", "users": [{"externalId": "user-123", "email": "user@example.com", "firstName": "John"}]},
        )
    },
}  # fmt: skip

_INTERNAL_USER = thing(
    "email name", id=TEXT, kindeUserId=TEXT, email={"type": "string", "format": "email"}, name=TEXT | {"minLength": 1},
    avatar=TEXT, isActive=FLAG, isAdmin=FLAG, department=TEXT, title=TEXT, lastActiveAt=MOMENT, roles=TEXTS,
    permissions=TEXTS, allowedApplications=TEXTS, subscriptionTier=TEXT,
)  # fmt: skip
_SYNC_TYPE: Schema = {"type": "string", "enum": ["single_user", "full", "incremental"]}
_MORE = thing(syncTime=TEXT, syncedBy=TEXT, syncType=_SYNC_TYPE, applicationCode=TEXT, callbackUrl=TEXT)
_INTERNAL_RESULT = thing("status message", userId=NULL_TEXT, status=_STATUS, crmUserId=TEXT, message=TEXT, error=TEXT)
_INTERNAL_ANSWER = thing(
    "success message results tenant syncedAt metadata", success=FLAG, message=TEXT, results=many(_INTERNAL_RESULT),
    tenant=thing("id name", id=TEXT, name=TEXT), syncedAt=MOMENT,
    metadata=thing(
        "operation syncedAt totalUsers successful failed", operation=TEXT, syncedAt=MOMENT, totalUsers=COUNT,
        successful=COUNT, failed=COUNT,
    ),
)  # fmt: skip
ACCEPTED = thing("success jobId status", success=FLAG, jobId=TEXT, status=TEXT, result=thing(), error=NULL_TEXT)


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": TEXT, "description": description}


INTERNAL: dict[str, Any] = {
    "responses": {
        200: _answer(_INTERNAL_ANSWER, "One result per user"),
        202: _answer(ACCEPTED, "It will be done; `Location` says where its outcome will be found")
        | {"headers": {"Location": {"schema": TEXT}}},
    },
    "openapi_extra": {
        "parameters": [
            _header("X-Tenant-ID", "Must equal tenant.id"),
            _header("X-Sync-Source", "Who calls, for the log"),
            _header("Prefer", "respond-async: do not wait for the outcome"),
        ],
        "requestBody": _body(
            thing(
                "operation tenant users", operation=TEXT | {"minLength": 1},
                tenant=thing("id name", id=TEXT, name=TEXT, subdomain=TEXT, kindeOrgId=TEXT),
                users=many(_INTERNAL_USER),
                metadata=_MORE,
            ),
            {
                "operation": "user_sync", "tenant": {"id": "test-tenant", "name": "Test Company"},
                "users": [{"id": "test-user", "email": "test@company.com", "name": "Test User", "isActive": True}],
            },
        ),
    },
}  # fmt: skip
JOB: dict[str, Any] = {"responses": {200: _answer(ACCEPTED, "How far it is")}}


def count(metrics: Metrics, outcome: Outcome) -> None:
    """Adds a sync to `/metrics`."""
    for status in ("created", "updated", "failed"):
        metrics.records.labels("user_sync", status).inc(outcome.count(status))
    metrics.records.labels("user_sync", "deactivated").inc(len(outcome.all_deactivated()))
