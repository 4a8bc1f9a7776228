"""Who did what, when, from where, to which records: appended, never changed, readable by its owner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipelines.state.database import now_us
from pipelines.state.service_tables import audit

if TYPE_CHECKING:
    from fastapi import Request

    from pipelines.service.auth import Caller
    from pipelines.service.context import Context

MOST = 500


def note(
    context: Context,
    owner: str,
    who: str,
    what: str,
    *,
    connection: str | None = None,
    records: Mapping[str, Any] | None = None,
    request_id: str | None = None,
    address: str | None = None,
) -> None:
    """Appends one line.

    Args:
        context: the running service.
        owner: whose data it is about; only they read it.
        who: the user, or a part of the service such as `schedule`.
        what: such as `connect`, `sync`, `local.create`.
        connection: which one, where it is about one.
        records: which records, or how many: ids and numbers, never a value, a secret or a key.
        request_id: of the call.
        address: where it came from.
    """
    values = {
        "owner": owner, "who": who, "what": what, "connection": connection,
        "records": None if records is None else json.dumps(records, default=str), "request_id": request_id,
        "address": address, "at": now_us(),
    }  # fmt: skip
    with context.store.write() as written:
        written.execute(sa.insert(audit).values(**values))


def note_call(
    context: Context, caller: Caller, request: Request, what: str, connection: str | None = None, **records: Any
) -> None:
    """Appends one line about a call of a user; `records` as in `note`."""
    note(
        context, caller.owner.name, caller.user, what, connection=connection, records=records or None,
        request_id=getattr(request.state, "request_id", None), address=caller.address or None,
    )  # fmt: skip


def trail(context: Context, owner: str, *, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
    """An owner's lines, the newest first.

    Args:
        context: the running service.
        owner: whose; nobody else's are shown (law L13).
        limit: at most so many.
        before: only lines with a smaller id: the next page.
    """
    query = sa.select(audit).where(audit.c.owner == owner).order_by(audit.c.audit_id.desc()).limit(min(limit, MOST))
    if before is not None:
        query = query.where(audit.c.audit_id < before)
    with context.store.read() as connection:
        return [_line(row) for row in connection.execute(query).mappings()]


def _line(row: Any) -> dict[str, Any]:
    at = datetime.fromtimestamp(row["at"] / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": row["audit_id"], "at": at, "who": row["who"], "what": row["what"], "connection": row["connection"],
        "records": json.loads(row["records"]) if row["records"] else None, "request_id": row["request_id"],
        "address": row["address"],
    }  # fmt: skip
