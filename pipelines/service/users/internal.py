"""The second contract's sync: what was asked, doing it, and saying it."""

from __future__ import annotations

from typing import Any

from pipelines.service.context import Context
from pipelines.service.errors import timestamp
from pipelines.service.users import documented
from pipelines.service.users.entries import Result
from pipelines.service.users.flowing import flow_on
from pipelines.service.users.internal_entries import entry_of
from pipelines.service.users.log import Call
from pipelines.service.users.sync import Outcome, Tenant, sync

_SAID = {"created": "User created successfully", "updated": "User updated successfully"}


def carry_out(context: Context, call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Stores the users of a request that has been checked, logs it, and gives the answer to it.

    Raises:
        OperationalError: the store cannot be reached.
    """
    told = body["tenant"]
    tenant = Tenant(told["id"], told["name"], told.get("subdomain"), told.get("kindeOrgId"))
    outcome = sync(context.store, tenant, [entry_of(user) for user in body["users"]], "internal")
    more = body.get("metadata") or {}
    call.done(context.store, outcome, **{key: str(more[key])[:200] for key in ("syncType", "syncedBy") if key in more})
    documented.count(context.metrics, outcome)
    flow_on(context, tenant.id, outcome)
    return _answer(body, outcome)


def _answer(body: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    total, failed, now = len(outcome.results), outcome.count("failed"), timestamp()
    return {
        "success": True,
        "message": f"Successfully synced {total} users",
        "results": [_result(result) for result in outcome.results],
        "tenant": {"id": body["tenant"]["id"], "name": body["tenant"]["name"]},
        "syncedAt": now,
        "metadata": {
            "operation": body["operation"], "syncedAt": now, "totalUsers": total, "successful": total - failed,
            "failed": failed,
        },
    }  # fmt: skip


def _result(result: Result) -> dict[str, Any]:
    found = {"userId": result.entry.external_id, "status": result.status}
    if result.error is not None:
        return {**found, "message": result.error, "error": result.error}
    return {**found, "crmUserId": result.crm_user_id, "message": _SAID[result.status]}
